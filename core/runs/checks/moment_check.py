"""The check of a run's moments: are they in order, are the shares shares, and is every array of them there?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from core.runs.regions import EDGES, MAPS
from core.runs.levels import holds
from core.runs.records import Moment, RunRecord

Arrays = Mapping[str, np.ndarray]


def check_moments(record: RunRecord, held: Arrays, verified: list[str], problems: list[str]) -> None:
    """Check the moments of *record*; *held* are the run's arrays. Adds to *verified* and *problems* in words."""
    wrong = moments_wrong(record, held)
    problems += wrong
    if record.moments and not wrong:
        shown = " and regions" if any(key.startswith("region/") for key in held) else ""
        verified.append(f"{len(record.moments)} moments of {len(MAPS)} feature maps: shares{shown} agree")


def moments_wrong(record: RunRecord, held: Arrays) -> list[str]:
    """What is wrong with the moments of *record*, in words; [] also for a run that kept none.

    *held*: the run's arrays. Probes' regions are asked for from the record level masks on.
    """
    moments = record.moments
    if not moments:
        return [f"array {key} belongs to no moment" for key in sorted(held)
                if key.startswith(("region/", "distribution/"))]
    if record.spec.method == "dense":
        return ["a dense run has moments"]
    wrong = []
    if [m.k for m in moments] != list(range(len(moments))):
        wrong.append("the moments are not numbered 0, 1, 2, ...")
    if moments[0].phase != "dense":
        wrong.append("the first moment is not the dense model")
    if moments[-1].phase != "final" or len(moments) < 2:
        wrong.append("the last moment is not the final model")
    if any(b.step < a.step for a, b in pairwise(moments)):
        wrong.append("the moments are not in the order of their steps")
    for m in moments:
        wrong += _shares(m, record.layers)
    if not wrong and holds(record.spec.record, "masks"):
        wrong += _regions(record, held) + _distributions(record, held)
    return wrong


def _shares(m: Moment, layers: int) -> list[str]:
    wrong = []
    if any(set(by) != set(MAPS) for by in (m.quiet, m.level, m.loudness)):
        wrong.append(f"moment {m.k}: shares of {', '.join(m.quiet) or 'nothing'}, not of {', '.join(MAPS)}")
    for kind in m.quiet:
        if any(len(by.get(kind, ())) != layers or not all(0.0 <= s <= 1.0 for s in by[kind])
               for by in (m.quiet, m.level)):
            wrong.append(f"moment {m.k}, {kind}: the quiet shares are not {layers} numbers from 0 to 1")
        loud = m.loudness.get(kind, [])
        if len(loud) != layers or not all(0.0 <= v < float("inf") for v in loud):
            wrong.append(f"moment {m.k}, {kind}: the loudness is not {layers} numbers")
    if m.k == 0:
        for kind in m.quiet:
            medians = m.median.get(kind, [])
            if len(medians) != layers or not all(0.0 <= v < float("inf") for v in medians):
                wrong.append(f"moment 0, {kind}: the median norms are not {layers} numbers")
    return wrong


def _regions(record: RunRecord, held: Arrays) -> list[str]:
    """Every probe's regions at every moment: one row a token, as many regions as at the first, no negative norm."""
    wrong = []
    for m in record.moments:
        for kind in MAPS:
            for p in record.probes:
                for layer in range(1, record.layers + 1):
                    key = f"{kind}/{p.id}/{layer}"
                    a, first = held.get(f"region/{m.k}/{key}"), held.get(f"region/0/{key}")
                    if a is None or first is None:
                        wrong.append(f"moment {m.k}: no regions {key}")
                    elif a.dtype != np.float16 or a.shape != (len(p.tokens), first.shape[-1]):
                        wrong.append(f"moment {m.k}: the regions {key} are {a.dtype} {list(a.shape)}, not one float16 "
                                     f"row for each of {len(p.tokens)} tokens")
                    elif not (a >= 0).all():
                        wrong.append(f"moment {m.k}: the regions {key} hold a negative norm")
    return wrong


def _distributions(record: RunRecord, held: Arrays) -> list[str]:
    """The first and the last moment count the same number of values: the text is the same."""
    wrong = []
    ends = (record.moments[0].k, record.moments[-1].k)
    for kind in MAPS:
        for layer in range(1, record.layers + 1):
            found = [held.get(f"distribution/{k}/{kind}/{layer}") for k in ends]
            if any(a is None or a.dtype != np.int64 or a.shape != (len(EDGES) + 1,) or (a < 0).any() for a in found):
                wrong.append(f"the distributions of {kind}, layer {layer}, are not {len(EDGES) + 1} counts each")
            elif found[0].sum() != found[1].sum():  # type: ignore[union-attr]
                wrong.append(f"the distributions of {kind}, layer {layer}, count different numbers of values")
    return wrong
