"""One group as a film: its entries as bars with the line, W, U and Z in numbers, and all iterations beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.lab.results_group import GroupPath
from core.views.drawing import style
from core.views.film import panels
from core.views.film.reel import Film, Reel, column, row
from core.views.touch import one_group_rounds as rounds
from core.views.touch.one_group import arithmetic, claim, entries, short

ROWS = ("W", "U", "W + U", "Z", "next U")
HIGH = 430  # pixels of the row under the scrubber
CELL = 25  # of a row of numbers
DENSE = "dense weight"


def film(path: GroupPath, entry: str) -> Film:
    """Every iteration of *path*; the arithmetic is that of *entry* ("1" is the first)."""
    moments = range(path.last + 1)
    reel = Reel([f"iteration {k}" for k in moments], pace=0.7)
    masks = path.mask[:, None, :]
    target = reel.numbers(path.v[:, None, :])
    reel.add("claim", panels.words("", [claim(path, k) for k in moments], large=True, height=30))
    reel.add("bars", panels.columns(
        "", [(DENSE, reel.numbers(path.weights[None, None, :]), style.ACCENT), ("W + U", target, style.ACCENT)],
        follows="group", group=(1, path.m), first=(0, 0), mask=reel.bits(masks), line=path.n < path.m, alt=_alt(path),
        entries=[colour for _, colour in rounds.roles(path)], hollow=[DENSE]))
    cells = np.stack([path.w, path.u, path.v, path.z, path.carried], axis=1)
    shown = np.ones(cells.shape, np.uint8)
    shown[:, ROWS.index("Z")] = path.mask
    reel.add("cells", panels.pixels(
        "", reel.numbers(cells), palette=reel.palette("weights", style.diverging_palette()), mask=reel.bits(shown),
        limit=float(np.abs(cells).max()) or 1.0, rows=ROWS, stretch=True, written=True, key=False, most=120,
        height=CELL * len(ROWS), say=("row", "entry", "value"), start=(0, 1), gone="0, cut",
        alt="W, U, W + U, Z and the next U of every entry in numbers"))
    reel.add("arithmetic", panels.words("", [arithmetic(path, k, entry) for k in moments], height=44, tells=False))
    reel.add("crossed", panels.words("", [rounds.crossed(path)], height=44))
    reel.add("time", panels.curves("", [rounds.crossings(path), rounds.choice(path)], alt=rounds.crossed(path)))
    reel.add("judged", panels.words("", [rounds.judged(path, k) for k in moments], height=66))
    return reel.film(claim(path, path.last), _alt(path), _table(path), [
        row(column("claim"), height=30),
        row(column("bars", "cells", "arithmetic", least=330), column("crossed", "time", "judged", least=330),
            height=HIGH)])


def _alt(path: GroupPath) -> str:
    last = path.last
    return f"Bars of W + U for {path.m} entries: " + ", ".join(
        f"{i + 1} {short(float(v))} {'stays' if s else 'goes'}"
        for i, (v, s) in enumerate(zip(path.v[last], path.mask[last], strict=True))) + f". {claim(path, last)}"


def _table(path: GroupPath) -> pd.DataFrame:
    """One row an iteration."""
    columns = {"iteration": np.arange(path.last + 1), "keeps": [entries(m) for m in path.mask]}
    columns |= {f"|W + U| {i + 1}": np.abs(path.v[:, i]) for i in range(path.m)}
    columns["output lost"] = path.error
    if path.choices is not None:
        known = {e: path.choices.rank(e) for e in map(float, np.unique(path.error))}
        columns["place"] = [known[float(e)] for e in path.error]
    return pd.DataFrame(columns)
