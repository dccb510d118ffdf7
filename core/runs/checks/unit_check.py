"""The check of a run whose units were pruned as wholes: do masks, kept units and header say the same?

From the header's names and shapes and the arrays alone, unit by unit, in plain loops: it shares no code with what chose
the units (`core.sparsity.coupled`), made their masks (`core.sparsity.units`) or found them in the model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.runs.levels import holds
from core.runs.names import layer_of, part_of
from core.runs.records import RunRecord
from core.sparsity.patterns import parse_pattern

Held = Mapping[str, np.ndarray]
# By what units are called: the parts of a layer that lose rows, and the part that loses columns.
PARTS = {"head": (("query", "key", "value"), "attention output"), "neuron": (("FFN in", "FFN gate"), "FFN out")}
FEW = 3  # problems of one kind that are spelled out


def check_units(record: RunRecord, held: Held) -> tuple[list[str], list[str]]:
    """(verified, problems) in words; ([], []) for a run whose pattern is of single weights."""
    if record.spec.method == "dense" or not parse_pattern(record.spec.pattern).coupled:
        stray = sorted(key for key in held if key.startswith(("unit/", "method/worth/")))
        return [], [f"array {key} belongs to a pattern of units" for key in stray[:FEW]]
    if record.units is None:
        return [], ["the header does not say which heads and neurons are left"]
    said = {"head": record.units.heads, "neuron": record.units.neurons}
    problems: list[str] = []
    count = 0
    for noun, numbers in said.items():
        if len(numbers) != record.layers:
            problems.append(f"the header counts {noun}s of {len(numbers)} layers, not of {record.layers}")
            continue
        for layer in range(1, record.layers + 1):
            found, units = _layer(record, held, noun, layer, numbers[layer - 1])
            problems += found
            count += units
    if problems:
        return [], problems if len(problems) <= FEW else [*problems[:FEW], f"and {len(problems) - FEW} more of units"]
    if not holds(record.spec.record, "summary"):
        return ["not verified: which units are left was not kept, so only the header speaks for them"], []
    how = "gone from or left in all their matrices" if holds(record.spec.record, "masks") else "counted as in the header"
    return [f"{count} heads and neurons: {how}"], []


def _layer(record: RunRecord, held: Held, noun: str, layer: int, left: int) -> tuple[list[str], int]:
    """The problems of one module, and how many units it has."""
    rows, columns = PARTS[noun]
    mine = {part_of(m.name): m for m in record.matrices if layer_of(m.name) == layer}
    last = mine.get(columns)
    if last is None:
        return [f"layer {layer} has no matrix that is its {columns}"], 0
    units = record.heads if noun == "head" else last.shape[1]
    where = f"layer {layer}"
    if not 0 <= left <= units:
        return [f"{where}: the header counts {left} of {units} {noun}s"], units
    if not holds(record.spec.record, "summary"):
        return [], units
    bits = held.get(f"unit/{noun}/{layer}")
    if bits is None or bits.dtype != np.uint8 or bits.shape != (-(-units // 8),):
        return [f"{where}: which {noun}s are left is missing, or not {units} bits"], units
    kept = [bool(bits[u // 8] >> (7 - u % 8) & 1) for u in range(units)]
    problems = []
    if sum(kept) != left:
        problems.append(f"{where}: {sum(kept)} {noun}s are marked as left, the header counts {left}")
    worth = held.get(f"method/worth/{noun}/{layer}")
    if worth is not None and worth.shape != (units,):
        problems.append(f"{where}: the worth of its {noun}s is {list(worth.shape)}, not {units} numbers")
    if not holds(record.spec.record, "masks"):
        return problems, units
    size = last.shape[1] // units
    masks = {}
    for part in (*rows, columns):
        if part in mine:
            m = mine[part]
            mask = held.get(f"mask/{m.name}")
            if mask is None or mask.shape != (m.shape[0], -(-m.shape[1] // 8)):
                return [*problems, f"{m.name}: no mask to look at units in"], units
            full = np.unpackbits(mask, axis=-1, count=m.shape[1])
            masks[m.name] = full.T if part == columns else full
    for u in range(units):
        there = {name: int(mask[u * size:(u + 1) * size].sum()) for name, mask in masks.items()}
        if kept[u] and not all(there.values()):
            gone = [name for name, number in there.items() if not number]
            problems.append(f"{where}: {noun} {u + 1} is left, but gone from {', '.join(gone)}")
        if not kept[u] and any(there.values()):
            rest = [name for name, number in there.items() if number]
            problems.append(f"{where}: {noun} {u + 1} is removed, but {', '.join(rest)} keep {sum(there.values())} of "
                            "its weights")
    return problems, units
