"""Runs that removed whole heads and neurons, planted without a training: numpy alone, by the plainest means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from core.runs.records import Units
from core.runs.store import ARRAYS, Run, Store, read_header, write_header
from tests.damage import replace_arrays
from tests.makers import empty_store, make_dense, make_run
from tests.making import BERT

HEADS, WIDTH, NEURONS = 4, 64, 256
Kept = Sequence[tuple[Sequence[int], Sequence[int]]]  # by layer: the heads that stay and the neurons, from 0
# Layer 1 keeps head 2 and every other neuron; layer 2 keeps three heads, and has lost its FFN.
USUAL: Kept = (([1], range(0, NEURONS, 2)), ([0, 2, 3], ()))


def mask_of(part: str, heads: Sequence[int], neurons: Sequence[int]) -> np.ndarray:
    """0/1 `[out, in]` of one matrix of a layer: a head is 16 rows of three and 16 columns of the fourth."""
    size = WIDTH // HEADS
    rows = [h * size + i for h in heads for i in range(size)]
    mask = np.zeros((NEURONS if part == "intermediate.dense" else WIDTH,
                     NEURONS if part == "output.dense" else WIDTH), np.uint8)
    if part == "intermediate.dense":
        mask[list(neurons)] = 1
    elif part == "output.dense":
        mask[:, list(neurons)] = 1
    elif part == "attention.output.dense":
        mask[:, rows] = 1
    else:
        mask[rows] = 1
    return mask


def plant(store: Store, kept: Kept = USUAL, pattern: str = "units:0.5", record: str = "masks",
          method: str = "taylor", seed: int = 0) -> str:
    """Write a run of *kept* under the recorded root, beside its dense parent; return its id.

    *record*: "masks" (with the units' bits), "summary" (the bits alone), "answers" (the header alone).
    """
    parent = next((r.id for r in store.records() if r.spec.method == "dense"), None) or make_dense(store.recorded)
    made = make_run(store.recorded, parent=parent, pattern="unstructured:0.5", method=method, seed=seed,
                    record="masks", id=f"planted-{method}-{pattern.replace(':', '-')}-{record}-{seed}", snapshots=0)
    folder = store.recorded / made
    header = read_header(folder)
    arrays: dict[str, np.ndarray | None] = {
        key: None for key in Run(header, folder, True).keys
        if key.partition("/")[0] in ("mask", "weight", "scale", "occupancy", "occupancy.free", "thumbnail")}
    matrices = []
    for entry in header.matrices:
        layer, part = next((i, p) for i in range(2) for p, *_ in BERT if entry.name.endswith(f"layer.{i}.{p}"))
        mask = mask_of(part, *kept[layer])
        matrices.append(msgspec.structs.replace(entry, density=float(mask.mean())))
        if record == "masks":
            arrays[f"mask/{entry.name}"] = np.packbits(mask, axis=-1)
    for layer, (heads, neurons) in enumerate(kept, 1):
        for noun, which, units in (("head", heads, HEADS), ("neuron", neurons, NEURONS)):
            if record != "answers":
                arrays[f"unit/{noun}/{layer}"] = np.packbits(np.isin(np.arange(units), list(which)))
    replace_arrays(folder, arrays)
    write_header(folder, msgspec.structs.replace(
        header, spec=msgspec.structs.replace(header.spec, pattern=pattern, record=record), matrices=matrices,
        snapshots=[], units=Units(heads=[len(h) for h, _ in kept], neurons=[len(n) for _, n in kept])))
    assert (folder / ARRAYS).exists()
    return made


def planted(root: Path, kept: Kept = USUAL, pattern: str = "units:0.5", record: str = "masks") -> Run:
    """`plant` in a store of its own, opened."""
    store = empty_store(root)
    return store.open(plant(store, kept, pattern, record))
