"""Two weights as a picture: the loss as rings, the pattern as a cross, W, Z and U on their way, and the curves.

`moment(path, k)` is all that the page draws for iteration *k*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.lab.results_plane import Floats, PlanePath
from core.views.drawing import style
from core.views.drawing.build import build, legend_below
from core.views.drawing.view import View
from core.views.touch.two_weights_words import Update, balance, claim, flips, number, pair, times, updates, weight

W, Z, U = (style.rgba(hue, 1) for hue in (style.POSITIVE, style.NEGATIVE, style.SEQUENTIAL_HUE))
AHEAD = 0.22  # opacity of what is yet to come
RINGS, POINTS = 9, 73  # rings of equal loss, and points on each: 5 degrees apart
HEIGHT, CURVES = 660, 460
Trace = dict[str, Any]


@dataclass(frozen=True)
class Pictures:
    """One iteration as the page shows it."""

    picture: View
    curves: View
    updates: tuple[Update, ...]
    balance: str


def moment(path: PlanePath, k: int) -> Pictures:
    """Everything drawn for iteration *k* (0..path.last) of *path*."""
    return Pictures(picture(path, k), curves(path, k), updates(path, k), balance(path, k))


def reach(path: PlanePath) -> tuple[list[float], list[float]]:
    """The ranges of w1 and w2, equally long: the same for every iteration, so that nothing jumps while playing."""
    points = np.vstack([path.w, path.z[1:], path.w + path.u, [path.choices.minimum], [[0.0, 0.0]],
                        *([arm.point] for arm in path.arms)])
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(1.0, math.ceil(float((high - low).max()) * 0.6 * 4) / 4)
    return tuple([float(round(m - half, 2)), float(round(m + half, 2))] for m in (low + high) / 2)  # type: ignore[return-value]


# -- the plane ---------------------------------------------------------------------------------------------------


def picture(path: PlanePath, k: int) -> View:
    """The plane (w1, w2) after *k* iterations; the paths ahead are drawn faintly."""
    (across, up), best = reach(path), path.best
    data = [
        _line(_rings(path, across, up), "equal loss", style.faded(style.GREY, 0.55), 1, hover=False),
        _line(_ring(path, best.loss), "ring that touches", style.faded(style.ACCENT, 0.8), 1.5,
              dash="dot", hover=False),
        _line(([*across, None, 0, 0], [0, 0, None, *up]), "cross: keep 1 of 2",
              style.faded(style.GREY, 0.6), 6, hover=False),
        _line((path.w[k:, 0], path.w[k:, 1]), "W ahead", style.rgba(style.POSITIVE, AHEAD), 1.5, legend=False,
              hover=False),
        _iterates(path.w[:k + 1], "W", W, "circle", 6, "lines+markers"),
        _iterates(path.z[:k + 1], "Z", Z, "square-open", 9, "markers"),
        *_pull(path, k),
        _spot([path.choices.minimum], "minimum m", "x", 11, style.GREY),
        _spot([path.once.point], "m projected once", "diamond-open", 12, style.GREY),
        _spot([best.point, *((arm.point for arm in path.arms) if path.even else ())], "best on the cross", "star", 17,
              style.ACCENT),
        *_now(path, k),
    ]
    axis = {"zeroline": False, "showgrid": False, "constrain": "domain", "nticks": 7}
    figure = build(data, {"xaxis": axis | {"title": {"text": "w1"}, "range": across},
                          "yaxis": axis | {"title": {"text": "w2"}, "range": up, "scaleanchor": "x"},
                          "legend": legend_below(), "margin": {"t": 12, "b": 158, "l": 56, "r": 12}},
                   HEIGHT, legend=True, revision=f"{across}{up}")
    return View(claim(path, k), figure, None, _plane_alt(path, k), _iterations(path), _try_plane(path, k))


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


def _line(points: tuple[Any, Any], name: str, colour: str, width: float, *, dash: str = "solid", legend: bool = True,
          hover: bool = True) -> Trace:
    return {"type": "scatter", "x": points[0], "y": points[1], "mode": "lines", "name": name, "showlegend": legend,
            "line": {"color": colour, "width": width, "dash": dash}, **({} if hover else {"hoverinfo": "skip"})}


def _iterates(points: Floats, name: str, colour: str, symbol: str, size: int, mode: str) -> Trace:
    return {"type": "scatter", "x": points[:, 0], "y": points[:, 1], "mode": mode, "name": name,
            "line": {"color": colour, "width": 2}, "marker": {"symbol": symbol, "size": size, "color": colour},
            "customdata": list(range(len(points))),
            "hovertemplate": name + " after iteration %{customdata}: (%{x:.2f}, %{y:.2f})<extra></extra>"}


def _pull(path: PlanePath, k: int) -> list[Trace]:
    """W - Z as a dashed line, and U as an arrow from W to W + U, which is what the next round projects."""
    w, z, tip = path.w[k], path.z[k], path.w[k] + path.u[k]
    head = 15 if float(np.abs(path.u[k]).max()) > 1e-9 else 0  # an arrow of no length points nowhere
    return [
        _line(([w[0], z[0]], [w[1], z[1]]), "W to Z", style.GREY, 2, dash="dash", hover=False),
        {"type": "scatter", "x": [w[0], tip[0]], "y": [w[1], tip[1]], "mode": "lines+markers",
         "name": "U: W to W + U", "line": {"color": U, "width": 3},
         "marker": {"symbol": ["circle", "arrow"], "size": [0, head], "color": U, "angleref": "previous"},
         "hovertemplate": f"U = {pair(path.u[k])}<extra></extra>"},
    ]


def _spot(points: list[Floats], name: str, symbol: str, size: int, colour: str) -> Trace:
    return {"type": "scatter", "x": [p[0] for p in points], "y": [p[1] for p in points], "mode": "markers",
            "name": name, "hovertemplate": name + ": (%{x:.2f}, %{y:.2f})<extra></extra>",
            "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 2, "color": colour}}}


def _now(path: PlanePath, k: int) -> list[Trace]:
    """W and Z of the iteration shown, large, with their letters."""
    out = []
    for letter, point, colour, symbol, place in (("Z", path.z[k], Z, "square", "bottom left"),
                                                 ("W", path.w[k], W, "circle", "top right")):
        out.append({"type": "scatter", "x": point[:1], "y": point[1:], "mode": "markers+text", "text": [letter],
                    "textposition": place, "textfont": {"size": 22, "color": colour}, "name": f"{letter} now",
                    "showlegend": False, "marker": {"symbol": symbol, "size": 15, "color": colour},
                    "hovertemplate": f"{letter} now: (%{{x:.2f}}, %{{y:.2f}})<extra></extra>"})
    return out


def _plane_alt(path: PlanePath, k: int) -> str:
    choices, best = path.choices, path.best
    first = (f"Two weights w1 and w2. Loss: rings about {pair(choices.minimum)}, {choices.curvature} times as steep "
             f"across the valley as along it, tilted {choices.tilt} degrees. The cross of the two axes is what keep 1 "
             f"of 2 allows; its best point is {pair(best.point)}. ")
    if k == 0:
        return first + f"W starts at {pair(path.w[0])}."
    return first + (f"After iteration {k} of {path.last} W is at {pair(path.w[k])}, Z at {pair(path.z[k])}, U is "
                    f"{pair(path.u[k])}. Z has changed the weight it keeps {times(flips(path, k))}.")


def _try_plane(path: PlanePath, k: int) -> str:
    if path.verdicts[path.last] == "flipping":
        return "Raise rho: a stronger pull gives W a reason to stay near Z, and the flipping ends."
    if path.verdicts[path.last] == "settled-worse":
        return "Lower rho step by step: where does U get the time to carry the other weight across?"
    if k == path.last:
        return "Press play, and watch the tip of U's arrow: Z keeps the weight on whose side it lies."
    return "Set the tilt to 0: the weights no longer know of each other, and the kept one stays where it is."


# -- the curves --------------------------------------------------------------------------------------------------


def curves(path: PlanePath, k: int) -> View:
    """Loss of W and of Z above, residuals below (log), over the iterations; a line stands at *k*."""
    xs = list(range(path.last + 1))
    losses = {"W": path.losses(path.w), "Z": path.losses(path.z)}
    high = 1.06 * max(float(np.nanmax(losses["W"])), float(np.nanmax(losses["Z"])), path.once.loss) or 1.0
    data = [_curve(xs, losses["W"], "loss of W", W), _curve(xs, losses["Z"], "loss of Z", Z),
            _level(path, path.once.loss, "m projected once", style.GREY, "dash"),
            _level(path, path.best.loss, "best on the cross", style.ACCENT, "dot"),
            _curve(xs, _positive(path.primal), "primal residual", W, "y2"),
            _curve(xs, _positive(path.dual), "dual residual", Z, "y2", "dot")]
    cursor = {"type": "line", "x0": k, "x1": k, "xref": "x", "y0": 0, "y1": 1, "yref": "paper",
              "line": {"color": style.GREY, "width": 1.5}}
    figure = build(data, {
        "xaxis": {"title": {"text": "iteration"}, "range": [0, path.last], "anchor": "y2"},
        "yaxis": {"title": {"text": "loss"}, "range": [0, high], "domain": [0.54, 1], "nticks": 5},
        "yaxis2": {"title": {"text": "residual (log)"}, "type": "log", "domain": [0, 0.46], "nticks": 4,
                   "exponentformat": "power", "tickformat": "~g", "range": _decades(path)},
        "shapes": [cursor], "hovermode": "x", "hoversubplots": "axis", "legend": legend_below(),
        "margin": {"t": 10, "b": 138, "l": 76, "r": 12}}, CURVES, legend=True)
    return View(_curves_claim(path, k), figure, None, _curves_alt(path, losses), _iterations(path),
                "Read both panels: the loss says how good the point is, the residuals whether it stands still.")


def _curve(xs: list[int], ys: Floats, name: str, colour: str, axis: str = "y", dash: str = "solid") -> Trace:
    return {"type": "scatter", "x": xs, "y": ys, "yaxis": axis, "mode": "lines", "name": name,
            "line": {"color": colour, "width": 2.5, "dash": dash}, "hovertemplate": name + ": %{y:.3~g}<extra></extra>"}


def _level(path: PlanePath, loss: float, name: str, colour: str, dash: str) -> Trace:
    return _curve([0, path.last], np.array([loss, loss]), name, colour, dash=dash) | {
        "hovertemplate": f"{name}: {number(loss)}<extra></extra>"}


def _positive(values: Floats) -> Floats:
    """A log axis has no place for zero, nor for what is rounding."""
    return np.where(values > 1e-9, values, np.nan)


def _decades(path: PlanePath) -> list[float]:
    """The range of the residuals' axis in decades: never below a millionth, whatever there is."""
    seen = np.concatenate([path.primal[1:], path.dual[1:]])
    high = math.log10(max(float(seen.max()), 1e-3))
    low = math.log10(max(float(seen.min()), 1e-6))
    return [min(low, high - 1) - 0.1, high + 0.2]


def _curves_claim(path: PlanePath, k: int) -> str:
    once, best = path.once, path.best
    place = "the weight it keeps is the right one, at the wrong value" if once.kept == best.kept else \
        f"it keeps {weight(once.kept)}, and {weight(best.kept)} is the one to keep"
    if path.even or once.loss <= best.loss * 1.001 + 1e-9:
        place = "no point on the cross costs less" if once.loss <= best.loss * 1.001 + 1e-9 else \
            "either weight would do, at another value"
    here = "" if k == 0 else f" Z is now at {number(float(path.losses(path.z)[k]))}."
    return (f"Projecting the minimum once costs {number(once.loss)}; the best point on the cross costs "
            f"{number(best.loss)}: {place}.{here}")


def _curves_alt(path: PlanePath, losses: dict[str, Floats]) -> str:
    w, z = losses["W"], losses["Z"]
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
