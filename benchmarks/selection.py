"""N:M selection against topk and scatter, on the 10.6 M weights of minilm-l6. `python -m benchmarks.selection`

Both sides choose the mask of every prunable matrix, float32 scores, the same two threads. They alternate; a speed-up is
the median of the paired ratios, so a load that comes and goes meets both. The rival is what most pruning code does:
`topk` over `[groups, M]`, `scatter_` of True. It leaves open which of equal scores it takes; ours does not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.sparsity.patterns import NM
from core.sparsity.select import select

SHAPES = [(384, 384)] * 24 + [(1536, 384)] * 6 + [(384, 1536)] * 6  # query, key, value, output; up; down
PATTERNS = (NM(2, 4), NM(4, 8))
PAIRS = 7
THREADS = 2
BAR = 3.0


def topk_scatter(pattern: NM, scores: Tensor) -> Tensor:
    """The rival: the mask `[out, in]` by topk and scatter."""
    groups = scores.reshape(-1, pattern.m)
    best = groups.topk(pattern.n, dim=1).indices
    return torch.zeros_like(groups, dtype=torch.bool).scatter_(1, best, True).view(scores.shape)


def measure() -> list[dict[str, Any]]:
    """One result a pattern: figure = how many times faster ours is, at least *bar* to be ok."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        generator = torch.Generator().manual_seed(0)
        scores = [torch.randn(shape, generator=generator).abs_() for shape in SHAPES]
        return [_compare(pattern, scores) for pattern in PATTERNS]
    finally:
        torch.set_num_threads(before)


def _compare(pattern: NM, scores: list[Tensor]) -> dict[str, Any]:
    pairs: list[tuple[float, float]] = []
    for turn in range(PAIRS + 1):
        pair = _seconds(topk_scatter, pattern, scores), _seconds(select, pattern, scores)
        if turn:  # the first pair warms both up
            pairs.append(pair)
    ratio = statistics.median(rival / ours for rival, ours in pairs)
    rival, ours = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
    return {"name": f"selection at {pattern.name}, {sum(s.numel() for s in scores) / 1e6:.1f} M weights",
            "figure": round(ratio, 2), "unit": "x faster",
            "against": f"topk and scatter, {THREADS} threads ({ours:.0f} ms against {rival:.0f} ms)",
            "bar": BAR, "ok": ratio >= BAR}


def _seconds(choose: Callable[[NM, Tensor], Tensor], pattern: NM, scores: list[Tensor]) -> float:
    start = time.perf_counter()
    for score in scores:
        choose(pattern, score)
    return time.perf_counter() - start


if __name__ == "__main__":
    for row in measure():
        print(f"{row['name']}: {row['figure']} {row['unit']} (bar {row['bar']}; {row['against']})"
              f"{'' if row['ok'] else '  NOT MET'}")
