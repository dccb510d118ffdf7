"""Training one run: the loop of `training`, with what this run traces, keeps and continues from."""

from __future__ import annotations

from torch import Tensor

from core.methods.base import Context, TrainingMethod
from core.running.calibrating import Calibration
from core.running.journal import Journal
from core.running.optimising import second_moment
from core.running.preparing import Prepared
from core.running.progress import Progress
from core.running.solving import Solution
from core.running.training import Loop, Trainer
from core.surgery import quietly


def fit_dense(ready: Prepared, journal: Journal) -> None:
    """Train the dense model; for 0 epochs it is the checkpoint as it is."""
    if not ready.spec.epochs:
        with journal.phase("evaluate"):
            journal.trace.replace([{"step": 0, "epoch": 0.0, "phase": "dense", "score": ready.score()}])
        return
    loop = _loop(ready, journal)
    _run(Trainer(ready.model, ready.train_set, ready.pad, ready.spec, loop), loop, ready, journal)


def fit(ready: Prepared, method: TrainingMethod, calibration: Calibration, solution: Solution,
        journal: Journal) -> int:
    """Train under *method*, from *solution* where it has a start; the model is left with the weights it is to be used
    with. Returns the number of steps."""
    teacher = None
    if ready.spec.distill > 0:
        with journal.phase("teacher"):
            teacher = ready.answers_to(ready.train_set)
    loop = _loop(ready, journal)
    method.layers = ready.layers
    trainer = Trainer(ready.model, ready.train_set, ready.pad, ready.spec, loop, method, teacher)
    method.prepare(ready.layers, Context(
        pattern=ready.pattern, total_steps=trainer.total, dense=ready.dense, stats=calibration.shown,
        solution=solution, lr=trainer.rate, model=ready.model, batches=calibration.batches,
        second_moment=lambda name: second_moment(trainer.optimizer, ready.layers[name].weight)))

    def snapshot(step: int) -> None:
        if journal.snapshots.take(method, step, trainer.total):
            loop.extra["snapshots"] = journal.snapshots.state()
        if journal.moments.during(method, step):
            loop.extra["moments"] = journal.moments.state()

    def hard_prune() -> None:
        feasible, masks = method.feasible(), method.choose_masks()
        journal.scores.update(_split_scores(ready, feasible))
        pruned = method.pruned(masks)
        journal.scores["hard_pruned"] = ready.score_with(pruned)
        method.sampled([ready.score_with(method.pruned(drawn)) for drawn in method.samples()])
        if method.hard_step < trainer.total:  # otherwise it is the final model
            with quietly(ready.pattern, ready.layers, pruned):
                journal.moments.look("hard-pruned", method.hard_step, pruned, ready.layers)
            loop.extra["moments"] = journal.moments.state()
            if feasible is not None:
                journal.snapshots.look("hard-pruned", method.hard_step, pruned, masks)
                loop.extra["snapshots"] = journal.snapshots.state()

    loop.snapshot, loop.hard_prune = snapshot, hard_prune
    _run(trainer, loop, ready, journal)
    return trainer.total


def _split_scores(ready: Prepared, feasible: dict[str, Tensor] | None) -> dict[str, float]:
    """The scores of W as it is and of Z, for a method that has both."""
    return {} if feasible is None else {"admm_w": ready.score(), "admm_z": ready.score_with(feasible)}


def _loop(ready: Prepared, journal: Journal) -> Loop:
    return Loop(evaluate=ready.score, trace=journal.trace.append, resume_file=journal.resume_file,
                report=lambda done, total, note: journal.report(Progress("train", done, total, note)))


def _run(trainer: Trainer, loop: Loop, ready: Prepared, journal: Journal) -> None:
    """Train, from where a killed run was or from the start."""
    method = trainer.method
    with journal.phase("train"):
        if journal.resuming and trainer.resume():
            journal.scores.update(loop.extra.get("scores", {}))
            journal.snapshots.load(loop.extra.get("snapshots", []))
            journal.moments.load(loop.extra.get("moments", []))
            journal.trace.cut(trainer.position)
        else:
            journal.trace.replace()
            journal.trace.append({"step": 0, "epoch": 0.0, "phase": method.phase if method else "dense",
                                  "score": trainer.score(), **(method.measures() if method else {})})
            loop.snapshot(0)
        loop.extra["scores"] = journal.scores
        before = trainer.seconds
        trainer.run()
    journal.record.timing.phases["train"] += round(before, 3)  # what the run spent before it was killed
