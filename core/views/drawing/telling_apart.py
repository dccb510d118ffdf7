"""Runs that would look alike in a list, and the settings that tell them apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from core.methods import METHODS
from core.methods.knobs import knobs_of
from core.runs.records import LATER, RunRecord, RunSpec
from core.views.drawing import style

QUIET = ("record", "film", "knobs")  # how much is kept decides nothing; knobs are listed one by one
UNSEEN = "unseen_examples"  # goes with the examples held out, which are said


def told_apart(records: Iterable[RunRecord]) -> dict[str, str]:
    """Words by run id, "" for a run whose `style.run_words` nobody of its task shares.

    Twins get the settings in which they differ ("metric none · calibration 128"); those that differ in nothing, the
    last part of their id.
    """
    alike: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for record in records:
        alike[record.spec.task, style.run_words(record)].append(record)
    out: dict[str, str] = {}
    for twins in alike.values():
        said = {r.id: settings(r) for r in twins}
        names = [n for n in dict.fromkeys(n for s in said.values() for n in s)
                 if len({s.get(n) for s in said.values()}) > 1]
        for r in twins:
            words = " · ".join(said_as(n, said[r.id][n]) for n in names if n in said[r.id] and n != UNSEEN)
            out[r.id] = "" if len(twins) == 1 else words or r.id.rsplit("-", 1)[-1]
    return out


def off_default(record: RunRecord) -> list[str]:
    """What a run sets otherwise than its method, or the grid, does by itself: ["metric none", "chunk 0"]."""
    spec, said = record.spec, settings(record)
    usual: dict[str, Any] = {k: v for k, v in LATER.items() if k != "bits"}  # bits stand beside the pattern
    usual |= _usual(record)
    given = msgspec.structs.asdict(spec) | spec.knobs
    return [said_as(name, said[name]) for name, value in usual.items()
            if name != UNSEEN and given.get(name, value) != value]


def _usual(record: RunRecord) -> dict[str, Any]:
    """The defaults of the knobs of a run's method; none for a method that this version does not know."""
    method = record.spec.method
    return {knob.name: knob.default for knob in knobs_of(METHODS[method].knobs)} if method in METHODS else {}


def said_as(name: str, value: str) -> str:
    """A setting and its value, as `settings` writes it, in words: "seed 3", "scored on 500 held out of train"."""
    return SAID[name](value) if name in SAID else f"{name.replace('_', ' ')} {value}"


def settings(record: RunRecord) -> dict[str, str]:
    """All that a spec says, as text; of its knobs also those that it leaves at their default without a word."""
    fields: dict[str, Any] = msgspec.structs.asdict(record.spec)
    return _text({k: v for k, v in fields.items() if k not in QUIET} | _usual(record) | fields["knobs"])


def _text(values: dict[str, Any]) -> dict[str, str]:
    return {k: ("on" if v else "off") if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
            for k, v in values.items()}


# How a setting is said where its own name would not be understood.
SAID: dict[str, Callable[[str], str]] = {
    "start": lambda v: f"from {v}",
    "epochs": lambda v: "no training" if v == "0" else f"{v} epochs",
    "seed": lambda v: f"seed {v}",
    "inputs": lambda v: f"{v} inputs",
    "rho_start": lambda v: f"rho from {v}",
    "rho_end": lambda v: f"rho to {v}",
    "distill": lambda v: f"distilled {v}",
    "share": lambda v: f"ADMM for {float(v):.0%}".replace("%", " %"),
    "train_examples": lambda v: "all examples" if v == "None" else f"{v} examples",
    "dev_examples": lambda v: "scored on validation" if v == "0" else f"scored on {v} held out of train",
}


def short_names(records: Iterable[RunRecord]) -> dict[str, str]:
    """The runs of one list by id, each as short as the list allows: method and pattern, and only such settings as
    tell it from another of the same, where they are not the usual ones. The model is named where the list has several.
    """
    listed = list(records)
    several = len({r.spec.model for r in listed}) > 1
    alike: dict[str, list[RunRecord]] = defaultdict(list)
    for r in listed:
        words = [style.method_title(r.spec.method)]
        if r.spec.method != "dense":
            words.append(style.pattern_words(r.spec.pattern, r.spec.bits))
        if several:
            words.insert(0, style.model_title(r.spec.model))
        alike[" \N{MIDDLE DOT} ".join(words)].append(r)
    out: dict[str, str] = {}
    for shared, twins in alike.items():
        said = {r.id: settings(r) for r in twins}
        names = _enough(list(said.values()))
        for r in twins:
            usual = _text(msgspec.structs.asdict(RunSpec(task=r.spec.task)) | _usual(r))
            apart = [said_as(n, said[r.id][n]) for n in names if n in said[r.id]
                     and (n in ALWAYS or said[r.id][n] != usual.get(n))]
            state = [r.status] if r.status != "succeeded" else []
            out[r.id] = " \N{MIDDLE DOT} ".join([shared, *apart, *state])
    counts = Counter(out.values())
    return {k: v if counts[v] == 1 else f"{v} \N{MIDDLE DOT} {k.rsplit('-', 1)[-1]}" for k, v in out.items()}


def names_with_task(records: Iterable[RunRecord]) -> dict[str, str]:
    """As `short_names`, for a list over several tasks: "CoLA · ADMM in training · 2:4"."""
    tasks: dict[str, list[RunRecord]] = defaultdict(list)
    for r in records:
        tasks[r.spec.task].append(r)
    return {run: f"{style.task_title(task)} \N{MIDDLE DOT} {words}" for task, found in tasks.items()
            for run, words in short_names(found).items()}


ALWAYS = ("start", "epochs")  # said of every run of a list in which they differ; the rest only off its default


def _enough(said: list[dict[str, str]]) -> list[str]:
    """As few settings as tell *said* apart. Where W begins and how long it trained is said wherever it differs."""
    known = [*SAID, *(n for n in dict.fromkeys(n for s in said for n in s) if n not in SAID)]
    names = [n for n in ALWAYS if len({s.get(n) for s in said}) > 1]
    for _ in known:
        kinds = len({tuple(s.get(n) for n in names) for s in said})
        if kinds == len(said):
            break
        finer = {n: len({tuple(s.get(m) for m in [*names, n]) for s in said}) for n in known if n not in names}
        best = max(finer, key=lambda n: finer[n])
        if finer[best] == kinds:
            break
        names.append(best)
    return names
