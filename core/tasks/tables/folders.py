"""A folder of tables: which file is learned from, and which is scored on.

Read are, in this order: one data set of `save_to_disk`; a part of one (`train/`), or of several files
(`train-00000-of-00002.parquet`, as on the hub), or of one (`train.csv`), in the folder itself or in its `data/`; the
same in the one folder inside that has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from core.errors import InputError
from core.tasks.tables.files import LARGEST, TableFile, kind_of, one_line, open_table, shown

TRAIN = ("train", "training")
HELD = ("validation", "valid", "val", "dev")
TEST = ("test",)  # scored on where there is none of the others
STATE = "state.json"  # of a data set that `save_to_disk` wrote: the names of its files
DICTIONARY = "dataset_dict.json"  # beside the parts of one: their names
LARGEST_STATE = 1 << 20
SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?\.[a-z.]+")
FILES = 1000  # of a table


class Tables(NamedTuple):
    """What a person brings: the table to learn from, the one to score on (None: a part of the first), and the names of
    the parts of a folder that are neither."""

    train: TableFile
    validation: TableFile | None
    unread: tuple[str, ...] = ()


def open_tables(path: Path, validation: Path | None = None) -> Tables:
    """The tables at *path*, a file or a folder, and at *validation*, a file, where it is given. Raises InputError."""
    try:
        folder = path.expanduser() if path.expanduser().is_dir() else None
    except (OSError, RuntimeError, ValueError):
        folder = None
    given = open_table(validation) if validation is not None else None
    if folder is None:
        return Tables(open_table(path), given)
    try:
        return _from_folder(folder, given)
    except OSError as error:
        raise InputError(f"{_quoted(folder)} cannot be read ({error.strerror})", "a folder of tables",
                         "Correct the path.") from None


def _quoted(folder: Path) -> str:
    return f"The folder {str(folder)[-80:]!r}"


def _from_folder(folder: Path, given: TableFile | None) -> Tables:
    if (folder / STATE).is_file():
        return Tables(_joined(folder, folder.name, _saved(folder)), given)
    home = _home(folder)
    parts = {name: files for name in (*TRAIN, *HELD, *TEST) if (files := _part(home, name))}
    train = _one(home, [name for name in TRAIN if name in parts])
    held = [name for name in HELD if name in parts] or [name for name in TEST if name in parts]
    scored = _one(home, held) if held and given is None else ""
    used = {*parts[train], *(parts[scored] if scored else ())}
    others = [path.name for path in sorted(home.iterdir())
              if kind_of(path.name) and path.is_file() and path not in used and path.name != DICTIONARY]
    others += [name for name in parts if name not in (train, scored) and (home / name).is_dir()]
    return Tables(_joined(home, train, parts[train]), _joined(home, scored, parts[scored]) if scored else given,
                  tuple(others))


def _one(home: Path, names: list[str]) -> str:
    if len(names) != 1:
        raise InputError(f"{_quoted(home)} holds {' and '.join(names)}", "one of them", "Leave one of them.")
    return names[0]


def _home(folder: Path) -> Path:
    """Where the parts are: *folder*, its `data`, or the one folder inside that holds them."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    for home in (folder, folder / "data"):
        if home.is_dir() and any(_part(home, name) for name in TRAIN):
            return home
    several = [path for path in inside if any(_part(path, name) for name in TRAIN)]
    if len(several) == 1:
        return several[0]
    if several:
        raise InputError(f"{_quoted(folder)} holds {len(several)} data sets: "
                         f"{shown(', '.join(path.name for path in several), 90)}", "one", "Name the folder of one.")
    raise InputError(f"{_quoted(folder)} holds no files train.*", "train.csv (or .tsv, .jsonl, .json, .parquet), files "
                     "as on the hub (train-00000-of-00001.parquet), or what save_to_disk wrote",
                     "Name the file itself: the last 20 % of its rows then are the validation part.")


def _part(home: Path, part: str) -> list[Path]:
    """The files of a *part* in the folder *home*, in their order; [] when it has none. Raises InputError."""
    files = sorted(path for path in home.iterdir() if kind_of(path.name) and path.is_file())
    alone = [path for path in files if path.name.lower().partition(".")[0] == part]
    shards = [path for path in files if path.name.startswith(f"{part}-")
              and SHARD.fullmatch(path.name, len(part))]
    folder = home / part
    inside = _inside(folder) if folder.is_dir() else []
    ways = [*([path] for path in alone), *([shards] if shards else []), *([inside] if inside else [])]
    if len(ways) > 1:
        raise InputError(f"{_quoted(home)} holds {len(ways)} files {part}.*", "one of them", "Leave one of them.")
    if shards:
        all_there(home, part, shards)
    return ways[0] if ways else []


def _inside(folder: Path) -> list[Path]:
    """The files of the table that fills a folder of its own."""
    if (folder / STATE).is_file():
        return _saved(folder)
    files = sorted(path for path in folder.iterdir() if kind_of(path.name) and path.is_file())
    if len({kind_of(path.name) for path in files}) > 1:
        raise InputError(f"{_quoted(folder)} holds tables of several kinds", "one kind", "Leave one of them.")
    return files


def all_there(home: Path, part: str, shards: Sequence[Path]) -> None:
    """Refuse the files *shards* of a *part* when one of those that their names count is missing, or there twice."""
    numbers = [tuple(map(int, found.groups())) for path in shards if (found := SHARD.search(path.name))]
    count = numbers[0][1]
    if numbers != [(k, count) for k in range(count)]:
        raise InputError(f"{_quoted(home)} holds {len(shards)} of {count} files {part}-*", "all of them, each once",
                         "Fetch the missing ones.")


def _saved(folder: Path) -> list[Path]:
    """The files of a data set that `save_to_disk` wrote into *folder*. Raises InputError when it says none of ours."""
    state = folder / STATE
    try:
        if state.stat().st_size > LARGEST_STATE:
            raise ValueError("too long")
        said = json.loads(state.read_bytes())
        names = [entry["filename"] for entry in said["_data_files"]]
        if said.get("_indices_files") or said.get("_indices_data_files"):
            raise ValueError("it chooses rows of another")
        if not all(isinstance(name, str) and Path(name).name == name and kind_of(name) for name in names):
            raise ValueError("it names files elsewhere")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{_quoted(folder)}: {STATE} is not as `save_to_disk` writes it ({one_line(error)})",
                         "a saved data set", "Save it anew, or write it with to_parquet.") from None
    if not names:
        raise InputError(f"{_quoted(folder)} is a saved data set without rows", "rows", "Save it anew.")
    return [folder / name for name in names]


def _joined(home: Path, name: str, paths: Sequence[Path]) -> TableFile:
    """The table *name* in the files *paths*, one after the other, in or under the folder *home*."""
    if len(paths) > FILES:
        raise InputError(f"{name} is {len(paths)} files", f"at most {FILES}", "Join them.")
    if sum(path.stat().st_size for path in paths if path.is_file()) > LARGEST:
        raise InputError(f"The {len(paths)} files of {shown(name)} are larger than {LARGEST // 10**6} MB together",
                         f"at most {LARGEST // 10**6} MB", "Keep fewer rows.")
    files, unpacked = [], 0
    for path in paths:
        files.append(open_table(path))
        unpacked += len(files[-1].data)
        if unpacked > LARGEST:
            raise InputError(f"The {len(paths)} files of {shown(name)} unpack to more than {LARGEST // 10**6} MB",
                             "fewer", "Keep fewer rows.")
    alone = files[0].name if paths[0].parent == home and kind_of(files[0].name) != "arrow" else name
    called = alone if len(files) == 1 else f"{name} ({len(files)} files)"
    return replace(files[0], name=called, more=tuple(files[1:]))
