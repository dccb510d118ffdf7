"""Weights on a grid, as a run folder keeps them, and the check of what it keeps. numpy only.

| key | holds |
|---|---|
| `levels/<matrix>` | int64 `[2 top + 1]`: how many kept weights are on level -top..top |
| `grid/<matrix>` | float32 `[out, chunks]`: the scales (record level masks and up) |
| `code/<matrix>` | int8 1-D, by row: the codes of the kept weights (level full and up, in place of `weight`, `scale`) |

A weight is float32(code) * scale, rounded once: the codes and scales give the final weights back bit for bit, and
`Matrix.weight_sha256` is their digest. Whether a weight lies on its grid is judged here from the numbers alone; nothing
is shared with `core.sparsity.rounding`, which put it there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.levels import RecordLevel, holds
from core.runs.records import Matrix, RunSpec
from core.sparsity.grids import Grid

Floats = NDArray[np.float32]
Arrays = dict[str, np.ndarray]


def grid_of(spec: RunSpec) -> Grid | None:
    """The grid that a run's weights are on, or None."""
    return Grid(spec.bits, spec.chunk) if spec.bits else None


def wide(scale: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """Scales `[out, chunks]` for every weight: `[out, width]`."""
    return np.repeat(scale, width // scale.shape[1], axis=1)


def weight_digest(weight: Floats) -> str:
    """SHA-256 of float32 weights: shape first, then bytes; every bit counts, the sign of a zero too."""
    return hashlib.sha256(str(weight.shape).encode() + np.ascontiguousarray(weight, dtype="<f4").tobytes()).hexdigest()


def off_grid(weight: Floats, scale: Floats, top: int) -> int:
    """How many of *weight* `[out, in]` are no whole number from -top to top times their scale, bit for bit."""
    step = wide(scale, weight.shape[1]).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        code = np.rint(weight.astype(np.float64) / step)
    code[~np.isfinite(code)] = 0
    on = (np.abs(code) <= top) & (code.astype(np.float32) * step == weight)
    return int(weight.size - np.count_nonzero(on))


def expand(code: NDArray[np.int8], scale: Floats, mask: NDArray[np.uint8] | None, shape: tuple[int, int]) -> Floats:
    """The exact final weights, float32 `[out, in]`. Raises ValueError when the codes do not fill the mask."""
    full = np.zeros(shape, dtype=np.float32)
    keep = np.ones(shape, dtype=np.bool_) if mask is None else mask.astype(np.bool_)
    full[keep] = code
    return full * wide(scale, shape[1])


def record(level: RecordLevel, grid: Grid, final: Mapping[str, Floats], masks: Mapping[str, NDArray[np.generic]],
           scales: Mapping[str, Floats], matrices: list[Matrix], arrays: Arrays) -> None:
    """Note the grid of the *final* weights in *matrices*, and put what *level* keeps into *arrays*.

    Raises InputError when a weight is on no level: such a run has failed.
    """
    for m in matrices:
        weight, scale, keep = final[m.name], scales[m.name], masks[m.name].astype(np.bool_)
        m.off_grid, m.weight_sha256 = off_grid(weight, scale, grid.top), weight_digest(weight)
        if m.off_grid:
            raise InputError(f"{m.off_grid} weights of {m.name} are on none of the grid's {2 * grid.top + 1} levels",
                             "a model that lies on its grid", "This is a fault of the method: please report it.")
        step = wide(scale, weight.shape[1])
        code = np.rint(np.divide(weight, step, out=np.zeros_like(weight), where=step > 0)).astype(np.int8)
        if holds(level, "summary"):
            arrays[f"levels/{m.name}"] = _count(code[keep], grid.top)
        if holds(level, "masks"):
            arrays[f"grid/{m.name}"] = scale.astype(np.float32)
        if holds(level, "full"):
            arrays.pop(f"weight/{m.name}", None)
            arrays.pop(f"scale/{m.name}", None)
            arrays[f"code/{m.name}"] = code[keep]


def _count(code: NDArray[np.int8], top: int) -> NDArray[np.int64]:
    return np.bincount(code.astype(np.int64).reshape(-1) + top, minlength=2 * top + 1).astype(np.int64)


def check(spec: RunSpec, matrices: list[Matrix], held: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """(verified, problems) in words, of a run whose *spec* has a grid, from its header and its arrays *held*."""
    verified: list[str] = []
    problems: list[str] = []
    grid = Grid(spec.bits, spec.chunk)
    count = 2 * grid.top + 1
    for m in matrices:
        problems += [f"{m.name}: {text}" for text in _levels(m, grid, held)]
        if holds(spec.record, "masks"):
            problems += [f"{m.name}: {text}" for text in _scales(m, grid, held)]
    if not problems:
        verified.append(f"levels: every kept weight is counted on one of {count} ({spec.bits} bits)")
        if holds(spec.record, "full"):
            problems += [f"{m.name}: {text}" for m in matrices for text in _codes(m, grid, held)]
            if not problems:
                verified.append("grid: codes times scales are the final weights, bit for bit by SHA-256, all on their "
                                f"levels ({len(matrices)} matrices)")
        else:
            verified.append("not verified: codes were not kept, so the weights on the grid cannot be recomputed")
    return verified, problems


def check_plain(m: Matrix, spec: RunSpec, held: Mapping[str, np.ndarray]) -> str | None:
    """The problem with the int8 weights of a matrix that is on no grid: `weight` and `scale` of `core.runs.arrays`."""
    codes, scale = held.get(f"weight/{m.name}"), held.get(f"scale/{m.name}")
    if codes is None or scale is None:
        return f"the weights are missing, though the record level is {spec.record!r}"
    dense = spec.method == "dense"
    shape = m.shape if dense else (round(m.density * math.prod(m.shape)),)
    if not dense and (mask := held.get(f"mask/{m.name}")) is not None:
        shape = (int(np.unpackbits(mask, axis=-1, count=m.shape[1]).sum()),)
    if codes.dtype != np.int8 or codes.shape != shape:
        return f"the weights are {codes.dtype} {list(codes.shape)}, not int8 {list(shape)}"
    if scale.shape != (m.shape[0],) or (scale < 0).any():
        return f"the scales are {list(scale.shape)}, not {m.shape[0]} positive numbers"
    return None


def _levels(m: Matrix, grid: Grid, held: Mapping[str, np.ndarray]) -> list[str]:
    out, levels = [], held.get(f"levels/{m.name}")
    kept = round(m.density * math.prod(m.shape))
    if levels is None or levels.dtype != np.int64 or levels.shape != (2 * grid.top + 1,) or (levels < 0).any():
        out.append(f"no counts of its {2 * grid.top + 1} levels")
    elif int(levels.sum()) != kept:
        out.append(f"the levels count {int(levels.sum())} weights, the header keeps {kept}")
    if m.off_grid is None or m.weight_sha256 is None:
        out.append("the header does not say how many weights are off the grid, or has no SHA-256 of the weights")
    elif m.off_grid:
        out.append(f"the header itself counts {m.off_grid} weights off the grid")
    return out


def _scales(m: Matrix, grid: Grid, held: Mapping[str, np.ndarray]) -> list[str]:
    scale, shape = held.get(f"grid/{m.name}"), (m.shape[0], m.shape[1] // (grid.chunk or m.shape[1]))
    if scale is None or scale.dtype != np.float32 or scale.shape != shape:
        return [f"the scales are missing, or not float32 {list(shape)}"]
    return [] if np.isfinite(scale).all() and (scale >= 0).all() else ["a scale is negative or not finite"]


def _codes(m: Matrix, grid: Grid, held: Mapping[str, np.ndarray]) -> list[str]:
    code, bits, scale = held.get(f"code/{m.name}"), held.get(f"mask/{m.name}"), held[f"grid/{m.name}"]
    if bits is None or bits.shape != (m.shape[0], -(-m.shape[1] // 8)):
        return ["the codes cannot be placed without the mask"]
    mask = np.unpackbits(bits, axis=-1, count=m.shape[1])
    if code is None or code.dtype != np.int8 or code.shape != (int(mask.sum()),):
        return [f"the codes are missing, or not int8 [{int(mask.sum())}]"]
    out = []
    if (np.abs(code.astype(np.int64)) > grid.top).any():
        return [f"a code is beyond level {grid.top}"]
    if not np.array_equal(_count(code, grid.top), held[f"levels/{m.name}"]):
        out.append("the counts of its levels are not those of its codes")
    weight = expand(code, scale, mask, m.shape)
    if weight_digest(weight) != m.weight_sha256:
        out.append("codes times scales are not the final weights: their SHA-256 is not the header's")
    if off := off_grid(weight, scale, grid.top):
        out.append(f"{off} weights are on no level")
    return out
