"""What of a run's settings decides its outcome, as one text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from core.runs.records import KEPT_ONLY, LATER, RunSpec

NOT_SETTINGS = ("seed", *KEPT_ONLY)
PER_TASK = ("task", "train_examples", "dense_epochs")  # what one table sets for every task on its own


def settings(spec: RunSpec, but: Iterable[str] = ()) -> str:
    """All that decides a run's outcome but the seed (and *but*), as one text: equal for equal settings."""
    fields: dict[str, Any] = {k: v for k, v in msgspec.to_builtins(spec).items()
                              if k not in (*NOT_SETTINGS, *but) and not (k in LATER and v == LATER[k])}
    return msgspec.json.encode(fields, order="deterministic").decode()
