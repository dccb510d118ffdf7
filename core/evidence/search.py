"""What helps a method: its runs with something changed, each held against the method by itself, at the same budget.

Such a search is made on examples held out of train: some it chooses by, others are kept for a last look
(`core.tasks.loading`). No validation example has a part in it. Other methods with the same budget stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.errors import InputError
from core.evidence import words
from core.evidence.cells import Cell, cells
from core.evidence.estimates import Judged, constant, dense_of, estimate, judged
from core.evidence.groups import Group, groups
from core.evidence.quantities import KL, LOSS, QUANTITIES, SCORE
from core.evidence.settings import settings
from core.evidence.ways import DENSE
from core.methods import METHODS, entry_of
from core.methods.knobs import knobs_of, make_knobs
from core.runs.answers import UNSEEN
from core.runs.records import RunSpec
from core.runs.store import Entry
from core.statistics.corrected import holm, p_from
from core.statistics.interval import LEVEL
from core.tasks import HELD_OUT, position_of

# Settings that may be changed to help, beside the knobs. All others (epochs, data, soft targets ...) are the budget.
INGREDIENTS = ("lr", "batch_size", "distill_hidden", "distill_attention", "dropout", "calibration")
PLAIN = RunSpec(task="")
SEARCHED = "admm"  # the method whose search the pages show

Changes = tuple[tuple[str, str], ...]  # setting or knob, and its value, as they are written
Key = tuple[str, Changes]  # method; ("admm", ()) is the method by itself


@dataclass(frozen=True)
class Searched:
    """The cells of a search: what it *chose* by, and its last look, at what was *unseen*."""

    chose: tuple[Cell, ...]
    unseen: tuple[Cell, ...]


@dataclass(frozen=True)
class Place:
    """Where a search was made: all effects of one place share model, pattern, epochs and the other settings."""

    model: str
    pattern: str
    epochs: float
    tasks: tuple[str, ...]  # on which the method was run by itself, in the order of the list of tasks

    @property
    def key(self) -> str:
        """What a link calls it."""
        return f"{self.pattern}-{self.epochs:g}-{self.model}"

    @property
    def budget(self) -> str:
        """Its training, in words: "2 epochs"."""
        return f"{self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"


@dataclass(frozen=True)
class Effect:
    """One change, or another method: its difference from the method by itself, in the place's quantity."""

    key: Key
    chose: Judged
    unseen: Judged | None  # None where the runs kept nothing apart
    p: float  # two-sided, of no difference where it was chosen, Holm's correction over all that was tried

    @property
    def changes(self) -> Changes:
        """What was changed; empty for another method by itself."""
        return self.key[1]

    @property
    def passes(self) -> float:
        """Passes forward and backward that a step took, on average: with more than one the budget is not the same."""
        spec = self.chose.groups[0].spec
        try:
            return make_knobs(entry_of(spec.method).knobs, spec.knobs).passes
        except InputError:  # a method or a knob that this version does not know
            return 1.0


def searched(entries: Iterable[Entry]) -> Searched:
    """The runs of *entries* that were scored on examples held out of train."""
    listed = list(entries)
    return Searched(tuple(cells(listed, split=HELD_OUT)), tuple(cells(listed, split=HELD_OUT, part=UNSEEN)))


def changes_of(spec: RunSpec) -> Changes:
    """What *spec* sets otherwise than its method does by itself: knobs in their order, then INGREDIENTS."""
    if spec.method not in METHODS:
        return ()
    found = [(knob.name, spec.knobs[knob.name]) for knob in knobs_of(METHODS[spec.method].knobs)
             if knob.name in spec.knobs and spec.knobs[knob.name] != knob.default]
    found += [(name, getattr(spec, name)) for name in INGREDIENTS if getattr(spec, name) != getattr(PLAIN, name)]
    return tuple((name, f"{value:g}" if isinstance(value, float) else str(value).lower()) for name, value in found)


def places(found: Searched, method: str) -> list[Place]:
    """Where *method* was run by itself and with something changed: the most tasks first, then the most runs."""
    tasks: dict[tuple[str, str, float], dict[str, set[Key]]] = {}
    for g in groups(found.chose):
        if g.spec.method != DENSE:
            where = (g.spec.model, g.spec.pattern, g.spec.epochs)
            tasks.setdefault(where, {}).setdefault(g.spec.task, set()).add((g.spec.method, changes_of(g.spec)))
    out = []
    for (model, pattern, epochs), held in tasks.items():
        mine = [task for task, keys in held.items()
                if (method, ()) in keys and any(name == method and changes for name, changes in keys)]
        if mine:
            out.append(Place(model, pattern, epochs, tuple(sorted(mine, key=position_of))))
    return sorted(out, key=lambda p: (-len(p.tasks), -sum(len(k) for k in tasks[p.model, p.pattern, p.epochs].values()),
                                      p.epochs, p.pattern))


def effects(found: Searched, place: Place, tasks: Sequence[str], method: str, quantity: str = KL) -> list[Effect]:
    """What every change to *method* did, and every other method, on *tasks* (the mean over several), best first.

    Only what was run on all of *tasks*; paired by example and by seed, with the interval of `core.statistics`.
    Raises InputError where *method* was not run by itself on all of them.
    """
    base = (method, ())
    rows, unseen = (_ways(part, place, tasks, base, quantity) for part in (found.chose, found.unseen))
    if base not in rows:
        raise InputError(f"{method} by itself was not run on {', '.join(tasks)} at {place.pattern}",
                         "a method with a recorded search", "See `python -m core helps`.")
    chose, apart = (_against(held, base, quantity) for held in (rows, unseen))
    known = [key for key, one in chose.items() if one.versus is not None]
    raised = holm([p_from(chose[key].versus.interval) for key in known])  # type: ignore[union-attr]
    out = [Effect(key, chose[key], apart.get(key), p) for key, p in zip(known, raised, strict=True)]
    sign = -1.0 if QUANTITIES[quantity].more else 1.0
    return sorted(out, key=lambda e: sign * e.chose.versus.interval.value)  # type: ignore[union-attr]


def helped(kl: Sequence[Effect], loss: Sequence[Effect], method: str) -> list[Effect]:
    """Of *kl*, the changes to *method* that its search would choose: clearly nearer to dense after Holm's correction,
    not clearly worse in *loss*, and better than the best constant answer; best first. Nothing but the examples that
    choose has a say."""
    worse = {e.key for e in loss if e.chose.versus is not None and e.chose.versus.interval.low > 0}
    return [e for e in kl if e.key[0] == method and e.chose.versus is not None and e.chose.versus.interval.value < 0
            and e.p < 1 - LEVEL and e.key not in worse and not e.chose.idle]


def choice(found: Searched, place: Place, tasks: Sequence[str], method: str) -> list[Effect]:
    """`helped` on *tasks*."""
    return helped(effects(found, place, tasks, method, KL), effects(found, place, tasks, method, LOSS), method)


def untaught(found: Searched, place: Place, tasks: Sequence[str], method: str) -> list[str]:
    """Those of *tasks* whose dense model itself does not clearly beat the best constant answer, where the search
    chooses: what stays near it need not have learnt the task."""
    rows = _ways(found.chose, place, tasks, (method, ()), SCORE)
    dense = [dense_of(group) for group in rows.get((method, ()), ())]
    return [one.spec.task for one in dense if estimate((one,), SCORE).interval.low <= constant(one, SCORE)]


def row_name(effect: Effect, method: str, spoken: bool = False) -> str:
    """What the row of *effect* is called in a search of *method*: by knobs and values, or *spoken*."""
    name, changes = effect.key
    own = (words.effect_phrase if spoken else words.effect_name)(name, changes)
    own = own if name == method or not changes else f"{words.name_of(name, trained=True)}: {own}"
    return own if effect.passes == 1 else f"{own} (passes \N{MULTIPLICATION SIGN}{effect.passes:g})"


def _ways(part: Iterable[Cell], place: Place, tasks: Sequence[str], base: Key,
          quantity: str) -> dict[Key, tuple[Group, ...]]:
    """The groups at *place* by their key, a group a task."""
    here = (c for c in part if c.record.spec.task in tasks and c.defines(quantity) and not c.record.spec.bits
            and (c.record.spec.model, c.record.spec.pattern, c.record.spec.epochs)
            == (place.model, place.pattern, place.epochs))
    keyed = [((g.spec.method, changes_of(g.spec)), g) for g in groups(here)]
    held: dict[Key, dict[str, Group]] = {}
    budgets: dict[str, str] = {}
    for key, g in sorted(keyed, key=lambda one: (one[0] != base, -len(one[1].cells))):
        # Of several budgets of a task (other teachers, other lengths) the one that *base* has with most seeds.
        if budgets.setdefault(g.spec.task, _budget(g.spec)) == _budget(g.spec):
            held.setdefault(key, {})[g.spec.task] = g
    return {key: tuple(by[task] for task in tasks) for key, by in held.items() if all(task in by for task in tasks)}


def _budget(spec: RunSpec) -> str:
    return settings(spec, but=("method", "knobs", *INGREDIENTS))


def _against(rows: dict[Key, tuple[Group, ...]], base: Key, quantity: str) -> dict[Key, Judged]:
    if base not in rows:
        return {}
    found = judged(list(rows.values()), [None if key == base else rows[base] for key in rows], quantity)
    return dict(zip(rows, found, strict=True))
