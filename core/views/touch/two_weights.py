"""Two weights as a film: the loss as rings, the pattern as a cross, W, Z and U on their way, and the curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from core.lab.results_plane import Floats, PlanePath
from core.views.drawing import style
from core.views.film import panels
from core.views.film.reel import Film, Part, Reel, column, row
from core.views.touch.two_weights_words import balance, claim, flips, number, pair, steps, times, weight

W, Z, U = (style.rgba(hue, 1) for hue in (style.POSITIVE, style.NEGATIVE, style.SEQUENTIAL_HUE))
RINGS, POINTS = 9, 73  # rings of equal loss, and points on each: 5 degrees apart
HIGH = 450  # pixels of the plane
SAID, JUDGED = 144, 100  # of the updates in words beside it, and of what they come to
STILL = 1e-9  # what is smaller is rounding: it has no place on a log axis


def film(path: PlanePath) -> Film:
    """Every iteration of *path*: the plane, what each update did, loss and residuals."""
    moments = range(path.last + 1)
    reel = Reel([f"iteration {k}" for k in moments], pace=0.7)
    reel.add("claim", panels.words("", [claim(path, k) for k in moments], large=True, height=30))
    reel.add("plane", _plane(reel, path))
    reel.add("steps", panels.words("", [steps(path, k) for k in moments], height=SAID, tells=False))
    reel.add("judged", panels.words("", [f"{balance(path, k)}\n{judged(path)}" for k in moments], height=JUDGED))
    reel.add("time", panels.curves("", _strips(path), alt=_curves_alt(path)))
    return reel.film(claim(path, path.last), _plane_alt(path, path.last), _iterations(path), [
        row(column("claim"), height=30),
        row(column("plane", least=330), column("steps", "judged", "time", least=330), height=HIGH)])


def reach(path: PlanePath) -> tuple[list[float], list[float]]:
    """The ranges of w1 and w2, equally long: the same for every iteration, so that nothing jumps while playing."""
    points = np.vstack([path.w, path.z[1:], path.w + path.u, [path.choices.minimum], [[0.0, 0.0]],
                        *([arm.point] for arm in path.arms)])
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(1.0, math.ceil(float((high - low).max()) * 0.6 * 4) / 4)
    return tuple([float(round(m - half, 2)), float(round(m + half, 2))] for m in (low + high) / 2)  # type: ignore[return-value]


def _plane(reel: Reel, path: PlanePath) -> Part:
    """The plane (w1, w2). U is an arrow from W to W + U, which is what the next round projects."""
    (across, up), best = reach(path), path.best
    projected = np.vstack([path.z[1:2], path.z[1:]])  # there is no Z before the first round
    arrays = [reel.numbers(points[:, None, :]) for points in (path.w, projected, path.w + path.u)]
    rings, touching = _rings(path, across, up), _ring(path, best.loss)
    best_points = [best.point, *((arm.point for arm in path.arms) if path.even else ())]
    # The letter of m stands below it: W begins there.
    spots = [_spot(path.choices.minimum, "m", "minimum of the loss", style.GREY, "cross") | {"below": True},
             _spot(path.once.point, "", "m projected once", style.GREY, "diamond", open=True),
             *(_spot(point, "", "best on the cross", style.ACCENT, "diamond") for point in best_points)]
    return panels.plane(
        "", x=(across[0], across[1]), y=(up[0], up[1]), labels=("w1", "w2"), alt=_plane_alt(path, path.last),
        lines=[_line(rings, style.faded(style.GREY, 0.55), 1),
               _line(touching, style.faded(style.ACCENT, 0.8), 1.5, [2, 4]),
               _line(([*across, None, 0, 0], [0, 0, None, *up]), style.faded(style.GREY, 0.6), 6)],
        spots=spots,
        paths=[{"name": "W", "values": arrays[0], "colour": W, "shape": "circle", "words": "W, learns"},
               {"name": "Z", "values": arrays[1], "colour": Z, "shape": "square", "first": 1, "trail": False,
                "below": True, "words": "Z, on the cross"},
               {"name": "U", "values": arrays[2], "colour": U, "hidden": True, "trail": False}],
        springs=[{"between": [0, 1], "colour": style.GREY, "dash": [5, 4]},
                 {"between": [0, 2], "colour": U, "arrow": True, "name": "U"}])


def _ring(path: PlanePath, loss: float) -> tuple[Floats, Floats]:
    """The ellipse where the loss is *loss*."""
    angle, turn = np.linspace(0, 2 * math.pi, POINTS), math.radians(path.choices.tilt)
    along = math.sqrt(2 * loss) * np.cos(angle)
    across = math.sqrt(2 * loss / path.choices.curvature) * np.sin(angle)
    x, y = path.choices.minimum
    return (np.round(x + along * math.cos(turn) - across * math.sin(turn), 4),
            np.round(y + along * math.sin(turn) + across * math.cos(turn), 4))


def _rings(path: PlanePath, across: list[float], up: list[float]) -> tuple[list, list]:
    """RINGS ellipses as one line with gaps: equal steps of distance, so the loss grows as their square."""
    side = (across[1] - across[0]) / 2
    xs: list[float | None] = []
    ys: list[float | None] = []
    for n in range(1, RINGS + 1):
        x, y = _ring(path, 0.5 * (0.3 * side * n) ** 2)
        xs += [*x.tolist(), None]
        ys += [*y.tolist(), None]
    return xs, ys


def _line(points: tuple[Any, Any], colour: str, width: float, dash: list[int] | None = None) -> Part:
    x, y = ([None if v is None else float(v) for v in side] for side in points)
    return {"x": x, "y": y, "colour": colour, "width": width} | ({} if dash is None else {"dash": dash})


def _spot(point: Floats, name: str, words: str, colour: str, shape: str, *, open: bool = False) -> Part:
    return {"x": float(point[0]), "y": float(point[1]), "name": name, "words": words, "colour": colour, "shape": shape,
            "open": open}


def _strips(path: PlanePath) -> list[Part]:
    """Loss of W and of Z, and the residuals (log), over the iterations."""
    xs = list(range(path.last + 1))
    losses = {"W": path.losses(path.w), "Z": path.losses(path.z)}
    high = 1.06 * max(float(np.nanmax(losses["W"])), float(np.nanmax(losses["Z"])), path.once.loss) or 1.0
    seen = np.concatenate([path.primal[1:], path.dual[1:]])
    top = max(float(seen.max()), 1e-3)
    low = min(max(float(seen.min()), 1e-6), top / 10)
    return [panels.strip("loss", [_curve("loss of W", xs, losses["W"], W), _curve("loss of Z", xs, losses["Z"], Z)],
                         low=0.0, high=high, level=(path.best.loss, "best on the cross")),
            panels.strip("residuals", [_curve("primal", xs, path.primal, W, least=STILL),
                                       _curve("dual", xs, path.dual, Z, least=STILL)], low=low, high=top, log=True)]


def _curve(name: str, xs: list[int], ys: Floats, colour: str, least: float = -1.0) -> tuple[str, list, list, str]:
    """A curve without what is not there, or not above *least*."""
    kept = [(x, float(y)) for x, y in zip(xs, ys, strict=True) if np.isfinite(y) and y > least]
    return name, [x for x, _ in kept], [y for _, y in kept], colour


def _plane_alt(path: PlanePath, k: int) -> str:
    choices, best = path.choices, path.best
    first = (f"Two weights w1 and w2. Loss: rings about {pair(choices.minimum)}, {choices.curvature} times as steep "
             f"across the valley as along it, tilted {choices.tilt} degrees. The cross of the two axes is what keep 1 "
             f"of 2 allows; its best point is {pair(best.point)}. ")
    if k == 0:
        return first + f"W starts at {pair(path.w[0])}."
    return first + (f"After iteration {k} of {path.last} W is at {pair(path.w[k])}, Z at {pair(path.z[k])}, U is "
                    f"{pair(path.u[k])}. Z has changed the weight it keeps {times(flips(path, k))}.")


def judged(path: PlanePath) -> str:
    """What projecting the minimum once costs, beside the best point of the cross."""
    once, best = path.once, path.best
    place = "the weight it keeps is the right one, at the wrong value" if once.kept == best.kept else \
        f"it keeps {weight(once.kept)}, and {weight(best.kept)} is the one to keep"
    if path.even or once.loss <= best.loss * 1.001 + 1e-9:
        place = "no point on the cross costs less" if once.loss <= best.loss * 1.001 + 1e-9 else \
            "either weight would do, at another value"
    return (f"Projecting the minimum once costs {number(once.loss)}; the best point on the cross costs "
            f"{number(best.loss)}: {place}.")


def _curves_alt(path: PlanePath) -> str:
    w, z = path.losses(path.w), path.losses(path.z)
    return (f"Over {path.last} iterations the loss of W goes from {number(w[0])} to {number(w[-1])}, that of Z from "
            f"{number(z[1])} to {number(z[-1])}; the best on the cross is {number(path.best.loss)}. The primal "
            f"residual goes from {path.primal[1]:.2g} to {path.primal[-1]:.2g}, the dual from {path.dual[1]:.2g} to "
            f"{path.dual[-1]:.2g}.")


def _iterations(path: PlanePath) -> pd.DataFrame:
    """One row per iteration, the start included."""
    columns: dict[str, Any] = {"iteration": np.arange(path.last + 1)}
    for name, values in (("W", path.w), ("Z", path.z), ("U", path.u)):
        columns |= {f"{name}1": values[:, 0], f"{name}2": values[:, 1]}
    columns |= {"Z keeps": ["", *(weight(int(kept)) for kept in path.kept[1:])],
                "loss of W": path.losses(path.w), "loss of Z": path.losses(path.z), "primal": path.primal,
                "dual": path.dual, "so far": path.verdicts}
    return pd.DataFrame(columns).round(6)
