"""The four small pictures that announce the acts of a lesson: two weights, a group, a layer, a network.

Each is an SVG of WIDE x HIGH units on no ground of its own, for light and dark pages alike. They show what an act is
about, and nothing that it asks.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.lab.results_plane import PlaneChoices
from core.runs.filmed import Filmed, Frame, filmed
from core.runs.store import Run
from core.views.drawing import style
from core.views.film.wall import corner

WIDE, HIGH = 240, 116
EDGE = 32  # weights a side of a layer's two pictures
ACROSS, DOWN = 24, 36  # weights of a network's
LOSSES = (0.08, 0.5, 1.3, 2.5, 4.1)  # of the rings
UNIT = 30.0  # units of the picture to 1 of a weight, in the plane
OPENING = PlaneChoices()  # with which the page of two weights opens
GONE = 0.28  # opacity of a bar that goes


PICTURES = ("plane", "group", "layer", "network")  # by what an act asks for one


@dataclass(frozen=True)
class Small:
    """A small picture: an SVG, and the same in words."""

    svg: str
    alt: str


def two_weights(choices: PlaneChoices = OPENING) -> Small:
    """The rings of equal loss round the minimum, and the cross of the points where one weight is 0."""
    m1, m2 = choices.minimum
    # The cross stands left of the middle and low: the minimum lies in the picture's upper right.
    x0, y0 = WIDE / 2 - UNIT * m1 / 2, HIGH / 2 + UNIT * m2 / 2
    x, y = x0 + UNIT * m1, y0 - UNIT * m2
    arms = (f"<path d='M0 {y0:.1f}H{WIDE}M{x0:.1f} 0V{HIGH}' stroke='{style.GREY}' stroke-opacity='.6' "
            "stroke-width='5'/>")
    rings = "".join(
        f"<ellipse rx='{UNIT * (2 * loss) ** 0.5:.1f}' ry='{UNIT * (2 * loss / choices.curvature) ** 0.5:.1f}'/>"
        for loss in LOSSES)
    body = (f"{arms}<g transform='translate({x:.1f} {y:.1f}) rotate({-choices.tilt})' fill='none' "
            f"stroke='{style.GREY}' stroke-width='1.2'>{rings}</g>"
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='{style.rgba(style.POSITIVE, 1)}'/>")
    return Small(_svg(body), f"Rings of equal loss round a minimum at ({m1:g}, {m2:g}), and the cross on which one of "
                             "the two weights is 0.")


def group(weights: Sequence[float], keep: int) -> Small:
    """The sizes of one group's weights as bars; the *keep* largest in full colour, the others faded."""
    sizes = np.abs(np.asarray(weights, np.float64))
    stays = np.zeros(len(sizes), dtype=bool)
    stays[np.argsort(-sizes, kind="stable")[:keep]] = True
    step, top = WIDE / len(sizes), float(sizes.max(initial=0.0)) or 1.0
    bars = "".join(
        f"<rect x='{i * step + step * 0.2:.1f}' y='{HIGH - 2 - (HIGH - 8) * size / top:.1f}' width='{step * 0.6:.1f}' "
        f"height='{(HIGH - 8) * size / top:.1f}' fill-opacity='{1 if stays[i] else GONE}'/>"
        for i, size in enumerate(sizes))
    floor = f"<path d='M0 {HIGH - 1}H{WIDE}' stroke='{style.GREY}' stroke-width='1'/>"
    said = ", ".join(f"{size:g}{' stays' if stay else ' goes'}" for size, stay in zip(sizes, stays, strict=True))
    return Small(_svg(f"<g fill='{style.rgba(style.POSITIVE, 1)}'>{bars}</g>{floor}"),
                 f"One group of {len(sizes)} weights by size: {said}.")


def layer(run: Run, matrix: str) -> Small:
    """The first weights of a matrix of *run*, as it began and as it ended, side by side."""
    found, side = filmed(run, matrix), (WIDE - 8) / 2
    body = "".join(_matrix(found, frame, EDGE, EDGE, x, 0, side, side)
                   for frame, x in ((found.frames[0], 0.0), (found.frames[-1], side + 8)))
    return Small(_svg(body), f"The first {EDGE} × {EDGE} weights of one matrix, dense and pruned to "
                             f"{found.pattern.name}: {_gone([found], EDGE, EDGE)} are gone.")


def network(run: Run) -> Small:
    """The first weights of every matrix of *run* at its end, in two rows or as many as the model's size asks for."""
    found = [filmed(run, each.name) for each in run.record.matrices]
    rows = max(2, round((len(found) / 3) ** 0.5))
    columns = -(-len(found) // rows)
    wide, high = (WIDE - 4 * (columns - 1)) / columns, (HIGH - 4 * (rows - 1)) / rows
    body = "".join(_matrix(each, each.frames[-1], DOWN, ACROSS, (i % columns) * (wide + 4), (i // columns) * (high + 4),
                           wide, high) for i, each in enumerate(found))
    return Small(_svg(body), f"All {len(found)} matrices of a model, pruned to {found[0].pattern.name}: "
                             f"{_gone(found, DOWN, ACROSS)} of the weights shown are gone.")


def _matrix(found: Filmed, frame: Frame, down: int, across: int, x: float, y: float, wide: float, high: float) -> str:
    """The first *down* x *across* weights of *frame* as an image; grey where it is pruned."""
    codes = corner(found, frame, down, across)
    data = base64.b64encode(style.to_png(codes, style.diverging_palette())).decode()
    return (f"<image x='{x:.1f}' y='{y:.1f}' width='{wide:.1f}' height='{high:.1f}' preserveAspectRatio='none' "
            f"style='image-rendering:pixelated' href='data:image/png;base64,{data}'/>")


def _gone(found: Sequence[Filmed], down: int, across: int) -> str:
    """What the last masks cut of the weights that are shown."""
    masks = [each.frames[-1].mask[:down, :across] for each in found if each.frames[-1].mask is not None]
    return style.percent(1 - sum(int(m.sum()) for m in masks) / max(sum(m.size for m in masks), 1))


def _svg(body: str) -> str:
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDE} {HIGH}' width='{WIDE}' height='{HIGH}'>"
            f"{body}</svg>")
