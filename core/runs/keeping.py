"""Keep a run for good: copy it into the recorded runs at a record level, with no more arrays than that level has.
Of Gram matrices only those that `core.runs.grams` finds worth it stay; below the level full, thumbnails get coarser."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from core.errors import InputError
from core.runs.arrays import coarser
from core.runs.grams import worth_keeping
from core.runs.records import RECORD_LEVELS, RecordLevel
from core.runs.store import CHECKPOINT, TRACE, Store, file_times, write_arrays, write_header

LEVELS = list(RECORD_LEVELS)
# From which level on an array is kept, by the first word of its key.
FIRST_KEPT = {"answers": "summary", "thumbnail": "summary", "occupancy": "summary", "occupancy.free": "summary",
              "mask": "masks", "activation": "masks", "attention": "masks", "region": "masks", "distribution": "masks",
              "weight": "full", "scale": "full", "snapshot": "full",
              "gram": "lab", "levels": "summary", "grid": "masks", "code": "full", "library": "summary"}
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
    if LEVELS.index(level) > LEVELS.index(have):
        raise InputError(f"{run_id} was recorded as {have!r}", f"a run that holds {level!r}",
                         f"Make it again with --record {level}.")
    checkpoint = run.path / CHECKPOINT
    size = file_times(checkpoint, ("model.safetensors",))[0][1]
    if weights and not 0 < size <= SMALL_CHECKPOINT:
        raise InputError(f"{run_id} has {size} bytes of weights here", f"1 to {SMALL_CHECKPOINT}",
                         "Keep it without --weights, or make a run of a small model.")
    lab = LEVELS.index(level) >= LEVELS.index("lab")
    grams = worth_keeping(run.record.matrices) if lab else set()
    kept = {key: values for key, values in run.arrays().items()
            if LEVELS.index(FIRST_KEPT[key.split("/", 1)[0]]) <= LEVELS.index(level)
            and (not key.startswith("gram/") or key.removeprefix("gram/") in grams)}
    matrices = [m if m.gram is None or m.gram in grams else msgspec.structs.replace(m, gram=None, gram_tokens=None)
                for m in run.record.matrices]
    if LEVELS.index(level) < LEVELS.index("full"):
        for m in matrices:
            if max(kept[f"thumbnail/{m.name}"].shape) > CELLS:
                kept[f"thumbnail/{m.name}"] = coarser(kept[f"thumbnail/{m.name}"], m.shape)
    record = msgspec.structs.replace(run.record, matrices=matrices,
                                     spec=msgspec.structs.replace(run.record.spec, record=level))
    if LEVELS.index(level) < LEVELS.index("masks"):
        record = msgspec.structs.replace(record, probes=[])
    if LEVELS.index(level) < LEVELS.index("full"):
        record = msgspec.structs.replace(record, snapshots=[])
    folder = store.recorded / run_id
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder, kept)
    if (run.path / TRACE).exists() and run.path != folder:
        shutil.copyfile(run.path / TRACE, folder / TRACE)
    if (weights or record.spec.method == "dense") and 0 < size <= SMALL_CHECKPOINT and run.path != folder:
        shutil.copytree(checkpoint, folder / CHECKPOINT, dirs_exist_ok=True)
    write_header(folder, record)
    return folder
