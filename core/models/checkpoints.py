"""Where the final weights of a finished run lie on this machine, and the model that they make."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError
from core.models.loading import Loaded, load_model
from core.runs.owned import owned
from core.runs.records import RunRecord, RunSpec
from core.runs.store import CHECKPOINT, HEADER, Store, read_header


def find_checkpoint(spec: RunSpec, store: Store) -> Path | None:
    """Where the final weights of a finished run of *spec* lie on this machine, if they do.

    A run that was killed while it wrote them may have left half a file: only a run that succeeded counts.
    """
    for root in (store.live, store.recorded):
        folder = root / spec.run_id / CHECKPOINT
        if not (folder / "model.safetensors").exists():
            continue
        try:
            if owned(folder) and read_header(folder.parent).status == "succeeded":
                return folder
        except InputError:
            continue
    return None


def open_model(record: RunRecord, store: Store) -> Loaded:
    """The final model of the run *record* with its tokenizer: float32, on the CPU, in eval mode, with as many outputs
    as the run's task has classes (1 for regression). The header names the classes, so a task of one's own needs
    neither its data nor its description.

    Raises InputError when no checkpoint is at hand, with the command that makes it, or when it cannot be loaded.
    """
    folder = find_checkpoint(record.spec, store)
    if folder is None:
        again = " --again" if (store.live / record.id / HEADER).exists() else ""
        raise InputError(f"There is no checkpoint of {record.id} at hand", "a run whose weights are on this machine",
                         f"Make it here: {record.command}{again}")
    loaded = load_model(record.spec.model, labels=len(record.labels) or 1, seed=record.spec.seed, checkpoint=folder,
                        classes=record.labels)
    loaded.model.eval()
    return loaded
