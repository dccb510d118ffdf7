"""Two weights in words: what an iteration has come to, its three updates with the present numbers, and their rules."""

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
    """One of the three updates: what it does, and its rule in LaTeX."""

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
    """What *k* iterations have come to, in one sentence with one number; the table has the others."""
    best, verdict = path.best, path.verdicts[k]
    after = f"After {k} iteration{'s' if k > 1 else ''}"
    if verdict == "start":
        return (f"Before the first iteration W stands at loss {number(path.losses(path.w)[0])}; the best point on the "
                f"cross keeps {weight(best.kept)}.")
    kept, loss = weight(int(path.kept[k])), float(path.losses(path.z)[k])
    if verdict == "flipping":
        return f"{after} Z still cannot decide: it has changed the weight it keeps {times(flips(path, k))}."
    if verdict == "apart":
        return f"{after} Z keeps {kept}, and W and Z are still {style.percent(path.primal[k], 2)} of |W| apart."
    if verdict == "moving":
        return f"{after} W and Z agree on keeping {kept}, and still move along its arm: loss {number(loss)}."
    if verdict == "settled-worse":
        return f"{after} W and Z agree on keeping {kept}, the worse arm: loss {number(loss)}."
    end = "the lowest" if loss <= best.loss * (1 + NEAR) + 1e-9 else "not the lowest"
    arm = "and the other would do as well" if path.even else "the better arm"
    return f"{after} W and Z agree on keeping {kept}, {arm}: loss {number(loss)}, {end} on the cross."


def flips(path: PlanePath, k: int) -> int:
    """How often Z has changed the weight it keeps in rounds 1..k."""
    rounds = path.kept[1:k + 1].tolist()
    return sum(a != b for a, b in pairwise(rounds))


def times(count: int) -> str:
    """How often: once, 12 times."""
    return "once" if count == 1 else f"{count} times"


def rules(path: PlanePath) -> tuple[Update, ...]:
    """The updates of every iteration in the solver's order."""
    w, z, u = (_letter(*pair) for pair in (("W", style.POSITIVE), ("Z", style.NEGATIVE), ("U", style.SEQUENTIAL_HUE)))
    step = rf"\big(mA + \rho({z} - {u})\big)(A + \rho I)^{{-1}}" if path.choices.wstep == "exact" else \
        rf"{w} - \eta\big(({w} - m)A + \rho({w} - {z} + {u})\big)"
    lines = (rf"{z} = P({w} + {u})", rf"{u} = {u} + {w} - {z}", rf"{w} = {step}")
    return tuple(Update(words, line) for words, line in zip(_said(path), lines, strict=True))


def steps(path: PlanePath, k: int) -> str:
    """What iteration *k* did, update by update, in its own numbers; for k = 0 what the first will do."""
    words = _said(path)
    if k == 0:
        return "\n".join(f"{line}." for line in words)
    w, z, u, old_w, old_u = path.w[k], path.z[k], path.u[k], path.w[k - 1], path.u[k - 1]
    lines = (f"Z = P{pair(old_w + old_u)} = {pair(z)}",
             f"U = {pair(old_u)} + {pair(old_w)} − {pair(z)} = {pair(u)}",
             f"W = {_solved(path, k)} = {pair(w)}")
    said = [f"{what}:\n{line}" for what, line in zip(words, lines, strict=True)]
    return "\n".join(said)


def _said(path: PlanePath) -> tuple[str, str, str]:
    """What each update does, in the solver's order."""
    rho = f"{path.choices.rho:g}"
    how = f"W goes where loss and pull balance (rho = {rho})" if path.choices.wstep == "exact" else \
        f"W takes one step downhill on loss and pull (rho = {rho}, η = 1 / (largest eigenvalue + rho))"
    return "Z keeps the larger of W + U and cuts the other", "U adds what W and Z still disagree on", how


def _solved(path: PlanePath, k: int) -> str:
    """The right side of the W-step of round *k* with its numbers."""
    choices, pulled = path.choices, path.choices.rho * (path.z[k] - path.u[k])
    if choices.wstep == "exact":
        return f"{pair(choices.minimum @ path.a + pulled)} (A + {choices.rho:g} I)⁻¹"
    before = path.w[k - 1]
    down = (before - choices.minimum) @ path.a + choices.rho * before - pulled
    return f"{pair(before)} − {1 / (choices.curvature + choices.rho):.2g} · {pair(down)}"


def balance(path: PlanePath, k: int) -> str:
    """The force of U beside the slope of the loss at W: where W and Z meet, they cancel."""
    if k == 0:
        return "U begins at 0: at first nothing pulls but Z."
    return (f"rho · U = {pair(path.choices.rho * path.u[k])} and the slope of the loss at W is {pair(path.slope(k))}: "
            "where W and Z have met, they cancel. U is the force that holds W on the cross.")


def _letter(letter: str, colour: tuple[int, ...]) -> str:
    tone = "#" + "".join(f"{channel:02x}" for channel in colour)
    return rf"\textcolor{{{tone}}}{{{letter}}}"
