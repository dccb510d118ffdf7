"""Two weights in words: what an iteration has come to, and its three updates with the present numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from core.lab.results_plane import PlanePath
from core.views.drawing import style

MINUS = "\N{MINUS SIGN}"
NEAR = 0.02  # a loss this close to the best, as a share of it, is called the lowest


@dataclass(frozen=True)
class Update:
    """One of the three updates: what it does, and what it did, in LaTeX."""

    words: str
    latex: str


def number(value: float) -> str:
    """Three digits that mean something: 1.81, 0.05, 12.3, 0."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return "0" if float(text) == 0 else text.replace("-", MINUS)


def pair(point: Iterable[float]) -> str:
    """A point as it is read: (1.81, 0)."""
    return f"({', '.join(number(x) for x in point)})"


def weight(kept: int) -> str:
    """The weight that an arm of the cross keeps: w1 or w2."""
    return f"w{kept + 1}"


def claim(path: PlanePath, k: int) -> str:
    """What *k* iterations have come to, in one sentence."""
    best, verdict = path.best, path.verdicts[k]
    after = f"After {k} iteration{'s' if k > 1 else ''}"
    if verdict == "start":
        return (f"Before the first iteration W stands at {pair(path.w[0])} with loss {number(path.losses(path.w)[0])}; "
                f"the best point on the cross keeps {weight(best.kept)} and costs {number(best.loss)}.")
    kept, loss = weight(int(path.kept[k])), float(path.losses(path.z)[k])
    if verdict == "flipping":
        return (f"{after} Z still cannot decide: it has changed the weight it keeps {times(flips(path, k))}, and W "
                f"and Z are {style.percent(path.primal[k], 2)} of |W| apart.")
    if verdict == "apart":
        return f"{after} Z keeps {kept}, and W and Z are still {style.percent(path.primal[k], 2)} of |W| apart."
    if verdict == "moving":
        return f"{after} W and Z agree on keeping {kept}, and still move along its arm: loss {number(loss)}."
    if verdict == "settled-worse":
        return (f"{after} W and Z agree on keeping {kept}, the worse arm: loss {number(loss)}, where "
                f"{weight(best.kept)} would cost {number(best.loss)}.")
    lowest = loss <= best.loss * (1 + NEAR) + 1e-9
    end = "the lowest on the cross" if lowest else f"the lowest on the cross is {number(best.loss)}"
    arm = "and the other would do as well" if path.even else "the better arm"
    return f"{after} W and Z agree on keeping {kept}, {arm}: loss {number(loss)}, {end}."


def flips(path: PlanePath, k: int) -> int:
    """How often Z has changed the weight it keeps in rounds 1..k."""
    rounds = path.kept[1:k + 1].tolist()
    return sum(a != b for a, b in pairwise(rounds))


def times(count: int) -> str:
    """How often: once, 12 times."""
    return "once" if count == 1 else f"{count} times"


def updates(path: PlanePath, k: int) -> tuple[Update, ...]:
    """The updates of iteration *k* in the solver's order; for k = 0 those to come, without numbers."""
    rho = f"{path.choices.rho:g}"
    exact = path.choices.wstep == "exact"
    how = (f"W goes where loss and pull balance (rho = {rho})" if exact else
           f"W takes one step downhill on loss and pull (rho = {rho}, η = 1 / (largest eigenvalue + rho))")
    words = ("Z keeps the larger of W + U and cuts the other", "U adds what W and Z still disagree on", how)
    if k == 0:
        lines = (rf"{_z()} = P({_w()} + {_u()})", rf"{_u()} = {_u()} + {_w()} - {_z()}", rf"{_w()} = {_rule(exact)}")
        return tuple(Update(w, line) for w, line in zip(words, lines, strict=True))
    w, z, u, before = _at(path.w[k]), _at(path.z[k]), _at(path.u[k]), k - 1
    old_w, old_u = path.w[before], path.u[before]
    return (
        Update(words[0], _lines(rf"{_z(k)} &= P({_w(before)} + {_u(before)})",
                                rf"&= P\,{_at(old_w + old_u)} = {_bold(z)}")),
        Update(words[1], _lines(rf"{_u(k)} &= {_u(before)} + {_w(before)} - {_z(k)}",
                                rf"&= {_at(old_u)} + {_at(old_w)} - {z}", rf"&= {_bold(u)}")),
        Update(words[2], _lines(rf"{_w(k)} &= {_rule(exact, before, k)}", rf"&= {_filled(path, k)} = {_bold(w)}")),
    )


def _rule(exact: bool, before: int | str = "", k: int | str = "") -> str:
    """The right side of the W-step from W of round *before*, Z and U of round *k*."""
    if exact:
        return rf"\big(mA + \rho({_z(k)} - {_u(k)})\big)(A + \rho I)^{{-1}}"
    return rf"{_w(before)} - \eta\big(({_w(before)} - m)A + \rho({_w(before)} - {_z(k)} + {_u(k)})\big)"


def _filled(path: PlanePath, k: int) -> str:
    """The right side of the W-step of round *k* with its numbers."""
    choices, pulled = path.choices, path.choices.rho * (path.z[k] - path.u[k])
    if choices.wstep == "exact":
        return rf"{_at(choices.minimum @ path.a + pulled)}\,(A + {choices.rho:g} I)^{{-1}}"
    before = path.w[k - 1]
    down = (before - choices.minimum) @ path.a + choices.rho * before - pulled
    return rf"{_at(before)} - {1 / (choices.curvature + choices.rho):.2g}\,{_at(down)}"


def balance(path: PlanePath, k: int) -> str:
    """The force of U beside the slope of the loss at W: where W and Z meet, they cancel."""
    if k == 0:
        return "U begins at 0: at first nothing pulls but Z."
    return (f"rho · U = {pair(path.choices.rho * path.u[k])} and the slope of the loss at W is {pair(path.slope(k))}: "
            "where W and Z have met, they cancel. U is the force that holds W on the cross.")


def _letter(letter: str, colour: tuple[int, ...], k: int | str) -> str:
    tone = "#" + "".join(f"{channel:02x}" for channel in colour)
    under = "" if k == "" else f"_{{{k}}}"
    return rf"\textcolor{{{tone}}}{{{letter}}}{under}"


def _w(k: int | str = "") -> str:
    return _letter("W", style.POSITIVE, k)


def _z(k: int | str = "") -> str:
    return _letter("Z", style.NEGATIVE, k)


def _u(k: int | str = "") -> str:
    return _letter("U", style.SEQUENTIAL_HUE, k)


def _at(point: Iterable[float]) -> str:
    return "(" + r",\ ".join(number(x).replace(MINUS, "-") for x in point) + ")"


def _bold(text: str) -> str:
    return rf"\mathbf{{{text}}}"


def _lines(*lines: str) -> str:
    return r"\begin{aligned}" + r"\\".join(lines) + r"\end{aligned}"
