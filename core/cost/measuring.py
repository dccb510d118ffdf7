"""The cost of one run, measured: files written, passes timed. The only part of the room that runs a model.

All models of a setting are timed in one process, one pass of each in turn: a machine that slows down slows all of them
down, and a ratio of two passes of the same turn is fair. The inputs are token ids drawn from a seed, whole sequences
without padding: the time of a pass depends on their number and length, not on the words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.cost import forms, kernels
from core.cost.container import Weights
from core.cost.records import SCHEMA, Cost, Passes
from core.errors import InputError
from core.models.checkpoints import find_checkpoint, open_model
from core.models.corrected import factors_of, is_factor
from core.models.loading import Loaded, load_model
from core.models.prunable import prunable
from core.running.environment import environment
from core.runs.bound import pattern_of
from core.runs.store import Run, Store, now
from core.sparsity.kinds import Dense
from core.surgery import shrink_to

BATCHES, LENGTHS, PASSES, WARM_UP = (1, 8, 32), (32, 128), 100, 10
MOST = 1000  # passes


@dataclass(frozen=True)
class Asked:
    """What to time: every *batch* with every *length*, *passes* of each after *warm_up*; *threads* of torch, None for
    as many as it takes by itself."""

    batches: tuple[int, ...] = BATCHES
    lengths: tuple[int, ...] = LENGTHS
    passes: int = PASSES
    warm_up: int = WARM_UP
    threads: int | None = None


def measure(run: Run, store: Store, asked: Asked, report: Callable[[str], None] = lambda words: None) -> Cost:
    """The cost of *run*'s final model. Without its checkpoint on this machine, the sizes alone, from what the run
    folder keeps. *report* is told what is being done.

    Raises InputError for a run that has not succeeded, or that keeps neither checkpoint nor weights nor masks.
    """
    if run.record.status != "succeeded":
        raise InputError(f"{run.record.id} is {run.record.status}", "a finished run",
                         "Finish it first: run it with --resume.")
    if find_checkpoint(run.record.spec, store) is None:
        return _sizes_alone(run, store)
    return _whole(run, store, asked, report)


def _sizes_alone(run: Run, store: Store) -> Cost:
    found = forms.recorded(run)
    if found is None:
        open_model(run.record, store)  # says that there is no checkpoint, and the command that makes it
        raise AssertionError("a checkpoint came by while this was running")
    weights, own = found
    made, why = forms.forms_of(run, weights)
    return Cost(schema=SCHEMA, id=run.record.id, created=now(), environment=environment(),
                origin="recorded weights" if own else "masks", whole=False, forms=made, left_out=why)


def _whole(run: Run, store: Store, asked: Asked, report: Callable[[str], None]) -> Cost:
    import torch

    if asked.threads:
        torch.set_num_threads(asked.threads)
    final = open_model(run.record, store)
    pattern = pattern_of(run) if run.record.spec.method != "dense" else Dense()
    models, dense_from = {"dense": final.model}, run.record.id
    if run.record.spec.method != "dense":
        dense, dense_from = _dense(run, store)
        models = {"dense": dense.model, "pruned": final.model}
    shapes: dict[str, tuple[int, int]] = {}
    small: Weights | None = None
    if pattern.coupled:
        models["shrunk"] = shrink_to(final.model, pattern)
        small = weights_of(models["shrunk"])
        shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in small.matrices.items()}
    report("writing every form to a file")
    made, left_out = forms.forms_of(run, forms.with_recorded(run, weights_of(final.model)), small)
    limit = int(final.tokenizer.model_max_length)
    settings, too_long = _settings(asked, limit)
    left_out += [f"{run.record.spec.model} reads at most {limit} tokens: length {n} was left out." for n in too_long]
    passes = [time_models(models, batch, length, asked, report) for batch, length in settings]
    gpu: list[Passes] = []
    if pattern.budget.number is not None:
        words = kernels.missing(pattern)
        left_out += [words] if words else []
        if not words:
            pair = {"dense": kernels.on_gpu(final.model, sparse=False),
                    "2:4 kernels": kernels.on_gpu(final.model, sparse=True)}
            gpu = [time_models(pair, batch, length, asked, report, "cuda") for batch, length in settings]
    return Cost(schema=SCHEMA, id=run.record.id, created=now(), environment=environment(), origin="checkpoint",
                whole=True, forms=made, shapes=shapes, warm_up=asked.warm_up, passes=passes, gpu=gpu, left_out=left_out,
                memory={name: memory_of(model) for name, model in models.items()}, dense_from=dense_from)


def _dense(run: Run, store: Store) -> tuple[Loaded, str]:
    """The model to hold the pruned one against: its dense parent where that is at hand, else the same architecture."""
    if run.parent is not None and find_checkpoint(run.parent.record.spec, store) is not None:
        return open_model(run.parent.record, store), run.parent.record.id
    spec = run.record.spec
    return load_model(spec.model, labels=len(run.record.labels) or 1, seed=spec.seed), spec.model


def _settings(asked: Asked, limit: int) -> tuple[list[tuple[int, int]], list[int]]:
    """(batch, length) to time, shortest first, and the lengths that the model cannot read."""
    lengths = sorted(set(asked.lengths))
    fit = [n for n in lengths if n <= limit]
    return [(b, n) for n in fit for b in sorted(set(asked.batches))], [n for n in lengths if n > limit]


def weights_of(model: Any) -> Weights:
    """The parameters of *model*, the prunable matrices and the corrections beside them apart from the others."""
    matrices = {f"{name}.weight": name for name in prunable(model)}
    held = {name: p.detach().numpy() for name, p in model.named_parameters() if not is_factor(name)}
    return Weights({matrices[n]: v for n, v in held.items() if n in matrices},
                   {n: v for n, v in held.items() if n not in matrices},
                   factors={n: (left.numpy(), right.numpy()) for n, (left, right) in factors_of(model).items()})


def memory_of(model: Any) -> int:
    """Bytes of the parameters of *model* as they lie in memory while it runs."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def time_models(models: Mapping[str, Any], batch: int, length: int, asked: Asked,
                report: Callable[[str], None] = lambda words: None, device: str = "cpu") -> Passes:
    """Time passes of all *models* on the same *batch* sequences of *length* tokens, in turn."""
    import torch

    report(f"timing {batch} x {length} tokens: {', '.join(models)}")
    words = min(int(m.config.vocab_size) for m in models.values())
    # The first ids of a vocabulary are special tokens: padding, or the end of a text, in the middle of one.
    drawn = np.random.default_rng(0).integers(min(5, words - 1), words, (batch, length))
    ids = torch.from_numpy(drawn).to(device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    micros: dict[str, list[int]] = {name: [] for name in models}
    with torch.inference_mode():
        for k in range(asked.warm_up + asked.passes):
            for name in turned(models, k):
                began = time.perf_counter_ns()
                models[name](**inputs)
                if device != "cpu":
                    torch.cuda.synchronize()
                took = time.perf_counter_ns() - began
                if k >= asked.warm_up:
                    micros[name].append(max(round(took / 1000), 1))
    return Passes(batch=batch, length=length, micros=micros)


def turned(names: Iterable[str], k: int) -> list[str]:
    """*names* in the order of turn *k*: every one is first, second ... equally often."""
    listed = list(names)
    shift = k % len(listed)
    return listed[shift:] + listed[:shift]
