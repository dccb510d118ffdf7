"""The phases that a run speaks of, with their words on a page. A list for each thing that has phases.

A name that is in none of them, of a newer version or another's folder, is shown as it is.
"""

from __future__ import annotations

# What the process is at: `Timing.phases`, and the progress of a live run.
WORK: dict[str, str] = {
    "start": "starting",
    "load": "loading",
    "calibrate": "calibrating",
    "look": "looking at the feature maps",
    "solve": "solving",
    "evaluate": "scoring",
    "teacher": "asking the dense model",
    "train": "training",
    "record": "recording",
}

# What happens to the weights in a row of the trace: `phase` in `trace.jsonl`.
TRACE: dict[str, str] = {
    "dense": "dense training",
    "layer-wise": "ADMM, layer by layer",
    "choosing": "choosing units",
    "admm": "ADMM",
    "penalty": "training under the penalty",
    "refine": "refinement under the mask",
    "drawing": "drawing masks",
    "units": "training under gates on units",
    "blocks": "training under gates on blocks",
    "prior": "pulling modules to the identity",
    "moving": "training, the mask moves",
}

# When W was looked at: `Snapshot.phase`, in the order of a film.
FILM: dict[str, str] = {
    "dense": "dense",
    "layer-wise": "round",
    "admm": "step",
    "hard-pruned": "hard prune",
    "final": "refined",
}

# When the feature maps were looked at: `Moment.phase`.
MOMENT: dict[str, str] = {
    "dense": "dense",
    "start": "start",
    "admm": "ADMM",
    "hard-pruned": "hard-pruned",
    "refine": "refinement",
    "final": "final",
}
