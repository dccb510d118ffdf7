"""Two weights, one quadratic loss, and the pattern 1:2: everything of ADMM that a plane can show.

    loss(w) = 1/2 (w - m) A (w - m)^T,   A = R diag(1, curvature) R^T,   R the rotation by *tilt*

"Keep 1 of every 2" leaves the two axes: a cross. Solved by the same `core.methods.quadratic.QuadraticSplit` as the
layers of a model. The link holds a case and what differs from it: `read` and `Asked.link` are each other's inverse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from core.errors import InputError, unknown
from core.lab.results_plane import Floats, PlaneChoices, PlanePath, Spot, Verdict
from core.methods.quadratic import QuadraticSplit
from core.sparsity.patterns import NM

TARGET = 0.02  # a residual that counts as settled, as on the page of the trace
STEADY = 3  # rounds without a flip before Z has made up its mind
OWN = "own"
RHOS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
STEPS = {"exact": "exact", "gradient": "one gradient step"}


# -- what may be asked -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Knob:
    """One choice: its words, and the values that its slider offers."""

    label: str
    values: tuple[float, ...]
    unit: str = ""
    scale: int = 1  # the link holds whole numbers of 1 / scale
    help: str = ""

    def names(self, text: str) -> dict[str, str]:
        """Every value of the slider as the link writes it and as a person reads it, in order; *text* among them."""
        values = sorted({*(f"{value:g}" for value in self.values), text}, key=float)
        return {v: f"{float(v) / self.scale:g}".replace("-", "\N{MINUS SIGN}") + self.unit for v in values}


def _tenths(label: str, help: str = "") -> Knob:
    return Knob(label, tuple(range(-25, 26)), scale=10, help=help)


KNOBS: dict[str, Knob] = {
    "rho": Knob("rho", RHOS, help="How hard W and Z pull each other. The link takes any number from 0.01 to 100."),
    "tilt": Knob("Tilt of the valley", tuple(range(-80, 81, 5)), unit="°",
                 help="0 puts the valley along w1: then the weights do not know of each other."),
    "curvature": Knob("Curvature across : along", tuple(range(1, 21)), help="How much steeper the valley's walls are "
                      "than its floor: the ratio of the two eigenvalues of A."),
    "iterations": Knob("Iterations", tuple(range(5, 61, 5))),
    "m1": _tenths("Minimum, w1", "Where the loss is 0."),
    "m2": _tenths("Minimum, w2", "Where the loss is 0."),
    "s1": _tenths("Start, w1", "Where W begins."),
    "s2": _tenths("Start, w2", "Where W begins."),
}
NAMED = {"case": "Case", "wstep": "W-step"}  # choices by name; the others are numbers
KEYS = (*NAMED, *KNOBS)
FIRST = ("rho", "tilt", "curvature")  # always on the page; the rest is folded away
REST = tuple(key for key in KEYS if key not in ("case", *FIRST))


@dataclass(frozen=True)
class Case:
    """A set of choices that shows one thing, and that thing in words."""

    title: str
    shows: str
    choices: PlaneChoices


CASES: dict[str, Case] = {
    "good": Case("Finds the better arm", "At the minimum w1 is the larger weight, but w2 is the one to keep. Z begins "
                 "with w1; U grows on w2 until it wins.", PlaneChoices()),
    "small": Case("rho too small", "W hardly feels Z. U grows on whichever weight is cut, so Z keeps changing its "
                  "mind, and W never reaches the cross.", PlaneChoices(rho=0.1)),
    "large": Case("rho too large", "W is pulled onto the first choice before U has any say: they agree, on the "
                  "worse arm.", PlaneChoices(rho=10.0)),
    "other": Case("Another start", "The same loss and the same rho as in the first case. Only W begins elsewhere, and "
                  "ends on the other arm.", PlaneChoices(s1=20, s2=-15)),
    "once": Case("Why not project once", "Cutting the minimum keeps the right weight at the wrong value: the weight "
                 "that stays has to make up for the one that goes.",
                 PlaneChoices(tilt=-50, curvature=12, m1=15, m2=11, s1=15, s2=11)),
}


@dataclass(frozen=True)
class Asked:
    """What a link asks for: a case, the choices that follow, and what in it could not be used, in words."""

    base: str
    choices: PlaneChoices
    problems: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The case that these choices are, or "own"."""
        return next((key for key, case in CASES.items() if case.choices == self.choices), OWN)

    @property
    def link(self) -> dict[str, str]:
        """What the link has to say: the case, and the choices that differ from it."""
        base = self.base if self.shown == OWN else self.shown
        plain = CASES[base].choices
        return {"case": base} | {field.name: self.text(field.name) for field in fields(PlaneChoices)
                                 if getattr(self.choices, field.name) != getattr(plain, field.name)}

    @property
    def shows(self) -> str:
        """What the case shows; for choices of one's own, which case they came from."""
        if self.shown != OWN:
            return CASES[self.shown].shows
        return f"Your own choices, begun from \"{CASES[self.base].title}\". A case sets every knob."

    def text(self, key: str) -> str:
        """One choice as the link writes it."""
        value = self.shown if key == "case" else getattr(self.choices, key)
        return value if isinstance(value, str) else f"{value:g}"

    def names(self, key: str) -> dict[str, str]:
        """What *key* may be, and its words; "your own" is a case only while it is one."""
        if key == "case":
            return {name: case.title for name, case in CASES.items()} | ({OWN: "Your own"} if self.shown == OWN else {})
        return STEPS if key == "wstep" else KNOBS[key].names(self.text(key))

    def turned(self, key: str, text: str) -> dict[str, str]:
        """The link after one choice was made; a case takes all its values along."""
        if key == "case":
            return self.link if text == OWN else {"case": text}
        now = {name: self.text(name) for name in KEYS}
        return read(now | {"case": self.base, key: text}).link


def read(query: Mapping[str, str]) -> Asked:
    """What the link *query* asks for; a value that cannot be used is said in `problems`, and the case's is taken."""
    problems: list[str] = []
    base = query.get("case", "good")
    if base not in (*CASES, OWN):
        problems.append(str(unknown("case", base, (*CASES, OWN))))
    base = base if base in CASES else "good"
    choices = CASES[base].choices
    for key in KEYS:
        if key in query and key != "case":
            try:
                choices = _with(choices, key, query[key])
            except InputError as error:
                problems.append(str(error))
    return Asked(base, choices, tuple(problems))


def _with(choices: PlaneChoices, key: str, text: str) -> PlaneChoices:
    """*choices* with one value read from *text*. Raises InputError when it is none of that knob's."""
    if key == "wstep":
        if text not in STEPS:
            raise unknown("wstep", text, STEPS)
        return replace(choices, wstep=text)
    if key == "rho":
        return replace(choices, rho=check_rho(text))
    values = KNOBS[key].values
    tenths = ", in tenths" if KNOBS[key].scale == 10 else ""
    expected = f"a whole number from {min(values):g} to {max(values):g}{tenths}"
    try:
        value = int(text[:12])
    except ValueError:
        raise InputError(f"{key}={text[:40]!r} is no whole number", expected, "Move the slider.") from None
    if not min(values) <= value <= max(values):
        raise InputError(f"{key}={value} is out of range", expected, "Move the slider.")
    return PlaneChoices(**{**vars(choices), key: value})


def check_rho(given: str | float) -> float:
    """*given* as a rho from 0.01 to 100. Raises InputError for what is no number, NaN, zero, negative or beyond."""
    expected, remedy = "a number from 0.01 to 100", "rho is the strength of a pull: choose one on the slider."
    try:
        rho = float(given)
    except ValueError:
        raise InputError(f"rho={str(given)[:40]!r} is no number", expected, remedy) from None
    if math.isnan(rho):
        raise InputError("rho=nan is no number", expected, remedy)
    if rho <= 0:
        raise InputError(f"rho={rho:g} is not positive", expected, remedy)
    if not 0.01 <= rho <= 100:
        raise InputError(f"rho={rho:g} is out of range", expected, remedy)
    return float(f"{rho:.6g}")  # what the link writes is what is solved


# -- the mathematics ---------------------------------------------------------------------------------------------


def quadratic(tilt: float, curvature: float) -> Floats:
    """A `[2, 2]`: eigenvalue 1 along the direction *tilt* (degrees from the axis of w1), *curvature* across it."""
    angle = math.radians(tilt)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    return np.outer(along, along) + curvature * np.outer(across, across)


def solve(choices: PlaneChoices) -> PlanePath:
    """All rounds of ADMM, in float64. A gradient W-step descends once, at the rate 1 / (largest eigenvalue + rho).

    Raises InputError for a rho that is not a positive number.
    """
    rho = check_rho(choices.rho)
    a, minimum, rounds = quadratic(choices.tilt, choices.curvature), choices.minimum, choices.iterations
    split = QuadraticSplit(torch.from_numpy(a), torch.from_numpy(minimum[None]), NM(1, 2),
                           torch.from_numpy(choices.start[None]))
    split.set_rho(rho)
    gradient = None if choices.wstep == "exact" else (1, 1 / (choices.curvature + rho))
    w, z, u = (np.full((rounds + 1, 2), np.nan) for _ in range(3))
    kept, primal, dual = np.full(rounds + 1, -1), np.full(rounds + 1, np.nan), np.full(rounds + 1, np.nan)
    w[0], u[0] = choices.start, 0
    for k in range(1, rounds + 1):
        done = split.step(gradient=gradient)
        w[k], z[k], u[k] = split.w.numpy()[0], split.z.numpy()[0], split.u.numpy()[0]
        kept[k], primal[k], dual[k] = int(split.mask[0, 1]), done.primal, done.dual
    arms = (_arm(a, minimum, 0), _arm(a, minimum, 1))
    verdicts = tuple(verdict(kept[:k + 1], primal[k], dual[k], arms) for k in range(rounds + 1))
    return PlanePath(choices, a, w, z, u, kept, primal, dual, arms, _once(a, minimum), verdicts)


def verdict(kept: np.ndarray, primal: float, dual: float, arms: tuple[Spot, Spot]) -> Verdict:
    """What the rounds so far have come to. *kept*: the weight kept in every round, row 0 being the start.

    "flipping": the kept weight changed at least twice in the last half of the rounds; "apart": |W - Z| is more than
    TARGET of |W|, or Z changed its mind in the last STEADY rounds; "moving": they agree, but Z still moves by more
    than TARGET; else "settled-best" or "settled-worse", by the loss of the two arms.
    """
    rounds = len(kept) - 1
    if rounds == 0:
        return "start"
    flips = np.diff(kept[1:]) != 0
    if flips[rounds // 2:].sum() >= 2:
        return "flipping"
    if primal > TARGET or flips[-STEADY:].any():
        return "apart"
    if dual > TARGET:
        return "moving"
    here, other = arms[kept[-1]].loss, arms[1 - kept[-1]].loss
    return "settled-worse" if here > other + 1e-9 * (1 + other) else "settled-best"


def _arm(a: Floats, minimum: Floats, keep: int) -> Spot:
    """The least loss with only weight *keep*: where the slope along that axis is 0."""
    point = np.zeros(2)
    point[keep] = (a[keep] @ minimum) / a[keep, keep]
    return _spot(a, minimum, point, keep)


def _once(a: Floats, minimum: Floats) -> Spot:
    """The minimum with its smaller weight cut; a tie keeps the first, as the solver does."""
    keep = int(abs(minimum[1]) > abs(minimum[0]))
    point = np.zeros(2)
    point[keep] = minimum[keep]
    return _spot(a, minimum, point, keep)


def _spot(a: Floats, minimum: Floats, point: Floats, keep: int) -> Spot:
    gap = point - minimum
    return Spot(point, float(0.5 * gap @ a @ gap), keep)
