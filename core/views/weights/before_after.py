"""Which weights went, and what happened to those that stayed? One matrix of one run: before, after, difference.

Kept weights are stored as int8 codes, one scale a row: differences under about 1 % of a row's largest are rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from core.runs.store import Run
from core.views.drawing import maps, style
from core.views.drawing.bands import Bands
from core.views.drawing.view import View
from core.views.patterns import units_left
from core.views.patterns.groups import exactness
from core.views.patterns.units_left import Left
from core.views.weights.pair import FINAL, WHAT, Pair, What, load, moment_words

ROUNDING = 0.01  # relative change that int8 codes cannot tell from none


# -- figures in words --------------------------------------------------------------------------------------------

def zeros(pair: Pair) -> float:
    """Share of exact zeros in what is shown as *after*."""
    return 1.0 - float(pair.mask.mean()) if pair.mask is not None else 1.0 - pair.entry.density


def kept_energy(pair: Pair) -> float:
    """Sum of kept w^2 over sum of w^2 on the dense weights; the header's figure when the arrays are not there."""
    if pair.mask is None or pair.before is None:
        return pair.entry.kept_energy
    total = float(np.square(pair.before).sum())
    return float(np.square(pair.before * pair.mask).sum()) / total if total else 1.0


def change_of_kept(pair: Pair) -> float | None:
    """|mask o (after - before)| / |mask o before|: how far the weights that stayed have moved. None: not known."""
    if not pair.measured or pair.mask is None or pair.before is None or pair.after is None:
        return None
    base = float(np.linalg.norm(pair.before * pair.mask))
    return float(np.linalg.norm((pair.after - pair.before) * pair.mask)) / base if base else 0.0


def sentence(pair: Pair) -> str:
    """The page's answer, from the data."""
    where, method = style.matrix_words(pair.entry.name), style.method_title(pair.record.spec.method)
    if pair.moment != FINAL:
        return _moment_sentence(pair, where)
    text = f"{method}, {where}: {style.percent(zeros(pair))} of the weights went, with " \
           f"{style.percent(1 - kept_energy(pair))} of the energy (Σw²)"
    moved = pair.entry.moved
    text += "; the mask is plain magnitude's" if moved == 0 else \
        f"; {style.percent(moved)} of the mask differs from plain magnitude's"
    changed = change_of_kept(pair)
    if changed is not None:
        far = f"moved by {style.percent(changed, 2)} of their size (‖ΔW‖/‖W‖)."
        text += f", and the weights that stayed {'did not move.' if changed < ROUNDING else far}"
    return text if text.endswith(".") else text + "."


def _heading(pair: Pair) -> str:
    """The page's answer with one number."""
    where = style.matrix_words(pair.entry.name)
    if pair.moment == FINAL:
        return f"{where[0].upper()}{where[1:]}: {style.percent(zeros(pair))} of the weights went."
    found = next(s for s in pair.record.snapshots if str(s.k) == pair.moment)
    return {"z": "Z obeys the pattern already; W follows.", "u": "U adds up what W and Z disagree on.",
            "w": f"W is {style.percent(found.primal)} of its size away from Z."}[pair.what]


def _moment_sentence(pair: Pair, where: str) -> str:
    found = next(s for s in pair.record.snapshots if str(s.k) == pair.moment)
    when = f"after round {found.step} of the layer-wise solution" if found.phase == "layer-wise" else \
        f"at step {style.count(found.step)} of ADMM"
    head = f"{where[0].upper()}{where[1:]} {when} (rho {found.rho:.3g})"
    if pair.what == "z":
        return f"{head}: Z obeys the pattern already, {style.percent(zeros(pair))} of it is zero; W follows."
    if pair.what == "u":
        return f"{head}: U adds up what W and Z still disagree on; the third map is that gap now, W − Z."
    return f"{head}: over the whole model W is still {style.percent(found.primal)} of its size away from Z (primal " \
           "residual)."


def answers(pair: Pair) -> tuple[str, str]:
    """The page's answer for the end with one number, and what else there is to say of it."""
    moved, changed = pair.entry.moved, change_of_kept(pair)
    text = f"With them went {style.percent(1 - kept_energy(pair))} of the energy (Σw²)"
    text += "; the mask is plain magnitude's" if moved == 0 else \
        f"; {style.percent(moved)} of the mask is not plain magnitude's"
    if changed is not None:
        far = f"moved by {style.percent(changed, 2)} of its size" if changed >= ROUNDING else "did not move"
        text += f"; what stayed {far}"
    return _heading(pair), f"{text}."


# -- the three maps ----------------------------------------------------------------------------------------------

def panels(run: Run, matrix: str, moment: str = FINAL, what: What = "w", zoom: bool = False, row: int = 0,
           column: int = 0, finer: bool = False) -> View:
    """Before | after | difference in one fixed colour range; the tile at (*row*, *column*) is marked.

    Where only the mask is known, single weights are drawn as stays or goes. A matrix with more cells than a browser
    paints well is drawn as block means of abs(w), or, with *zoom*, as a window of single weights around the tile. With
    *finer* the difference (and U) is drawn in a tenth of the range, so that small changes show.
    """
    pair = load(run, matrix, moment, what)
    near = zoom or maps.drawn_whole(pair.entry.shape)
    cut = maps.window(pair.entry.shape, row, column, pair.pattern.multiple)
    start, step = (cut[0].start, cut[1].start), (1, 1)
    units = units_left.of_matrix(run, matrix)
    names, box = _titles(pair), maps.tile_at(pair.entry.shape, row, column, pair.pattern.multiple)
    if near and pair.after is not None:
        drawn = _single(pair, names, cut, finer)
    elif near and pair.mask is not None:
        drawn = [maps.Panel("After: which weights stay", pair.mask[cut].astype(np.float32), "sequential", limit=1.5,
                            pruned=1 - pair.mask[cut], unit="stays", bar=False)]
    else:
        start, (step, parts) = (0, 0), pair.blocks()
        drawn = _as_blocks(names, parts, " ".join(pair.notes) or "Not kept.")
    single = pair.after is not None or pair.mask is not None
    axes = maps.Axes("input", "output", start, step)
    heading, claim, said = _heading(pair), sentence(pair), ""
    if units is not None:
        heading, said = _units_heading(pair, *units), f"{units_words(pair, *units)} "
        axes, drawn = _by_unit(axes, *units, cut if near else None), _without(drawn, units[0])
    figure = maps.draw(drawn, axes, height=440, tile=box if single else None,
                       keep=f"{pair.record.id}/{pair.entry.name}/{start}/{step}")
    view_of = [pair.before, pair.after, pair.third]
    return View(f"{said}{claim}", figure, None, _alt(pair, step, said), _table(names, view_of),
                _try(pair, step, near), heading=heading)


# -- a matrix made of heads or neurons ---------------------------------------------------------------------------

def _units_heading(pair: Pair, left: Left, side: int) -> str:
    """How many of the units that the matrix lies in are left."""
    where, m = style.matrix_words(pair.entry.name), left.module
    where = f"{where[0].upper()}{where[1:]}"
    return f"{where}: {style.count(left.count)} of {style.count(m.units)} {m.noun}s are left." if left.count else \
        f"{where} is gone, with all {style.count(m.units)} {m.noun}s of its layer."


def units_words(pair: Pair, left: Left, side: int) -> str:
    """What of the matrix is one unit, and what became of them."""
    m = left.module
    lies = f"{m.size} {'columns' if side else 'rows'}" if m.size > 1 else f"one {'column' if side else 'row'}"
    others = f"the other {len(m.rows)} matrices" if len(m.rows) > 1 else "the other matrix"
    gone = "" if left.count else f" All of them went: the {m.title} is removed, and what comes in goes out unchanged."
    return f"A {m.noun} is {lies} of this matrix, and goes from {others} of its module too.{gone}"


def _by_unit(axes: maps.Axes, left: Left, side: int, cut: tuple[slice, slice] | None) -> maps.Axes:
    """*axes* with the bounds of units that are wider than a row or a column; *cut*: the window, None for all of it."""
    m = left.module
    if m.size == 1:
        return axes
    drawn = slice(0, m.units * m.size) if cut is None else cut[side]
    return replace(axes, bands=Bands(m.noun, side, m.size, m.units, drawn.stop, drawn.start))


def _without(drawn: list[maps.Panel], left: Left) -> list[maps.Panel]:
    """Where all of a matrix is gone, words stand for the map of nothing."""
    if left.count or len(drawn) < 2:
        return drawn
    words = f"Gone, with all {style.count(left.module.units)} {left.module.noun}s."
    return [drawn[0], maps.Panel("After", None, why=words)]


def _single(pair: Pair, names: list[str], cut: tuple[slice, slice], finer: bool) -> list[maps.Panel]:
    """Panels of single weights."""
    missing = " ".join(pair.notes) or "Not kept."
    gone = None if pair.mask is None else (1 - pair.mask).astype(np.uint8)
    fine = (False, finer and pair.what == "u", finer)
    return [maps.Panel(name, None if part is None else part[cut], limit=pair.limit / (10 if fine[i] else 1),
                       why=missing, pruned=None if gone is None or i == 0 else gone[cut])
            for i, (name, part) in enumerate(zip(names, (pair.before, pair.after, pair.third), strict=True))]


def _as_blocks(names: list[str], parts: list[maps.Floats | None], missing: str) -> list[maps.Panel]:
    known = next((p for p in parts if p is not None), None)
    limit = 1.0 if known is None else maps.limit_of(known)
    # A mean of abs(w) that is exactly zero: every weight of the block is.
    gone = None if parts[1] is None or (parts[1] != 0).all() else (parts[1] == 0).astype(np.uint8)
    return [maps.Panel(name, part, "diverging" if i == 2 else "sequential", limit, why=missing, unit="mean |w|",
                       pruned=gone if i else None)
            for i, (name, part) in enumerate(zip(names, parts, strict=True))]


def _titles(pair: Pair) -> list[str]:
    if pair.moment == FINAL:
        after = "After" if pair.measured or pair.after is None else "Before, under the mask"
        return ["Before: dense", after, "Difference: after − before"]
    return ["Before: dense", f"{WHAT[pair.what]}, {moment_words(pair.record, pair.moment)}",
            "W − Z" if pair.what == "u" else f"Difference: {pair.what.upper()} − before"]


def _alt(pair: Pair, step: tuple[int, int], units: str = "") -> str:
    rows, cols = pair.entry.shape
    grain = "" if step == (1, 1) else f", drawn as means of |w| over blocks of {step[0]} × {step[1]}"
    held = "" if pair.mask is None else f" {style.percent(zeros(pair))} zero" + (
        "." if pair.pattern.coupled else f"; {exactness(pair.mask, pair.pattern)}.")
    head = f"Maps of {style.matrix_words(pair.entry.name)}, {rows} × {cols} weights{grain}"
    return f"{head}: {', '.join(_titles(pair))}.{held} {units}{' '.join(pair.notes)}".strip()


def _table(names: list[str], parts: list[maps.Floats | None]) -> pd.DataFrame:
    rows = [{"map": name, "norm": float(np.linalg.norm(p)), "mean |w|": float(np.abs(p).mean()),
             "smallest": float(p.min()), "largest": float(p.max()), "exact zeros": float((p == 0).mean())}
            for name, p in zip(names, parts, strict=True) if p is not None]
    return pd.DataFrame(rows, columns=["map", "norm", "mean |w|", "smallest", "largest", "exact zeros"])


def _try(pair: Pair, step: tuple[int, int], near: bool) -> str:
    if not near or step != (1, 1):
        closer = "; zoom in for single ones" if pair.after is not None or pair.mask is not None else ""
        return f"Each cell is the mean of |w| over {step[0]} × {step[1]} weights{closer}. Drag in one map: the " \
               "others follow."
    if pair.after is None:
        return "Coloured: stays. Grey: goes. Choose a run of record level full to see how large they are."
    return f"Colours run to ±{pair.limit:.2g}, the 99.5th percentile of the dense |w|. Drag in one map: the others " \
           "follow."
