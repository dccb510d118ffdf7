"""PATTERNS: how a pattern is written and how its text is read.

Lists, help texts and widgets take kinds from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import InputError, unknown
from core.sparsity.coupled import Coupled, What
from core.sparsity.grouping import WIDEST
from core.sparsity.kinds import NM, Blocks, Dense, GlobalUnstructured, Unstructured
from core.sparsity.library import BITS
from core.sparsity.library_pattern import MOST, Given, Learned
from core.sparsity.pattern import Pattern, clipped

LONGEST = 60  # characters of a pattern's text
# Of one that writes its supports down: its head, then digits and a comma for each.
LONGEST_GIVEN = 16 + MOST * (BITS // 4 + 1)


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
    longest = LONGEST_GIVEN if head == "given" else LONGEST
    # "nm" names a kind in lists; as a text N:M starts with a number, and "nm:..." is refused.
    if len(clean) <= longest and head in PATTERNS and head != "nm":
        return PATTERNS[head].parse(clean)
    # What people write for N:M: 2/4, 2-4, 2of4.
    pair = re.fullmatch(r"([0-9]{1,2})[^0-9]{1,4}([0-9]{1,2})", clean)
    if pair and 1 <= int(pair[1]) <= int(pair[2]) <= WIDEST:
        raise InputError(f"Unknown pattern {text!r}", "N:M with a colon",
                         f"Did you mean '{int(pair[1])}:{int(pair[2])}'?")
    error = unknown("pattern", head or text,
                    [kind.name for kind in PATTERNS.values() if kind.name != "nm"])
    shown = text if len(text) <= 80 else text[:77] + "..."
    close = error.remedy if "Did you mean" in error.remedy else ""
    forms = ", ".join(kind.example for kind in PATTERNS.values())
    raise InputError(f"Unknown pattern {shown!r}", f"a form like {forms}",
                     close or "N:M keeps N of every M weights.")


def _nm(text: str) -> Pattern:
    match = re.fullmatch(r"([+-]?[0-9]{1,6}):([+-]?[0-9]{1,6})", text)
    if not match:
        raise InputError(f"Pattern {text!r} has a number that is not whole",
                         "two whole numbers, N:M",
                         "2:4 keeps 2 of every 4 consecutive weights.")
    return NM(int(match[1]), int(match[2]))


def _block(text: str) -> Pattern:
    match = re.fullmatch(r"block:([0-9]{1,6})x([0-9]{1,6}):(.+)", text)
    if not match:
        raise InputError(f"Pattern {text!r} is not complete", "block:ROWSxCOLUMNS:SPARSITY",
                         "block:4x4:0.5 removes half of the 4 x 4 blocks.")
    return Blocks(int(match[1]), int(match[2]), _share(text, match[3]))


def _library(text: str) -> Pattern:
    match = re.fullmatch(
        r"library:([0-9]{1,6})x([0-9]{1,6}):([0-9]{1,6}):([0-9]{1,6})(:each)?", text)
    if not match:
        raise InputError(f"Pattern {text!r} is not complete",
                         "library:ROWSxCOLUMNS:KEEP:SUPPORTS, and :each for a library a matrix",
                         "library:4x4:8:16 keeps 8 of every 4 x 4 block, in one of 16 ways.")
    rows, columns, keep, count = (int(part) for part in match.groups()[:4])
    return Learned(rows, columns, keep, count, match[5] is not None)


def _given(text: str) -> Pattern:
    match = re.fullmatch(r"given:([0-9]{1,6})x([0-9]{1,6}):([0-9a-f]+(?:,[0-9a-f]+)*)", text)
    if not match:
        raise InputError(
            f"Pattern {clipped(text)!r} is not complete",
            "given:ROWSxCOLUMNS:SUPPORT,SUPPORT,... in hexadecimal",
            "given:1x4:c,a,9 keeps entries 1 and 2, 1 and 3, or 1 and 4 of every 4.")
    rows, columns = int(match[1]), int(match[2])
    digits = -(-rows * columns // 4)
    for part in match[3].split(","):
        # Blocks too large for a code are refused below, by their sides: that is what is wrong.
        if len(part) != digits and digits <= BITS // 4:
            raise InputError(
                f"Support {clipped(part)!r} of pattern {clipped(text)!r}",
                f"{digits} hexadecimal digits for the {rows * columns} entries of a block",
                "The first entry is the highest bit; fill up with zeros at the end.")
    # A code has its first entry in the highest bit, so short texts are filled up on the right.
    return Given(rows, columns, tuple(
        int(part[:BITS // 4].ljust(BITS // 4, "0"), 16) for part in match[3].split(",")))


def _share(text: str, number: str) -> float:
    """The sparsity written in *number*, a part of the pattern *text*."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", number):
        raise InputError(f"Pattern {text!r} has no number where its sparsity should be",
                         "a share of zeros from 0 up to 1",
                         f"For example {PATTERNS[text.partition(':')[0]].example}.")
    return float(number)


def _coupled(what: What) -> Callable[[str], Pattern]:
    return lambda text: Coupled(what, _share(text, text.partition(":")[2]))


def _dense(text: str) -> Pattern:
    if text != "dense":
        raise InputError(f"Pattern {text!r} has more than its name", "dense alone",
                         "Write only 'dense'.")
    return Dense()


PATTERNS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("nm", "N:M", "keep N of every M consecutive weights along the input", "2:4", _nm),
        Kind("unstructured", "unstructured:SPARSITY",
             "remove a share of every matrix, anywhere in it",
             "unstructured:0.5", lambda text: Unstructured(_share(text, text.partition(":")[2]))),
        Kind("global", "global:SPARSITY",
             "remove a share of all matrices together",
             "global:0.5", lambda text: GlobalUnstructured(_share(text, text.partition(":")[2]))),
        Kind("block", "block:ROWSxCOLUMNS:SPARSITY",
             "remove a share of the blocks of every matrix, whole",
             "block:4x4:0.5", _block),
        Kind("library", "library:ROWSxCOLUMNS:KEEP:SUPPORTS[:each]",
             "keep KEEP weights of every block on one of SUPPORTS supports learned from the dense "
             "model",
             "library:4x4:8:16", _library),
        Kind("given", "given:ROWSxCOLUMNS:SUPPORT,...",
             "the same, the supports written down in hexadecimal",
             "given:1x4:c,a,9", _given),
        Kind("heads", "heads:SPARSITY",
             "remove a share of the attention heads, each from all its matrices",
             "heads:0.5", _coupled("heads")),
        Kind("neurons", "neurons:SPARSITY",
             "remove a share of the FFN neurons, each from both its matrices",
             "neurons:0.5", _coupled("neurons")),
        Kind("modules", "modules:SPARSITY",
             "remove a share of the attentions and FFNs, each as a whole",
             "modules:0.25", _coupled("modules")),
        Kind("units", "units:SPARSITY",
             "remove heads and neurons until a share of the weights is gone",
             "units:0.5", _coupled("units")),
        Kind("dense", "dense", "keep everything", "dense", _dense),
    )
}
