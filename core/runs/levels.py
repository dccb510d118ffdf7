"""How much of a run is kept: the record levels, their order, and which arrays each holds."""

from __future__ import annotations

from typing import Literal

RecordLevel = Literal["answers", "summary", "masks", "full", "lab"]
RECORD_LEVELS: dict[RecordLevel, str] = {  # in order: each holds all that those before it hold
    "answers": "scores, the trace, the final model's answer to every evaluation example",
    "summary": "answers, thumbnails, exact occupancy, SHA-256 of every mask",
    "masks": "summary, and the masks themselves, activations and attention of the probe sentences",
    "full": "masks, and the weights as int8 codes (and ADMM snapshots for small models)",
    "lab": "full, and Gram matrices of the layers' inputs",
}
# From which level on an array is kept, by its kind: the first word of its key.
FIRST_KEPT: dict[str, RecordLevel] = {
    "answers": "answers", "unseen": "answers", "method": "answers",
    "thumbnail": "summary", "occupancy": "summary", "occupancy.free": "summary",
    "levels": "summary", "library": "summary", "unit": "summary",
    "mask": "masks", "grid": "masks", "activation": "masks", "attention": "masks", "region": "masks",
    "distribution": "masks", "film": "masks",
    "weight": "full", "scale": "full", "code": "full", "correction": "full", "snapshot": "full",
    "gram": "lab",
}


def rank(level: RecordLevel) -> int:
    """The place of *level* in the order of the levels: 0 keeps least."""
    return list(RECORD_LEVELS).index(level)


def holds(level: RecordLevel, least: RecordLevel) -> bool:
    """Does *level* keep all that *least* keeps?"""
    return rank(level) >= rank(least)


def keeps(level: RecordLevel, key: str) -> bool:
    """Does a run at *level* keep the array of this *key*? Raises KeyError for a kind that there is not."""
    return holds(level, FIRST_KEPT[key.split("/", 1)[0]])
