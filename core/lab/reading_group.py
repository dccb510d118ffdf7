"""What a person may ask of the page of one group, read from the text of a link or a box. All raise InputError."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.lab.blocks import drawn
from core.sparsity.patterns import NM, parse_pattern

WIDEST = 16  # entries that can still be told apart as bars
MOST_SUPPORTS = 64  # of a library: more are no longer told apart
LARGEST = 1e6
CHOICES = ("2:4", "1:2", "1:4", "4:8", "2:8", "library:4x4:8:8", "library:4x4:8:16", "library:4x4:8:32")
RHOS = ("0.2", "0.5", "1", "2", "5")

# Of the first four, the two largest are neighbours; with correlation 0.6 and rho 1 the dual brings the right ones in
# at iteration 6. Of the first eight the same holds under 2:8 (iterations 1 and 8) and 4:8 (iteration 1).
DEFAULT = (0.7, 0.6, 1.0, 0.8, -0.11, -0.48, -0.53, -0.46, 0.35, -0.9, 0.15, 0.55, 0.85, -0.25, -0.65, 0.4)


@dataclass(frozen=True)
class Shelf:
    """A library of *count* supports, each keeping *keep* of a block of *rows* x *columns*."""

    rows: int
    columns: int
    keep: int
    count: int

    @property
    def m(self) -> int:
        """Weights in the block."""
        return self.rows * self.columns

    @property
    def title(self) -> str:
        """The library in words."""
        return f"{self.rows} × {self.columns} block, keep {self.keep}: a library of {self.count} patterns"


Kind = NM | Shelf


def pattern(text: str) -> Kind:
    """N:M with M up to 16, or "library:ROWSxCOLUMNS:KEEP:COUNT"."""
    clean = "".join(text[:60].split()).lower()
    if clean.startswith("library"):
        return _shelf(clean)
    found = parse_pattern(text)
    if not isinstance(found, NM):
        raise InputError(f"Pattern {found.name!r} has no small groups", "N:M or a library, such as 2:4",
                         "Choose one of the list.")
    if found.m > WIDEST:
        raise InputError(f"Pattern {found.name!r} has groups of {found.m}", f"M of at most {WIDEST} on this page",
                         "Take a smaller group: here every entry is a bar.")
    return found


def _shelf(text: str) -> Shelf:
    match = re.fullmatch(r"library:([0-9]{1,2})x([0-9]{1,2}):([0-9]{1,3}):([0-9]{1,6})", text)
    if not match:
        raise InputError(f"Library {text!r} is not complete", "library:ROWSxCOLUMNS:KEEP:PATTERNS",
                         "library:4x4:8:16 keeps 8 of every 4 × 4 block, in one of 16 ways.")
    rows, columns, keep, count = map(int, match.groups())
    if not 1 <= rows * columns <= WIDEST:
        raise InputError(f"Library {text!r} has blocks of {rows * columns} weights", f"1 to {WIDEST} weights",
                         "Take a smaller block, such as 4x4.")
    if not 1 <= keep <= rows * columns:
        raise InputError(f"Library {text!r} keeps {keep} of {rows * columns}", f"1 to {rows * columns} kept weights",
                         "A pattern cannot keep more than its block holds.")
    ways = math.comb(rows * columns, keep)
    if not 1 <= count <= min(MOST_SUPPORTS, ways):
        raise InputError(f"Library {text!r} has {count} patterns", f"1 to {min(MOST_SUPPORTS, ways)}: there are {ways} "
                         f"ways to keep {keep} of {rows * columns}", "Take a smaller library.")
    return Shelf(rows, columns, keep, count)


def title(text: str) -> str:
    """How a pattern is written in the list; text that cannot be read stands as it is."""
    try:
        found = pattern(text)
    except InputError:
        return text
    return f"{found.name}: {found.title}" if isinstance(found, NM) else found.title


def start(kind: Kind, seed: int) -> str:
    """The values to begin with: the page's own for N:M, a drawn block for a library."""
    if isinstance(kind, NM):
        return text(DEFAULT[:kind.m])
    block = drawn(1, kind.rows, kind.columns, seed + 1)[0]  # seed 0 is what the libraries are learned from
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


def entries(kind: Kind) -> list[str]:
    """The entries of a group as the link names them, counted from 1."""
    return [str(i + 1) for i in range(kind.m)]


def span(weights: tuple[float, ...]) -> tuple[float, float, float]:
    """(low, high, step) of the slider of a value: to 1 on both sides, or to a round number above the largest."""
    top = max(map(abs, weights))
    scale = 10.0 ** math.floor(math.log10(top)) if top > 1.0 else 1.0
    high = next(scale * step for step in (1.0, 2.0, 5.0, 10.0) if top <= scale * step)
    return -high, high, high / 100


def share(percent: int) -> float:
    """A whole percentage as a share, 0..1."""
    return percent / 100
