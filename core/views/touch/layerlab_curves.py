"""The lab's curves: the error against the rounds with every method as a line, and what the rounds say of themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from core.lab.results_layer import LayerPath
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View

SETTLED = 0.02  # a primal residual that counts as settled, as on the page of the trace


def error_curve(path: LayerPath, k: int, lines: Mapping[str, float], pinned: LayerPath | None = None) -> View:
    """Error of Z at every stop, log axis; *lines* (by method) across; the *pinned* path beside it."""
    end = max(path.stops[-1].round, pinned.stops[-1].round if pinned is not None else 1, 2)
    data = [_line(style.method_title(name), [0.5, end + 0.5], [value, value], name, dash="dot", width=1.5)
            for name, value in sorted(lines.items(), key=lambda item: -item[1]) if value > 0]
    if pinned is not None:
        data.append(_curve(pinned, f"pinned: {pinned.title}", "dash") | {"opacity": 0.7})
    data.append(_curve(path, path.title, "solid"))
    now = float(path.errors[k])
    if now > 0:
        data.append({"type": "scatter", "mode": "markers", "x": [path.stops[k].round], "y": [now], "showlegend": False,
                     "marker": {"size": 13, "color": style.colour(path.method)}, "hoverinfo": "skip"})
    shown = [v for trace in data for v in trace["y"] if v > 0] or [0.1, 1.0]
    figure = build(data, {
        "margin": {"b": 150}, "legend": legend_below(),
        "xaxis": {"title": {"text": "round", "standoff": 16}, "range": [0.5, end + 0.5]},
        "yaxis": {"type": "log", "title": {"text": "share of the outputs lost"}, "tickformat": ".2~p", "nticks": 5,
                  "range": [math.log10(min(shown)) - 0.06, math.log10(max(shown)) + 0.06]},
    }, 430, legend=True, revision=f"{path.matrix}/{end}")
    answer = float(path.errors[-1])
    rows = [{"method": style.method_title(name), "round": None, "error": value} for name, value in lines.items()]
    rows += [{"method": p.title, "round": stop.round, "error": float(e)} for p in (pinned, path) if p is not None
             for stop, e in zip(p.stops, p.errors, strict=True)]
    claim = f"{path.title}: {loss_words(answer)} of the outputs lost in the end{_rank(path, lines)}."
    if pinned is not None:
        claim += f" The pinned answer loses {loss_words(float(pinned.errors[-1]))}."
    return View(claim, figure, None, f"Error against rounds, log axis. {claim}", pd.DataFrame(rows),
                _try(path, lines),
                heading=f"{path.title} loses {loss_words(answer)} in the end.")


def loss_words(share: float) -> str:
    """A share of the outputs: three digits that mean something, however small it is."""
    value = 100 * share
    if not 0 < value < 0.01:
        return style.percent(share)
    digits = min(2 - math.floor(math.log10(value)), 8)
    return f"{value:.{digits}f}{style.SPACE}%"


def _try(path: LayerPath, lines: Mapping[str, float]) -> str:
    first, wanda = float(path.errors[0]), lines.get("wanda", 0.0)
    said = "Dotted: every method at its defaults. Pin this setting, then turn a knob."
    if path.rounds and abs(first - wanda) <= 1e-3 * wanda:
        said += " Look at round 1: with its columns scaled, the first Z is what Wanda keeps."
    return said


def _rank(path: LayerPath, lines: Mapping[str, float]) -> str:
    """The best of the other methods."""
    others = {name: value for name, value in lines.items() if name != path.method}
    if not others:
        return ""
    best = min(others, key=lambda name: others[name])
    return f"; the best of the other methods is {style.method_title(best)} with {loss_words(others[best])}"


def _line(name: str, x: list[float], y: list[float], method: str, *, dash: str, width: float) -> Part:
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": f"{name} {loss_words(y[-1])}",
            "line": {"color": style.colour(method), "width": width, "dash": dash},
            "hovertemplate": f"{name}: %{{y:.2%}}<extra></extra>"}


def _curve(path: LayerPath, name: str, dash: str) -> Part:
    kept = [(stop.round, float(e)) for stop, e in zip(path.stops, path.errors, strict=True) if e > 0]
    x, y = [float(r) for r, _ in kept], [e for _, e in kept]
    return _line(name, x or [1.0], y or [float("nan")], path.method, dash=dash, width=2.5) | {
        "mode": "lines+markers" if len(kept) < 30 else "lines", "marker": {"size": 5}}


def rounds(path: LayerPath, k: int) -> View:
    """Primal and dual residual, change of the support, and rho, over the rounds; a line at stop *k*."""
    if not path.rounds:
        return words_only(f"{path.title}: no rounds. It goes over the layer once, and there is nothing to play.")
    xs, colour = list(range(1, path.rounds + 1)), style.colour(path.method)
    panels = (("residuals", [("primal", path.primal, "solid"), ("dual", path.dual, "dot")], True),
              ("support change", [("flips", path.flips, "solid")], False), ("rho", [("rho", path.rho, "solid")], True))
    data: list[Part] = []
    layout: Part = {"margin": {"b": 84, "l": 84}, "legend": legend_below(),
                    "xaxis": {"title": {"text": "round", "standoff": 16}, "anchor": "y3",
                              "range": [0.5, path.stops[-1].round + 0.5]}}
    spans = ([0.62, 1.0], [0.31, 0.55], [0.0, 0.24])
    for i, ((title, lines, log), span) in enumerate(zip(panels, spans, strict=True)):
        mark = "" if i == 0 else str(i + 1)
        for name, values, dash in lines:
            picked = [(x, float(v)) for x, v in zip(xs, values, strict=True) if v > 0 or not log]
            data.append({"type": "scatter", "mode": "lines", "x": [x for x, _ in picked], "y": [v for _, v in picked],
                         "name": f"{name} residual", "showlegend": i == 0, "yaxis": f"y{mark}",
                         "line": {"color": colour, "width": 2.5, "dash": dash,
                                  **({"shape": "hv"} if title == "rho" else {})},
                         "hovertemplate": f"{name} %{{y:{'.2%' if title == 'support change' else '.3g'}}}"
                                          "<extra></extra>"})
        layout[f"yaxis{mark}"] = {"domain": span, "title": {"text": title}, "type": "log" if log else "linear",
                                  "nticks": 4, "exponentformat": "power",
                                  "tickformat": ".1~%" if title == "support change" else "~g"}
    levels = sorted({float(f"{r:.2g}") for r in path.rho})
    layout["yaxis3"]["tickvals"] = levels if len(levels) <= 3 else [levels[0], levels[-1]]
    at = path.stops[k].round
    layout["shapes"] = [{"type": "line", "xref": "x", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1,
                         "line": {"color": style.GREY, "width": 1.5, "dash": "dash"}}]
    figure = build(data, layout, 430, legend=True, revision=f"{path.matrix}/{path.rounds}")
    last = float(path.primal[-1])
    verdict = "W had all but reached Z" if last <= SETTLED else "W was still on its way to Z"
    rest = "no mask entry changed any more" if not path.flips[-1] else \
        f"{style.percent(float(path.flips[-1]))} of the mask still changed"
    claim = f"In the last round the primal residual was {last:.2g}: {verdict}, and {rest}."
    table = pd.DataFrame({"round": xs, "rho": path.rho, "primal": path.primal, "dual": path.dual, "flips": path.flips})
    return View(claim, figure, None, f"Residuals, change of the support and rho over {path.rounds} rounds. {claim}",
                table, "Raise rho at the start: W and Z agree sooner, and the support has less time to find its place.",
                heading=f"{verdict}: {style.percent(last, 2)} apart.")
