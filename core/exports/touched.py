"""The pictures of the pages that compute: two weights, one group, one layer. They import torch when they are made."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import InputError
from core.exports.asked import Asked
from core.views.drawing.view import View
from core.views.film import copies
from core.views.film.reel import Film
from core.views.touch import layerlab, one_block, one_group_film, two_weights


def plane(asked: Asked) -> Film:
    from core.lab import plane as solver

    found = solver.read(asked.query)
    _refuse(found.problems)
    return two_weights.film(solver.solve(found.choices))


def group(asked: Asked) -> Film:
    from core.lab import group as solver
    from core.lab import reading_group as reading

    kind = reading.pattern(asked.query.get("pattern", reading.CHOICES[0]))
    weights = reading.values(asked.query.get("values", reading.start(kind, _seed(asked))), reading.size(kind))
    entry = asked.choice("entry", reading.entries(kind))
    if "value" in asked.query:
        weights = reading.replaced(weights, entry, reading.number(asked.query["value"], "value"))
    path = solver.solve(weights, kind, reading.share(asked.number("coupling", 60, 0, 90)),
                        reading.rho(asked.query.get("rho", "1")), asked.number("iterations", 20, 1, 200))
    return one_group_film.film(path, entry)


def block(asked: Asked) -> View:
    from core.lab import reading_group as reading

    kind = reading.pattern(asked.query.get("pattern", reading.CHOICES[-1]))
    weights = reading.values(asked.query.get("values", reading.start(kind, _seed(asked))), reading.size(kind))
    return one_block.block(reading.library_of(kind), weights)


def patterns(asked: Asked) -> View:
    from core.lab import reading_group as reading

    kind = reading.pattern(asked.query.get("pattern", reading.CHOICES[-1]))
    weights = reading.values(asked.query.get("values", reading.start(kind, _seed(asked))), reading.size(kind))
    return one_block.patterns(reading.library_of(kind), weights)


def lab(asked: Asked) -> Film:
    from core.lab import choices_layer as knobs
    from core.lab import layer, source

    offered = source.offered(asked.records, asked.own)
    run = asked.store.open(asked.choice("run", list(offered)))
    matrix = asked.choice("matrix", source.matrices_of(run.record))
    choices, problems = knobs.read(asked.query, knobs.usual(run.record.spec.pattern))
    _refuse(problems)
    here = source.source_of(run, matrix)
    path = layer.path_of(here, choices)
    return layerlab.film(path, dict(layer.errors_of(here, path.pattern, path.grid)),
                         layer.pinned(here, asked.query.get("pin")),
                         *copies.place(asked.query.get("row"), asked.query.get("column")))


def _seed(asked: Asked) -> int:
    from core.lab import reading_group as reading

    return reading.seed(asked.query.get("seed", "0"))


def _refuse(problems: Iterable[InputError | str]) -> None:
    """Raise the first of *problems*: a page goes on with its default, a file would be of something else."""
    for problem in problems:
        if isinstance(problem, InputError):
            raise problem
        given, _, rest = problem.partition(". Expected ")
        raise InputError(given, *rest.partition(". ")[::2])
