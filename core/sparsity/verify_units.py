"""The exact check of whole units: is a removed head or neuron gone from all its matrices?

From coordinates and counts alone: it shares no code with `Anatomy.masks`, `Anatomy.kept` or
`Coupled.choose`, which make what is checked here. Every unit is looked at by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from core.sparsity.pattern import Pattern
from core.sparsity.units import Module
from core.sparsity.verdict import ALL, EXAMPLES, Mask, Verdict, Violation


def verify_units(masks: Mapping[str, Mask], pattern: Pattern) -> Verdict:
    """Check the *masks* `[out, in]` of all matrices of a model; non-zero is kept.

    A unit is there when anything of it is. One that is gone from some of its matrices and not from
    others is half removed: a violation, as it can be neither cut out nor used. Beside that the
    pattern binds how much is there: heads or neurons by number, and one at least in every layer;
    modules by number; units by their weights. What of its units is there and not whole is short.

    Raises InputError for a pattern that was not joined to a model.
    """
    what, modules = pattern.name.partition(":")[0], pattern.known().modules
    found: list[Violation] = []
    short = groups = 0
    there: dict[int, int] = {}  # units of every module that are there
    for place, m in enumerate(modules):
        there[place] = 0
        judged = what in ("modules", "units") or what == f"{m.noun}s"
        for unit in range(m.units):
            counts = [int(np.count_nonzero(part)) for part in parts_of(m, unit, masks)]
            there[place] += any(counts)
            if not judged:
                continue
            groups += 1
            if any(counts) and not all(counts):
                found.append(_said(_half(m, unit, counts), sum(counts)))
            elif any(counts) and sum(counts) < m.size * (len(m.rows) * m.inputs + m.outputs):
                short += 1
    share = Fraction(repr(float(pattern.name.partition(":")[2])))
    if what == "modules":
        few = sum(0 < there[i] < m.units for i, m in enumerate(modules))
        found += _over(sum(n > 0 for n in there.values()), len(modules), share, "modules")
        short, groups = short + few, len(modules)
    elif what == "units":
        left = sum(there[i] * m.size * (len(m.rows) * m.inputs + m.outputs)
                   for i, m in enumerate(modules))
        whole = sum(mask.size for mask in masks.values())
        of_units = sum(m.units * m.size * (len(m.rows) * m.inputs + m.outputs) for m in modules)
        found += _over(left + whole - of_units, whole, share, "weights")
    else:
        mine = [i for i, m in enumerate(modules) if f"{m.noun}s" == what]
        size = sum(modules[i].units for i in mine)
        found += _over(sum(there[i] for i in mine), size, share, what)
        found += [_said(f"layer {modules[i].layer} has no {modules[i].noun} left, and "
                        f"{pattern.name} leaves one to every layer") for i in mine if not there[i]]
    return Verdict(ALL, pattern.name, groups, len(found), short, tuple(found[:EXAMPLES]))


def parts_of(module: Module, unit: int, arrays: Mapping[str, Mask],
             ) -> Iterator[NDArray[np.generic]]:
    """What *arrays* `[out, in]` hold of one unit: its rows of each matrix, then its columns."""
    first, last = unit * module.size, (unit + 1) * module.size
    for name in module.rows:
        yield np.asarray(arrays[name])[first:last, :]
    yield np.asarray(arrays[module.columns])[:, first:last]


def _half(module: Module, unit: int, counts: list[int]) -> str:
    names = [*module.rows, module.columns]
    gone = [name for name, count in zip(names, counts, strict=True) if not count]
    return (f"{module.noun} {unit + 1} of layer {module.layer} is half removed: gone from "
            f"{', '.join(gone)}, but {sum(counts)} of its weights are left elsewhere")


def _over(there: int, size: int, share: Fraction, words: str) -> list[Violation]:
    """The violation of *there* of *size* where fewer may stay."""
    # (1 - share) size, a half rounded up, in fractions.
    most = math.floor((1 - share) * size + Fraction(1, 2))
    return [] if there <= most else [
        _said(f"{there} of {size} {words} are left, allowed {most}", there, most)]


def _said(text: str, kept: int = 0, allowed: int = 0) -> Violation:
    return Violation(ALL, None, 0, 0, kept, allowed, text=text)
