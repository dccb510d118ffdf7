"""A model in one compact file: a safetensors file of our own layout, written and read with numpy alone.

Its tensors, by key, of every prunable matrix <m> (see `core.cost.packing`):

    index/<m>  values/<m>                 or, on a grid:  index/<m>  codes/<m>  scales/<m>
    library, or library/<m> for each      uint8: the supports to choose from, a bit an entry, without a gap
    factors/left/<m>  factors/right/<m>   float32 [out, r], [r, in]: a correction of low rank beside the matrix
    other/<parameter>                     float32: embeddings, norms, biases, pooler, classifier as they are

and its metadata, all text: `format` (FORMAT), `pattern` (as the command line writes it), `bits` and `chunk` (0: no
grid), `shapes` (JSON: matrix -> [out, in]). A pattern `dense` without a grid is a plain float32 model.

No code runs when a file is read, and nothing of it is trusted: what does not fit is an InputError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cost.packing import Bools, Floats, Shape, from_bits, pack, supports_of, to_bits, unpack
from core.errors import InputError
from core.sparsity.grids import Grid
from core.sparsity.parsing import parse_pattern
from core.sparsity.pattern import Pattern

FORMAT = "sparsescope-packed/1"


@dataclass(frozen=True)
class Weights:
    """What a file holds: the prunable *matrices* `[out, in]` and all *other* parameters, float32, by name.

    *factors*: left `[out, r]` and right `[r, in]` of the corrections beside matrices that have one. To write one, also
    *keep*: which weights stay (without it, those that are not zero), and *scales* `[out, chunks]` of matrices on a
    grid. Reading gives neither.
    """

    matrices: Mapping[str, Floats]
    other: Mapping[str, Floats] = field(default_factory=dict)
    keep: Mapping[str, Bools] = field(default_factory=dict)
    scales: Mapping[str, Floats] = field(default_factory=dict)
    factors: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)

    def kept(self, name: str) -> Bools:
        """Which weights of matrix *name* stay."""
        return self.keep[name] if name in self.keep else self.matrices[name] != 0


def write(path: Path, weights: Weights, pattern: Pattern, grid: Grid | None = None) -> dict[str, int]:
    """Write *weights* to *path*, and return the bytes of its parts: index, values, codes, scales, library, factors,
    other.

    Raises InputError when a matrix does not obey *pattern*, or its scales are not known.
    """
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {}
    for name, weight in weights.matrices.items():
        supports = supports_of(pattern, name)
        if grid is not None and name not in weights.scales:
            raise InputError(f"The scales of {name} are not known", "a run that keeps its grid",
                             "Make it again with --record masks.")
        found = pack(weight, weights.kept(name), pattern, supports, grid, weights.scales.get(name))
        tensors |= {f"{part}/{name}": array for part, array in found.items()}
        if supports is not None:
            tensors[f"library/{name}" if pattern.each else "library"] = to_bits(supports.reshape(-1), 1)
    tensors |= {f"factors/{side}/{name}": value.astype(np.float32) for name, pair in weights.factors.items()
                for side, value in zip(("left", "right"), pair, strict=True)}
    tensors |= {f"other/{name}": value.astype(np.float32) for name, value in weights.other.items()}
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, path, metadata={
        "format": FORMAT, "pattern": pattern.name, "bits": str(grid.bits if grid else 0),
        "chunk": str(grid.chunk if grid else 0),
        "shapes": json.dumps({name: list(weight.shape) for name, weight in weights.matrices.items()})})
    parts: dict[str, int] = {}
    for key, value in tensors.items():
        part = key.partition("/")[0]
        parts[part] = parts.get(part, 0) + value.nbytes
    return parts


def read(path: Path) -> Weights:
    """What `write` wrote to *path*, without *keep* and *scales*. Raises InputError for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as handle:
            said = handle.metadata() or {}
            if said.get("format") != FORMAT:
                raise InputError(f"{path.name} is no packed model of ours", f"a file of format {FORMAT}",
                                 "Write it with `python -m core cost`.")
            tensors: dict[str, NDArray[Any]] = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
        return _unpacked(said, tensors)
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} cannot be read as a packed model ({str(error)[:160]})",
                         f"a whole file of format {FORMAT}", "Write it again.") from None


def _unpacked(said: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> Weights:
    pattern, bits = parse_pattern(said["pattern"]), int(said["bits"])
    grid = Grid(bits, int(said["chunk"])) if bits else None
    matrices: dict[str, Floats] = {}
    for name, (out, into) in json.loads(said["shapes"]).items():
        arrays = {part: tensors[key] for part in ("index", "values", "codes", "scales")
                  if (key := f"{part}/{name}") in tensors}
        matrices[name] = unpack(arrays, (out, into), pattern, _supports(tensors, name, (out, into), pattern), grid)
    other = {key.removeprefix("other/"): value for key, value in tensors.items() if key.startswith("other/")}
    return Weights(matrices, other, factors={name: (tensors[f"factors/left/{name}"], tensors[f"factors/right/{name}"])
                                             for name in matrices if f"factors/left/{name}" in tensors})


def _supports(tensors: Mapping[str, NDArray[Any]], name: str, shape: Shape, pattern: Pattern) -> Bools | None:
    if pattern.budget.ways is None:
        return None
    packed, units = tensors[f"library/{name}" if pattern.each else "library"], pattern.grouping.units_in(shape)
    return from_bits(packed, 1, pattern.budget.ways * units).reshape(-1, units) != 0
