"""Checks of corrections of low rank beside pruned matrices: their ranks, their factors, and the errors they leave."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.runs.arrays import METHOD
from core.runs.levels import holds
from core.runs.records import Matrix, RunRecord

SQUARES = f"{METHOD}/squares/"  # + matrix: what the pruned matrix leaves, by direction, falling; shares of its output
SAME = 1e-3  # of an error: both are sums of float32, in different orders
LEAST = 1e-5  # of the layer's output: below, nothing is left but rounding


def check(record: RunRecord, held: Mapping[str, NDArray[np.generic]]) -> tuple[list[str], list[str]]:
    """(verified, problems) in words; both empty for a run without a correction."""
    corrected = [m for m in record.matrices if m.rank]
    if not corrected:
        return [], []
    problems = [f"{m.name}: {text}" for m in corrected for text in _wrong(m, record, held)]
    if problems:
        return [], problems
    factors = "; both factors of each fit" if holds(record.spec.record, "full") else ""
    left = "what each leaves adds up to the header's error" if _same_inputs(record) else \
        "what each leaves, on its own inputs, falls from direction to direction"
    return [f"corrections beside {len(corrected)} matrices: {left}{factors}"], []


def _same_inputs(record: RunRecord) -> bool:
    """Was every layer solved on the inputs on which the header's error is counted, those of the dense model?"""
    return record.spec.knobs.get("inputs", "dense") == "dense"


def _wrong(m: Matrix, record: RunRecord, held: Mapping[str, NDArray[np.generic]]) -> list[str]:
    short = min(m.shape)
    if not 0 < m.rank <= short:
        return [f"a correction of rank {m.rank}, where {short} is the most"]
    out, squares = [], held.get(f"{SQUARES}{m.name}")
    if squares is None or squares.shape != (short,) or not (np.diff(squares) <= 0).all() or squares[-1] < 0:
        out.append(f"what it leaves by direction is not {short} numbers that fall to 0 or above")
    elif m.error is not None and _same_inputs(record):
        rest = float(squares[m.rank:].sum(dtype=np.float64))
        if abs(rest - m.error) > SAME * m.error + LEAST:
            out.append(f"its correction leaves {rest:.6f} of the output, the header says {m.error:.6f}")
    if holds(record.spec.record, "full"):
        for side, shape in (("left", (m.shape[0], m.rank)), ("right", (m.rank, m.shape[1]))):
            factor = held.get(f"correction/{side}/{m.name}")
            if factor is None or factor.dtype != np.float32 or factor.shape != shape:
                out.append(f"the {side} factor of its correction is not float32 {list(shape)}")
    return out
