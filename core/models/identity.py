"""A model is what is in it: which folder a name stands for, and a digest of what the folder holds. No torch.

Eight hex digits of a SHA-256 over the configuration, the files of the tokenizer and the weights. Names of MODELS and
hub ids have none: what they stand for is fixed by whoever publishes it.

*Cheap.* Files of up to 128 MB are read whole. Of a larger one count its size, its header (names, types, shapes of all
tensors), the first and the last 4 KiB of every tensor, and 64 slices of 64 KiB, evenly from the file's first byte to
its last. Whatever trains or prunes a model changes some of that; a hand that changes a few bytes in the middle of one
large matrix may go unseen.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from core.errors import InputError
from core.models import MODELS
from core.runs.model_names import folder_of

WEIGHTS = ".safetensors"
TEXTS = ("config.json", "adapter_config.json", f"model{WEIGHTS}.index.json")
TOKENIZER = ("tokenizer", "vocab", "merges", "special_tokens_map", "added_tokens", "spiece", "sentencepiece", "bpe",
             "dict.")  # how the names of its files begin
MOST = 10_000  # files that a folder is looked through for, and tensors that are looked at
READ_WHOLE = 128 << 20  # bytes: 0.2 s
EDGE, SLICE, SLICES = 4 << 10, 64 << 10, 64
LARGEST_HEADER = 100_000_000  # bytes: the limit of the format


def located(name: str) -> tuple[Path, str | None] | None:
    """The folder that *name* stands for, by its whole path, and the digest that the name says it has, if it says one.
    None for a name of MODELS and for what is no folder here. Raises InputError for a folder with a digest that is gone.
    """
    if name in MODELS:
        return None
    folder = _folder(name)
    if folder is not None:
        return folder, None
    said = folder_of(name)
    if said is None:
        return None
    folder = _folder(said[0])
    if folder is None:
        raise InputError(f"The model folder {said[0][-80:]!r} is gone", "the folder that the run was asked for with",
                         "Put it back, or name another --model.")
    return folder, said[1]


def _folder(name: str) -> Path | None:
    try:
        folder = Path(name).expanduser()
        return folder.resolve() if name and folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long for a path, ~nobody's home, a zero byte
        return None


def settled(name: str) -> str:
    """*name* as a spec holds it: a folder by its whole path and the digest of what is in it, any other as it is.

    Raises InputError for a folder that is gone, cannot be read, or holds something else than the digest in *name*.
    """
    found = located(name)
    if found is None:
        return name
    folder, said = found
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise InputError(f"The path of the model folder {folder.name[-80:]!a} is no UTF-8 text",
                         "a name that a record can hold", "Rename the folder.") from None
    digest = digest_of(folder)
    if said not in (None, digest):
        raise InputError(f"The model folder {str(folder)[-80:]!r} has changed: its content is {digest} now",
                         f"{said}, which the run was asked for with",
                         f"Put the files back, or ask for a new run with --model {folder}.")
    return f"{folder}@{digest}"


def digest_of(folder: Path) -> str:
    """Eight hex digits over all of *folder* that decides what the model and its tokenizer do. Raises InputError when it
    cannot be read."""
    total = hashlib.sha256()
    try:
        for name, file in _files(folder):
            status = file.stat()
            total.update(f"{len(name)} {name} {status.st_size} ".encode(errors="surrogateescape"))
            total.update(_file_digest(str(file), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    except OSError as error:
        raise InputError(f"Model folder {str(folder)[-80:]!r} cannot be read ({error.strerror})",
                         "a folder whose files can be read", "Check its rights, or fetch it anew.") from None
    return total.hexdigest()[:8]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The regular files that count, by name."""
    names = [entry.name for entry in folder.iterdir()]
    if len(names) > MOST:
        raise InputError(f"Model folder {str(folder)[-80:]!r} holds {len(names)} files", f"at most {MOST}",
                         "Name the folder that holds config.json.")
    for name in sorted(names):
        if not (name in TEXTS or name.endswith((WEIGHTS, ".model")) or name.startswith(TOKENIZER)):
            continue
        file = folder / name
        if stat.S_ISREG(file.stat().st_mode):  # a link into the hub's cache is followed; a pipe would hold us for ever
            yield name, file


@lru_cache(maxsize=512)
def _file_digest(path: str, size: int, *times: int) -> bytes:
    """SHA-256 of a file, of a large one its samples. *times*: when it changed, so that a page which is drawn again and
    again reads it once."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        if size <= READ_WHOLE:
            while piece := stream.read(1 << 20):
                digest.update(piece)
            return digest.digest()
        header = stream.read(8)
        length = int.from_bytes(header, "little")
        raw = stream.read(length) if path.endswith(WEIGHTS) and length <= min(LARGEST_HEADER, size) else b""
        digest.update(header + raw)
        for start, end in _samples(raw, 8 + length, size):
            stream.seek(start)
            digest.update(stream.read(end - start))
    return digest.digest()


def _samples(header: bytes, base: int, size: int) -> Iterator[tuple[int, int]]:
    """From where to where a large file is read: evenly, and at both ends of every tensor that *header* names."""
    for k in range(SLICES):
        start = k * max(size - SLICE, 0) // (SLICES - 1)
        yield start, start + SLICE
    try:
        entries = json.loads(header)
        places = sorted((base + start, base + end) for name, entry in entries.items() if name != "__metadata__"
                        for start, end in (entry["data_offsets"],) if 0 <= start <= end <= size - base)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return  # no header of the format: whoever loads the file says so
    for start, end in places[::len(places) // MOST + 1]:
        yield start, min(end, start + EDGE)
        yield max(start, end - EDGE), end
