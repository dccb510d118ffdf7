"""The first page's numbers."""

from __future__ import annotations

import math

from core.evidence.quantities import SCORE
from core.evidence.single import of_run
from core.evidence.words import changed
from core.runs.records import RunRecord
from core.runs.store import Run
from core.statistics.interval import Interval
from core.views.drawing import style
from core.views.drawing.view import Number

LOW = 0.05  # a dense score nearer to zero than this: no share of it means anything


def of(run: Run) -> list[Number]:
    """`numbers` of *run*, with the interval of its difference to dense where the answers are kept."""
    return numbers(run.record, of_run(run))


def numbers(record: RunRecord, apart: Interval | None = None) -> list[Number]:
    """Zeros, the score against dense, and what one-shot magnitude has of it: three shares, as far as they are known.
    *apart*: the difference to dense with its interval."""
    out = []
    if record.matrices:
        weights = sum(math.prod(m.shape) for m in record.matrices)
        out.append(Number("Zeros", style.percent(record.sparsity), f"of {style.count(weights)} weights"))
    results = record.results
    if results is None or results.dense is None:
        return out
    what = "heads and neurons" if record.units is not None else "weights"
    metric = f"{style.metric_words(results.metric)}, {style.count(results.n_eval)} examples"
    for words, value, note in (
            (f"Score kept by {style.method_title(record.spec.method)}", results.final, metric),
            ("Score kept by one-shot magnitude", results.one_shot, f"the smallest {what} cut at once")):
        if value is not None:
            said = f"{style.score(value)} of dense's {style.score(results.dense)}: {note}"
            if apart is not None and value == results.final:
                said = f"it {changed(SCORE, apart)}, {note}"
            out.append(Number(words, kept_words(value, results.dense), said))
    return out


def kept_words(final: float, dense: float) -> str:
    """The score as a share of dense; as a difference where dense is too near zero for a share to mean anything."""
    return style.percent(final / dense) if dense > LOW else style.change(final - dense)
