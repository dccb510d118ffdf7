"""The panels that several films share: W beside Z, and how many of its large weights the groups of a matrix hold."""

from __future__ import annotations

import numpy as np

from core.runs.filmed import Filmed
from core.views.drawing import style
from core.views.film import panels
from core.views.film.panels import Part
from core.views.film.reel import Reel
from core.views.patterns import groups


def copies(reel: Reel, found: Filmed, cut: tuple[slice, slice], pattern: str, group: tuple[int, int] | None) -> None:
    """W beside Z, the weights of *cut*, in one colour range, as the panels "w" and "z". *pattern*: what Z obeys, in
    words; *group*: rows and columns that are ruled off."""
    whole = np.ones(found.frames[0].w.shape, np.uint8)
    weights = np.stack([f.w[cut] for f in found.frames])
    target = np.stack([(f.w if f.u is None else f.w + f.u)[cut] for f in found.frames])
    mask = reel.bits(np.stack([(whole if f.mask is None else f.mask)[cut] for f in found.frames]))
    palette = reel.palette("weights", style.diverging_palette())
    for name, title, note, values in (("w", "W", "learns", reel.numbers(weights)),
                                      ("z", "Z", f"obeys {pattern}", reel.numbers(target))):
        reel.add(name, panels.pixels(title, values, palette=palette, limit=found.limit, note=note, lead=True,
                                     link="weights", mask=mask if name == "z" else None, group=group,
                                     say=("output", "input", title),
                                     alt=f"{title}, single weights, range ±{found.limit:.2g}"))


def fullness(reel: Reel, found: Filmed) -> Part:
    """How many groups of the whole matrix hold 0, 1, 2 and so on of its largest weights."""
    held = np.stack([groups.classes(f.occupancy) for f in found.frames])
    total = float(held[0].sum()) or 1.0
    return panels.bars(
        f"Large weights in a {groups.group_words(found.pattern, many=False)}",
        [("groups", reel.counts(held), groups.palette(found.pattern))], top=total, share=total, gap=True,
        alt="How many groups hold 0, 1, 2 and so on of the matrix's largest weights",
        names=groups.class_names(groups.size_of(found.pattern)))
