"""Calibrating: what the layers of the dense model read, and how its feature maps look before anything is pruned."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from core.inside.calibration import calibrate, labelled_text_of
from core.inside.statistics import LayerStats
from core.methods.base import Method, TrainingMethod
from core.running.journal import Journal
from core.running.preparing import Prepared
from core.running.shared import digest_of, state_of
from core.runs.levels import holds


@dataclass(frozen=True)
class Calibration:
    """The calibration text in padded batches with their labels `[batch]`, and by matrix what it says of its input.
    `shown` is the same as the method wants it seen."""

    batches: list[dict[str, Tensor]]
    labels: list[Tensor]
    stats: dict[str, LayerStats]
    shown: dict[str, LayerStats]


def calibrated(ready: Prepared, method: Method, journal: Journal) -> Calibration:
    """Send the calibration text through the dense model. Every method is calibrated, whether it reads the statistics
    or not: the output error of its matrices is recorded."""
    with journal.phase("calibrate"):
        device = next(ready.model.parameters()).device
        texts, labels = labelled_text_of(ready.data.train, ready.spec, ready.tokenizer, ready.pad)
        batches = [{k: v.to(device) for k, v in batch.items()} for batch in texts]
        key = ("calibration", state_of(ready.model), digest_of(batches, list(ready.layers)))
        stats = ready.shared.once(key, lambda: calibrate(ready.model, ready.layers, batches))
    if holds(ready.spec.record, "summary"):
        with journal.phase("look"):
            journal.moments.begin(ready.model, ready.tokenizer, batches, ready.probes, ready.spec.max_length)
    shown = stats
    if isinstance(method, TrainingMethod):
        shown = method.calibrated(ready.model, ready.layers, batches, stats)
    return Calibration(batches, [each.to(device) for each in labels], stats, shown)
