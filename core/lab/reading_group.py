"""What a person may ask of the page of one group, read from the text of a link or a box. All raise InputError."""

from __future__ import annotations

import math
import re

import numpy as np

from core.errors import InputError
from core.lab.blocks import drawn, learned
from core.sparsity.library import Library
from core.sparsity.patterns import Pattern, parse_pattern

WIDEST = 16  # entries that can still be told apart as bars
MOST_SUPPORTS = 64  # of a library: more are no longer told apart
LARGEST = 1e6
CHOICES = ("2:4", "1:2", "1:4", "4:8", "2:8", "library:4x4:8:8", "library:4x4:8:16", "library:4x4:8:32")
RHOS = ("0.2", "0.5", "1", "2", "5")

# Of the first four, the two largest are neighbours; with correlation 0.6 and rho 1 the dual brings the right ones in
# at iteration 6. Of the first eight the same holds under 2:8 (iterations 1 and 8) and 4:8 (iteration 1).
DEFAULT = (0.7, 0.6, 1.0, 0.8, -0.11, -0.48, -0.53, -0.46, 0.35, -0.9, 0.15, 0.55, 0.85, -0.25, -0.65, 0.4)


def pattern(text: str) -> Pattern:
    """N:M or a library, with groups of at most WIDEST weights: "2:4", "library:ROWSxCOLUMNS:KEEP:COUNT"."""
    found = parse_pattern(text)
    if found.grouping.units is None:
        raise InputError(f"Pattern {found.name!r} has no small groups", "N:M or a library, such as 2:4",
                         "Choose one of the list.")
    if size(found) > WIDEST:
        raise InputError(f"Pattern {found.name!r} has groups of {size(found)}", f"groups of at most {WIDEST} here",
                         "Take a smaller group: here every entry is a bar.")
    if not is_free(found) and (found.budget.ways or 0) > MOST_SUPPORTS:
        raise InputError(f"Pattern {found.name!r} has {found.budget.ways} supports", f"at most {MOST_SUPPORTS}",
                         "Take a smaller library: here every support is a picture.")
    return found


def size(kind: Pattern) -> int:
    """Weights of a group."""
    return kind.grouping.units or 0


def is_free(kind: Pattern) -> bool:
    """May any weights of a group stay, as under N:M, or only those of one support?"""
    return kind.budget.ways is None


def library_of(kind: Pattern) -> Library:
    """The supports of a library: those that are written down, else learned from made-up blocks.

    Raises InputError when fewer occur in the blocks than are asked for.
    """
    if not kind.learns:
        return kind.library
    rows, columns = kind.grouping.cell or (1, 1)
    return learned(rows, columns, kind.allowed or 0, kind.budget.ways or 0)


def title(text: str) -> str:
    """How a pattern is written in the list; text that cannot be read stands as it is."""
    try:
        found = pattern(text)
    except InputError:
        return text
    if is_free(found):
        return f"{found.name}: {found.title}"
    rows, columns = found.grouping.cell or (1, 1)
    return f"{rows} × {columns} block, keep {found.allowed}: a library of {found.budget.ways} patterns"


def start(kind: Pattern, seed: int) -> str:
    """The values to begin with: the page's own for N:M, a drawn block for a library."""
    if is_free(kind):
        return text(DEFAULT[:size(kind)])
    rows, columns = kind.grouping.cell or (1, 1)
    block = drawn(1, rows, columns, seed + 1)[0]  # seed 0 is what the libraries are learned from
    return text(tuple(float(v) for v in block / np.abs(block).max()), digits=2)


def text(weights: tuple[float, ...], digits: int | None = None) -> str:
    """*weights* as the box and the link hold them; *digits* after the point, or as many as mean something."""
    return ", ".join(f"{v:.6g}" if digits is None else f"{v:.{digits}f}" for v in weights)


def values(given: str, count: int) -> tuple[float, ...]:
    """*count* weights, separated by commas (spaces do as well)."""
    parts = [part for part in re.split(r"[,;\s]+", given.strip()) if part]
    if len(given) > 1000 or len(parts) != count:
        raise InputError(f"{len(parts)} values for a group of {count}", f"{count} numbers, separated by commas",
                         "Add the missing ones." if len(parts) < count else "Leave out those too many.")
    return tuple(number(part, "A value") for part in parts)


def number(given: str, what: str) -> float:
    """One finite number of at most LARGEST in size; *what* begins the error."""
    try:
        value = float(given[:40])
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:  # also what is no number
        raise InputError(f"{what} is {given[:40]!r}", f"a number between -{LARGEST:g} and {LARGEST:g}",
                         "Write it like 0.5 or -1.2.")
    return value


def rho(given: str) -> float:
    """rho, above 0."""
    value = number(given, "rho")
    if value < 1e-6:
        raise InputError(f"rho is {given[:40]!r}", "a number above 0 (at least 0.000001)",
                         "With rho = 0 nothing pulls W to the pattern. Take 1.")
    return value


def seed(given: str) -> int:
    """The number of a draw, 0..99."""
    if not re.fullmatch(r"[0-9]{1,2}", given):
        raise InputError(f"seed is {given[:40]!r}", "a whole number from 0 to 99", "Move the slider.")
    return int(given)


def replaced(weights: tuple[float, ...], entry: str, value: float) -> tuple[float, ...]:
    """*weights* with another value for *entry*, one of `entries`."""
    i = int(entry) - 1
    return (*weights[:i], value, *weights[i + 1:])


def at(weights: tuple[float, ...], entry: str) -> float:
    """The weight of *entry*, one of `entries`."""
    return weights[int(entry) - 1]


def entries(kind: Pattern) -> list[str]:
    """The entries of a group as the link names them, counted from 1."""
    return [str(i + 1) for i in range(size(kind))]


def span(weights: tuple[float, ...]) -> tuple[float, float, float]:
    """(low, high, step) of the slider of a value: to 1 on both sides, or to a round number above the largest."""
    top = max(map(abs, weights))
    scale = 10.0 ** math.floor(math.log10(top)) if top > 1.0 else 1.0
    high = next(scale * step for step in (1.0, 2.0, 5.0, 10.0) if top <= scale * step)
    return -high, high, high / 100


def share(percent: int) -> float:
    """A whole percentage as a share, 0..1."""
    return percent / 100
