"""Which runs stand side by side: the link's text, the runs that teach most, their short names."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from core.methods import METHODS, position_of
from core.runs.levels import rank
from core.runs.records import RunRecord
from core.views.drawing import style
from core.views.drawing.telling_apart import names_with_task, short_names

MOST = 4  # runs side by side: more panels than that cannot be read from the last row
LETTERS = "ABCD"
TELLING = ("magnitude", "asp", "admm")  # cut only; cut and trained on; cut while training
READ = 2000  # characters of the link that are looked at: four ids take 330


def parse(text: str) -> list[str]:
    """The run ids of `?runs=a,b,c`, in order, each once. Nothing is checked here but the length."""
    return list(dict.fromkeys(part.strip() for part in text[:READ].split(",") if part.strip()))


def finished(record: RunRecord) -> bool:
    """Is this a run that ended with a score?"""
    return record.status == "succeeded" and record.results is not None and record.results.final is not None


def telling(records: Iterable[RunRecord], around: RunRecord | None = None, own: Container[str] = ()) -> list[str]:
    """The runs that teach most: magnitude, ASP and ADMM on one pattern of one task and model, the first as reference.

    With *around*, of its task, model, pattern and grid, and itself among them (where none of the three prunes to that
    pattern, the methods that do); else 2:4 wherever those three keep most
    of what can be looked at. Of several runs of a method the one that keeps most, and among those the newest; one of
    *own*, the ids made on this machine, only where none is recorded. Where the three are not there, whatever finished
    runs there are; fewer than two when the store has no more.
    """
    done = [r for r in records if finished(r)]
    if around is not None:
        spec = around.spec
        near = [r for r in done if (r.spec.task, r.spec.model) == (spec.task, spec.model)]
        pattern, bits = (spec.pattern, spec.bits) if spec.method != "dense" else ("2:4", 0)
        found = [r.id for r in _trio(near, pattern, bits, own)] or [
            r.id for r in _each_method(near, pattern, bits, own) if r.id != around.id][:MOST - 1]
        if around.id not in found and finished(around):
            found = [*found, around.id] if around.spec.method != "dense" else [around.id, *found]
        return _filled(found[:MOST], near, own)
    places = list(dict.fromkeys((r.spec.task, r.spec.model) for r in done))
    trios = [_trio([r for r in done if (r.spec.task, r.spec.model) == place], "2:4", 0, own) for place in places]
    best = max(trios, key=lambda trio: (sum(r.id not in own for r in trio), len(trio), sum(map(_kept, trio))),
               default=[])
    near = [r for r in done if best and (r.spec.task, r.spec.model) == (best[0].spec.task, best[0].spec.model)]
    return _filled([r.id for r in best], near or done, own)


def _kept(record: RunRecord) -> int:
    """How much of a run was kept, as a rank."""
    return rank(record.spec.record)


def _trio(records: Sequence[RunRecord], pattern: str, bits: int, own: Container[str]) -> list[RunRecord]:
    return _each_method(records, pattern, bits, own, TELLING)


def _each_method(records: Sequence[RunRecord], pattern: str, bits: int, own: Container[str],
                 names: Iterable[str] = METHODS) -> list[RunRecord]:
    """A run of each of the methods *names* that has one."""
    out = []
    for method in names:
        alike = [r for r in records if (r.spec.method, r.spec.pattern, r.spec.bits) == (method, pattern, bits)]
        out += [max(alike, key=lambda r: (r.id not in own, _kept(r), r.created, r.id))] if alike else []
    return out


def _filled(found: list[str], records: Sequence[RunRecord], own: Container[str]) -> list[str]:
    """*found*, with further runs of *records* (recorded, pruned and new ones first) until there are two."""
    more = sorted((r for r in records if r.id not in found),
                  key=lambda r: (r.id not in own, r.spec.method != "dense", r.created, r.id), reverse=True)
    return [*found, *(r.id for r in more[:max(2 - len(found), 0)])]


def mates(records: Iterable[RunRecord], run_id: str) -> tuple[list[str], str]:
    """What a run that has just ended is compared with, and the link's words: the last other one made like it, and its
    dense parent. The list begins with the reference; it is empty where there is nothing to compare with."""
    listed = list(records)
    own = next((r for r in listed if r.id == run_id), None)
    if own is None or not finished(own):
        return [], ""
    last = max((r for r in listed if finished(r) and r.id != run_id and r.spec.method != "dense"
                and (r.spec.task, r.spec.model) == (own.spec.task, own.spec.model) and r.created <= own.created),
               key=lambda r: (r.created, r.id), default=None)
    parent = next((r for r in listed if r.id == own.parent), None)
    if last is None and parent is None:
        return [], ""
    if last is None:
        return [parent.id, run_id] if parent is not None else [], "Compare with its dense parent"
    if parent is None:
        return [last.id, run_id], "Compare with the last run"
    return [last.id, run_id, parent.id], "Compare with the last run and its dense parent"


def titles(records: Sequence[RunRecord]) -> list[str]:
    """A short name for every run of a comparison, "B · ADMM 2:4": the letter makes it unique, A is the reference.

    The task and the model are named where the runs do not share them.
    """
    tasks, models = ({getattr(r.spec, name) for r in records} for name in ("task", "model"))
    out = []
    for letter, record in zip(LETTERS, records, strict=False):
        spec = record.spec
        words = [style.method_title(spec.method)]
        words += [style.pattern_words(spec.pattern, spec.bits)] if spec.method != "dense" else []
        words += [style.task_title(spec.task)] if len(tasks) > 1 else []
        words += [style.model_title(spec.model)] if len(models) > 1 else []
        out.append(f"{letter} · {' '.join(words)}")
    return out


def letter(title: str) -> str:
    """The letter of a short name."""
    return title[0]


def listed(records: Iterable[RunRecord], task: str, model: str) -> dict[str, str]:
    """Every run that can be chosen, with its words: those of *task* and *model* first and without naming them, then by
    task and model."""
    found = sorted((r for r in records if r.status != "queued"), key=lambda r: (
        (r.spec.task, r.spec.model) != (task, model), r.spec.task, r.spec.model, position_of(r.spec.method),
        r.spec.pattern, r.spec.epochs, r.spec.seed, r.id))
    near = short_names(r for r in found if (r.spec.task, r.spec.model) == (task, model))
    far = names_with_task(r for r in found if r.id not in near)
    return {r.id: near.get(r.id) or far[r.id] for r in found}
