"""Regions of a feature map: what they are, when they are quiet, and which maps of a layer are looked at. numpy only.

A *region* is one token's run of REGION consecutive features; the last of a row may be narrower. It is *quiet* when its
norm is under QUIET times the dense model's median region norm of the same map, layer and text. The share of quiet
regions is the regional sparsity.

Source: a feature map cut into regions that go quiet as a whole: Wang 2024 (arXiv 2407.08334). Size and threshold are
our own choice: 16 features divide the widths of the models here and fill one 64-byte cache line of float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REGION = 16  # features
QUIET = 0.25  # of the dense model's median region norm
# Log bins for |a|: eight a decade from 1e-4 to 1e2. LayerNorm and GELU put nearly all of a transformer in between.
EDGES = 10.0 ** np.linspace(-4.0, 2.0, 49)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureMap:
    """One feature map of an encoder layer: its name in links and records, its title, and what it is in words."""

    name: str
    title: str
    words: str


MAPS: dict[str, FeatureMap] = {
    entry.name: entry
    for entry in (
        FeatureMap("attention", "Attention output", "what the heads put out: the input of the attention's output "
                                                    "matrix"),
        FeatureMap("ffn", "FFN intermediate", "what the feed-forward part holds inside, after its activation "
                                              "function: the input of its second matrix"),
        FeatureMap("block", "Block output", "what the layer hands to the next one"),
    )
}


def region_norms(values: NDArray[np.floating]) -> Floats:
    """Norms of the regions of `[tokens, features]`: float32 `[tokens, ceil(features / REGION)]`."""
    squares = np.square(values.astype(np.float32))
    return np.sqrt(np.add.reduceat(squares, range(0, values.shape[1], REGION), axis=1))


def quiet_share(values: NDArray[np.floating], dense: NDArray[np.floating]) -> float:
    """Share of the regions of *values* that are quiet, measured against *dense* (both `[tokens, features]`)."""
    return quiet_norms(region_norms(values), region_norms(dense))


def quiet_norms(norms: NDArray[np.floating], dense: NDArray[np.floating]) -> float:
    """The same from region norms `[tokens, regions]` that are known already."""
    return float((norms < QUIET * np.median(dense)).mean())


def size_counts(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """How many of *values* have a magnitude in each bin: int64 `[len(EDGES) + 1]`.

    Entry 0 counts those under EDGES[0], entry i those from EDGES[i - 1] up to EDGES[i], the last those from EDGES[-1].
    """
    sizes, edges = np.abs(values).ravel(), EDGES
    if sizes.dtype == np.float32:  # the least float32 that is not under the edge: the same bins, in half the bytes
        near = EDGES.astype(np.float32)
        edges = np.where(near < EDGES, np.nextafter(near, np.float32(np.inf)), near)
    # A pass for every edge is several times faster than looking up every value. What is no number is over all of them.
    under = [np.count_nonzero(sizes < edge) for edge in edges]
    return np.diff(under, prepend=0, append=sizes.size).astype(np.int64)
