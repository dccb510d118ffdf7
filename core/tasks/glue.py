"""GLUE from a folder of parquet files, or from the hub. Every table is checked before a model sees it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.tasks import Examples, TaskEntry
from core.tasks.tables.folders import SHARD, all_there

FOLDER_VARIABLE = "SPARSESCOPE_GLUE_DIR"
HUB_DATASET = "nyu-mll/glue"
BUILT_IN = "Or choose a built-in task, which needs no data: agreement, sentiment, entailment."


def read(entry: TaskEntry, data_dir: Path | None, need_validation: bool) -> tuple[Examples, Examples | None]:
    """Return train and validation (None when it is not needed) of a GLUE task.

    Raises InputError when no source can be reached, or when a table is empty, lacks a column, or holds labels that
    are missing, unknown or out of range.
    """
    splits = ("train", "validation") if need_validation else ("train",)
    folder = _folder(data_dir)
    if folder is not None and (folder / entry.name).is_dir():
        tables = [_from_files(entry, _files(folder / entry.name, split)) for split in splits]
    else:
        tables = _from_hub(entry, splits, folder)
    return tables[0], tables[1] if need_validation else None


def _folder(data_dir: Path | None) -> Path | None:
    given = data_dir or os.environ.get(FOLDER_VARIABLE)
    if not given:
        return None
    folder = Path(given)
    try:
        folder = folder.expanduser()
        usable = folder.is_dir()
    except (OSError, RuntimeError, ValueError):  # too long for a path, ~nobody's home, a zero byte
        usable = False
    if not usable:
        source = "--data-dir" if data_dir else FOLDER_VARIABLE
        raise InputError(f"{source} names {str(folder)[-80:]!r}, which is no folder",
                         "a folder holding <task>/train.parquet and <task>/validation.parquet", "Correct the path.")
    return folder


def _files(folder: Path, split: str) -> list[Path]:
    """`<split>.parquet`, or the files in which the hub keeps it; MNLI's validation is the matched one."""
    plain = folder / f"{split}.parquet"
    found = sorted(path for name in (split, f"{split}_matched") for path in folder.glob(f"{name}-*.parquet")
                   if SHARD.fullmatch(path.name, len(name)))
    if plain.is_file() or not found:
        return [plain]
    all_there(folder, split, found)
    return found


def _from_files(entry: TaskEntry, files: list[Path]) -> Examples:
    parts = [_columns(entry, file) for file in files]
    where = files[0].name if len(files) == 1 else f"{files[0].name.partition('-')[0]} ({len(files)} files)"
    return examples_of(entry, f"{entry.name}/{where}",
                       {name: [value for part in parts for value in part[name]] for name in _wanted(entry)})


def _columns(entry: TaskEntry, file: Path) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    where = f"{entry.name}/{file.name}"
    if not file.is_file():
        remedy = ("Add the file, or score on examples held out of train with --dev-examples."
                  if file.stem == "validation" else "Add the file.")
        raise InputError(f"{where} is missing in {str(file.parent.parent)!r}", "train.parquet and validation.parquet",
                         remedy)
    try:
        with parquet.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            wanted = _wanted(entry)
            _check_columns(where, names, wanted)
            table = opened.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{where} cannot be read ({reason})", "a parquet file", "Fetch the file anew.") from None
    return {name: table.column(name).to_pylist() for name in wanted}


def _from_hub(entry: TaskEntry, splits: tuple[str, ...], folder: Path | None) -> list[Examples]:
    matched = {"validation": "validation_matched"} if entry.name == "mnli" else {}
    tables = []
    try:
        import datasets

        for split in splits:
            tables.append(datasets.load_dataset(HUB_DATASET, entry.name, split=matched.get(split, split)))
    except Exception as error:  # the hub's client has no common base: OSError, httpx errors, its own kinds
        tried = f"{str(folder / entry.name)!r} (no such folder)" if folder else f"{FOLDER_VARIABLE} (not set)"
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InputError(
            f"The data of {entry.name} cannot be found: tried {tried}, and {HUB_DATASET!r} on the hub ({reason})",
            "one of them to be reachable",
            f"Name a folder holding {entry.name}/train.parquet and {entry.name}/validation.parquet with --data-dir or "
            f"{FOLDER_VARIABLE}, or go online. {BUILT_IN}") from None
    wanted = _wanted(entry)
    result = []
    for split, table in zip(splits, tables, strict=True):
        where = f"{HUB_DATASET} {entry.name}/{split}"
        _check_columns(where, table.column_names, wanted)
        result.append(examples_of(entry, where, {name: list(table[name]) for name in wanted}))
    return result


def _wanted(entry: TaskEntry) -> list[str]:
    return [name for name in (*entry.columns, "label") if name is not None]


def _check_columns(where: str, names: list[str], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(f"{where} has no column {missing[0]!r}; it has {', '.join(names)[:120] or 'none'}",
                         f"the columns {', '.join(wanted)}", f"Write the file in the columns of {HUB_DATASET}.")


def examples_of(entry: TaskEntry, where: str, columns: dict[str, list[Any]]) -> Examples:
    """Check the *columns* of the table *where* and return them as Examples. Raises InputError."""
    label = columns["label"]
    if not label:
        raise InputError(f"{where} is empty", "at least one example", "Fetch the file anew.")
    first, second = entry.columns
    for name in (first, second):
        if name is None:
            continue
        bad = next((i for i, value in enumerate(columns[name]) if not isinstance(value, str)), None)
        if bad is not None:
            raise InputError(f"{where}, column {name!r}, row {bad} holds no text ({str(columns[name][bad])[:40]!r})",
                             "a text in every row", "Correct or remove the row.")
    return Examples(columns[first], columns[second] if second else None, _labels(entry, where, label))


def _labels(entry: TaskEntry, where: str, label: list[Any]) -> Any:
    """int64 codes, or float32 for regression; each row checked."""
    low, high = entry.scale if not entry.labels else (0, len(entry.labels) - 1)
    expected = (f"a number from {low:g} to {high:g}" if not entry.labels else
                "a code: " + ", ".join(f"{i} {name}" for i, name in enumerate(entry.labels)))
    allowed = int if entry.labels else (int, float)
    for row, value in enumerate(label):
        spot = f"{where}, column 'label', row {row}"
        if value is None or value == -1:
            raise InputError(f"{spot} is unlabelled ({value})", expected,
                             "GLUE's test sets have no labels: use train and validation.")
        if isinstance(value, bool) or not isinstance(value, allowed) or not low <= value <= high:
            raise InputError(f"{spot} holds {str(value)[:40]!r}", expected, "Correct or remove the row.")
    return np.asarray(label, dtype=np.int64 if entry.labels else np.float32)
