"""The list of runs: a row a folder of the store, in words, to search, filter and sort."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.methods import position_of
from core.runs.records import RunRecord
from core.runs.signatures import away
from core.runs.store import Entry
from core.tasks import TASKS
from core.views.catalogue.overview import LOW
from core.views.drawing import style
from core.views.drawing.telling_apart import off_default, said_as, told_apart

if TYPE_CHECKING:
    import pandas as pd

LETTERS = 200  # of a reason or a search: what is longer was not written to be read
MADE = {"recorded": "recorded", "here": "made here"}
STATUS = {"succeeded": "finished"}  # in a list beside "failed", "running" ...
FIELDS = ("task", "method", "pattern", "model", "status", "made")  # that a list can be filtered by


@dataclass(frozen=True)
class Row:
    """One run, or a folder that is none. A damaged folder has its id, its status and the reason alone."""

    id: str
    status: str  # of the record, or "damaged"
    made: str  # a key of MADE
    details: str  # what tells it from its neighbours, or why it cannot be shown
    task: str = ""
    model: str = ""
    method: str = ""
    pattern: str = ""  # with its grid, in words
    score: float | None = None
    dense: float | None = None
    zeros: float | None = None
    moments: int = 0
    created: str = ""
    place: tuple[object, ...] = ()  # where it stands in the list
    text: str = ""  # all that a search looks at

    @property
    def standing(self) -> str:
        """How it stands, and whose it is: "recorded", "made here", "failed, made here"."""
        return MADE[self.made] if self.status == "succeeded" else f"{self.status}, {MADE[self.made]}"


def rows(entries: Iterable[Entry]) -> tuple[Row, ...]:
    """All folders: real tasks before built-in ones, runs of one task, model and pattern together, dense first and then
    the mildest pattern, by method; the damaged last."""
    listed = list(entries)
    records = [e.record for e in listed if e.record is not None]
    apart, mild = told_apart(records), _mildest(records)
    found = [_damaged(e) if e.record is None else _row(e, e.record, apart[e.id], mild[e.record.spec.pattern])
             for e in listed]
    return tuple(sorted(found, key=lambda r: r.place))


def _mildest(records: Iterable[RunRecord]) -> dict[str, float]:
    """The least share of zeros that any run of a pattern has."""
    found: dict[str, float] = {}
    for r in records:
        zeros = r.sparsity if r.matrices and r.spec.method != "dense" else 0.0
        found[r.spec.pattern] = min(zeros, found.get(r.spec.pattern, zeros))
    return found


def _damaged(entry: Entry) -> Row:
    made, why = "recorded" if entry.recorded else "here", (entry.damage or "")[:LETTERS]
    return Row(entry.id, "damaged", made, why, place=(True, entry.id),
               text=f"{entry.id} damaged {MADE[made]} {why}".casefold())


def _row(entry: Entry, record: RunRecord, apart: str, zeros: float) -> Row:
    spec, results = record.spec, record.results
    made = "recorded" if entry.recorded else "here"
    pattern = style.pattern_words(spec.pattern, spec.bits) if spec.method != "dense" else ""
    synthetic = spec.task in TASKS and TASKS[spec.task].kind == "built-in"
    details = " · ".join(filter(None, [away(record, entry.path), _details(record, apart)]))
    model = style.model_title(spec.model)
    said = (record.id, spec.task, style.task_title(spec.task), model, spec.method, style.method_title(spec.method),
            pattern, details, record.status, STATUS.get(record.status, ""), MADE[made])
    return Row(
        record.id, record.status, made, details, spec.task, model, spec.method, pattern,
        results.final if results else None, results.dense if results else None,
        record.sparsity if record.matrices and spec.method != "dense" else None,
        len(record.snapshots) or len(record.film), record.created[:10],
        (False, synthetic, spec.task, model, bool(pattern), zeros, pattern, position_of(spec.method), spec.epochs,
         spec.seed, record.id),
        " ".join(said).casefold())


def _details(record: RunRecord, apart: str) -> str:
    """What a run sets otherwise than its neighbours; for one that did not end well, its error."""
    if record.error and record.status != "succeeded":
        return record.error.strip()[:LETTERS]
    spec = record.spec
    turned = off_default(record)
    turned += [w for w in apart.split(" · ") if w and w not in turned]
    split = record.results.split if record.results else "validation"
    told = said_as("dev_examples", str(spec.dev_examples)) in turned
    return " · ".join(filter(None, [
        f"{spec.epochs:g} epochs" if spec.epochs else "no training" if spec.method != "dense" else "",
        f"distilled {spec.distill:g}" if spec.distill else "", f"seed {spec.seed}",
        "" if split == "validation" or told else f"scored on {split}", *turned]))


def chosen(found: Sequence[Row], search: str = "", **wanted: str) -> list[Row]:
    """The rows that hold every word of *search* (in any case, in any order; ids too) and obey *wanted*: a field of
    FIELDS and its value, "" for any."""
    words = search[:LETTERS].casefold().split()
    return [r for r in found if all(word in r.text for word in words)
            and all(value in ("", getattr(r, field)) for field, value in wanted.items())]


def values(found: Iterable[Row], field: str) -> list[str]:
    """The values of *field* (of FIELDS) that occur, methods in the order of their list."""
    held = {getattr(r, field) for r in found} - {""}
    return sorted(held, key=position_of) if field == "method" else sorted(held)


def value_words(field: str, value: str) -> str:
    """A value of *field* as written on a page."""
    match field:
        case "task":
            return style.task_title(value)
        case "method":
            return style.method_title(value)
        case "made":
            return MADE[value]
        case "status":
            return STATUS.get(value, value)
    return value


def claim(shown: Sequence[Row], found: Sequence[Row]) -> str:
    """How many runs are shown, and how many of them are a person's own."""
    count, own = style.count(len(shown)), sum(r.made == "here" for r in shown)
    of = f" of {style.count(len(found))}" if len(shown) < len(found) else ""
    return f"{count}{of} runs{f', {style.count(own)} made here' if own else ''}"


def table(shown: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table. *% of dense*: the score in per cent of dense's, empty where dense is too near zero."""
    import pandas as pd

    kept = [100 * r.score / r.dense if r.score is not None and r.dense is not None and r.dense > LOW else None
            for r in shown]
    return pd.DataFrame({
        "task": [style.task_title(r.task) if r.task else r.id[:LETTERS] for r in shown],
        "model": [r.model for r in shown],
        "method": [style.method_title(r.method) if r.method else "" for r in shown],
        "pattern": [r.pattern for r in shown],
        "score": pd.array([r.score for r in shown], dtype="Float64"),
        "% of dense": pd.array(kept, dtype="Float64"),
        "zeros": pd.array([r.zeros for r in shown], dtype="Float64"),
        "moments": pd.array([r.moments or None for r in shown], dtype="Int64"),
        "run": [r.standing for r in shown],
        "details": [r.details for r in shown],
        "date": [r.created for r in shown]})


def stamp(ids: Sequence[str]) -> str:
    """A short text that changes with the runs listed or their order."""
    return hashlib.blake2b("\n".join(ids).encode(errors="surrogateescape"), digest_size=8).hexdigest()
