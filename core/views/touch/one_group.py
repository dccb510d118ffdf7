"""One group at one iteration in words and numbers: who stays, and the arithmetic of one entry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.lab.results_group import GroupPath
from core.views.drawing import style
from core.views.drawing.build import PAGE_TEXT

STRONG = 0.6  # of the colour range: numbers on such cells are white


def short(value: float) -> str:
    """A weight with three digits at most, and a true minus."""
    if abs(value) < 0.0005:  # rounding of the solver, not a weight
        return "0.00"
    form = ".3g" if abs(value) >= 10 else ".2f" if abs(value) >= 0.005 else ".1g"
    return ("−" if value < 0 else "") + format(abs(value), form)


def entries(mask: NDArray[np.bool_]) -> str:
    """Which entries *mask* `[M]` holds, counted from 1: "entry 3", "entries 1, 2 and 4"."""
    names = [str(i + 1) for i in np.flatnonzero(mask)]
    if len(names) < 2:
        return f"entry {names[0]}" if names else "no entry"
    return f"entries {', '.join(names[:-1])} and {names[-1]}"


def first(text: str) -> str:
    """*text* with a capital, as a sentence begins."""
    return text[:1].upper() + text[1:]


def blank_words(path: GroupPath) -> str:
    """What there is to say when all weights are zero."""
    stays = "the first stays" if path.n == 1 else f"the first {path.n} stay"
    return f"All weights are zero: all tie at zero, {stays}, and kept energy has no meaning."


def arithmetic(path: GroupPath, k: int, entry: str) -> str:
    """What iteration *k* does to *entry* ("1" is the first), in its own numbers."""
    i = int(entry) - 1
    w, u, v, z, carried = (short(float(a[k, i])) for a in (path.w, path.u, path.v, path.z, path.carried))
    sums = f"Entry {entry}: W + U = {w} + {u} = {v}"
    if path.n == path.m:
        return f"{sums}, and Z = {z}."
    side = "on" if path.tied[k, i] else "above" if path.mask[k, i] else "below"
    line = f"{sums}, {side} the line at {short(float(path.line[k]))}"
    return f"{line}: it stays, Z = {z}, and its next U is {carried}." if path.mask[k, i] else \
        f"{line}: it goes, Z = {z}, and all of it becomes the next U, {carried}."


def claim(path: GroupPath, k: int) -> str:
    """Who stays at iteration *k*, and what they hold."""
    if path.n == path.m:
        return f"{path.n}:{path.m} keeps everything: Z is W + U, and there is nothing to choose."
    if path.blank:
        return blank_words(path)
    verb = "stays, the largest" if path.n == 1 else f"stay, the {path.n} largest"
    held = "it holds" if path.n == 1 else "they hold"
    said = f"Iteration {k}: {entries(path.mask[k])} {verb} of {path.m} by |W + U|; " \
            f"{held} {style.percent(float(path.kept_energy[k]))} of the squared weights."
    if path.tied[k].any():
        said += f" {first(entries(path.tied[k]))} tie: the lower index stays."
    return said


def inks(cells: NDArray[np.floating], limit: float) -> list[str]:
    """The colour of the number on every cell, row by row: the page's own, white where the cell is strong."""
    return np.where(np.abs(cells).reshape(-1) > STRONG * limit, "#ffffff", PAGE_TEXT).tolist()
