"""Where the final weights of a finished run lie on this machine."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError
from core.runs.records import RunSpec
from core.runs.store import CHECKPOINT, Store, read_header


def find_checkpoint(spec: RunSpec, store: Store) -> Path | None:
    """Where the final weights of a finished run of *spec* lie on this machine, if they do.

    A run that was killed while it wrote them may have left half a file: only a run that succeeded counts.
    """
    for root in (store.live, store.recorded):
        folder = root / spec.run_id / CHECKPOINT
        if not (folder / "model.safetensors").exists():
            continue
        try:
            if read_header(folder.parent).status == "succeeded":
                return folder
        except InputError:
            continue
    return None
