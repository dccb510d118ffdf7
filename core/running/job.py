"""One run on its way: load, calibrate, solve or train, evaluate, record. `pipeline` says when; this says how."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import methods
from core.errors import InputError
from core.inside.calibration import calibrate, text_of
from core.inside.capture import capture, to_arrays
from core.inside.sequential import solve_in_order
from core.inside.statistics import LayerStats
from core.methods.base import Context, LayerMethod, LayerResult, TrainingMethod
from core.methods.masked import Masked
from core.methods.straight_through import holding
from core.models.checkpoints import find_checkpoint
from core.models.encoding import encode
from core.models.loading import Loaded, load_model, save_checkpoint
from core.models.prunable import head_count, layer_count, prunable, repeated_layers
from core.running.environment import environment
from core.running.moments import Moments
from core.running.recording import in_numpy, record_arrays, record_matrices
from core.running.snapshots import LIMIT, Snapshots
from core.running.training import Diverged, Loop, Trainer, accelerator, predict
from core.runs import gridded, solved
from core.runs.answers import answers_of
from core.runs.levels import holds
from core.runs.records import SCHEMA, RunRecord, RunSpec, Scores
from core.runs.store import CHECKPOINT, Store, now, write_arrays, write_header
from core.runs.traces import TraceFile
from core.runs.writers import sign, unsign
from core.sparsity.patterns import Pattern, Unstructured, parse_pattern
from core.sparsity.rounding import put
from core.sparsity.select import select_all
from core.specs.resolving import dense_spec
from core.tasks import TaskData, load_task
from core.tasks.metrics import score
from core.tasks.parts import scored_on
from core.tasks.probes import ProbeText, probes_of

RESUME = "resume.safetensors"


@dataclass(frozen=True)
class Progress:
    """What a run says of itself while it goes on."""

    phase: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


class Job:
    """One run on its way. Each step is a method; `carry_out` is the order."""

    def __init__(self, spec: RunSpec, folder: Path, store: Store, data_dir: Path | None, resume: bool, report: Report,
                 given: dict[str, Any]) -> None:
        self.spec, self.folder, self.store, self.data_dir, self.report = spec, folder, store, data_dir, report
        self.pattern: Pattern = parse_pattern(spec.pattern)
        self.grid = gridded.grid_of(spec)
        self.resuming = resume and (folder / RESUME).exists()
        old = self._old_record() if self.resuming else None
        self.record = RunRecord(schema=SCHEMA, id=spec.run_id, status="running", created=old.created if old else now(),
                                spec=spec, spec_given=given, environment=environment(),
                                parent=None if spec.method == "dense" else dense_spec(spec).run_id)
        sign(self.record)
        self.scores: dict[str, float] = {}
        self.steps = 0  # of training
        self.snapshots, self.moments, self.trace = Snapshots(folder), Moments(folder), TraceFile(folder)
        self.stats: dict[str, LayerStats] = {}
        self.sight: dict[str, LayerStats] = {}  # the same, as the method wants it seen
        self.batches: list[dict[str, Tensor]] = []
        self.solution: dict[str, LayerResult] = {}
        self.scales: dict[str, Tensor] = {}  # of the grid that the final weights are on

    def _old_record(self) -> RunRecord | None:
        entry = self.store.find(self.spec.run_id)
        return entry.record if entry else None

    def carry_out(self) -> RunRecord:
        """All the steps, in order; the header tells at any moment how far it got."""
        try:
            write_header(self.folder, self.record)
            with self._phase("load"):
                self._load()
            if self.spec.method == "dense":
                self._train(None)
                masks = None
            else:
                masks = self._prune()
            with self._phase("record"):
                self._keep(masks)
        except BaseException as error:
            self.record.status = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
            self.record.error = str(error) or type(error).__name__
            unsign(self.record)
            write_header(self.folder, self.record)
            if isinstance(error, Diverged):
                raise InputError(f"The run diverged: {error}", "a finite loss",
                                 "Lower --lr or rho; the last good state is kept in the folder.") from error
            raise
        self.record.status = "succeeded"
        unsign(self.record)
        self.record.timing.total = round(sum(self.record.timing.phases.values()), 2)
        write_header(self.folder, self.record)
        (self.folder / RESUME).unlink(missing_ok=True)
        self.snapshots.clear()
        return self.record

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.report(Progress(name, 0, 1))
        began = time.perf_counter()
        yield
        phases = self.record.timing.phases
        phases[name] = round(phases.get(name, 0.0) + time.perf_counter() - began, 3)

    def _load(self) -> None:
        """Data, model, tokenised examples; the dense weights by matrix."""
        spec = self.spec
        self.data: TaskData = scored_on(load_task(spec.task, data_dir=self.data_dir, train_examples=spec.train_examples,
                                                  dev_examples=spec.dev_examples), spec.eval_examples)
        torch.manual_seed(spec.seed)
        checkpoint = None if spec.method == "dense" else find_checkpoint(dense_spec(spec), self.store)
        self.loaded: Loaded = load_model(spec.model, labels=self.data.entry.outputs, seed=spec.seed,
                                         checkpoint=checkpoint)
        self.model, tokenizer = self.loaded.model, self.loaded.tokenizer
        self.model.to(accelerator().device)
        self.pad = int(tokenizer.pad_token_id or 0)
        needed = self.data.train if spec.epochs else self.data.train.take(np.arange(0))  # one-shot: calibration alone
        self.train_set = encode(tokenizer, needed, spec.max_length)
        self.eval_set = encode(tokenizer, self.data.evaluation, spec.max_length)
        self.layers = prunable(self.model)
        if not self.layers:
            raise InputError(f"Model {spec.model!r} has no linear layer in an encoder", "a transformer encoder",
                             "Choose another --model.")
        for name, layer in self.layers.items():
            self.pattern.fits(name, tuple(layer.weight.shape))
            if self.grid is not None:
                self.grid.fits(name, tuple(layer.weight.shape))
        self.dense = {name: layer.weight.detach().clone() for name, layer in self.layers.items()}
        self.pattern = self.pattern.bound({name: w.cpu().numpy() for name, w in self.dense.items()})
        self.record.other_weights = sum(p.numel() for p in self.model.parameters()) - sum(
            w.numel() for w in self.dense.values())
        self.record.labels = list(self.data.entry.labels)
        self.record.layers, self.record.heads = layer_count(self.model), head_count(self.model)

    def _evaluate(self) -> dict[str, float]:
        logits = predict(self.model, self.eval_set, self.pad)
        return score(self.data.entry, logits, self.eval_set.labels)

    def _score_with(self, weights: Mapping[str, Tensor]) -> float:
        """The main score with *weights* in place of the prunable ones; the model is left as it was."""
        with holding(self.layers, weights):
            return self._evaluate()["score"]

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, layer in self.layers.items():
            layer.weight.data.copy_(weights[name])

    def _calibrate(self) -> None:
        """What every layer sees. A method that does not ask for it is calibrated too: its output error is recorded."""
        with self._phase("calibrate"):
            device = next(self.model.parameters()).device
            self.batches = [{k: v.to(device) for k, v in batch.items()} for batch in text_of(
                self.data.train, self.spec, self.loaded.tokenizer, self.pad)]
            self.stats = calibrate(self.model, self.layers, self.batches, gram=True)

    def _solve(self, method: LayerMethod, inputs: str) -> None:
        """Solve every layer, on the inputs it has in the dense model or, with *inputs* "pruned", on those it will get.
        For a pattern over the whole model, each layer gets the share magnitude gives it."""
        def solve(name: str, weight: Tensor, stats: LayerStats | None) -> Tensor:
            pattern = self.pattern.of(name)
            if pattern.scope == "model":
                pattern = Unstructured(1.0 - float(self.magnitude[name].float().mean()))
            self.solution[name] = method.solve(weight, stats, pattern)
            mask, energy = self.solution[name].mask, self.dense[name].square()
            solved.add(self.folder, name, float(mask.float().mean()), float((energy * mask).sum() / energy.sum()))
            self.report(Progress("solve", len(self.solution), len(self.dense), name))
            return self.solution[name].weight

        with self._phase("solve"):
            solved.begin(self.folder, self.dense)
            if inputs == "pruned":
                solve_in_order(self.model, list(repeated_layers(self.model)[1]), self.layers, self.batches, solve)
                self._put(self.dense)
                self.solution = {name: self.solution[name] for name in self.dense}
            else:
                for name, weight in self.dense.items():
                    solve(name, weight, self.sight.get(name))

    def _prune(self) -> dict[str, Tensor]:
        """Everything between the dense model and the final one; returns the final masks."""
        spec = self.spec
        method = methods.build(spec.method, spec.knobs, self.grid)
        self.magnitude = select_all(self.pattern, {n: w.abs() for n, w in self.dense.items()})
        start = method if isinstance(method, LayerMethod) else None
        if start is None and method.start is not None:
            start = methods.build(method.start, grid=self.grid if methods.entry_of(method.start).grids else None)
        self._calibrate()
        with self._phase("look"):
            self.moments.begin(self.model, self.loaded.tokenizer, self.batches, self._probes(), spec.max_length)
        self.sight = self.stats if isinstance(method, LayerMethod) else method.calibrated(
            self.model, self.layers, self.batches, self.stats)
        if start is not None:
            self._solve(start, method.knobs.inputs)
        if not self.resuming:
            with self._phase("evaluate"):
                self.scores["dense"] = self._evaluate()["score"]
                self.scores["one_shot"] = self._score_with(put(self.grid, self.dense, self.magnitude))
                if isinstance(method, LayerMethod):
                    self._score_solution()
        if isinstance(method, LayerMethod):
            self._trace_solution()
            training = Masked(method.knobs, self.grid) if spec.epochs > 0 else None
        else:
            training = method
        if training is None:
            masks = {name: result.mask for name, result in self.solution.items()}
            self._put({name: result.weight for name, result in self.solution.items()})
            self.scales = {name: r.scale for name, r in self.solution.items() if r.scale is not None}
        else:
            self._train(training)
            masks, self.scales = training.masks, training.scales
        return masks

    def _score_solution(self) -> None:
        """The layer method's own W and Z, where it has them."""
        for key, part in (("admm_w", "w"), ("admm_z", "z")):
            weights = {name: getattr(result, part) for name, result in self.solution.items()}
            if all(w is not None for w in weights.values()):
                self.scores[key] = self._score_with(weights)

    def _trace_solution(self) -> None:
        """One trace row per layer-wise iteration: the layers' mean residual and rho, their flips summed."""
        rounds = zip(*(result.trace for result in self.solution.values()), strict=True)
        rows = []
        for step, parts in enumerate(rounds, 1):
            sizes = [w.numel() for w in self.dense.values()]
            rows.append({"step": step, "phase": "layer-wise", "rho": parts[0]["rho"],
                         "primal": sum(p["primal"] for p in parts) / len(parts),
                         "flips": sum(p["flips"] * n for p, n in zip(parts, sizes, strict=True))})
        if rows and self.spec.epochs == 0:
            self.trace.replace(rows)

    def _train(self, method: TrainingMethod | None) -> None:
        """The training loop with this run's trace, snapshots and resume file."""
        teacher = None
        if method is not None and self.spec.distill > 0:
            with self._phase("teacher"):
                teacher = predict(self.model, self.train_set, self.pad)
        loop = Loop(evaluate=lambda: self._evaluate()["score"], trace=self.trace.append,
                    report=lambda done, total, note: self.report(Progress("train", done, total, note)),
                    resume_file=self.folder / RESUME)
        if method is not None:
            method.layers = self.layers
        trainer = Trainer(self.model, self.train_set, self.pad, self.spec, loop, method, teacher)
        if method is not None:
            method.prepare(self.layers, Context(
                pattern=self.pattern, total_steps=trainer.total, dense=self.dense,
                stats=self.sight, solution=self.solution, lr=trainer.rate, model=self.model, batches=self.batches))
            small = sum(w.numel() for w in self.dense.values()) <= LIMIT
            kept = small and holds(self.spec.record, "full") and method.feasible() is not None
            loop.snapshot = lambda step: self._snapshot(method, step, loop, kept)
            loop.hard_prune = lambda: self._at_hard_prune(method, loop, trainer.total)
        with self._phase("train"):
            resumed = self.resuming and trainer.resume()
            if resumed:
                self.scores.update(loop.extra.get("scores", {}))
                self.snapshots.load(loop.extra.get("snapshots", []))
                self.moments.load(loop.extra.get("moments", []))
                self.trace.cut(trainer.position)
            else:
                self.trace.replace()
                self.trace.append({"step": 0, "epoch": 0.0, "phase": method.phase if method else "dense",
                                   "score": trainer.score(), **(method.measures() if method else {})})
                loop.snapshot(0)
            loop.extra["scores"] = self.scores
            before = trainer.seconds
            trainer.run()
            self.steps = trainer.total
        self.record.timing.phases["train"] += round(before, 3)  # what the run spent before it was killed

    def _at_hard_prune(self, method: TrainingMethod, loop: Loop, total: int) -> None:
        """The accuracies around the hard prune: W as it is, Z, and W under the final mask."""
        feasible = method.feasible()
        if feasible is not None:
            self.scores["admm_w"] = self._evaluate()["score"]
            self.scores["admm_z"] = self._score_with(feasible)
        pruned = method.pruned(method.choose_masks())
        self.scores["hard_pruned"] = self._score_with(pruned)
        if method.hard_step < total:  # otherwise it is the final model
            self.moments.look("hard-pruned", method.hard_step, pruned, self.layers)
            loop.extra["moments"] = self.moments.state()

    def _snapshot(self, method: TrainingMethod, step: int, loop: Loop, kept: bool) -> None:
        if kept:
            self.snapshots.take(method, step)
            loop.extra["snapshots"] = self.snapshots.state()
        if self.moments.during(method, step):
            loop.extra["moments"] = self.moments.state()

    def _probes(self) -> Sequence[ProbeText]:
        """The sentences whose inside this run keeps; below the level masks none."""
        return probes_of(self.spec.task) if holds(self.spec.record, "masks") else ()

    def _keep(self, masks: dict[str, Tensor] | None) -> None:
        """Final scores, header and arrays; the weights themselves go to the checkpoint folder."""
        save_checkpoint(self.model, self.loaded.tokenizer, self.folder / CHECKPOINT)
        logits = predict(self.model, self.eval_set, self.pad)
        detail = score(self.data.entry, logits, self.eval_set.labels)
        final = {name: layer.weight.detach() for name, layer in self.layers.items()}
        spec = self.spec
        same = "dense" if masks is None else "hard_pruned"  # nothing was trained after it: the final model is that one
        known = {same: detail["score"], **self.scores}
        self.record.results = Scores(
            metric=self.data.entry.metric, n_eval=len(self.eval_set), split=self.data.split, final=detail["score"],
            detail={k: v for k, v in detail.items() if k != "score"}, **known)
        shapes = {n: torch.ones_like(w, dtype=torch.bool) for n, w in final.items()}
        self.record.matrices = record_matrices(spec.record, final, self.dense if masks else final, masks or shapes,
                                               self.magnitude if masks else shapes, self.pattern, self.stats)
        arrays = record_arrays(spec.record, final, self.dense, masks, self.pattern, self.stats)
        arrays |= answers_of(logits, self.eval_set.labels).arrays()
        if self.grid is not None and masks is not None:
            gridded.record(spec.record, self.grid, in_numpy(final), in_numpy(masks), in_numpy(self.scales),
                            self.record.matrices, arrays)
        if holds(spec.record, "masks"):
            captured = capture(self.model, self.loaded.tokenizer, self._probes(), spec.max_length)
            self.record.probes = captured.probes
            arrays |= to_arrays(captured)
        self.record.snapshots = self.snapshots.taken
        arrays |= self.snapshots.arrays()
        if masks is not None:
            self.moments.look("final", self.steps)
            self.record.moments = self.moments.taken
            if holds(spec.record, "masks"):
                arrays |= self.moments.arrays()
        write_arrays(self.folder, arrays)
