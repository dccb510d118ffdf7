"""The header of a .safetensors file: read, and not believed before every offset is checked against the file.

Source of the format: huggingface/safetensors, README "Format": 8 bytes (little endian) of length, that many bytes of
JSON, then the tensors' bytes without holes. Where we differ: the numbers of bytes are checked for every type that has
whole bytes, and nothing is mapped into memory, so a file that shrinks meanwhile is an error, not a crash.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError

LARGEST = 100_000_000  # bytes of a header: the format's own limit
MOST = 100_000  # tensors of a checkpoint; the largest models have some ten thousand
SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "F8_E8M0": 1,
         "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8}
WHOLE = "a whole .safetensors file"
FETCH = "Fetch or save the file anew."


@dataclass(frozen=True)
class Tensor:
    """Where one tensor lies: *size* bytes of *file* from *start*."""

    name: str
    dtype: str  # as the format writes it: F32, F16, BF16, ...
    shape: tuple[int, ...]
    file: Path
    start: int
    size: int

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def read_header(file: Path) -> list[Tensor]:
    """The tensors of *file*, by their place in it.

    Raises InputError for anything that is no whole safetensors file, is too large to be one, or has offsets that
    overlap, leave a hole, or point out of the file.
    """
    name = file.name[:80]
    try:
        if not file.is_file():  # a named pipe would hold the reader for ever
            raise InputError(f"{name} is no regular file", WHOLE, "Name the file itself.")
        end = file.stat().st_size
        with file.open("rb") as stream:
            first = stream.read(64)
            length = int.from_bytes(first[:8], "little")
            if length > end - 8 or first[8:9] != b"{":
                _refuse_others(name, first)
            if length > LARGEST:
                raise InputError(f"{name} says that its header takes {length} bytes", f"at most {LARGEST}, the limit "
                                 "of the format", "It is no .safetensors file, or a damaged one.")
            if length > end - 8:
                raise InputError(f"{name} ends inside its header ({end} bytes)", WHOLE, FETCH)
            stream.seek(8)
            raw = stream.read(length)
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror})", WHOLE, "Check the path and its rights.") from None
    tensors = [_tensor(name, file, key, entry, 8 + length)
               for key, entry in _entries(name, raw).items() if key != "__metadata__"]
    tensors.sort(key=lambda t: (t.start, t.size))
    _refuse_gaps(name, tensors, 8 + length, end)
    return tensors


def _refuse_others(name: str, first: bytes) -> None:
    """Name the kinds of file that are met under this name and are something else."""
    if (first[:1] == b"\x80" and first[1:2] in b"\x02\x03\x04\x05") or first[:4] == b"PK\x03\x04":
        raise InputError(f"{name} is a pickle (PyTorch's own format) under another name", WHOLE,
                         "Opening a pickle can run code, so it is not opened here. " + CONVERT)
    if first.startswith(b"version https://git-lfs"):
        raise InputError(f"{name} is only a pointer of Git LFS", WHOLE, "Fetch the file with `git lfs pull`.")


CONVERT = "Where its source is trusted, `from_pretrained(OLD)` and `save_pretrained(NEW)` of transformers convert it."


def _entries(name: str, raw: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    try:
        if raw[:1] != b"{":
            raise ValueError("it does not start with a brace")
        entries = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else str(error)[:120]
        raise InputError(f"The header of {name} cannot be read ({reason})", WHOLE, FETCH) from None
    if len(entries) > MOST + 1:
        raise InputError(f"{name} lists {len(entries)} tensors", f"at most {MOST}", "It is no model that we know of.")
    return entries


def _tensor(name: str, file: Path, key: str, entry: Any, base: int) -> Tensor:
    try:
        dtype, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        numbers = (*shape, first, last)
        good = isinstance(dtype, str) and len(shape) <= 32 and all(type(n) is int and 0 <= n < 1 << 62 for n in numbers)
    except (TypeError, KeyError, ValueError):
        good = False
    if not good or first > last:
        raise InputError(f"Tensor {key[:80]!r} of {name} has no usable type, shape or offsets", WHOLE, FETCH)
    wanted = math.prod(shape) * SIZES[dtype] if dtype in SIZES else last - first
    if wanted != last - first:
        raise InputError(f"Tensor {key[:80]!r} of {name} has {last - first} bytes", f"{wanted} for {list(shape)} in "
                         f"{dtype}", FETCH)
    return Tensor(key, dtype, shape, file, base + first, last - first)


def _refuse_gaps(name: str, tensors: list[Tensor], base: int, end: int) -> None:
    place = base
    for tensor in tensors:
        if tensor.start != place:
            what = "overlaps its neighbour" if tensor.start < place else "leaves a hole before it"
            raise InputError(f"Tensor {tensor.name[:80]!r} of {name} {what}", "tensors one behind the other", FETCH)
        place += tensor.size
    if place > end:
        raise InputError(f"{name} ends after {end} bytes, its header promises {place}", WHOLE,
                         "It was cut short: fetch it again.")
    if place < end:
        raise InputError(f"{name} holds {end - place} bytes that its header does not name", WHOLE, FETCH)
