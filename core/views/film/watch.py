"""The film of one matrix: W, Z and the gap between them as single weights, and all that is counted of it on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.runs.filmed import Filmed, Frame, filmed, histogram, kept_by_group
from core.runs.store import Run
from core.views.drawing import style
from core.views.film import copies, panels, telling
from core.views.film.copies import Cut, cut_of, fullness, sequential_palette
from core.views.film.feeling import feeling
from core.views.film.panels import Part
from core.views.film.reel import Film, Reel, column, evenly, row
from core.views.film.timeline import Timeline, strips
from core.views.patterns import groups

MOST = 40  # moments of one film: more do not fit its bytes
LOW = 186  # pixels of the row with the time axis
SAYS = 24  # pixels of the sentence
KEPT, GONE = style.ACCENT, style.rgba((128, 134, 142), 0.65)


def film(run: Run, matrix: str, top: int = 0, left: int = 0) -> Film | None:
    """The film of *matrix*, from row *top* and column *left* where it is too large to be shown whole.

    None when nothing of it was kept. Raises InputError for a matrix that the run has not, or for damaged arrays.
    """
    found = kept(run, matrix)
    return made(run, found, top, left) if found.frames else None


def kept(run: Run, matrix: str) -> Filmed:
    """What a run kept of *matrix*; where that is a mask alone, the dense weights under it stand for the end."""
    found = filmed(run, matrix)
    mask = run.mask(matrix) if len(found.frames) == 1 and found.frames[0].phase == "dense" else None
    if mask is None or mask.shape != found.shape:
        return found
    dense = found.frames[0].w
    inside, outside = histogram(dense, mask, found.limit)
    end = replace(found.frames[0], phase="final", mask=mask, kept=inside, gone=outside,
                  occupancy=kept_by_group(mask, found.pattern))
    return replace(found, frames=[found.frames[0], end])


def made(run: Run, found: Filmed, top: int = 0, left: int = 0) -> Film:
    """The film of what was *found* of a matrix."""
    found = _thinned(found)
    cut = window(found, top, left)
    line = Timeline(tuple(f.phase for f in found.frames), tuple(f.step for f in found.frames))
    reel = Reel(line.words(), line.spans(), pace=max(0.25, min(0.8, 12 / max(line.last, 1))))
    exact = telling.shares(found)
    first, held = _maps(reel, found, cut)
    _counted(reel, found)
    reel.add("time", panels.curves("", strips(line, run.trace, run.record, exact, telling.held(found)),
                                     alt=telling.time_alt(found, exact)))
    below = [column("time", weight=2.2, least=360)]
    if len(found.frames[0].w) < found.shape[0] or found.frames[0].w.shape != (cut[0].stop - cut[0].start,
                                                                              cut[1].stop - cut[1].start):
        below = [*_whole(reel, run, found, cut), *below]
    _group(reel, found, cut, held)
    below.append(column("group", least=190))
    if _feeling(reel, run, found, line):
        below.append(column("feeling", least=190))
    reel.add("say", panels.words("", telling.moments(found, line.words(), exact), large=True, height=SAYS))
    return reel.film(telling.claim(found, exact), telling.alt(found, exact), telling.table(found, exact),
                     [row(column("say"), height=SAYS), first, row(*below, height=LOW)], bar=1,
                     opens=telling.opens(found), named=telling.named(found))


def window(found: Filmed, top: int, left: int) -> Cut:
    """The weights that are shown: all that a film holds, or TILE of a side, on whole groups."""
    rows, cols = found.frames[0].w.shape
    return cut_of((rows, cols), found.pattern.grouping.cell, top, left)


def _thinned(found: Filmed) -> Filmed:
    ends = [k for k, f in enumerate(found.frames) if f.phase in ("dense", "hard-pruned", "final")]
    apart = telling.furthest(found)
    keep = sorted({*ends, *([] if apart is None else [apart])})
    return replace(found, frames=[found.frames[k] for k in evenly(len(found.frames), MOST, keep)])


def _stack(found: Filmed, cut: Cut, part: str) -> NDArray[np.float32]:
    return np.stack([np.asarray(getattr(f, part), np.float32)[cut] for f in found.frames])


def _masks(found: Filmed, cut: Cut) -> NDArray[np.uint8]:
    whole = np.ones(found.frames[0].w.shape, np.uint8)
    return np.stack([(whole if f.mask is None else f.mask)[cut] for f in found.frames])


def _target(f: Frame) -> NDArray[np.float32]:
    """What is projected at a moment: W + U, or W where no U is kept."""
    return f.w if f.u is None else f.w + f.u


# -- the panels --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Held:
    """The arrays of a reel that several panels show."""

    weights: int
    target: int  # W + U
    mask: int


def _maps(reel: Reel, found: Filmed, cut: Cut) -> tuple[Part, _Held]:
    """W, Z and |W - Z| side by side, in one colour range, and what is counted of the whole matrix beside them.

    Z is drawn from W + U under its mask: the same array shows what a group's entries are judged by.
    """
    weights, masks = _stack(found, cut, "w"), _masks(found, cut)
    target = np.stack([_target(f)[cut] for f in found.frames])
    held = _Held(reel.numbers(weights), reel.numbers(target), reel.bits(masks))
    gaps = np.abs(weights - target * masks)
    cell = found.pattern.grouping.cell
    colours = reel.palette("weights", style.diverging_palette())
    size = reel.palette("size", sequential_palette())
    start = (cut[0].start, cut[1].start)
    pattern = style.pattern_words(found.pattern.name)
    shown: dict[str, Any] = {"lead": True, "link": "weights", "start": start,
                             "group": cell or (1, groups.size_of(found.pattern))}
    ranged = f"range ±{found.limit:.2g}"
    reel.add("w", panels.pixels("W", held.weights, palette=colours, limit=found.limit, note="learns",
                                alt=f"W, single weights, {ranged}", say=("output", "input", "W"), **shown))
    reel.add("z", panels.pixels("Z", held.target, palette=colours, limit=found.limit,
                                mask=held.mask, note=f"obeys {pattern}",
                                alt=f"Z, single weights, {ranged}, grey where pruned",
                                say=("output", "input", "Z"), **shown))
    reel.add("gap", panels.pixels("|W − Z|", reel.numbers(gaps), palette=size, limit=found.limit, scale="sequential",
                                  note="what they disagree on",
                                  alt=f"The gap between W and Z, range 0 to {found.limit:.2g}",
                                  say=("output", "input", "|W − Z|"), **shown))
    counts = ("split",) if found.pattern.coupled else ("split", "occupancy")
    return row(column("w"), column("z"), column("gap"), column(*counts, least=210)), held


def _counted(reel: Reel, found: Filmed) -> None:
    """The histogram of W, kept and gone, and how many large weights the groups hold: of the whole matrix. Of a pattern
    of heads and neurons a matrix has no groups."""
    reel.add("split", split(reel, found))
    if not found.pattern.coupled:
        reel.add("occupancy", fullness(reel, found))


def split(reel: Reel, found: Filmed) -> Part:
    """The histogram of all of W, kept and gone."""
    kept, gone = (np.stack([getattr(f, part) for f in found.frames]) for part in ("kept", "gone"))
    # What piles up at zero later is cut off, and says its number: else nothing else would be seen beside it.
    most = float(max((kept + gone)[0].max(), kept.max())) or 1.0
    return panels.bars(
        "All of W", [("kept", reel.counts(kept), KEPT), ("gone", reel.counts(gone), GONE)], top=most * 1.06,
        note="by size", alt="Histogram of W, split into what stays and what goes",
        ticks=[(0, f"−{found.limit:.2g}"), (kept.shape[1] / 2, "0"), (kept.shape[1], f"{found.limit:.2g}")])


def _group(reel: Reel, found: Filmed, cut: Cut, held: _Held) -> None:
    """One group: its weights, what is projected, who stays. At first the one whose mask changes most."""
    cell = found.pattern.grouping.cell or (1, groups.size_of(found.pattern))
    masks = _masks(found, cut)
    series = [("W", held.weights, style.ACCENT)]
    if any(f.u is not None for f in found.frames):
        series.append(("W + U", held.target, style.rgba(style.NEGATIVE)))
    reel.add("group", panels.columns(
        "One group", series, follows="weights", group=cell, mask=held.mask, note="click another",
        first=busiest(masks, np.stack([_target(f)[cut] for f in found.frames]), cell),
        alt="The weights of the chosen group as bars; the largest by W + U stay"))


def busiest(masks: NDArray[np.uint8], values: NDArray[np.float32], cell: tuple[int, int]) -> tuple[int, int]:
    """The first row and column of the group with most to see: its mask flips often and its weights are large; if there
    are any, one in which size alone decides at every moment (not where inputs are weighed)."""
    high, wide = cell
    moments, rows, cols = len(masks), masks.shape[1] // high, masks.shape[2] // wide
    if not rows or not cols:
        return 0, 0
    cut = masks[:, :rows * high, :cols * wide].reshape(moments, rows, high, cols, wide) != 0
    sizes = np.abs(values[:, :rows * high, :cols * wide]).reshape(moments, rows, high, cols, wide)
    flips = (cut[1:] != cut[:-1]).sum(axis=(0, 2, 4))
    least = np.where(cut, sizes, np.inf).min(axis=(2, 4))
    most = np.where(cut, 0, sizes).max(axis=(2, 4))
    fair = (least >= most).all(axis=0)
    y, x = divmod(int((flips * sizes.mean(axis=(0, 2, 4)) * np.where(fair, 1.0, 1e-6)).argmax()), cols)
    return y * high, x * wide


def _feeling(reel: Reel, run: Run, found: Filmed, line: Timeline) -> bool:
    felt = feeling(run, found.matrix, line)
    if felt is None:
        return False
    share = float(felt.quiet[-1].mean())
    reel.add("feeling", panels.pixels(
        f"Layer {felt.layer}: {felt.title}", reel.numbers(felt.norms), mask=reel.bits(~felt.quiet),
        palette=reel.palette("size", sequential_palette()), limit=felt.limit, scale="sequential", rows=felt.tokens,
        stretch=True, gone="quiet", say=("token", "region", "norm"), most=40,
        alt=f"Feature map, tokens down, regions of 16 features across; {style.percent(share)} quiet at the end"))
    return True


def _whole(reel: Reel, run: Run, found: Filmed, cut: Cut) -> list[Part]:
    """A small still picture of the whole matrix with a box where the weights above lie."""
    picture = run.array(f"thumbnail/{found.matrix}")
    if picture is None or picture.ndim != 2 or not picture.size:
        return []
    reel.add("whole", copies.whole_matrix(reel, picture, found.shape, cut, found.whole))
    return [column("whole", weight=0.55, least=120)]


def clicked(run: Run, matrix: str, cell: str) -> tuple[int, int] | None:
    """The first row and column to show once a "row,column" of the small picture was clicked; None for no such cell."""
    picture = run.array(f"thumbnail/{matrix}")
    return None if picture is None else copies.clicked(picture.shape, run.shape(matrix), cell)
