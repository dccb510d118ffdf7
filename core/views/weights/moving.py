"""One matrix on its way as a film: before, now and the difference, a tile in numbers, what goes and what stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.filmed import PRUNED, Filmed, Frame, filmed, has_film
from core.runs.store import Run
from core.views.drawing import maps, style
from core.views.film import panels
from core.views.film.copies import Cut, cut_of, whole_matrix
from core.views.film.reel import Film, Reel, column, evenly, row
from core.views.film.timeline import Timeline
from core.views.film.watch import split
from core.views.patterns import groups
from core.views.weights import before_after, pair
from core.views.weights.tile import Knobs, unit_digits

MOST = 40  # moments of one film
ROOM = 1_250_000  # bytes of its maps
SAYS = 28  # pixels of the sentence
LOW = 290  # pixels of the row with the tile
Floats = NDArray[np.float32]


def watched(run: Run, matrix: str) -> Filmed | None:
    """What can be played of *matrix*; None where no moments were kept, or no weights to begin with.

    Raises InputError for damaged arrays.
    """
    if not has_film(run.record):
        return None
    found = filmed(run, matrix)
    whole = len(found.frames) > 2 and found.frames[0].phase == "dense" and found.frames[-1].mask is not None
    return found if whole else None


def shows(run: Run, matrix: str) -> list[str]:
    """What can be looked at between before and difference: W, Z, and U where it was kept; empty without moments."""
    found = watched(run, matrix)
    if found is None:
        return []
    return ["w", "z", *(["u"] if any(f.u is not None for f in found.frames) else [])]


def knobs(run: Run, matrix: str) -> Knobs:
    """Where the tile can lie in what was filmed of *matrix*."""
    found = filmed(run, matrix)
    rows, cols = found.frames[0].w.shape
    half = maps.TILE // 2
    multiple = found.pattern.multiple
    return Knobs(maps.tile_reach((rows, cols), multiple), (half, -(-half // multiple) * multiple), True)


def place_of(run: Run, matrix: str, moment: str) -> int | None:
    """The number in the film of a moment as older links name it ("2", "final"); None for one that was not kept."""
    kept, found = pair.moments(run, matrix), watched(run, matrix)
    if found is None or moment not in kept:
        return None
    at = len(found.frames) - 1 if moment == pair.FINAL else 1 + kept.index(moment)
    return int(np.argmin([abs(k - at) for k in _chosen(found)]))


def moment_of(run: Run, matrix: str, k: int) -> str:
    """What stands still nearest to moment *k* of the film, as `pair.load` names it."""
    places = {moment: place_of(run, matrix, moment) for moment in pair.moments(run, matrix)}
    return min(places, key=lambda moment: abs((places[moment] or 0) - k), default=pair.FINAL)


def film(run: Run, matrix: str, what: str = "w", top: int = 0, left: int = 0, finer: bool = False) -> Film | None:
    """The film of *matrix*, *what* (w, z or u) in the middle, the tile at (*top*, *left*); *finer*: the difference in a
    tenth of the range. None where nothing can be played."""
    found = watched(run, matrix)
    if found is None:
        return None
    shape = (found.frames[0].w.shape[0], found.frames[0].w.shape[1])
    small = maps.tile_at(shape, top, left, found.pattern.multiple)
    cut = cut_of(shape, found.pattern.grouping.cell, small[0].start - 24, small[1].start - 24)
    found = replace(found, frames=[found.frames[k] for k in _chosen(found)])
    line = Timeline(tuple(f.phase for f in found.frames), tuple(f.step for f in found.frames))
    reel = Reel(line.words(), line.spans(), pace=max(0.25, min(0.8, 12 / line.last)))
    ended = before_after.answers(pair.load(run, matrix))
    left_of, moved = courses(found)
    says = [_said(line.words()[k], left_of[k], moved[k]) for k in range(line.last)]
    reel.add("say", panels.words("", [*says, ended[1]], height=SAYS))
    _maps(reel, found, cut, small, what, finer)
    _tile(reel, found, small, what)
    reel.add("split", split(reel, found))
    reel.add("courses", panels.curves("Left and moved", [
        panels.strip("left", [("left", range(len(left_of)), left_of, style.rgba(style.NEGATIVE))], low=0.0,
                     high=max(*left_of, 1.0), form="percent"),
        panels.strip("moved", [("moved", range(len(moved)), moved, style.ACCENT)], low=0.0,
                     high=max(*moved, 0.05), form="percent")], note="of the dense size", alt=says[-1]))
    below = [column("tile", weight=4, least=420)]
    picture = run.array(f"thumbnail/{matrix}")
    if picture is not None and picture.ndim == 2 and picture.size and _size(cut) != found.shape:
        reel.add("whole", whole_matrix(reel, picture, found.shape, cut, pick=False))
        below.append(column("whole", least=110))
    table = pd.DataFrame({"moment": line.words(), "of what goes, left": left_of, "moved by what stays": moved})
    return reel.film(ended[0], f"Film of {line.last + 1} moments: before, {pair.WHAT[what]} and the difference of "
                     f"{style.matrix_words(matrix)}. {ended[1]}", table,
                     [row(column("say"), height=SAYS),
                      row(column("before"), column("now"), column("change"), column("split", "courses", least=210)),
                      row(*below, height=LOW)], bar=1)


def courses(found: Filmed) -> tuple[list[float], list[float]]:
    """At every moment, by the mask of the end: the size of what goes over its dense size, and how far what stays has
    moved over its dense size (of the weights that were filmed)."""
    dense, mask = found.frames[0].w, found.frames[-1].mask
    assert mask is not None
    goes, stays = dense * (mask == 0), dense * (mask != 0)
    sizes = [float(np.linalg.norm(part)) or 1.0 for part in (goes, stays)]
    return [float(np.linalg.norm(f.w * (mask == 0))) / sizes[0] for f in found.frames], \
        [float(np.linalg.norm((f.w - dense) * (mask != 0))) / sizes[1] for f in found.frames]


def _said(words: str, left_of: float, moved: float) -> str:
    return f"{words[:1].upper()}{words[1:]}: of what will go, {style.percent(left_of, 2)} of its size is left; what " \
           f"will stay has moved by {style.percent(moved, 2)}."


def _chosen(found: Filmed) -> list[int]:
    rows, cols = found.frames[0].w.shape
    shown = min(max(rows * cols, 1), 96 * 96)  # as many as `cut_of` shows of a small matrix
    ends = [k for k, f in enumerate(found.frames) if f.phase in ("dense", *PRUNED)]
    return evenly(len(found.frames), min(MOST, ROOM // (shown * 4)), ends)


def _size(cut: Cut) -> tuple[int, int]:
    return cut[0].stop - cut[0].start, cut[1].stop - cut[1].start


def _now(f: Frame, what: str) -> Floats:
    """What stands in the middle: W, Z (W while there is no mask), or U (0 where there is none)."""
    if what == "u":
        return np.zeros_like(f.w) if f.u is None else f.u
    z = f.z if what == "z" else None
    return f.w if z is None else np.asarray(z, np.float32)


def _gone(f: Frame, what: str) -> NDArray[np.uint8]:
    """0 where a weight is gone: of Z always, of W once it was pruned."""
    hides = what == "z" or (what == "w" and f.phase in PRUNED)
    return f.mask if hides and f.mask is not None else np.ones(f.w.shape, np.uint8)


def _maps(reel: Reel, found: Filmed, cut: Cut, small: Cut, what: str, finer: bool) -> None:
    dense = found.frames[0].w
    now = np.stack([_now(f, what)[cut] for f in found.frames])
    third = [(f.w - _now(f, "z") if what == "u" else _now(f, what) - dense)[cut] for f in found.frames]
    mask = reel.bits(np.stack([_gone(f, what)[cut] for f in found.frames]))
    palette = reel.palette("weights", style.diverging_palette())
    box = (small[0].start - cut[0].start, small[1].start - cut[1].start, *_size(small))
    fine = found.limit / 10
    name, limits = what.upper(), (found.limit, fine if finer and what == "u" else found.limit,
                                  fine if finer else found.limit)
    titles = ("Before", name, "W − Z" if what == "u" else f"{name} − before")
    notes = ("dense", {"w": "now", "z": "now", "u": "adds up W − Z"}[what], "")
    arrays = (reel.numbers(dense[cut][None]), reel.numbers(now), reel.numbers(np.stack(third)))
    for i, part in enumerate(("before", "now", "change")):
        reel.add(part, panels.pixels(
            titles[i], arrays[i], palette=palette, limit=limits[i], note=notes[i], lead=True, link="weights",
            mask=mask if i else None, start=(cut[0].start, cut[1].start), say=("output", "input", titles[i]),
            marked=box, group=found.pattern.grouping.cell or (1, groups.size_of(found.pattern)),
            alt=f"{titles[i]}, single weights, range ±{limits[i]:.2g}"))


def _tile(reel: Reel, found: Filmed, small: Cut, what: str) -> None:
    """Single weights with their numbers, in units that leave one or two digits before the point."""
    digits = unit_digits(found.limit)
    values = np.stack([_now(f, what)[small] for f in found.frames]) * 10.0**digits
    reel.add("tile", panels.pixels(
        f"The marked {_size(small)[0]} × {_size(small)[1]}", reel.numbers(values.astype(np.float32)), palette="weights",
        limit=found.limit * 10.0**digits, mask=reel.bits(np.stack([_gone(f, what)[small] for f in found.frames])),
        note=f"in units of {10.0 ** -digits:g}", written=True, stretch=True, key=False, most=90,
        group=found.pattern.grouping.cell or (1, groups.size_of(found.pattern)), say=("output", "input", what.upper()),
        start=(small[0].start, small[1].start),
        alt=f"A tile of {_size(small)[0]} × {_size(small)[1]} weights with their numbers, grey where pruned"))
