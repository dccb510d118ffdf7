"""A run while it goes on: the trace as it grows, its latest numbers, and the groups of W at the moments kept so far."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from core.runs import arrays as enc
from core.runs.phases import TRACE
from core.runs.store import Run
from core.sparsity.occupancy import free_mask, occupancy
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.drawing.build import words_only
from core.views.drawing.view import Number, View
from core.views.patterns import occupancy_map
from core.views.scores import trace_curves
from core.views.scores.stages import finite

PARTIAL = "partial"  # folder of the snapshots of a run that goes on, one file each: `<k>.safetensors`
SAID = {"loss": "training loss", "primal": "primal residual", "score": "evaluation score"}


def latest(run: Run, key: str) -> float | None:
    """The last finite value of *key* in the trace so far."""
    return next((float(row[key]) for row in reversed(run.trace) if finite(row.get(key))), None)


def numbers(run: Run) -> list[Number]:
    """Loss, primal residual and score as last logged, each with what it was."""
    out = []
    for key, words in SAID.items():
        values = [float(row[key]) for row in run.trace if finite(row.get(key))]
        if values:
            shown = style.score if key == "score" else "{:.3g}".format
            past = f"{shown(max(values))} at its highest" if key == "primal" else f"began at {shown(values[0])}"
            out.append(Number(words.capitalize(), shown(values[-1]), past))
    return out


def growing(run: Run) -> View:
    """The timeline of `core.views.scores.trace_curves` over what was logged so far."""
    if not run.trace:
        return words_only("Nothing was logged yet: the first row comes with the first step of training.")
    view, row = trace_curves.timeline(run), run.trace[-1]
    if run.record.status == "succeeded":
        return view
    parts = [f"{words} {value:.3g}" for key, words in SAID.items() if (value := latest(run, key)) is not None]
    phase = TRACE.get(str(row.get("phase", "")), str(row.get("phase", "")))
    claim = f"Step {style.count(int(row.get('step', 0)))}, {phase}: {', '.join(parts)}." if parts else view.claim
    hint = "Watch the primal residual fall while rho rises, and what the score does at the hard prune."
    return replace(view, claim=claim, try_this=hint if trace_curves.has_admm(run) else "")


def snapshots(folder: Path) -> list[int]:
    """The numbers of the snapshots in a run folder that is being written, in order."""
    try:
        return sorted(int(p.stem) for p in (folder / PARTIAL).glob("*.safetensors") if p.stem.isdecimal())
    except OSError:
        return []


def watched(run: Run) -> list[str]:
    """The matrices of which snapshots can be read, by name; none yet: empty."""
    for k in snapshots(run.path):
        keys = _read(run.path, k)
        if keys:
            head = f"snapshot/{k}/w/"
            return sorted(key[len(head):] for key in keys if key.startswith(head) and not key.endswith(".scale"))
    return []


def groups_so_far(run: Run, matrix: str) -> View:
    """What the groups of W hold of its largest weights, at every snapshot so far: from ragged to a spike."""
    pattern = parse_pattern(run.record.spec.pattern)
    columns = {}
    for k in snapshots(run.path):
        key = f"snapshot/{k}/w/{matrix}"
        found = _read(run.path, k, key, f"{key}.scale")
        if len(found) == 2:
            w = enc.decode_rows(found[key], found[f"{key}.scale"])
            columns[f"W, moment {k + 1}"] = occupancy(free_mask(w, pattern.density), pattern).histogram
    if not columns:
        return words_only("No moment of this matrix can be read yet.")
    view = occupancy_map.history_view(columns, pattern, run, matrix)
    return replace(view, try_this=f"Each bar counts the largest {style.percent(pattern.density)} of W at one moment. "
                   "Choose another matrix: do they all get there at the same time?")


def _read(folder: Path, k: int, *keys: str) -> dict[str, np.ndarray]:
    """*keys* of snapshot *k* (without any, all, as empty arrays). Nothing of a file that is only half written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / PARTIAL / f"{k}.safetensors", framework="np") as file:
            held = set(file.keys())
            return {key: file.get_tensor(key) for key in keys if key in held} if keys else \
                {key: np.empty(0) for key in held}
    except (SafetensorError, OSError, ValueError):
        return {}
