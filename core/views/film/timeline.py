"""One time for everything: where on the row of moments a step of a phase lies, and what a moment is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.runs.records import RunRecord
from core.views.drawing import style
from core.views.film import panels
from core.views.film.panels import Part
from core.views.scores.stages import finite

PHASES: dict[str, str] = {  # of a film, in order, and what they are called
    "dense": "dense", "layer-wise": "layer by layer", "admm": "ADMM", "hard-pruned": "hard prune", "final": "refined"}
POINTS = 400  # of a curve: more cannot be told apart in a strip
TARGET = 0.02  # the primal residual that counts as "W has reached the pattern"
PRIMAL, DUAL, QUIET = style.ACCENT, style.rgba(style.NEGATIVE), style.GREY


@dataclass(frozen=True)
class Timeline:
    """The moments of a film: their phases and steps, in order."""

    phases: tuple[str, ...]
    steps: tuple[int, ...]

    @property
    def last(self) -> int:
        """The last moment."""
        return len(self.phases) - 1

    def spans(self) -> list[tuple[str, int, int]]:
        """(words, first, last) of every phase."""
        out: list[tuple[str, int, int]] = []
        for k, phase in enumerate(self.phases):
            words = self._called(phase)
            out = [*out[:-1], (words, out[-1][1], k)] if out and out[-1][0] == words else [*out, (words, k, k)]
        return out

    def words(self) -> list[str]:
        """What each moment is called: "ADMM, step 120"."""
        count = {"layer-wise": "round", "admm": "step"}
        return [f"{self._called(phase)}, {count[phase]} {style.count(step)}" if phase in count
                else self._called(phase) for phase, step in zip(self.phases, self.steps, strict=True)]

    def _called(self, phase: str) -> str:
        """A phase in words; the end of a run that was not hard-pruned before is not refined, but pruned."""
        if phase == "final" and "hard-pruned" not in self.phases:
            return "pruned"
        return PHASES.get(phase, phase)

    def place(self, phase: str, step: int, end: int) -> float | None:
        """Where a step of a phase of the trace lies, in moments; None for one outside the film. *end*: the last step of
        the refinement."""
        known = {"start": "admm", "refine": "refine", "moving": "admm", "penalty": "admm"}.get(phase, phase)
        knots = self._knots(known, end)
        if not knots:
            return None
        xs, ys = zip(*sorted(knots), strict=True)
        return float(np.interp(step, xs, ys))

    def _knots(self, phase: str, end: int) -> list[tuple[int, int]]:
        """(step, moment) pairs between which a phase runs. A phase ends where the next begins."""
        own = [(self.steps[k], k) for k, name in enumerate(self.phases) if name == phase]
        pruned = [(self.steps[k], k) for k, name in enumerate(self.phases) if name == "hard-pruned"]
        if phase == "admm":
            return [*own, *(p for p in pruned if own and p[0] > own[-1][0])]
        if phase == "refine":
            start = pruned or [(s, k) for k, (s, n) in enumerate(zip(self.steps, self.phases, strict=True))
                               if n == "admm"][-1:] or [(0, 0)]
            return [*start, (max(end, start[0][0] + 1), self.last)]
        return own


def groups_strip(held: str, exact: Sequence[float]) -> Part:
    """The share of groups that hold what obeys, "2 of 4" (*held*), at every moment (*exact*, 0 to 1)."""
    name = f"groups {held}"
    return panels.strip(name, [(name, range(len(exact)), exact, style.ACCENT)], low=0.0, high=1.0, form="percent")


def strips(line: Timeline, rows: Sequence[dict[str, Any]], record: RunRecord, exact: Sequence[float],
           held: str) -> list[Part]:
    """The strips under a film: groups, residuals, rho, flips, score, as far as they were logged.

    *rows*: the run's trace; *exact*: the share of groups that hold what obeys, "2 of 4" (*held*), at every moment, or
    nothing.
    """
    end = max((int(row["step"]) for row in rows if row.get("phase") == "refine"), default=0)
    places = [line.place(str(row.get("phase", "")), int(row["step"]), end) for row in rows]
    placed = [(x, row) for x, row in zip(places, rows, strict=True) if x is not None]
    out: list[Part] = []
    if exact:
        out.append(groups_strip(held, exact))
    primal, dual = _curve(placed, "primal"), _curve(placed, "dual")
    sizes = [y for _, y in [*primal, *dual] if y > 0]
    if sizes:
        lines = [(name, *_split(curve), colour) for name, curve, colour in
                 (("primal", primal, PRIMAL), ("dual", dual, DUAL)) if curve]
        out.append(panels.strip("residuals", lines, low=max(min(sizes), max(sizes) * 1e-4), high=max(sizes), log=True,
                                level=(TARGET, str(TARGET)) if min(sizes) < TARGET < max(sizes) else None))
    rho = [(x, y) for x, y in _curve(placed, "rho") if y > 0]
    if rho:
        out.append(panels.strip("rho", [("rho", *_split(rho), QUIET)], low=min(y for _, y in rho),
                                high=max(y for _, y in rho), log=True))
    flips = _curve(placed, "flips")
    if flips:
        out.append(panels.strip("flips", [("flips", *_split(flips), QUIET)], low=0.0,
                                high=max(y for _, y in flips) or 1.0, form="count"))
    return [*out, *_score(line, _curve(placed, "score"), record)]


def _score(line: Timeline, logged: list[tuple[float, float]], record: RunRecord) -> list[Part]:
    """The score: what was logged on the way, and what the header knows of the ends."""
    results = record.results
    known = {} if results is None else {"dense": results.dense, "hard-pruned": results.hard_pruned,
                                        "final": results.final}
    ends = [(float(k), value) for k, phase in enumerate(line.phases)
            if (value := known.get(phase)) is not None and finite(value)]
    points = sorted([*((x, y) for x, y in logged if all(x != k for k, _ in ends)), *ends])
    if not points:
        return []
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = max((high - low) * 0.1, 0.01)
    dense = known.get("dense")
    return [panels.strip("score", [("score", *_split(points), style.rgba(style.SEQUENTIAL_HUE))], low=low - room,
                         high=high + room, level=(dense, "dense") if dense is not None and finite(dense) else None)]


def _curve(placed: Sequence[tuple[float, dict[str, Any]]], key: str) -> list[tuple[float, float]]:
    """What was logged under *key*, in the order of time, at most POINTS of it."""
    points = [(x, float(row[key])) for x, row in placed if finite(row.get(key))]
    points.sort(key=lambda p: p[0])
    return points if len(points) <= POINTS else [points[i] for i in np.linspace(0, len(points) - 1, POINTS).astype(int)]


def _split(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
