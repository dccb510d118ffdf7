"""THE training loop: dense runs, masked runs and every ADMM go through it.

Batches are bucketed by length, so that hardly any token is padding; the word embeddings may be frozen; the optimiser is
the fused AdamW; device and precision come from accelerate. A killed run continues bit for bit: all
that decides the next step (weights, method state, optimiser moments, random generators, position) is in one file.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn

from core.methods.base import TrainingMethod
from core.methods.straight_through import holding
from core.models.encoding import Encoded, collate
from core.models.prunable import embedding_part
from core.running import team
from core.running.devices import accelerator
from core.running.distilling import live_teacher
from core.running.optimising import uphill
from core.running.shared import digest_of
from core.runs.records import RunSpec
from core.runs.store import write_atomic

WARMUP = 0.06  # share of all steps; the value used in BERT's own fine-tuning recipes
CLIP = 1.0  # global gradient norm, as in NxMTransformer
WEIGHT_DECAY = 0.01  # on matrices only
TEMPERATURE = 2.0  # of the distillation targets, as in MLPruning


class Diverged(RuntimeError):
    """The loss was no longer a number; the weights of the last good checkpoint are kept."""


@dataclass
class Loop:
    """What the loop is asked to do, live_teachers the spec.

    hard_prune: called once, before the masks are fixed, with W in the model; evaluates what it wants.
    trace: called with one dict per logged step. snapshot: called with the number of steps done, during ADMM.
    """

    evaluate: Callable[[], float]
    trace: Callable[[dict[str, Any]], None]
    report: Callable[[int, int, str], None] = lambda done, total, note: None
    hard_prune: Callable[[], None] = lambda: None
    snapshot: Callable[[int], None] = lambda step: None
    log_every: int = 10
    evaluations_per_epoch: int = 2
    checkpoint_every: int = 50
    resume_file: Path | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # JSON kept with the checkpoint (scores so far)


def schedule(total: int, peak: float) -> Callable[[int], float]:
    """Learning rate of step 0..total-1: linear warm-up over 6 % of the steps, then linear to zero."""
    warm = max(1, round(WARMUP * total))

    def rate(step: int) -> float:
        if step < warm:
            return peak * (step + 1) / warm
        return peak * max(0.0, (total - step) / max(1, total - warm))

    return rate


def buckets(lengths: Sequence[int] | NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of every batch of one epoch: shuffled, sorted by length within 50 batches, then the batches shuffled."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    window = batch_size * 50
    batches: list[list[int]] = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window].tolist(), key=lambda i: lengths[i])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def task_loss(logits: Tensor, labels: Tensor, teacher: Tensor | None, weight: float) -> Tensor:
    """Cross-entropy (squared error for one output), mixed with the dense teacher's soft targets by *weight*.

    logits `[batch, classes]`. Distillation: T^2 KL(teacher/T | student/T), T = 2 (Hinton et al. 2015).
    """
    regression = logits.shape[1] == 1
    hard = F.mse_loss(logits[:, 0], labels.float()) if regression else F.cross_entropy(logits, labels)
    if teacher is None or weight == 0.0:
        return hard
    if regression:
        soft = F.mse_loss(logits, teacher)
    else:
        soft = F.kl_div(F.log_softmax(logits / TEMPERATURE, -1), F.log_softmax(teacher / TEMPERATURE, -1),
                        log_target=True, reduction="batchmean") * TEMPERATURE**2
    return (1.0 - weight) * hard + weight * soft


@torch.no_grad()
def predict(model: nn.Module, data: Encoded, pad_id: int, batch_size: int = 64) -> np.ndarray:
    """Logits `[examples, classes]`, float32, in the data's order. Batched by length."""
    order = np.argsort(data.lengths, kind="stable")
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    out: np.ndarray | None = None
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        batch = {k: v.to(device) for k, v in collate(data, index, pad_id).items()}
        logits = model(**batch).logits.float().cpu().numpy()
        if out is None:
            out = np.empty((len(order), logits.shape[1]), dtype=np.float32)
        out[index] = logits
    model.train(training)
    assert out is not None
    return out


def freeze_embeddings(model: nn.Module) -> None:
    """Stop gradients at the embedding layer: the backward pass ends at the first encoder block."""
    for parameter in embedding_part(model).parameters():
        parameter.requires_grad_(False)


def set_dropout(model: nn.Module, rate: float) -> None:
    """Set every dropout of the model, the ones inside attention functions included."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "dropout_prob", None), float):
            module.dropout_prob = rate  # type: ignore[assignment]


class Trainer:
    """One training: built, then `run`. Everything mutable is in `position`, the model, the method and the optimiser."""

    def __init__(self, model: nn.Module, data: Encoded, pad_id: int, spec: RunSpec, loop: Loop,
                 method: TrainingMethod | None = None, teacher: np.ndarray | None = None) -> None:
        self.accelerator = accelerator()
        self.live = live_teacher(model, spec)  # a copy: the model must still hold the dense weights
        set_dropout(model, spec.dropout)
        if spec.freeze_embeddings:
            freeze_embeddings(model)
        if method is not None:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and method.trains(name))
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [{"params": [p for p in trained if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
                  {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=spec.lr, fused=True)
        self.bare = model
        # Of several processes each keeps a plain model, and `_step` averages the gradients: a method may swap weights.
        self.model = self.accelerator.prepare_model(model, evaluation_mode=team.size() > 1)
        self.trained = trained
        self.data, self.pad_id, self.spec, self.loop, self.method = data, pad_id, spec, loop, method
        self.teacher = None if teacher is None else torch.tensor(teacher)
        self.per_epoch = math.ceil(len(data) / spec.batch_size)
        self.total = max(1, round(self.per_epoch * spec.epochs))
        self.rate = schedule(self.total, spec.lr)
        self.lr = 0.0  # of the last step
        self.position = 0
        self.seconds = 0.0

    def run(self) -> None:
        """Train to the end, from wherever `resume` left it. Raises Diverged when the loss is not a number."""
        with self.live or nullcontext():
            self._run()

    def _run(self) -> None:
        began, before = time.perf_counter(), self.seconds
        self._agree()
        self.model.train()
        loop, method = self.loop, self.method
        losses: list[Tensor] = []
        evaluate_every = max(1, self.per_epoch // loop.evaluations_per_epoch)
        epoch, batches = -1, []
        while True:
            self.seconds = before + time.perf_counter() - began
            if method is not None and not method.masks and self.position == method.hard_step:
                self._log(losses, evaluate=False)
                self._agree()
                loop.hard_prune()
                method.hard_prune(method.choose_masks())
                self._save()
            if self.position >= self.total:
                break
            if self.position // self.per_epoch != epoch:
                epoch = self.position // self.per_epoch
                batches = buckets(self.data.lengths, self.spec.batch_size, self.spec.seed, epoch)
            losses.append(self._step(batches[self.position % self.per_epoch]))
            self.position += 1
            if method is not None and self.position % self.per_epoch == 0:
                method.end_epoch(self.position // self.per_epoch)
            if method is not None and not method.masks:
                loop.snapshot(self.position)
            evaluated = self.position % evaluate_every == 0 or self.position == self.total
            if evaluated or self.position % loop.log_every == 0:
                self._log(losses, evaluated)
            if self.position % loop.checkpoint_every == 0:
                self.seconds = before + time.perf_counter() - began
                self._save()
            loop.report(self.position, self.total, f"lr {self.lr:.1e}")
        self._agree()
        self._save()
        if method is not None:
            method.finish()

    def _agree(self) -> None:
        """Of several processes: all have the same weights and the same state of the method, bit for bit."""
        if team.size() > 1:
            state = {} if self.method is None else self.method.state()
            team.agree(digest_of(self.trained, state, self.position), "weights")

    def _step(self, index: list[int]) -> Tensor:
        """One optimiser step on the examples *index*, of several processes on this one's part of them; returns the
        loss, detached, whose mean over all processes is that of the batch."""
        step, method = self.position, self.method
        index, weight = team.part(index) if team.size() > 1 else (index, 1.0)
        device = self.accelerator.device
        batch = {k: v.to(device) for k, v in collate(self.data, index, self.pad_id).items()}
        labels = torch.from_numpy(self.data.labels[index]).to(device)
        teacher = None if self.teacher is None else self.teacher[index].to(device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr = self.rate(step) * (1.0 if method is None else method.lr_factor)
        if method is None or not method.radius:
            loss = self._pass(batch, labels, teacher, weight)
        else:
            # Both passes drop out the same: the gradient that counts is that of the same function.
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                loss = self._pass(batch, labels, teacher, weight)
            with uphill(self.trained, method.radius):
                self._pass(batch, labels, teacher, weight)
        torch.nn.utils.clip_grad_norm_(self.trained, CLIP, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if method is not None:
            method.after_step(step)
        return loss

    def _pass(self, batch: dict[str, Tensor], labels: Tensor, teacher: Tensor | None, weight: float) -> Tensor:
        """One pass forward and backward, at the weights as they are: the loss, detached, and gradients, over all
        processes."""
        step, several = self.position, team.size() > 1
        if self.method is not None:
            self.method.before_forward(step)
        with self.accelerator.autocast():
            out = self.model(**batch, **({} if self.live is None else self.live.asks))
            taught = None if self.live is None else self.live.term(batch, out)
        loss = task_loss(out.logits.float(), labels, teacher, self.spec.distill)
        loss = loss if taught is None else loss + taught
        loss = loss * weight if several else loss
        extra = None if self.method is None else self.method.penalty(batch)
        self.accelerator.backward(loss if extra is None else loss + extra)
        if several:
            team.average([p.grad for p in self.trained if p.grad is not None])
        if self.method is not None:
            self.method.after_backward(step)
        return loss.detach()

    def score(self) -> float:
        """The score of the weights the model would be used with now: the method's `served`, else the trained ones."""
        if self.method is None:
            return self.loop.evaluate()
        with holding(self.method.layers, self.method.served()):
            return self.loop.evaluate()

    def _log(self, losses: list[Tensor], evaluate: bool) -> None:
        if not losses:
            return
        mean = torch.stack(losses).mean()
        if team.size() > 1:
            team.average([mean])
        loss = float(mean)
        losses.clear()
        if not math.isfinite(loss):
            raise Diverged(f"the loss was {loss} at step {self.position}")
        row: dict[str, Any] = {"step": self.position, "epoch": round(self.position / self.per_epoch, 4),
                               "phase": self.method.phase if self.method else "dense", "loss": round(loss, 6),
                               "lr": self.lr, "seconds": round(self.seconds, 2)}
        if evaluate:
            row["score"] = self.score()
        if self.method is not None:
            row |= self.method.measures()
        self.loop.trace(row)

    def _save(self) -> None:
        """Write everything that decides the next step, in one atomic file."""
        file = self.loop.resume_file
        if file is None or team.rank() > 0:
            return
        tensors: dict[str, Tensor] = {"generator": torch.get_rng_state()}
        for i, p in enumerate(self.trained):
            tensors[f"parameter/{i}"] = p.data
            for key, value in self.optimizer.state.get(p, {}).items():
                tensors[f"optimizer/{i}/{key}"] = value
        if self.method is not None:
            tensors |= {f"method/{k}": v for k, v in self.method.state().items()}
        tensors = {k: v.detach().contiguous().cpu() for k, v in tensors.items()}
        extra = json.dumps({"position": self.position, "seconds": self.seconds, "extra": self.loop.extra})
        write_atomic(file, save(tensors, metadata={"resume": extra}))

    def resume(self) -> bool:
        """Load the resume file, if there is one; call after the method was prepared. True when it continued."""
        file = self.loop.resume_file
        if file is None or not file.exists():
            return False
        from safetensors import safe_open

        with safe_open(file, framework="pt") as handle:
            meta = json.loads(handle.metadata()["resume"])
        tensors = load_file(file)
        for i, p in enumerate(self.trained):
            p.data.copy_(tensors[f"parameter/{i}"])
            prefix = f"optimizer/{i}/"
            state = {k.removeprefix(prefix): v.to(p.device if v.ndim else v.device)
                     for k, v in tensors.items() if k.startswith(prefix)}
            if state:
                self.optimizer.state[p] = state
        if self.method is not None:
            self.method.load_state({k[7:]: v for k, v in tensors.items() if k.startswith("method/")})
        torch.set_rng_state(tensors["generator"])
        self.position, self.seconds = meta["position"], meta["seconds"]
        self.loop.extra.update(meta["extra"])
        return True
