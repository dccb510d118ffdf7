"""The methods: what each is in its own words, what was recorded with it, what all of them cost on one task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.evidence.single import Versus
from core.methods import METHODS, Entry, entry_of, position_of
from core.methods.cards import MethodText, idea_of, text_of
from core.methods.knobs import Knob, knobs_of
from core.runs.records import RunRecord
from core.views.catalogue.claims import Claim, claims
from core.views.drawing import style
from core.views.drawing.telling_apart import off_default
from core.views.scores.points import Point, point_of, scored

TRAINING = {"never": "no training", "optional": "with or without training", "always": "in training"}
USUAL = "2:4"  # the pattern that is shown first
UNITS, APART, TRAINED = "Whole heads and neurons", "Before any training", "In training"


def family_of(entry: Entry) -> str:
    """Where a method belongs: by what it prunes, then by when."""
    return UNITS if entry.prunes == "units" else TRAINED if entry.training == "always" else APART


def families() -> dict[str, list[str]]:
    """All methods by family, each family in the order of METHODS: {"Before any training": ["magnitude", ...], ...}."""
    return {family: [name for name, entry in METHODS.items() if family_of(entry) == family]
            for family in (APART, TRAINED, UNITS)}


@dataclass(frozen=True)
class Row:
    """One recorded run of a method, in words."""

    id: str
    task: str
    pattern: str
    budget: str
    score: str
    difference: str
    within: bool  # level with dense, or above: zero or more is inside the interval


@dataclass(frozen=True)
class MethodCard:
    """One method: its text, its knobs, what was printed of it, and our runs."""

    name: str
    title: str
    colour: str
    training: str
    implied: bool  # does the name of its family say when it trains?
    idea: str
    text: MethodText
    knobs: tuple[Knob, ...]
    claims: tuple[Claim, ...]
    rows: tuple[Row, ...]
    lab: bool  # can the layer lab run it?
    trace: str | None  # the run to open there


def card(records: Sequence[RunRecord], versus: Versus, name: str) -> MethodCard:
    """The card of method *name*; *versus* knows the runs' differences to
    dense. Raises InputError for a name that is not in METHODS."""
    entry, text = entry_of(name), text_of(name)
    own = [r for r in records if r.spec.method == name]
    if entry.target:
        shown = sorted((r for r in own if scored(r)), key=_place)
        rows = [_row(r, point_of(r, versus)) for r in shown]
    else:
        shown = sorted((r for r in own if r.status == "succeeded" and r.results is not None), key=_place)
        rows = [Row(r.id, style.task_title(r.spec.task), "dense", _budget(r),
                    style.score(r.results.final) if r.results else "–", "–", True) for r in shown]
    trace = next((r.id for r in shown if r.snapshots or r.spec.epochs > 0), shown[0].id if shown else None)
    kind = "units · " if entry.prunes == "units" else ""
    return MethodCard(name, entry.title, entry.colour, f"{kind}{TRAINING[entry.training]}",
                      family_of(entry) == TRAINED, idea_of(text), text,
                      knobs_of(entry.knobs), tuple(claims(name)), tuple(rows),
                      bool(entry.target) and entry.by_layer, trace if entry.target else None)


def _row(record: RunRecord, point: Point) -> Row:
    return Row(record.id, style.task_title(record.spec.task), point.words, _budget(record), style.score(point.score),
               point.apart_words, point.within)


def _budget(record: RunRecord) -> str:
    return f"{record.spec.epochs:g} epochs" if record.spec.epochs else "no training"


def _place(record: RunRecord) -> tuple[bool, bool, bool, float, str, str, str]:
    """Real tasks before synthetic ones, the usual pattern before others: the first rows are the comparable ones."""
    spec = record.spec
    return (synthetic(spec.task), bool(off_default(record)), spec.pattern != USUAL or bool(spec.bits),
            round(record.sparsity, 3), spec.task, _budget(record), record.id)


def synthetic(task: str) -> bool:
    """Is this one of our built-in tasks?"""
    from core.tasks import TASKS

    return task in TASKS and TASKS[task].kind == "built-in"


COUNTED = ("Other work of the machine is in the times. Not counted: the dense fine-tuning that all start from, the "
           "pass over the calibration text, evaluation. Against dense in points, with the 95 % interval over the "
           "examples; ≈: dense is not clearly better.")

# -- what all of them cost on one task ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """One method on the task of the comparison. Seconds are wall time of that one run."""

    name: str
    title: str
    colour: str
    row: Row
    solving: str
    training: str


@dataclass(frozen=True)
class Costs:
    """All methods with a run of one task, model and pattern: a sentence, the rows, and where it was measured."""

    claim: str
    rows: tuple[Cost, ...]
    note: str


def costs(records: Sequence[RunRecord], versus: Versus, units: bool = False) -> Costs | None:
    """The comparison on the task, model and pattern that most methods have a run of (a real task before a synthetic
    one). One run a method and kind of budget: the one that turns no knob, with the lowest seed. None without any.

    *units*: of runs that remove whole heads and neurons; else of all others.
    """
    kinds: dict[tuple[str, str, str], list[RunRecord]] = defaultdict(list)
    for r in records:
        if scored(r) and not r.spec.bits and (units == (r.units is not None)):
            kinds[r.spec.task, r.spec.model, r.spec.pattern].append(r)
    if not kinds:
        return None
    task, model, pattern = max(kinds, key=lambda k: (not synthetic(k[0]), len({r.spec.method for r in kinds[k]}),
                                                     k[2] == USUAL, len(kinds[k]), k))
    chosen = _one_each(kinds[task, model, pattern])
    rows = [Cost(r.spec.method, style.method_title(r.spec.method), style.colour(r.spec.method),
                 _row(r, point_of(r, versus)),
                 seconds(r.timing.phases.get("solve")), seconds(r.timing.phases.get("train"))) for r in chosen]
    return Costs(_claim(chosen, task, pattern), tuple(rows), _note(chosen, model))


def noted(tables: Iterable[Costs | None]) -> list[tuple[Costs, str]]:
    """The *tables* that there are, each with its note; what holds for all of them stands under the last one alone."""
    there = [table for table in tables if table is not None]
    return [(table, table.note if at == len(there) else table.note.removesuffix(COUNTED).rstrip())
            for at, table in enumerate(there, 1)]


def _one_each(records: Iterable[RunRecord]) -> list[RunRecord]:
    """One run a (method, trained), in the order of METHODS."""
    found: dict[tuple[str, bool], RunRecord] = {}
    for r in sorted(records, key=lambda r: (len(off_default(r)), r.spec.seed, r.id)):
        found.setdefault((r.spec.method, r.spec.epochs > 0), r)
    return sorted(found.values(), key=lambda r: (r.spec.epochs > 0, position_of(r.spec.method)))


def seconds(value: float | None) -> str:
    """A duration as written on a page; a dash for a phase that a run does not have."""
    if value is None:
        return "–"
    if value < 0.1:
        return f"<{style.SPACE}0.1{style.SPACE}s"
    return f"{value:.1f}{style.SPACE}s" if value < 9.95 else f"{value:.0f}{style.SPACE}s"


def _claim(chosen: Sequence[RunRecord], task: str, pattern: str) -> str:
    """Who loses least without training, and who with it; by how much is in the rows."""
    halves: list[str] = []
    for trained in (False, True):
        own = [(r, point_of(r)) for r in chosen if (r.spec.epochs > 0) == trained]
        said = "without training" if not trained else "with it" if halves else "with training"
        if own:
            best, _ = max(own, key=lambda pair: pair[1].score - pair[1].dense)
            halves.append(f"{said} {style.method_title(best.spec.method)}{'' if halves else ' loses least'}")
    return f"{style.task_title(task)} at {pattern}: {', '.join(halves)}."


def _note(chosen: Sequence[RunRecord], model: str) -> str:
    places = sorted({f"{r.environment.processor}, {r.environment.threads} "
                     f"{'thread' if r.environment.threads == 1 else 'threads'}"
                     for r in chosen if r.environment is not None})
    where = f" on {'; '.join(places)}" if places else ""
    epochs = sorted({r.spec.epochs for r in chosen if r.spec.epochs > 0})
    trained = f" {' or '.join(f'{e:g}' for e in epochs)} epochs where a method trains." if epochs else ""
    return (f"Model {model.rstrip('/').rsplit('/', 1)[-1]}, one run a row.{trained} Wall time{where}. {COUNTED}")
