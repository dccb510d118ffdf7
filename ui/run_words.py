"""The words of the Run page: how long, how far, how much."""

from __future__ import annotations

from core.live.estimates import Estimate
from core.live.status import LiveStatus
from core.runs.phases import WORK
from core.runs.records import RunRecord
from core.views.drawing import style

STATES = {"queued": "waiting", "running": "running", "succeeded": "done", "failed": "failed", "cancelled": "cancelled",
          "unknown": "not known"}


def duration(seconds: float) -> str:
    """Seconds in the unit a person would say: "12 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def expectation(estimate: Estimate, run_id: str = "") -> str:
    """What to expect of the run *run_id*, and from which measurement: of itself, or of one like it."""
    if estimate.seconds is None:
        time = f"How long it takes is not known: {estimate.source}."
    else:
        like = estimate.like
        whose = f"by {estimate.source}" if like is None else f"as {estimate.source}" if like.id == run_id \
            else f"by {named(like)}, {estimate.source}"
        time = f"About {duration(estimate.seconds)}, and a few seconds to start, {whose}."
    if estimate.dense_seconds is None:
        time += " The dense parent is made first: how long that takes is not known."
    elif estimate.dense_seconds:
        time += f" The dense parent is made first, about {duration(estimate.dense_seconds)} more."
    memory = "not measured on this machine yet" if estimate.memory_mb is None else \
        f"about {estimate.memory_mb:.0f} MB, {estimate.memory_source}"
    return f"{time} Memory: {memory}."


def outcome(record: RunRecord, mine: bool) -> str:
    """What the very run that the form asks for came to, *mine*: made on this machine, not recorded elsewhere."""
    text = "Made on this machine" if mine else "Recorded"
    found = record.results
    if found is None or found.final is None:
        return f"{text}."
    dense = "" if found.dense is None else f", dense {style.score(found.dense)}"
    return f"{text}: it scores {style.score(found.final)}{dense}."


def named(record: RunRecord) -> str:
    """A run as a person knows it: "ADMM in training at 2:4 on MRPC"."""
    spec = record.spec
    at = "" if spec.method == "dense" else f" at {style.pattern_words(spec.pattern, spec.bits)}"
    return f"{style.method_title(spec.method)}{at} on {style.task_title(spec.task)}"


def standing(found: LiveStatus) -> str:
    """One line on a run: where it stands, since when, how long still."""
    if found.state == "queued":
        return f"waiting, {found.place} of {found.of} in the queue, for {duration(found.elapsed)}"
    if found.state != "running":
        return STATES[found.state]
    if not found.watched:
        return ", ".join(["running, started from the command line", *([found.note] if found.note else [])])
    phase = WORK.get(found.phase, found.phase)
    parts = [f"{phase} {found.done} of {found.total}" if found.total > 1 else phase]
    parts += [style.matrix_words(found.note)] if found.note else []
    parts += [f"{duration(found.elapsed)} so far"]
    parts += [f"about {duration(found.remaining)} left in this phase"] if found.remaining is not None else []
    parts += [f"no sign of life for {duration(found.silent)}"] if found.silent else []
    return ", ".join(parts)
