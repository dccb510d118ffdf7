"""The choices of *Accuracy vs ratio*: the task, what is judged, over what, the lines in colour, the forest's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from core.evidence import search
from core.evidence.cells import ids_of, left_out
from core.evidence.lines import kinds
from core.evidence.places import AVERAGE, averaged, first, places
from core.evidence.quantities import KL, QUANTITIES, SCORE
from core.evidence.tables import opening_pattern, patterns
from core.evidence.ways import DENSE
from core.sparsity.parsing import PATTERNS
from core.views.drawing import style
from core.views.scores import across, chart, error_and_score, forest
from core.views.scores.story import STORY, lit_of
from ui import frame, into_view, links

OWN = links.Own("accuracy", ("axis", "published", "view", "show", "kind", "lit", "pattern", "against", "model",
                              "at"))
RATIO, ERROR, HELPS = "ratio", "error", "helps"
VIEWS = {RATIO: "Over ratio", ERROR: "Over error", HELPS: "What helps ADMM?"}
VALIDATION = (
    "Scores are of GLUE's validation sets, which the field has looked at often. On examples that nobody had seen, "
    "trained runs at 1:4 scored 3 to 4 points lower and magnitude at 2:4 scored 6 points lower; the order of ADMM over "
    "the others held.")


@dataclass(frozen=True)
class Tried:
    """What the picture of a search is asked for: plain values, so that it can be kept under them."""

    place: search.Place
    tasks: tuple[str, ...]
    quantity: str


def choose() -> tuple[str, str, chart.Asked | Tried | None]:
    """Draw the bar; return the view, the task (or AVERAGE), and what its picture is asked for (None: score over error,
    or nothing to draw)."""
    found, judged = frame.cached_cells(places), frame.cached_over(error_and_score.panels)
    tried = frame.cached_search(search.places, search.SEARCHED)
    views = [view for view, there in ((RATIO, found), (ERROR, judged), (HELPS, tried)) if there]
    if not views:
        return RATIO, AVERAGE, None
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        slot = st.container(width="content")
        view = OWN.choose("view", "View", views, words=VIEWS.__getitem__, look="segments",
                          quiet=True) if len(views) > 1 else views[0]
        with slot:
            if view == HELPS:
                tasks = list(dict.fromkeys(task for place in tried for task in place.tasks))
                options = [AVERAGE, *tasks] if len(tasks) > 1 else tasks
                task = _task(options, options[0], "all its tasks")
            elif view == ERROR:
                return view, _task([AVERAGE, *dict.fromkeys(task for task, _ in judged)], AVERAGE, "all tasks"), None
            else:
                task, model = _place(found)
        chosen = _tried(task, tried) if view == HELPS else _asked(task, model)
    into_view.place("bar")
    return view, task, chosen


def opening() -> chart.Asked | None:
    """What the page asks for where a link says nothing; None without a point to draw."""
    if not frame.cached_cells(places):
        return None
    task, model = frame.cached_cells(first, STORY)
    tasks = frame.cached_cells(averaged, model, SCORE) if task == AVERAGE else (task,)
    plain = chart.Asked(tasks, model, kind=frame.cached_cells(kinds, tasks, model)[0])
    return replace(plain, lit=lit_of(frame.cached_cells(chart.keys, plain)))


def work_ahead() -> None:
    """Draw what the page opens with, before anybody comes: from the top."""
    asked = opening()
    if asked is None:
        return
    frame.cached_over(error_and_score.panels)
    frame.cached_cells(chart.chart, asked)
    there = frame.cached_cells(patterns, asked.tasks, asked.model)
    if there:
        frame.cached_cells(forest.forest, asked.tasks, asked.model, opening_pattern(there, asked.kind), asked.quantity,
                           DENSE)
    frame.cached_cells(across.drawn, asked.tasks, asked.model, asked.quantity)


def open_task(task: str) -> None:
    """Show *task* by itself, from the top of the page."""
    links.shared.put("task", task)
    into_view.ask("bar")


def _tried(task: str, tried: Sequence[search.Place]) -> Tried:
    """The choices of *What helps ADMM?*, drawn in the bar: what is judged by, and where the search was made."""
    names = {p.key: p for p in tried if task == AVERAGE or task in p.tasks}
    quantity = _quantity(KL)
    where = OWN.choose("at", "Where", list(names), words=lambda key: _where(names[key]), kind="place", quiet=True,
                       width=220) if len(names) > 1 else next(iter(names))
    place = names[where]
    return Tried(place, place.tasks if task == AVERAGE else (task,), quantity)


def _quantity(default: str) -> str:
    return OWN.choose("show", "Judge by", list(QUANTITIES), words=lambda q: QUANTITIES[q].title, kind="quantity",
                      width=198, quiet=True, default=default)


def _where(place: search.Place) -> str:
    return f"{place.pattern}, {place.budget}, {style.model_title(place.model)}"


def _task(options: list[str], default: str, average: str) -> str:
    return links.shared.choose("task", "Task", options, default=default, quiet=True, width=160,
                               words=lambda t: average if t == AVERAGE else style.task_title(t))


def _place(found: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The task, or the average, and its model: a box of its own only where a task has several."""
    best = frame.cached_cells(first, STORY)
    means = [model for model in dict.fromkeys(model for _, model in found) if frame.cached_cells(averaged, model)]
    task = _task([*dict.fromkeys(task for task, _ in found), *([AVERAGE] if means else [])], best[0], "average of GLUE")
    models = means if task == AVERAGE else [model for name, model in found if name == task]
    models.sort(key=lambda m: m != best[1])
    return task, OWN.choose("model", "Model", models, words=style.model_title, width=160,
                            quiet=True) if len(models) > 1 else models[0]


def _asked(task: str, model: str) -> chart.Asked:
    """The chart's own choices, drawn in the bar."""
    quantity = _quantity(SCORE)
    tasks = frame.cached_cells(averaged, model, quantity) if task == AVERAGE else (task,)
    axis = OWN.choose("axis", "Across", list(chart.AXES), words=chart.AXES.__getitem__, look="segments", kind="axis",
                      quiet=True)
    there = frame.cached_cells(kinds, tasks, model)
    with st.popover("Lines", width="content"):
        kind = OWN.choose("kind", "Patterns", there, words=lambda k: PATTERNS[k].syntax, look="segments") \
            if len(there) > 1 else there[0]
        lit = _lit(frame.cached_cells(chart.keys, chart.Asked(tasks, model, quantity, axis, kind)))
        printed = axis == chart.ZEROS and quantity == SCORE and len(tasks) == 1 and OWN.switch(
            "published", "Published points",
            help="Scores that others print, of another model and another budget: where the field is, not who wins.")
    return chart.Asked(tasks, model, quantity, axis, kind, lit, printed)


def _lit(names: Mapping[str, str]) -> tuple[str, ...]:
    """The lines in colour, chosen in a box (`?lit=asp,admm`); those of the story when none is."""
    default, now = lit_of(names), lit_of(names, OWN.get("lit") or "")
    links.widget("several", "accuracy.lit", "In colour", list(now),
                 lambda chosen: OWN.put("lit", ",".join(chosen), ",".join(default)), names=names)
    return now


def of_forest(asked: chart.Asked) -> tuple[str, str]:
    """Draw the forest's choices; return its pattern ("" where no method has runs on all tasks) and its reference."""
    there = frame.cached_cells(patterns, asked.tasks, asked.model)
    if not there:
        return "", DENSE
    with st.container(horizontal=True, vertical_alignment="center"):
        pattern = OWN.choose("pattern", "Pattern", there, width=210, quiet=True,
                             default=opening_pattern(there, asked.kind))
        names = frame.cached_cells(forest.references, asked.tasks, asked.model, pattern, asked.quantity)
        against = OWN.choose("against", "Held against", list(names), width=280, quiet=True, kind="reference",
                             words=lambda key: f"against {names[key]}")
    return pattern, against


def small_print(asked: chart.Asked) -> str:
    """What stands folded under the chart."""
    known = frame.cached_cells(ids_of, asked.tasks, asked.model)
    missing = len(frame.cached_over(left_out, asked.tasks, asked.model, known))
    apart = "" if not missing else (
        f" Left out, as they keep no answers or answer other examples: {missing} run{'s' if missing > 1 else ''} "
        "(`python -m core evaluate ID --record` adds the answers of a run made here).")
    return (f"{QUANTITIES[asked.quantity].reading} Full lines and dots: trained while or after pruning; dotted, open: "
            "no training. Bars and band: 95 % intervals over the examples and, where there are several, the seeds. "
            f"{chart.RATIO_IS_NOT_SPEED} {VALIDATION}{apart}")
