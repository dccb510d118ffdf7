"""Which files are a checkpoint: one .safetensors file, or a folder in Hugging Face form, whole or in shards.

Nothing outside the folder is opened: a shard's name is a bare file name, and a link out of the folder is refused. One
exception is the cache of the hub, where `snapshots/<revision>/` links into `blobs/` beside it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.inspecting.header import CONVERT, MOST, Tensor, read_header

WHOLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
CORRECTION = "correction/adapter_config.json"  # as `export` writes it
BESIDE = "A correction of low rank lies beside these weights, in correction/: the model is both, and only the " \
    "weights are judged and counted here."
SHARDS = 10_000
TEXT = 64 << 20  # bytes of an index; a config has some thousand
_SHARD = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
EXPECTED = "a .safetensors file, or a folder that holds one"


@dataclass(frozen=True)
class Checkpoint:
    """What lies in a checkpoint, before a single weight is read."""

    path: Path
    files: tuple[Path, ...]
    tensors: tuple[Tensor, ...]
    config: dict[str, Any] = field(default_factory=dict)  # {} without a config.json
    remarks: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(t.size for t in self.tensors)


def open_checkpoint(path: Path) -> Checkpoint:
    """Find the checkpoint that *path* means; a run folder means its `checkpoint/`.

    Raises InputError for what is missing, is a pickle, points out of its folder, or is damaged.
    """
    try:
        path = _place(path)
        if path.is_file():
            _refuse_pickle(path)
            shard = _SHARD.fullmatch(path.name)
            config, remarks = _config(path.parent) if shard or path.name == WHOLE else ({}, ())
            if shard and int(shard[3]) > 1:
                remarks += (f"This is one of {int(shard[3])} files of a model: name the folder to inspect all of it.",)
            return Checkpoint(path, (path,), tuple(read_header(path)), config, remarks)
        config, remarks = _config(path)
        if (path / CORRECTION).is_file():
            remarks += (BESIDE,)
        files, tensors = _tensors(path)
        return Checkpoint(path, files, tensors, config, remarks)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError):  # no right to read, too long, a zero byte, a ring of links
        raise InputError(f"{_short(path)!r} is no path that can be opened", EXPECTED,
                         "Check the path and its rights.") from None


def _place(path: Path) -> Path:
    """*path* without links; the checkpoint of a run folder. Raises InputError when nothing usable is there."""
    if not path.exists():
        raise InputError(f"There is no {_short(path)!r}", EXPECTED, "Check the path.")
    path = path.resolve()
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{_short(path)} is no regular file", EXPECTED, "Name the file itself.")
    if path.is_dir() and not (path / WHOLE).exists() and (path / "checkpoint" / WHOLE).exists():
        return _inside(path, "checkpoint")
    return path


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else text[:117] + "..."


def _refuse_pickle(path: Path) -> None:
    if path.suffix.lower() in PICKLES:
        raise InputError(f"{path.name[:80]} is a pickle", EXPECTED,
                         "Opening a pickle can run code, so it is not opened here. " + CONVERT)


def _tensors(folder: Path) -> tuple[tuple[Path, ...], tuple[Tensor, ...]]:
    if (folder / WHOLE).exists():
        file = _inside(folder, WHOLE)
        return (file,), tuple(read_header(file))
    if (folder / INDEX).exists():
        return _shards(folder)
    found = sorted(p.name for p in folder.iterdir() if p.suffix == ".safetensors")
    if len(found) == 1:
        file = _inside(folder, found[0])
        return (file,), tuple(read_header(file))
    if shards := _numbered(folder, found):
        return shards
    if found:
        raise InputError(f"{folder.name} holds {len(found)} .safetensors files and no {INDEX}", f"one, or {WHOLE}",
                         f"Name the file, for example {found[0][:80]}.")
    for other in sorted(folder.iterdir()):
        _refuse_pickle(other)
    for inner in sorted(folder.iterdir()):
        if (inner / WHOLE).exists() or (inner / INDEX).exists():
            raise InputError(f"{folder.name[:80]} itself holds no .safetensors file", EXPECTED,
                             f"Name the folder in it, for example {inner.name[:80]}.")
    raise InputError(f"{folder.name[:80]} holds no .safetensors file", EXPECTED,
                     "Name the folder that `save_pretrained` wrote.")


def _numbered(folder: Path, names: list[str]) -> tuple[tuple[Path, ...], tuple[Tensor, ...]] | None:
    """Shards "NAME-00001-of-00002" without an index, all of one model; None where the files are anything else."""
    found = [_SHARD.fullmatch(name) for name in names]
    if len(names) < 2 or len({(m[1], m[3]) if m else None for m in found}) > 1 or found[0] is None:
        return None
    total = int(found[0][3])
    if len(names) != total:
        raise InputError(f"{folder.name[:80]} holds {len(names)} of {total} shards", "all of them",
                         "Fetch the checkpoint anew.")
    files = tuple(_inside(folder, name) for name in names)
    tensors = [t for file in files for t in read_header(file)]
    if len({t.name for t in tensors}) != len(tensors):
        raise InputError(f"The shards of {folder.name[:80]} hold a tensor twice", "every tensor in one of them",
                         "Fetch the checkpoint anew.")
    return files, tuple(tensors)


def _shards(folder: Path) -> tuple[tuple[Path, ...], tuple[Tensor, ...]]:
    remedy = "Fetch the checkpoint anew."
    index = _json(_inside(folder, INDEX))
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(v, str) for v in places.values()):
        raise InputError(f"{INDEX} has no weight_map", "tensor names with the file of each", remedy)
    if len(places) > MOST:
        raise InputError(f"{INDEX} lists {len(places)} tensors", f"at most {MOST}", "It is no model that we know of.")
    names = sorted(set(places.values()))
    if len(names) > SHARDS:
        raise InputError(f"{INDEX} names {len(names)} files", f"at most {SHARDS}", "It is no model that we know of.")
    files = tuple(_inside(folder, name) for name in names)
    held = {file_name: {t.name: t for t in read_header(file)} for file_name, file in zip(names, files, strict=True)}
    for name, file_name in places.items():
        if name not in held[file_name]:
            raise InputError(f"{file_name[:80]} lacks the tensor {name[:80]!r}", f"what {INDEX} says of it", remedy)
    return files, tuple(tensor for name in names for tensor in held[name].values() if places.get(tensor.name) == name)


def _inside(folder: Path, name: str) -> Path:
    """The file *name* of *folder*. Raises InputError when it is missing, or lies anywhere else."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InputError(f"The index names the file {name[:80]!r}", "a bare file name of the same folder",
                         "A checkpoint must not point out of its folder: do not trust this one.")
    try:
        target = (folder / name).resolve(strict=True)
    except (OSError, RuntimeError):
        raise InputError(f"{name[:80]} is missing from {folder.name[:80]}", "all files of the checkpoint",
                         "Fetch the checkpoint anew.") from None
    cached = folder.parent.name == "snapshots" and target.parent == folder.parent.parent / "blobs"
    if target.parent != folder and not cached:
        raise InputError(f"{name[:80]} is a link out of {folder.name[:80]}", "files of the folder itself",
                         "Name the file that it points to, if you trust it.")
    return target


def _json(file: Path) -> Any:
    try:
        if file.stat().st_size > TEXT:
            raise InputError(f"{file.name} is over {TEXT >> 20} MB", "a small text", "It is no file of a model.")
        return json.loads(file.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file.name} is no JSON that can be read", "the file as it was saved",
                         "Fetch the checkpoint anew.") from None


def _config(folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """config.json as plain data, with what there is to say of it. A bad one is a remark: the weights do without."""
    if not (folder / CONFIG).exists():
        return {}, ()
    try:
        config = _json(_inside(folder, CONFIG))
    except InputError as error:
        return {}, (f"{CONFIG} was left out: {error.given}. The number of heads is not known.",)
    if not isinstance(config, dict):
        return {}, (f"{CONFIG} was left out: it is no table. The number of heads is not known.",)
    if config.get("auto_map"):
        return config, (f"{CONFIG} asks to run code that came with the model (auto_map). That is ignored: only its "
                        "numbers are read.",)
    return config, ()
