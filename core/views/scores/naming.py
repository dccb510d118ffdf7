"""Names at the ends of lines: where each stands in the margin so that none lies over another."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 19.0  # pixels from one name to the next: a line of text at the size of the names


def spread(wanted: Sequence[float], low: float, high: float, gap: float = GAP) -> list[float]:
    """Heights near *wanted*, in the same order, at least *gap* apart and inside *low* to *high*.

    Names that would touch are stacked around the mean of what they wanted (the least-squares answer: pool adjacent
    violators). Where *low* to *high* cannot hold them all, they are spaced evenly over it.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    if len(order) > 1 and (len(order) - 1) * gap >= high - low:
        step = (high - low) / (len(order) - 1)
        return [low + step * order.index(i) for i in range(len(wanted))]
    # With k-th name shifted by k gaps, "at least a gap apart" becomes "not falling".
    blocks: list[tuple[float, int]] = []
    for k, i in enumerate(order):
        mean, size = wanted[i] - k * gap, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, size = (mean * size + other * more) / (size + more), size + more
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    top = high - (len(order) - 1) * gap
    out = [0.0] * len(wanted)
    for k, i in enumerate(order):
        out[i] = min(max(flat[k], low), top) + k * gap
    return out
