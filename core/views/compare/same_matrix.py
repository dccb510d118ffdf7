"""The same matrix in two to four runs: side by side in one colour range, and each against the pinned reference."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import unknown
from core.runs.store import Run
from core.views.compare.choice import letter
from core.views.compare.sides import Frame, Side, frame, limit, matrices, sides
from core.views.drawing import maps, style
from core.views.drawing.build import words_only
from core.views.drawing.view import View

HEIGHT = 372
MASKS, WEIGHTS = "masks", "weights"
AGAINST = {MASKS: "which weights stay", WEIGHTS: "their values"}
HALF = 0.5  # fixed top of the range of a block's share of differing weights: masks drawn at random would differ so
KINDS = ("kept by neither", "kept only by the reference", "kept only by this run", "kept by both")
TONES = (style.rgba(style.PRUNED), style.rgba(style.NEGATIVE, 0.95), style.rgba(style.POSITIVE, 0.95),
         style.rgba(style.SEQUENTIAL_HUE, 0.3))
STEPS = [(edge, tone) for k, tone in enumerate(TONES) for edge in (k / len(TONES), (k + 1) / len(TONES))]


def kinds(mask: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """0 kept by neither, 1 only by the reference, 2 only by this run, 3 by both: `[out, in]`."""
    return ((mask != 0) * 2 + (reference != 0)).astype(np.uint8)


def counts(mask: NDArray[np.uint8], reference: NDArray[np.uint8]) -> list[int]:
    """How many weights are of each of KINDS."""
    return [int(n) for n in np.bincount(kinds(mask, reference).reshape(-1), minlength=len(KINDS))]


def _shape(runs: Sequence[Run], matrix: str) -> tuple[int, int]:
    """The shape of *matrix*. Raises InputError when no run has it."""
    found = next((m.shape for r in runs for m in r.record.matrices if m.name == matrix), None)
    if found is None:
        raise unknown("matrix", matrix, matrices(runs))
    return found


def panels(runs: Sequence[Run], matrix: str, zoom: bool = False, row: int = 0, column: int = 0) -> View:
    """*matrix* in every run, one panel each, in one range fixed by the reference's dense weights.

    Single weights, or means of abs(w) over blocks where it is too large to be painted (*zoom*: a window of single
    weights at *row*, *column*). Of what a run did not keep, the best of the rest stands in and its title says so.
    Raises InputError for a matrix that no run has.
    """
    shape = _shape(runs, matrix)
    found = sides(runs, matrix)
    part, top = frame(found, shape, zoom, row, column), limit(found)
    where = style.matrix_words(matrix)
    if part.near:
        drawn = [_single(side, part, top) for side in found]
    else:
        blocks = [_blocks(side, part.step) for side in found]
        scales = (a for side in found for a in (side.before, side.shown, side.means) if a is not None)
        first = next(scales, None)
        top = 1.0 if first is None else maps.limit_of(maps.means_over(np.abs(first), *part.step))
        drawn = [maps.Panel(_head(side), b, "sequential", top, why=side.why or _lacks(side), unit="mean |w|")
                 for side, b in zip(found, blocks, strict=True)]
    rows = [{"run": side.title, "record": run.record.id, "zeros": side.zeros, "kept energy": side.energy,
             "shown": _what(side)} for side, run in zip(found, runs, strict=True)]
    claim = _claim(where, found)
    if all(panel.values is None for panel in drawn):
        return words_only(f"{where[0].upper()}{where[1:]}: these runs kept nothing of it.", pd.DataFrame(rows))
    figure = maps.draw(drawn, part.axes, height=HEIGHT, keep=f"{matrix}/{part.axes.start}/{part.step}")
    grain = "" if part.near else f" Each cell is the mean of |w| over {part.step[0]} × {part.step[1]} weights."
    alt = f"{len(found)} maps of {where}, {shape[0]} × {shape[1]} weights.{grain} {claim}"
    colours = f"colours run to ±{top:.2g}" if part.near else f"colours run from 0 to {top:.2g}"
    hint = f"One range for all: {colours}. Drag in one map: the others follow."
    hint += "" if part.near else f"{grain} Choose single weights to look closer."
    return View(claim, figure, None, alt, pd.DataFrame(rows), hint,
                heading=_heading(f"{where[0].upper()}{where[1:]}", found))


def _head(side: Side) -> str:
    """A panel's title: the run, and what stands in where its weights were not kept."""
    note = "" if side.weights is not None or side.why or side.empty else \
        "dense under its mask" if side.masked is not None else "its mask" if side.mask is not None else "means"
    return html.escape(side.title) + (f"<br><span style='font-size:12px'>{note}</span>" if note else "")


def _what(side: Side) -> str:
    """What a panel shows, for the table."""
    if side.why:
        return side.why
    if side.weights is not None:
        return "its weights"
    if side.masked is not None:
        return "the dense weights under its mask: its own were not kept"
    if side.mask is not None:
        return "its mask; over blocks the mean of |w|: weights were not kept"
    return _lacks(side) if side.empty else "the mean of |w| over blocks: neither weights nor mask were kept"


def _lacks(side: Side) -> str:
    return "This run kept nothing of this matrix."


def _single(side: Side, part: Frame, top: float) -> maps.Panel:
    gone = None if side.mask is None else (1 - side.mask).astype(np.uint8)[part.cut]
    if side.shown is not None:
        return maps.Panel(_head(side), side.shown[part.cut], limit=top, pruned=gone)
    if side.mask is not None and not side.why:
        stays = side.mask[part.cut].astype(np.float32)
        return maps.Panel(_head(side), stays, "sequential", 1.5, pruned=gone, unit="stays", bar=False)
    if side.means is not None:
        return maps.Panel(_head(side), side.means[part.cut], "sequential", top, unit="mean |w|")
    return maps.Panel(_head(side), None, why=side.why or _lacks(side))


def _blocks(side: Side, step: tuple[int, int]) -> maps.Floats | None:
    """Means of abs(w) over blocks, from the best that the run kept."""
    known = side.shown if side.shown is not None else side.means
    return None if known is None else maps.means_over(np.abs(known), *step)


def _kept(found: Sequence[Side]) -> list[tuple[str, float]]:
    """The letter of every run, and its energy, of those that have both."""
    return [(letter(side.title), side.energy) for side in found if side.energy is not None]


def _heading(where: str, found: Sequence[Side]) -> str:
    """How much the run that is furthest from the first keeps, as a share of what that one keeps."""
    (name, energy), *others = _kept(found) or [("", 0.0)]
    if not others or not energy:
        return f"{where}, as each run keeps it."
    far, most = max(others, key=lambda one: abs(one[1] - energy))
    return f"{where}: {far} keeps {style.percent(most / energy)} of {name}'s energy (Σw²)."


def _claim(where: str, found: Sequence[Side]) -> str:
    kept = _kept(found)
    zeros = {style.percent(z) for s in found if (z := s.zeros) is not None}
    if not kept:
        return f"{where[0].upper()}{where[1:]}: no run here kept its masks and its dense weights."
    share = f" at {zeros.pop()} zeros" if len(zeros) == 1 else ""
    return f"{where[0].upper()}{where[1:]}{share} keeps of the dense weights' energy (Σw²): " \
           f"{', '.join(f'{name} {style.percent(e)}' for name, e in kept)}."


# -- against the reference ---------------------------------------------------------------------------------------

def differences(runs: Sequence[Run], matrix: str, what: str = MASKS, zoom: bool = False, row: int = 0,
                column: int = 0) -> View:
    """Each run against the first: which weights stay (four tones), or the difference of their values.

    Over blocks: the share of weights on which the two masks differ, or the difference of the means of abs(w). The
    counts are of the whole matrix in every case. Raises InputError for an unknown matrix or *what*.
    """
    if what not in AGAINST:
        raise unknown("comparison", what, AGAINST)
    shape = _shape(runs, matrix)
    found = sides(runs, matrix)
    reference, others = found[0], found[1:]
    part, where = frame(found, shape, zoom, row, column), style.matrix_words(matrix)
    if what == MASKS:
        drawn = [_own_mask(reference, part), *(_mask_panel(side, reference, part) for side in others)]
        table, claim = _mask_table(found), _mask_claim(where, found)
    else:
        top = limit(found)
        if not part.near:
            known = next((a for s in found for a in (s.before, s.shown) if a is not None), None)
            top = 1.0 if known is None else maps.limit_of(maps.means_over(np.abs(known), *part.step))
        drawn = [_own_weights(reference, part, top), *(_weight_panel(side, reference, part, top) for side in others)]
        table, claim = _weight_table(found), _weight_claim(where, found)
    if all(panel.values is None for panel in drawn[1:]):
        return words_only(claim, table)
    tones = list(zip(KINDS, TONES, strict=True))[::-1] if what == MASKS and part.near else []
    figure = maps.draw(drawn, part.axes, height=HEIGHT, key=tones, keep=f"{matrix}/{part.axes.start}/{part.step}")
    own = " Before them what that run keeps." if drawn[0].values is not None else ""
    alt = f"{len(others)} maps of {where} against {reference.title}.{own} {claim}"
    return View(claim, figure, None, alt, table, _try(what, part),
                heading=_against(found) if what == MASKS else _away(found))


def _try(what: str, part: Frame) -> str:
    if what == MASKS and part.near:
        return "Blue and orange come in pairs inside a group: where one run keeps another weight, it gives one up."
    if what == MASKS:
        return f"Each cell: the share of its {part.step[0]} × {part.step[1]} weights on which the two masks differ. " \
               "Choose single weights to see which."
    return "A difference as strong as a weight: one of the two runs has pruned it. The faint ones were trained away."


def _own_mask(reference: Side, part: Frame) -> maps.Panel:
    """The reference's own mask in the tones of what is kept by both and by neither; words where shares are compared."""
    if not part.near or reference.mask is None or reference.why:
        return maps.Panel(letter(reference.title), None, why=reference.why or "the reference")
    return _kinds_panel(f"{letter(reference.title)}, the reference", reference.mask, reference.mask, part)


def _own_weights(reference: Side, part: Frame, top: float) -> maps.Panel:
    """The reference's own weights, in the range of the differences from them."""
    name = f"{letter(reference.title)}, the reference"
    if part.near or reference.weights is None:
        return replace(_single(reference, part, top), title=name)
    return maps.Panel(name, maps.means_over(np.abs(reference.weights), *part.step), limit=top, unit="mean |w|")


def _kinds_panel(title: str, mask: NDArray[np.uint8], other: NDArray[np.uint8], part: Frame) -> maps.Panel:
    """Two masks in four tones: kept by both, by one, by the other, by neither."""
    return maps.Panel(title, kinds(mask[part.cut], other[part.cut]).astype(np.float32), "sequential", len(KINDS) - 1,
                      unit="kind", bar=False, colours=STEPS)


def _mask_panel(side: Side, reference: Side, part: Frame) -> maps.Panel:
    title = f"{letter(side.title)} against {letter(reference.title)}"
    if side.mask is None or reference.mask is None or side.why or reference.why:
        lacking = side if side.mask is None or side.why else reference
        return maps.Panel(title, None, why=lacking.why or f"{lacking.title} did not keep its masks.")
    if part.near:
        return _kinds_panel(title, side.mask, reference.mask, part)
    share = maps.means_over((side.mask != reference.mask).astype(np.float32), *part.step)
    return maps.Panel(title, share, "sequential", HALF, unit="share that differs")


def _weight_panel(side: Side, reference: Side, part: Frame, top: float) -> maps.Panel:
    title = f"{letter(side.title)} − {letter(reference.title)}"
    if side.weights is None or reference.weights is None:
        lacking = side if side.weights is None else reference
        return maps.Panel(title, None, why=lacking.why or f"{lacking.title} did not keep its weights.")
    if part.near:
        gone = None if side.mask is None or reference.mask is None else \
            ((side.mask == 0) & (reference.mask == 0)).astype(np.uint8)[part.cut]
        return maps.Panel(title, side.weights[part.cut] - reference.weights[part.cut], limit=top, pruned=gone)
    one, two = (maps.means_over(np.abs(s.weights), *part.step) for s in (side, reference) if s.weights is not None)
    return maps.Panel(title, one - two, limit=top, unit="difference of mean |w|")


def _counted(found: Sequence[Side]) -> list[tuple[Side, list[int]]]:
    first = found[0]
    if first.mask is None:
        return []
    return [(s, counts(s.mask, first.mask)) for s in found[1:] if s.mask is not None]


def _mask_table(found: Sequence[Side]) -> pd.DataFrame:
    rows = [{"run": side.title, **dict(zip(KINDS[::-1], held[::-1], strict=True)),
             "differs": (held[1] + held[2]) / (sum(held) or 1)} for side, held in _counted(found)]
    return pd.DataFrame(rows, columns=["run", *KINDS[::-1], "differs"])


def _mask_claim(where: str, found: Sequence[Side]) -> str:
    known = _counted(found)
    if not known:
        return f"{where[0].upper()}{where[1:]}: which weights stay was not kept by the reference and another run."
    parts = [f"{letter(side.title)} {style.percent(held[3] / ((held[1] + held[3]) or 1))}" for side, held in known]
    return f"Of the weights that {letter(found[0].title)} keeps in {where}, these stay too: {', '.join(parts)}."


def _against(found: Sequence[Side]) -> str:
    """Who kept least of what the reference kept; "" where it is not known."""
    shares = {letter(side.title): float(held[3] / ((held[1] + held[3]) or 1)) for side, held in _counted(found)}
    if not shares:
        return ""
    least = min(shares, key=lambda name: shares[name])
    return f"{least} keeps {style.percent(shares[least])} of the weights that {letter(found[0].title)} keeps."


def _measured(found: Sequence[Side]) -> list[tuple[Side, float]]:
    """How far the weights of each run are from the reference's, relative to those: |W' - W| / |W|."""
    first = found[0].weights
    size = 0.0 if first is None else float(np.linalg.norm(first))
    if first is None or not size:
        return []
    return [(s, float(np.linalg.norm(s.weights - first)) / size) for s in found[1:] if s.weights is not None]


def _away(found: Sequence[Side]) -> str:
    """Who is farthest from the reference; "" where it is not known."""
    known, first = _measured(found), letter(found[0].title)
    if not known:
        return ""
    side, far = max(known, key=lambda pair: pair[1])
    return f"{letter(side.title)} lies {style.percent(far)} of {first}'s size away from {first}."


def _weight_table(found: Sequence[Side]) -> pd.DataFrame:
    return pd.DataFrame([(s.title, far) for s, far in _measured(found)], columns=["run", "distance, relative"])


def _weight_claim(where: str, found: Sequence[Side]) -> str:
    known = _measured(found)
    if not known:
        return f"{where[0].upper()}{where[1:]}: the values of the reference and of another run were not kept."
    first = letter(found[0].title)
    return f"{where[0].upper()}{where[1:]}, distance to {first} (‖ΔW‖/‖W‖ of {first}): " \
           f"{', '.join(f'{letter(s.title)} {style.percent(far)}' for s, far in known)}."
