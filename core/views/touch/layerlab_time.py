"""The lab's time axis: what the outputs lose with every method as a line, the residuals, rho and the changing support;
and the sentences over it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from core.lab.results_layer import LayerPath
from core.views.drawing import style
from core.views.film import panels
from core.views.film.panels import Part
from core.views.film.timeline import DUAL, PRIMAL, QUIET

PINNED = style.rgba((128, 134, 142))


def loss_words(share: float) -> str:
    """A share of the outputs: three digits that mean something, however small it is."""
    value = 100 * share
    if not 0 < value < 0.01:
        return style.percent(share)
    digits = min(2 - math.floor(math.log10(value)), 8)
    return f"{value:.{digits}f}{style.SPACE}%"


def claim(path: LayerPath) -> str:
    """The answer of the page."""
    return f"{path.title} loses {loss_words(float(path.errors[-1]))} of the layer's outputs in the end."


def said(path: LayerPath, k: int, lines: Mapping[str, float], pinned: LayerPath | None) -> str:
    """One sentence with one number on stop *k*; on the answer also who did best of the others, and how it stands to
    the pinned one."""
    lost = loss_words(float(path.errors[k]))
    if path.stops[k].round <= path.rounds:
        return f"After {path.words(k)}, Z loses {lost} of the layer's outputs."
    best, before = _best(path, lines), None if pinned is None else loss_words(float(pinned.errors[-1]))
    beside = "" if pinned is None else ", as much as the pinned one" if before == lost else \
        f", {'less' if path.errors[-1] < pinned.errors[-1] else 'more'} than the pinned one"
    return f"The answer loses {lost} of the outputs{beside}.{f' Best of the others: {_short(best)}.' if best else ''}"


def rank(path: LayerPath, lines: Mapping[str, float]) -> str:
    """The best of the other methods, and what it loses."""
    best = _best(path, lines)
    return f" Best of the others: {_short(best)}, {loss_words(lines[best])}." if best else ""


def _best(path: LayerPath, lines: Mapping[str, float]) -> str | None:
    """The other method that loses least; None where there is none."""
    return min((name for name in lines if name != path.method), key=lambda name: lines[name], default=None)


def strips(path: LayerPath, lines: Mapping[str, float], pinned: LayerPath | None = None) -> list[Part]:
    """What is lost at every stop, and what the rounds say of themselves. *lines*: the error of every method at its
    defaults; *pinned*: another path, its answer as a line."""
    found = [_errors(path, lines, pinned)]
    if not path.rounds:
        return found
    at = _places(path)
    primal, dual = _shown(at, path.primal), _shown(at, path.dual)
    sizes = [y for _, ys in (primal, dual) for y in ys]
    if sizes:
        found.append(panels.strip("residuals", [("primal", *primal, PRIMAL), ("dual", *dual, DUAL)],
                                  low=max(min(sizes), max(sizes) * 1e-4), high=max(sizes), log=True))
    rho = _shown(at, path.rho)
    if rho[1]:
        found.append(panels.strip("rho", [("rho", *rho, QUIET)], low=min(rho[1]), high=max(rho[1]), log=True,
                                  step=True))
    found.append(panels.strip("flips", [("flips", at, [float(f) for f in path.flips], QUIET)], low=0.0,
                              high=float(path.flips.max()) or 1.0, form="percent"))
    return found


def _errors(path: LayerPath, lines: Mapping[str, float], pinned: LayerPath | None) -> Part:
    ends = [0.0, float(max(path.last, 1))]
    own = [(float(k), float(e)) for k, e in enumerate(path.errors) if e > 0] or [(0.0, 0.0)]
    drawn = [("this Z", [k for k, _ in own], [e for _, e in own], style.colour(path.method))]
    if pinned is not None:
        drawn.append(("pinned", ends, [float(pinned.errors[-1])] * 2, PINNED))
    drawn += [(_short(name), ends, [value, value], style.colour(name))
              for name, value in sorted(lines.items(), key=lambda item: -item[1])
              if value > 0 and name != path.method]
    shown = [y for _, _, ys, _ in drawn for y in ys if y > 0] or [0.1, 1.0]
    return panels.strip("lost", drawn, low=min(shown) * 0.9, high=max(shown) * 1.1, log=True, form="percent",
                        share=0.8 + 0.7 * len(drawn))


def _places(path: LayerPath) -> list[float]:
    """Where every round lies among the stops."""
    rounds = np.arange(1, path.rounds + 1)
    return [float(x) for x in np.interp(rounds, [stop.round for stop in path.stops], np.arange(len(path.stops)))]


def _shown(at: Sequence[float], values: Sequence[float] | np.ndarray) -> tuple[list[float], list[float]]:
    """What a log axis can show."""
    pairs = [(x, float(y)) for x, y in zip(at, values, strict=True) if y > 0]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _short(method: str) -> str:
    return style.method_title(method).partition(",")[0]
