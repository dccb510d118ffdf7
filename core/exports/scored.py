"""The pictures of *Accuracy vs ratio*, each from what a link asks for: the views, and the defaults, of the page."""

from __future__ import annotations

from core.errors import InputError
from core.evidence import search
from core.evidence.lines import kinds
from core.evidence.places import AVERAGE, averaged, first, places
from core.evidence.quantities import KL, QUANTITIES
from core.evidence.tables import opening_pattern, patterns
from core.evidence.ways import DENSE
from core.exports.asked import Asked
from core.views.drawing.view import View
from core.views.scores import across as pattern_by_pattern
from core.views.scores import chart, helps, multiples
from core.views.scores import forest as forests
from core.views.scores.story import STORY, lit_of


def _judged(asked: Asked) -> chart.Asked:
    """What the large chart is asked for: the link's task, else that of its run, else the page's own."""
    found, best = places(asked.cells), first(asked.cells, STORY)
    if not found or best is None:
        raise InputError("No run here keeps its answers", "runs that do", "See `python -m core evaluate --help`.")
    task, model = best
    if "run" in asked.query:
        spec = asked.run().record.spec
        task, model = spec.task, spec.model
    task = asked.choice("task", [*(name for name, _ in found), AVERAGE], task)
    models = [m for name, m in found if name == task] or [m for _, m in found]
    model = asked.choice("model", models, model if model in models else models[0])
    quantity = asked.choice("show", list(QUANTITIES))
    tasks = averaged(asked.cells, model, quantity) if task == AVERAGE else (task,)
    axis = asked.choice("axis", list(chart.AXES))
    kind = asked.choice("kind", kinds(asked.cells, tasks, model) or [chart.NM])
    wanted = chart.Asked(tasks, model, quantity, axis, kind)
    lit = lit_of(chart.keys(asked.cells, wanted), asked.query.get("lit", ""))
    return chart.Asked(tasks, model, quantity, axis, kind, lit, asked.query.get("published") == "true")


def curve(asked: Asked) -> View:
    return chart.chart(asked.cells, _judged(asked))


def forest(asked: Asked) -> View:
    found = _judged(asked)
    there = patterns(asked.cells, found.tasks, found.model)
    if not there:
        raise InputError("No method has runs on all of these tasks", "another task", "Name one with --set task=...")
    pattern = asked.choice("pattern", there, opening_pattern(there, found.kind))
    names = forests.references(asked.cells, found.tasks, found.model, pattern, found.quantity)
    return forests.forest(asked.cells, found.tasks, found.model, pattern, found.quantity,
                          asked.choice("against", list(names), DENSE))


def across(asked: Asked) -> View:
    found = _judged(asked)
    return pattern_by_pattern.drawn(asked.cells, found.tasks, found.model, found.quantity)


def tasks(asked: Asked) -> View:
    found = _judged(asked)
    return multiples.multiples(asked.cells, averaged(asked.cells, found.model, found.quantity) or found.tasks,
                               found.model, found.quantity, found.kind, found.lit)


def helped(asked: Asked) -> View:
    found = search.searched(asked.store.entries())
    there = search.places(found, search.SEARCHED)
    if not there:
        raise InputError("No search is recorded", "runs with --dev-examples", "See sweeps/studies for how one is made.")
    named = {place.key: place for place in there}
    place = named[asked.choice("at", list(named))]
    task = asked.choice("task", [*place.tasks, AVERAGE], AVERAGE)
    return helps.helps(found, place, place.tasks if task == AVERAGE else (task,), search.SEARCHED,
                       asked.choice("show", list(QUANTITIES), KL))
