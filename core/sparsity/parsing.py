"""PATTERNS: how a pattern is written and how its text is read. Lists, help texts and widgets take kinds from here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import InputError, unknown
from core.sparsity.kinds import NM, WIDEST, Blocks, Dense, GlobalUnstructured, Pattern, Unstructured

LONGEST = 60  # characters of a pattern's text


@dataclass(frozen=True)
class Kind:
    """One kind of pattern as lists, help texts and widgets know it."""

    name: str  # before the first colon, except for N:M
    syntax: str
    title: str
    example: str
    parse: Callable[[str], Pattern]  # the whole text -> pattern; raises InputError


def parse_pattern(text: str) -> Pattern:
    """Read a pattern's text form. Raises InputError, with a suggestion, for anything else."""
    clean = "".join(text.split()).lower()
    if len(clean) <= LONGEST and re.fullmatch(r"[+-]?[0-9.]+:[+-]?[0-9.]+", clean):
        return _nm(clean)
    head = clean.partition(":")[0]
    if len(clean) <= LONGEST and head in PATTERNS and head != "nm":
        return PATTERNS[head].parse(clean)
    pair = re.fullmatch(r"([0-9]{1,2})[^0-9]{1,4}([0-9]{1,2})", clean)  # 2/4, 2-4, 2of4
    if pair and 1 <= int(pair[1]) <= int(pair[2]) <= WIDEST:
        raise InputError(f"Unknown pattern {text!r}", "N:M with a colon",
                         f"Did you mean '{int(pair[1])}:{int(pair[2])}'?")
    error = unknown("pattern", head or text, [kind.name for kind in PATTERNS.values() if kind.name != "nm"])
    shown = text if len(text) <= 80 else text[:77] + "..."
    close = error.remedy if "Did you mean" in error.remedy else ""
    forms = ", ".join(kind.example for kind in PATTERNS.values())
    raise InputError(f"Unknown pattern {shown!r}", f"a form like {forms}", close or "N:M keeps N of every M weights.")


def _nm(text: str) -> Pattern:
    match = re.fullmatch(r"([+-]?[0-9]{1,6}):([+-]?[0-9]{1,6})", text)
    if not match:
        raise InputError(f"Pattern {text!r} has a number that is not whole", "two whole numbers, N:M",
                         "2:4 keeps 2 of every 4 consecutive weights.")
    return NM(int(match[1]), int(match[2]))


def _block(text: str) -> Pattern:
    match = re.fullmatch(r"block:([0-9]{1,6})x([0-9]{1,6}):(.+)", text)
    if not match:
        raise InputError(f"Pattern {text!r} is not complete", "block:ROWSxCOLUMNS:SPARSITY",
                         "block:4x4:0.5 removes half of the 4 x 4 blocks.")
    return Blocks(int(match[1]), int(match[2]), _share(text, match[3]))


def _share(text: str, number: str) -> float:
    """The sparsity written in *number*, a part of the pattern *text*."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", number):
        raise InputError(f"Pattern {text!r} has no number where its sparsity should be",
                         "a share of zeros from 0 up to 1", f"For example {PATTERNS[text.partition(':')[0]].example}.")
    return float(number)


def _dense(text: str) -> Pattern:
    if text != "dense":
        raise InputError(f"Pattern {text!r} has more than its name", "dense alone", "Write only 'dense'.")
    return Dense()


PATTERNS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("nm", "N:M", "keep N of every M consecutive weights along the input", "2:4", _nm),
        Kind("unstructured", "unstructured:SPARSITY", "remove a share of every matrix, anywhere in it",
             "unstructured:0.5", lambda text: Unstructured(_share(text, text.partition(":")[2]))),
        Kind("global", "global:SPARSITY", "remove a share of all matrices together", "global:0.5",
             lambda text: GlobalUnstructured(_share(text, text.partition(":")[2]))),
        Kind("block", "block:ROWSxCOLUMNS:SPARSITY", "remove a share of the blocks of every matrix, whole",
             "block:4x4:0.5", _block),
        Kind("dense", "dense", "keep everything", "dense", _dense),
    )
}
