"""What differs between runs: their settings, row by row, and what each came to, against a pinned reference.

The first run is the reference. Scores are differences in points (hundredths of the metric), and only where they were
measured on the same examples; with a paired interval where the answers are kept (`core.evidence.single`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from core.evidence import words
from core.evidence.groups import stored_bits
from core.evidence.quantities import SCORE
from core.evidence.single import between
from core.methods import METHODS
from core.methods.knobs import knobs_of
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Run
from core.specs.settings import help_of
from core.views.compare.choice import letter, titles
from core.views.drawing import style
from core.views.drawing.telling_apart import settings
from core.views.drawing.view import View

NOT_SET = "–"


def final(record: RunRecord) -> float | None:
    """The score that a run ends with; None before it has one."""
    return None if record.results is None else record.results.final


def comparable(reference: RunRecord, other: RunRecord) -> str:
    """Why the scores of two runs cannot be compared; "" when they can."""
    one, two = reference.results, other.results
    if reference.spec.task != other.spec.task:
        return "another task: not compared"
    if one is None or two is None or one.final is None or two.final is None:
        return "no score"
    if (one.metric, one.split, one.n_eval) != (two.metric, two.split, two.n_eval):
        return "other examples: not compared"
    return ""


def against(reference: Run, other: Run) -> str:
    """The score of *other* as a difference to the reference's, in points, with its 95 % interval where both keep their
    answers: "+1.2 [−0.5, +2.9] points"."""
    reason = comparable(reference.record, other.record)
    one, two = final(reference.record), final(other.record)
    if reason or one is None or two is None:
        return reason
    apart = between(reference, other)
    said = words.signed(SCORE, two - one) if apart is None else words.signed_interval(SCORE, apart)
    return f"{said} points"


def rows(records: Sequence[RunRecord]) -> list[tuple[str, list[str], str]]:
    """Every setting in which *records* differ: its name, its value in each run ("–": not a setting of that run's
    method), what it is."""
    said = [settings(r) for r in records]
    names = list(dict.fromkeys(name for values in said for name in values))
    return [(name.replace("_", " "), [values.get(name, NOT_SET) for values in said], _meaning(name, records))
            for name in names if len({values.get(name, NOT_SET) for values in said}) > 1]


def _meaning(name: str, records: Sequence[RunRecord]) -> str:
    """What a field of the spec, or a knob of one of the methods, is."""
    if name in RunSpec.__struct_fields__:
        return help_of(name).partition("  [default")[0].replace("`", "")
    kinds = (METHODS[r.spec.method].knobs for r in records if r.spec.method in METHODS)
    found = next((k for kind in kinds for k in knobs_of(kind) if k.name == name), None)
    if found is None:
        return "a knob that this version does not know"
    return f"{found.help[0].upper()}{found.help[1:]}" + (f" ({found.unit})" if found.unit else "") + "."


def outcome(runs: Sequence[Run]) -> list[tuple[str, list[str], str]]:
    """What each run came to: score, its difference to the first, zeros, storage, time."""
    records = [run.record for run in runs]
    first = records[0]
    metric = style.metric_words(first.results.metric) if first.results is not None else "the task's metric"
    return [
        ("score", [style.score(final(r)) for r in records], f"{metric[0].upper()}{metric[1:]}." if
         len({r.spec.task for r in records}) == 1 else "Each by the metric of its own task."),
        ("score against A", ["the reference", *(against(runs[0], run) for run in runs[1:])],
         "In points, hundredths of the metric; in brackets the paired 95 % interval over the examples."),
        ("sparsity", [style.percent(r.sparsity) if r.matrices else NOT_SET for r in records],
         "Share of zeros in the prunable matrices."),
        ("zeros", [style.count(_zeros(r)) if r.matrices else NOT_SET for r in records],
         "Weights that are exactly zero."),
        ("bits per weight", [_bits(stored_bits(r)) for r in records], "What a compact file holds; dense is 32."),
        ("seconds", [style.count(round(r.timing.total)) if r.timing.total else NOT_SET for r in records],
         "Wall time on the machine that made the run."),
    ]


def _zeros(record: RunRecord) -> int:
    return sum(math.prod(m.shape) - round(m.density * math.prod(m.shape)) for m in record.matrices)


def _bits(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else NOT_SET


def differing(runs: Sequence[Run]) -> View:
    """The table: a row a setting that differs, a column a run, the outcome last. The first run is the reference."""
    records = [r.record for r in runs]
    names, found = titles(records), rows(records)
    lines = [*found, *outcome(runs)]
    table = pd.DataFrame({"setting": [name for name, _, _ in lines],
                          **{title: [values[i] for _, values, _ in lines] for i, title in enumerate(names)},
                          "what it is": [meaning for _, _, meaning in lines]})
    claim = _claim(runs, names, [name for name, values, _ in found if NOT_SET not in values],
                   sum(NOT_SET in values for _, values, _ in found))
    alt = f"A table of {len(found)} settings that differ between {len(names)} runs, and of what each came to. {claim}"
    return View(claim, None, None, alt, table, "Pin another run: every difference on this page is then measured "
                "from that one.",
                heading=f"{len(found)} settings differ." if found else "")


def _claim(runs: Sequence[Run], names: Sequence[str], differ: Sequence[str], own: int) -> str:
    """*differ*: settings that all runs have; *own*: how many further knobs only some of the methods have."""
    shown = [*differ[:4], *([f"{len(differ) - 4} more settings"] if len(differ) > 4 else []),
             *([f"{own} knob{'s' if own > 1 else ''} that not every method has"] if own else [])]
    listed = " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
    head = f"These runs differ in {listed}" if shown else "These runs have the same settings"
    ends = [f"{letter(name)} {against(runs[0], run)}" for name, run in
            zip(names[1:], runs[1:], strict=True) if not comparable(runs[0].record, run.record)]
    if ends:
        return f"{head}. Score against {names[0]}: {'; '.join(ends)}."
    tasks = len({run.record.spec.task for run in runs}) > 1
    return f"{head}." + (" Scores of different tasks are not compared." if tasks else "")
