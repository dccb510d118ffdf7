"""Keep a run for good: copy it into the recorded runs at a record level, with no more arrays than that level has.
Of Gram matrices only those that `core.runs.grams` finds worth it stay; below the level full, thumbnails get coarser."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from core.errors import InputError
from core.runs.arrays import coarser
from core.runs.disk import copy_folder, in_words, whole_folder
from core.runs.grams import worth_keeping
from core.runs.levels import RecordLevel, holds, keeps
from core.runs.store import CHECKPOINT, TRACE, Store, file_times, write_arrays, write_header

CELLS = 32  # a side of a thumbnail that may stay as it is below the level full
SMALL_CHECKPOINT = 2 << 20  # bytes; a dense `tiny` is kept with its weights, so that its runs need no training first


def keep(store: Store, run_id: str, level: RecordLevel | None = None, weights: bool = False) -> Path:
    """Copy the finished run *run_id* into `store.recorded`, at *level* (None: its own), and return the folder.
    *weights*: its checkpoint too, so that a page can let it read a sentence; a dense `tiny` is always kept with it.

    Raises InputError when the run is not finished, holds less than *level* asks for, or *weights* are not at hand or
    over SMALL_CHECKPOINT bytes.
    """
    run = store.open(run_id)
    have = run.record.spec.record
    level = level or have
    if run.record.status != "succeeded":
        raise InputError(f"{run_id} is {run.record.status}", "a finished run", "Finish it first: run it with --resume.")
    if not holds(have, level):
        raise InputError(f"{run_id} was recorded as {have!r}", f"a run that holds {level!r}",
                         f"Make it again with --record {level}.")
    checkpoint = run.path / CHECKPOINT
    size = file_times(checkpoint, ("model.safetensors",))[0][1]
    if weights and not 0 < size <= SMALL_CHECKPOINT:
        raise InputError(f"{run_id} has {size} bytes of weights here", f"1 to {SMALL_CHECKPOINT}",
                         "Keep it without --weights, or make a run of a small model.")
    grams = worth_keeping(run.record.matrices) if holds(level, "lab") else set()
    kept = {key: values for key, values in run.arrays().items()
            if keeps(level, key) and (not key.startswith("gram/") or key.removeprefix("gram/") in grams)}
    matrices = [m if m.gram is None or m.gram in grams else msgspec.structs.replace(m, gram=None, gram_tokens=None)
                for m in run.record.matrices]
    if holds(level, "summary") and not holds(level, "full"):
        for m in matrices:
            if max(kept[f"thumbnail/{m.name}"].shape) > CELLS:
                kept[f"thumbnail/{m.name}"] = coarser(kept[f"thumbnail/{m.name}"], m.shape)
    record = msgspec.structs.replace(run.record, matrices=matrices,
                                     spec=msgspec.structs.replace(run.record.spec, record=level))
    if not holds(level, "summary"):
        record = msgspec.structs.replace(record, moments=[])
    if not holds(level, "masks"):
        record = msgspec.structs.replace(record, probes=[], film=[])
    if not holds(level, "full"):
        record = msgspec.structs.replace(record, snapshots=[])
    folder = store.recorded / run_id
    with in_words(f"{folder.name} in {folder.parent}"), whole_folder(folder) as building:
        write_arrays(building, kept)
        if (run.path / TRACE).exists():
            shutil.copyfile(run.path / TRACE, building / TRACE)
        # A recorded run that is kept again, at a lower level, has its weights for a reason.
        if weights or record.spec.method == "dense" or run.path == folder:
            if 0 < size <= SMALL_CHECKPOINT:
                (building / CHECKPOINT).mkdir()
                copy_folder(checkpoint, building / CHECKPOINT)
        write_header(building, record)
    return folder
