"""One group over all iterations: who crosses the line, and how good each choice is beside all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.lab.results_group import MOST, GroupPath
from core.views.drawing import style
from core.views.film import panels
from core.views.film.panels import Part
from core.views.touch.one_group import blank_words, entries, first

# Of an entry: stays at the first iteration, stays at the last one -> its words and colour.
ROLES: dict[tuple[bool, bool], tuple[str, str]] = {
    (True, True): ("stays", style.ACCENT),
    (False, True): ("comes in", style.rgba(style.SEQUENTIAL_HUE)),
    (True, False): ("goes out", style.rgba(style.NEGATIVE)),
    (False, False): ("goes", style.GREY),
}


def roles(path: GroupPath) -> list[tuple[str, str]]:
    """What becomes of every entry over all iterations, in words, and its colour."""
    return [ROLES[bool(a), bool(b)] for a, b in zip(path.mask[0], path.mask[-1], strict=True)]


def crossings(path: GroupPath) -> Part:
    """|W + U| of every entry over the iterations, thick while it stays: a crossing is where two lines meet."""
    size, rounds, become = np.abs(path.v), range(path.last + 1), roles(path)
    return panels.strip(
        "|W + U|", [(str(i + 1), rounds, size[:, i].tolist(), become[i][1]) for i in range(path.m)], low=0.0,
        high=1.05 * (float(size.max()) or 1.0), wide=[path.mask[:, i].tolist() for i in range(path.m)], share=2.4,
        key=[role for role in ROLES.values() if role in become])


def choice(path: GroupPath) -> Part:
    """The error of each iteration's choice, its kept weights refitted; a line at the best of all choices."""
    best = None if path.choices is None else (float(path.choices.errors.min()), "the best")
    return panels.strip("lost", [("lost", range(path.last + 1), path.error.tolist(), style.ACCENT)], low=0.0, step=True,
                        high=1.15 * (float(path.error.max()) or 0.1), form="percent", level=best)


def crossed(path: GroupPath) -> str:
    """The claim: who came in, when, and who went."""
    if path.n == path.m or path.blank:
        return "Nothing crosses: there is nothing to choose." if path.n == path.m else blank_words(path)
    turns, total = path.turns, path.last
    if not turns:
        return f"No entry crosses the line in {total} iterations: {entries(path.mask[0])} stay" \
               f"{'s' if path.n == 1 else ''}."
    new, old = path.mask[-1] & ~path.mask[0], path.mask[0] & ~path.mask[-1]
    if turns[-1] > 0.9 * total and len(turns) > 2:
        return f"The choice changes {len(turns)} times and has not come to rest by iteration {total}."
    if not new.any():
        return f"The choice changes {len(turns)} times, last at iteration {turns[-1]}, and ends where it began."
    when = [_came(path.mask[:, i]) for i in np.flatnonzero(new)]
    one = len(when) == 1
    times = ", ".join(map(str, sorted(set(when))))
    were, them, go = ("was", "it", "goes") if one else ("were", "them", "go")
    return f"{first(entries(new))} {were} cut at first; the dual carries {them} across the line at iteration " \
           f"{times}, and {entries(old)} {go}."


def _came(stays: NDArray[np.bool_]) -> int:
    """The iteration from which an entry that stays at the end has stayed all along."""
    return int(np.flatnonzero(~stays)[-1]) + 1


def judged(path: GroupPath, k: int) -> str:
    """How good the choice of iteration *k* is beside all others."""
    if path.n == path.m or path.blank:
        return "Nothing is lost: " + ("everything stays." if path.n == path.m else "all weights are zero.")
    now = f"Iteration {k} keeps {entries(path.mask[k])}: refitted, {_lost(path.error[k])} of the output is lost"
    if path.choices is None:
        return f"{now}. There are {style.count(path.ways)} choices, and at most {style.count(MOST)} are tried one " \
               "by one: the best is not known."
    rank, best = path.choices.rank(float(path.error[k])), path.choices.best
    if rank == 1:
        rest = "" if (path.mask[k] == path.mask[0]).all() else \
            f"; with the largest, {entries(path.mask[0])}, it would be {_lost(path.error[0])}"
        return f"{now}, the least of all {style.count(path.ways)} choices{rest}."
    return f"{now}, place {style.count(rank)} of {style.count(path.ways)}; with the best, " \
           f"{entries(path.choices.supports[best])}, it would be {_lost(path.choices.errors[best])}."


def _lost(error: float) -> str:
    return style.percent(float(error))
