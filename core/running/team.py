"""One run by several processes, started by `accelerate launch` (or torchrun): the main one and its helpers.

All do the same on the same numbers. Only the steps of training are split: every process takes its part of each batch,
gradients are averaged, and what follows (clipping, the optimiser, the method's own updates) is equal everywhere, which
`agree` holds them to. The main process alone reads what is there, decides and writes; a helper follows its jobs in a
folder of its own, which is thrown away. All read the disk of one machine, or one disk.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from torch import Tensor

from core import methods
from core.errors import InputError
from core.methods.base import TrainingMethod
from core.running.devices import accelerator
from core.runs.disk import copy_folder
from core.runs.records import RunSpec


class Job(msgspec.Struct, frozen=True):
    """What the main process is about to carry out. *parent*: id and checkpoint; *folder*: where it writes."""

    spec: RunSpec
    folder: str
    resume: bool
    parent: tuple[str, str] | None = None
    data_dir: str | None = None


def size() -> int:
    """How many processes carry this run out; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def rank() -> int:
    """Which of them this is; 0 is the main one."""
    return int(os.environ.get("RANK", "0")) if size() > 1 else 0


def check(spec: RunSpec) -> None:
    """Raise InputError for what cannot be split: a method that makes more of a batch than the gradients of the trained
    weights, terms of the loss that are no mean over examples, dropout (every process would draw its own)."""
    if size() == 1:
        return

    def able(name: str) -> bool:
        kind = methods.load(name) if methods.METHODS[name].target else None
        return kind is None or not issubclass(kind, TrainingMethod) or kind.splits

    remedy = "Run it in one process."
    if not able(spec.method):
        names = ", ".join(name for name in methods.METHODS if able(name))
        raise InputError(f"{spec.method} in {size()} processes", f"a method whose batches can be split: {names}",
                         remedy)
    for name in ("dropout", "distill_hidden", "distill_attention"):
        if getattr(spec, name):
            raise InputError(f"{name} = {getattr(spec, name):g} in {size()} processes", f"{name} 0", remedy)


def send(job: Job | None) -> None:
    """Tell the helpers what comes next; None: nothing any more. Returns when they are ready for it."""
    if size() > 1:
        data = msgspec.msgpack.encode(job)
        _broadcast(torch.tensor([len(data)]))
        _broadcast(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.barrier()


@contextmanager
def received() -> Iterator[tuple[Job, Path] | None]:
    """The next job, for a helper, with the folder that it works in; None when there is none any more. What the main
    process wrote of an unfinished run is there too."""
    length = torch.zeros(1, dtype=torch.int64)
    _broadcast(length)
    data = torch.zeros(int(length), dtype=torch.uint8)
    _broadcast(data)
    job = msgspec.msgpack.decode(data.numpy().tobytes(), type=Job | None)
    with tempfile.TemporaryDirectory(prefix="sparsescope-") as root:
        if job is not None:
            folder = Path(root) / job.spec.run_id
            if job.resume and Path(job.folder).is_dir():
                folder.mkdir()
                copy_folder(Path(job.folder), folder)
            dist.barrier()
            yield job, folder
        else:
            dist.barrier()
            yield None


def _broadcast(values: Tensor) -> None:
    """Have *values*, on the CPU, as the main process has them."""
    there = values.to(_device())
    dist.broadcast(there, 0)
    values.copy_(there)


def _device() -> torch.device:
    return torch.device(accelerator().device)


def part(index: list[int]) -> tuple[list[int], float]:
    """This process's examples of a batch, and what a mean over them weighs, so that the mean over all processes is the
    mean over the batch. Neighbours in length go to different processes. With fewer examples than processes some get
    one that weighs nothing."""
    mine = index[rank() :: size()]
    return mine or index[:1], len(mine) * size() / len(index)


def average(tensors: list[Tensor]) -> None:
    """Have every tensor be its mean over all processes."""
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    flat /= size()
    for tensor, values in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(values.view_as(tensor))


def agree(digest: str, what: str) -> None:
    """Raise InputError when *digest*, SHA-256 in hex, is not the same in all processes."""
    if size() == 1:
        return
    mine = torch.tensor(list(bytes.fromhex(digest)), dtype=torch.uint8, device=_device())
    found: list[Any] = [torch.zeros_like(mine) for _ in range(size())]
    dist.all_gather(found, mine)
    if not all(torch.equal(mine, other) for other in found):
        raise InputError(f"The processes no longer have the same {what}", "processors of one kind, and as many threads",
                         "Start all processes on one kind of machine.")
