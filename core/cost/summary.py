"""How many times less, or faster, than dense: everything that is counted, written and measured of a run, side by side.

Ratio is not speed: a share of zeros is one number, and what it saves in bytes, operations, memory and time are four
others. No torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.cost.flops import dense_flops, factors, nonzeros, sparse_flops
from core.cost.records import Cost, Form, FormName, Passes
from core.runs.records import RunRecord
from core.sparsity.parsing import parse_pattern
from core.sparsity.storage import FLOAT, Storage, storage_of_record
from core.statistics.interval import Interval
from core.statistics.medians import median, quartiles

TOKENS = 32  # of the sequence whose operations are counted where nothing was timed
How = Literal["counted", "written", "measured"]
# Of a file's parts, those that belong to the pruned matrices.
OWN_PARTS = ("index", "values", "codes", "scales", "library", "factors")
RUNS_AS = {"pruned": "pruned, zeros multiplied", "shrunk": "shrunk", "2:4 kernels": "2:4 kernels"}


@dataclass(frozen=True)
class Saving:
    """One amount of the dense model over the same amount here: 2 is half as much, or twice as fast."""

    what: str  # the quantity, in words
    form: str  # whose: packed, quantised, shrunk, or one of RUNS_AS
    times: Interval  # its ends are the value itself where nothing is uncertain
    how: How
    dense: str  # the two amounts, in words
    here: str

    @property
    def factor(self) -> str:
        """`1.88×`."""
        return f"{self.times.value:.3g}×"


def savings(record: RunRecord, cost: Cost | None) -> list[Saving]:
    """All that is known of *record*, with what was measured of it, or from its header alone. Empty for a dense run."""
    weights = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    kept = sum(nonzeros(m) + factors(m) for m in record.matrices)
    if not kept or record.spec.method == "dense":
        return []
    out, form = [], "shrunk" if structured(record) else "packed"
    if kept < weights:
        out.append(_exact("Weights that are not zero", form, weights, kept, "counted", count_words))
    out += _written(cost) if cost is not None else _counted(record)
    length = max((p.length for p in cost.passes), default=TOKENS) if cost is not None else TOKENS
    dense = dense_flops([(m.name, m.shape) for m in record.matrices], length).total
    name = f"FLOPs, {length} tokens"
    if kept < weights:
        out.append(_exact(name, form, dense, left_flops(record, cost, length), "counted", flop_words))
    if cost is None:
        return out
    out += [_exact("Memory while it runs", RUNS_AS[model], cost.memory["dense"], size, "measured", byte_words)
            for model, size in cost.memory.items() if model in RUNS_AS]
    return out + [timed(p, model) for p in ends(cost.passes) for model in p.micros if model in RUNS_AS] + [
        timed(p, model, " on a GPU") for p in ends(cost.gpu) for model in p.micros if model in RUNS_AS]


def timed(passes: Passes, model: str, where: str = "") -> Saving:
    """How many times faster *model* was than dense, pass by pass: the median ratio with its 95 % interval."""
    here, dense = passes.micros[model], passes.micros["dense"]
    before, after = quartiles(dense).value, quartiles(here).value
    ratios = [d / h for d, h in zip(dense, here, strict=True)]
    return Saving(f"Time{where}, {setting(passes)}", RUNS_AS[model], median(ratios), "measured",
                  time_words(before, after), time_words(after, before))


def setting(passes: Passes) -> str:
    """`32 × 128 tokens`."""
    return f"{passes.batch} × {passes.length} tokens"


def ends(passes: Sequence[Passes]) -> list[Passes]:
    """The setting with the fewest tokens, and the one with the most."""
    ordered = sorted(passes, key=lambda p: (p.batch * p.length, p.length))
    return ordered[:1] + (ordered[-1:] if len(ordered) > 1 else [])


def form_of(record: RunRecord) -> FormName:
    """The smallest form that a pruned run can be counted in from its header."""
    return "shrunk" if structured(record) else "quantised" if record.spec.bits else "packed"


def structured(record: RunRecord) -> bool:
    """Did the run prune whole heads, neurons or modules, which can be cut out?"""
    return parse_pattern(record.spec.pattern).coupled


def left_flops(record: RunRecord, cost: Cost | None, length: int) -> int:
    """Operations for one sequence, zeros left out: of the shrunk shapes where they are known."""
    if cost is not None and cost.shapes:
        return dense_flops(cost.shapes.items(), length).total
    return sparse_flops(record.matrices, length, structured(record)).total


def promised(record: RunRecord, cost: Cost, passes: Passes) -> float:
    """How many times fewer FLOPs than dense the final model needs in this setting, its zeros left out."""
    dense = dense_flops([(m.name, m.shape) for m in record.matrices], passes.length).total
    left = left_flops(record, cost, passes.length)
    return dense / left if left else math.nan


def own_bytes(form: Form) -> int:
    """Bytes of the pruned matrices alone: not of the other parameters, nor of the header."""
    return sum(form.parts.get(part, 0) for part in OWN_PARTS)


def dense_form(cost: Cost) -> Form | None:
    """The form that the others are held against."""
    return next((f for f in cost.forms if f.name == "dense"), None)


def _written(cost: Cost) -> list[Saving]:
    dense = dense_form(cost)
    if dense is None:
        return []
    others = [f for f in cost.forms if f.name != "dense"]
    own = [_exact("Bytes of the pruned matrices", f.name, own_bytes(dense), own_bytes(f), "written", byte_words)
           for f in others]
    return own + [_exact("Bytes of the whole file", f.name, dense.size, f.size, "written", byte_words)
                  for f in others if cost.whole]


def _counted(record: RunRecord) -> list[Saving]:
    found: Storage = storage_of_record(record)
    form = form_of(record)
    own = _exact("Bytes of the pruned matrices", form, FLOAT * found.weights // 8, -(-found.bits // 8), "counted",
                 byte_words)
    if record.other_weights is None or found.model_bits is None:
        return [own]
    whole = FLOAT * (found.weights + record.other_weights) // 8
    return [own, _exact("Bytes of the whole file", form, whole, -(-found.model_bits // 8), "counted", byte_words)]


def _exact(what: str, form: str, dense: int, here: int, how: How, words: Callable[[float, float], str]) -> Saving:
    value = dense / here if here else math.nan
    return Saving(what, form, Interval(value, value, value), how, words(dense, here), words(here, dense))


def count_words(value: float, beside: float = 0.0) -> str:
    """`10.6 M`, in at most three digits."""
    return _scaled(value, beside, ("", " k", " M", " G", " T"))


def byte_words(value: float, beside: float = 0.0) -> str:
    """`90.9 MB`: powers of ten, as files are counted."""
    return _scaled(value, beside, (" B", " kB", " MB", " GB", " TB"))


def flop_words(value: float, beside: float = 0.0) -> str:
    """`680 MFLOP`: operations, not operations a second."""
    return _scaled(value, beside, (" FLOP", " kFLOP", " MFLOP", " GFLOP", " TFLOP"))


def time_words(micros: float, beside: float = 0.0) -> str:
    """`1.24 ms`, from microseconds."""
    return _scaled(micros, beside, (" µs", " ms", " s"))


def _scaled(value: float, beside: float, units: Sequence[str]) -> str:
    """In the unit that suits the larger of *value* and *beside*, where a hundredth of it still shows both."""
    largest, step = max(abs(value), abs(beside) if abs(beside) < 100 * abs(value) else 0.0), 0
    while largest >= 999.5 and step < len(units) - 1:
        value, largest, step = value / 1000, largest / 1000, step + 1
    digits = f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
    return f"{digits}{units[step]}"
