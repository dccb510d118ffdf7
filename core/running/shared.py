"""What runs of one process have in common, worked out once and kept under the content of all that decides it.

A sweep makes many runs from one dense model: its answers to the examples and to the texts it teaches on, what a
calibration text says of its layers, how its maps look, the answers of a mask that several runs try. A key holds digests
of the weights and the texts that went in, never a name or a path: what is found is what would have been worked out, bit
for bit. Nobody keeps a `Shared` but the caller of the pipeline; a run by itself has one of its own, for the weights
that it scores twice.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

LIMIT = 768 << 20  # bytes: the calibration of bert-base (540 MB) fits, that of minilm-l6 with all else several times
T = TypeVar("T")


@dataclass(frozen=True)
class _Kept:
    value: Any
    size: int
    seconds: float


class Shared:
    """Values by key, at most *limit* bytes of them: what was used longest ago goes first, and what is larger alone is
    not kept at all. Values are shared, not copied: their arrays are made read-only, their tensors nobody may write to.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.held = 0  # bytes
        self.saved = 0.0  # seconds that everything found so far had taken
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()

    def once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """The value under *key*, made by *make* if it is not there. When that fails, nothing is kept."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            self.saved += found.seconds
            value: T = found.value
            return value
        began, before = time.perf_counter(), self.saved
        value = make()
        # What *make* found here in its turn counts as if it had been worked out.
        self._keep(key, _Kept(value, _sealed(value, set()), time.perf_counter() - began + self.saved - before))
        return value

    def _keep(self, key: tuple[str, ...], made: _Kept) -> None:
        if made.size > self.limit:
            return
        self._kept[key] = made
        self.held += made.size
        while self.held > self.limit:
            self.held -= self._kept.popitem(last=False)[1].size


def _sealed(value: Any, seen: set[int]) -> int:
    """Bytes of all arrays and tensors in *value*, each once; arrays are read-only from now on."""
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
    elif isinstance(value, np.ndarray):
        value.flags.writeable = False
        place, size = value.__array_interface__["data"][0], value.nbytes
    else:
        return sum(_sealed(part, seen) for part in _parts(value))
    if place in seen:
        return 0
    seen.add(place)
    return size


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value)]
    return []


def digest_of(*parts: Any) -> str:
    """SHA-256 of *parts*: arrays, tensors, numbers, texts, None, and mappings, lists and dataclasses of them. Type,
    shape, memory layout and order count: two layouts of one matrix may be multiplied in another order."""
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()


def _feed(digest: Any, part: Any) -> None:
    if isinstance(part, Tensor):
        values = part.detach()
        digest.update(f"{values.dtype} {tuple(values.shape)} {values.stride()} {values.device}".encode())
        digest.update(values.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(part, np.ndarray):
        digest.update(f"{part.dtype} {part.shape} {part.strides}".encode())
        digest.update(np.ascontiguousarray(part))
    elif isinstance(part, Mapping):
        digest.update(f"{{{len(part)}".encode())
        for name, value in part.items():
            _feed(digest, str(name))
            _feed(digest, value)
    elif isinstance(part, list | tuple):
        digest.update(f"[{len(part)}".encode())
        for value in part:
            _feed(digest, value)
    elif is_dataclass(part):
        digest.update(type(part).__qualname__.encode())
        _feed(digest, {field.name: getattr(part, field.name) for field in fields(part)})
    elif part is None or isinstance(part, str | int | float):
        text = repr(part).encode()
        digest.update(f"{type(part).__name__} {len(text)} ".encode() + text)
    else:
        raise TypeError(f"no digest of {type(part).__name__}")


def state_of(model: nn.Module) -> str:
    """SHA-256 of all that decides what *model*, at rest, makes of a text: its weights as they are now, its settings,
    how it computes attention, whether its passes are wrapped (another precision), the threads its sums are cut to."""
    config = getattr(model, "config", None)
    return digest_of(
        type(model).__qualname__, dict(model.named_parameters()), dict(model.named_buffers()),
        None if config is None else config.to_json_string(use_diff=False),
        str(getattr(config, "_attn_implementation", None)), "forward" in vars(model), torch.get_num_threads())
