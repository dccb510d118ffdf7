"""A film in words and numbers: its sentence, what a screen reader hears, its table; what hangs beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from core.runs.filmed import PRUNED, Filmed, has_film
from core.runs.levels import holds
from core.runs.names import matrix_words
from core.runs.records import RunRecord
from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.telling_apart import told_apart
from core.views.patterns import groups

if TYPE_CHECKING:  # the first page must not wait for pandas
    import pandas as pd


def missing(run: Run, matrix: str) -> str:
    """What of *matrix* this run did not keep, in one line; "" for a run with a film."""
    if has_film(run.record):
        return ""
    own = {kind: any(f"{key}/{matrix}" in run.keys for key in keys)
           for kind, keys in (("weights", ("weight", "code")), ("mask", ("mask",)))}
    if own["weights"]:
        return "Of this run only the two ends were kept, dense and pruned. One made with --film 32 keeps its moments."
    if own["mask"]:
        return "Of this run the masks were kept, not the weights: its end is the dense weights under its mask."
    return "Of this run neither weights nor masks were kept: what is shown is the dense model that it began with."


def cost(records: Sequence[RunRecord], run_id: str) -> str:
    """What a start from dense weights cost *run_id*: its score, dense's, and that of the same run from layers, where it
    is among *records*. "" for a run that does not start dense."""
    run = next((r for r in records if r.id == run_id), None)
    if run is None or run.spec.knobs.get("start") != "dense" or run.results is None:
        return ""
    def but_for_the_course(r: RunRecord) -> object:
        knobs = {k: v for k, v in r.spec.knobs.items() if k not in COURSE}
        return msgspec.structs.replace(r.spec, knobs=knobs, record="masks", film=0)

    twins = [r for r in records if r.spec.knobs.get("start", "layers") == "layers" and r.results is not None
             and but_for_the_course(r) == but_for_the_course(run)]
    final, dense = run.results.final, run.results.dense
    if final is None or dense is None:
        return ""
    words = f"Started dense, to be watched: it scores {style.score(final)}, dense {style.score(dense)}"
    if twins and (other := twins[0].results) is not None and other.final is not None:
        words += f", the same run from the layer-wise solution {style.score(other.final)}"
    return words + "."


COURSE = ("start", "rho_start", "rho_end", "share")  # the knobs of where W begins, and of how it goes on


def beside(records: Sequence[RunRecord], run_id: str) -> dict[str, str]:
    """The runs whose weights can hang beside those of *run_id*, by id, with their words: same model, weights kept."""
    run = next((r for r in records if r.id == run_id), None)
    if run is None:
        return {}
    same = [r for r in records if r.id != run.id and r.spec.method != "dense" and r.status == "succeeded"
            and [(m.name, m.shape) for m in r.matrices] == [(m.name, m.shape) for m in run.matrices]
            and (has_film(r) or holds(r.spec.record, "full"))]
    same.sort(key=lambda r: (r.spec.task != run.spec.task, not has_film(r), r.spec.pattern != run.spec.pattern, r.id))
    apart = told_apart([*same, run])
    return {r.id: " · ".join(filter(None, [style.task_title(r.spec.task), style.run_words(r), apart[r.id]]))
            for r in same}


def shares(found: Filmed) -> list[float]:
    """The share of groups that hold exactly what the pattern allows, a moment; empty where it allows any number."""
    allowed = found.pattern.allowed
    if allowed is None or found.pattern.grouping.cell is None:
        return []
    return [float(f.occupancy[allowed]) / max(int(f.occupancy.sum()), 1) for f in found.frames]


def claim(found: Filmed, exact: list[float]) -> str:
    """One sentence with one number."""
    name = matrix_words(found.matrix)
    name = name[:1].upper() + name[1:]
    if exact and len(exact) > 1:
        hold = f"of the groups hold {held(found)} large weights"
        return f"{name}: at first {style.percent(exact[0])} {hold}, at last every group." if exact[-1] == 1 else \
            f"{name}: at last {style.percent(exact[-1])} {hold}."
    gone = found.frames[-1].gone.sum() / max(int((found.frames[-1].kept + found.frames[-1].gone).sum()), 1)
    return f"{name}: {style.percent(float(gone))} of the weights have gone at the end."


def furthest(found: Filmed) -> int | None:
    """The moment at which W and Z are furthest apart, the first of several; None where they never are."""
    gaps = {k: f.primal for k, f in enumerate(found.frames) if f.primal is not None and 0 < f.primal < math.inf}
    return max(gaps, key=gaps.__getitem__) if gaps else None


def obeys(found: Filmed) -> int | None:
    """The first moment at which W itself obeys the pattern."""
    return next((k for k, f in enumerate(found.frames) if f.phase in PRUNED), None)


def opens(found: Filmed) -> int:
    """The moment that shows most at once: W and Z furthest apart; else the first at which W obeys."""
    return next((k for k in (furthest(found), obeys(found)) if k is not None), 0)


def named(found: Filmed) -> list[tuple[int, str]]:
    """The moments that have a name; none where W and Z are never apart."""
    if furthest(found) is None:
        return []
    known = ((0 if found.frames[0].phase == "dense" else None, "dense"), (furthest(found), "furthest apart"),
             (obeys(found), "obeys"))
    return [(k, words) for k, words in known if k is not None]


def moments(found: Filmed, names: Sequence[str], exact: list[float]) -> list[str]:
    """One sentence with one number a moment; *names*: what each is called."""
    return [_moment(found, k, name[:1].upper() + name[1:], exact) for k, name in enumerate(names)]


def _moment(found: Filmed, k: int, name: str, exact: list[float]) -> str:
    f = found.frames[k]
    if f.phase not in PRUNED and f.primal is not None:
        return f"{name}: W is {style.percent(f.primal)} of its size away from Z, over all matrices."
    where = f"{name}: in {matrix_words(found.matrix)}, "
    if exact:
        every = "every group holds" if exact[k] == 1 else f"{style.percent(exact[k])} of the groups hold"
        return f"{where}{every} {held(found)} large weights."
    total, gone = int((f.kept + f.gone).sum()), int(f.gone.sum())
    return f"{where}{style.percent(gone / max(total, 1))} of the weights have gone." if gone else \
        f"{where}nothing is pruned yet."


def held(found: Filmed) -> str:
    """What a group holds that obeys: "2 of 4"."""
    return f"{found.pattern.allowed} of {groups.size_of(found.pattern)}"


def alt(found: Filmed, exact: list[float]) -> str:
    rows, cols = found.frames[0].w.shape
    shown = f"{rows} × {cols}" if (rows, cols) == tuple(found.shape) else \
        f"the first {rows} × {cols} of {found.shape[0]} × {found.shape[1]}"
    went = went_words(found, exact)
    return f"Film of {len(found.frames)} moments: {matrix_words(found.matrix)}, {shown} weights, W, Z and the gap " \
           f"between them.{went}"


def went_words(found: Filmed, exact: list[float]) -> str:
    """How the share of such groups went, after a space; "" where there is none, or one moment alone."""
    return f" Groups that hold {held(found)} large weights go from {style.percent(exact[0])} to " \
           f"{style.percent(exact[-1])}." if len(exact) > 1 else ""


def time_alt(found: Filmed, exact: list[float]) -> str:
    primal = [f.primal for f in found.frames if f.primal is not None]
    words = f"; primal residual from {primal[0]:.2g} to {primal[-1]:.2g}" if primal else ""
    return f"Time axis over {len(found.frames)} moments{words}"


def table(found: Filmed, exact: list[float]) -> pd.DataFrame:
    import pandas as pd

    rows = [{"phase": f.phase, "step": f.step, "rho": f.rho, "primal residual": f.primal,
             **({f"groups {held(found)}": exact[k]} if exact else {}),
             "zeros in W": float((f.w == 0).mean()), "gone by the mask": int(f.gone.sum())}
            for k, f in enumerate(found.frames)]
    return pd.DataFrame(rows)
