"""Settings with a name, for a button of the Run page: a choice of knobs, never a changed default."""

from __future__ import annotations

from core.models.checkpoints import find_checkpoint
from core.runs.store import Store
from core.specs.resolving import dense_spec, resolve

# minilm-l6 to 2:4 layer by layer while a hall waits: few rounds (`core.methods.knob_sets.QUICK`, a quarter of the
# work for 1.22 times the error), a quarter of the calibration text, scores on a part of the examples. In the form's
# texts.
LECTURE: dict[str, str] = {
    "model": "minilm-l6", "method": "admm-layer", "pattern": "2:4", "calibration": "64", "eval_examples": "64",
    "knob.iterations": "4", "knob.stages": "1", "knob.rho_end": "0.5", "knob.polish": "3"}
TUNED = ("cola", "mrpc", "sst2")  # of which one is fine-tuned already, in this order; else the first


def lecture(store: Store) -> tuple[dict[str, str], bool]:
    """The settings of the lecture demo, and whether its dense parent is at hand: without it, that is made first."""
    for task in TUNED:
        said = {"task": task, **LECTURE}
        if find_checkpoint(dense_spec(resolve({"task": task, "model": said["model"]})), store) is not None:
            return said, True
    return {"task": TUNED[0], **LECTURE}, False
