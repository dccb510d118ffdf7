"""What the groups of a matrix hold: counts, words and tones, for every kind of pattern.

N:M: a group is M consecutive inputs of one output, and may hold N. A library: a group is a block, and may hold what a
support keeps. Blocks: whole or gone. Unstructured: the pattern has no groups; its mask is counted on strips of eight
consecutive inputs, only to show how ragged it is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.sparsity.occupancy import STRIP, groups_of, occupancy
from core.sparsity.patterns import Pattern
from core.views.drawing import style
from core.views.drawing.build import PAGE_TEXT

FEW = 32  # a histogram has at most this many bars (and zero); larger groups are put into classes


def size_of(pattern: Pattern) -> int:
    """Entries of one group (of one strip, where the pattern has no groups)."""
    return math.prod(cell_of(pattern))


def cell_of(pattern: Pattern) -> tuple[int, int]:
    """Rows and columns of weights behind one cell of a map of groups."""
    return groups_of(pattern)


def group_words(pattern: Pattern, many: bool = True) -> str:
    """What a group of *pattern* is called."""
    rows, columns = cell_of(pattern)
    noun = "strip" if pattern.grouping.cell is None else pattern.grouping.noun
    return f"{noun}{'s' if many else ''} of {f'{rows} × {columns}' if noun == 'block' else columns}"


def broken(histogram: NDArray[np.integer], pattern: Pattern) -> int:
    """Groups that break *pattern*, from how many hold 0, 1, 2 ...: more than allowed, or blocks neither whole nor gone.

    Of a library's blocks the counts tell how many entries stay, not whether they lie on one support.
    """
    if pattern.allowed is not None:
        return int(histogram[pattern.allowed + 1:].sum())
    return int(histogram[1:-1].sum()) if pattern.whole else 0


def exactness(mask: NDArray[np.generic], pattern: Pattern) -> str:
    """One clause, from the mask: "all 2 304 groups hold exactly 2 of 4"."""
    return verdict(occupancy(mask, pattern).histogram, pattern)


def verdict(histogram: NDArray[np.integer], pattern: Pattern) -> str:
    """The clause of `exactness`, from how many groups hold 0, 1, 2 ... entries."""
    total, bad = int(histogram.sum()), broken(histogram, pattern)
    held = style.count(total)
    if (allowed := pattern.allowed) is not None:
        rule, kind = f"{allowed} of {size_of(pattern)}", f"{pattern.grouping.noun}s"
        if bad:
            return f"{style.count(bad)} of {held} {kind} hold more than {rule}"
        short = int(histogram[:allowed].sum())
        return f"{style.count(short)} of {held} {kind} hold fewer than {rule}, none more" if short else \
            f"all {held} {kind} hold exactly {rule}"
    if pattern.whole:
        return f"{style.count(bad)} of {held} blocks are neither whole nor gone" if bad else \
            f"all {held} blocks are whole or gone"
    values = np.arange(len(histogram))
    mean = float((histogram * values).sum() / max(total, 1))
    spread = float(np.sqrt((histogram * (values - mean) ** 2).sum() / max(total, 1)))
    return f"{held} strips hold {mean:.1f} ± {spread:.1f} of {STRIP} (mean ± standard deviation)"


def palette(pattern: Pattern) -> list[str]:
    """CSS colours of a group that holds 0, 1, ... entries (of the classes, where groups are large)."""
    top = len(class_names(size_of(pattern))) - 1
    allowed = allowed_class(pattern)
    if allowed is None:
        return [style.rgba(style.SEQUENTIAL_HUE, 0.06 + 0.94 * k / top) for k in range(top + 1)]
    return [style.rgba(tone) for tone in style.occupancy_palette(allowed, top)]


def allowed_class(pattern: Pattern) -> int | None:
    """The class (place in `class_names`) of the groups that hold what is allowed; None where nothing is."""
    allowed = pattern.allowed
    return None if allowed is None else int(class_of(np.array(allowed), size_of(pattern)))


def inks(pattern: Pattern) -> list[str]:
    """The text colours that stay readable on the tones of `palette`: white on full ones, else the page's own."""
    return ["#ffffff" if float(tone[:-1].rsplit(",", 1)[1]) > 0.8 else PAGE_TEXT for tone in palette(pattern)]


def class_names(size: int) -> list[str]:
    """The names of the bars 0..size; classes "≤ x" where a group is larger than FEW."""
    if size <= FEW:
        return [str(k) for k in range(size + 1)]
    return ["0", *(f"≤ {-(-k * size // FEW)}" for k in range(1, FEW + 1))]


def few(pattern: Pattern) -> list[int]:
    """The classes that stand in a legend for more than it can hold: the ends, the quarters, and what is allowed."""
    top = len(class_names(size_of(pattern))) - 1
    return sorted({0, top // 4, top // 2, 3 * top // 4, top, allowed_class(pattern) or 0})


def classes(histogram: NDArray[np.integer]) -> NDArray[np.int64]:
    """Put how many groups hold 0, 1, 2 ... entries into the classes of `class_names`."""
    size = len(histogram) - 1
    if size <= FEW:
        return histogram.astype(np.int64)
    return np.bincount(class_of(np.arange(size + 1), size), weights=histogram, minlength=FEW + 1).astype(np.int64)


def class_of(counts: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    """The class (place in `class_names`) of a group that holds *counts* of *size* entries."""
    held: NDArray[np.int64] = counts.astype(np.int64)
    return held if size <= FEW else (held * FEW + size - 1) // size  # rounded up
