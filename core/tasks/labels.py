"""What a column of labels says: classes or numbers. What is doubtful is an error that names the row, or a remark.

Whole numbers, texts and booleans are classes, in sorted order; numbers with a decimal point are the target of a
regression. In a CSV every cell is text: its labels are numbers when all of them read as such. Codes that a file gives
names (ClassLabel) are classes by those names, in the file's order. A person may say which of the two it is.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from core.errors import InputError
from core.tasks.tables.files import TableFile, shown

Kind = Literal["classes", "regression"]
Label = str | int | float

CLASSES = 1000
FEW = 20  # classes that are taken for such however few rows there are
ROWS_EACH = 2  # of a class, on average, where there are more of them
STRAY = 0.1  # of the rows: so few texts among numbers are slips, not classes
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
NUMBER = re.compile(r"[0-9eE+.\-]+")
COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
MEASURED = re.compile(r"[+-]?[0-9]+[.,][0-9]+\b.*")
LONGEST_CLASS = 60
LISTED = 10  # classes in an error or a remark
# What pandas reads as a value that is not there, what it writes for one, and what people write; in small letters.
MISSING = frozenset(("na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "none", "null", "nil", "missing", "unknown",
                     "?", "-", "--", ".", "inf", "+inf", "-inf"))
AS_CLASSES = "If they are classes, choose that (--as classes)."
AS_REGRESSION = "If they are amounts, choose a regression (--as regression)."


@dataclass(frozen=True)
class LabelColumn:
    """The labels of one table as they were read, the numbers of their rows, and the names of their codes, if any."""

    table: TableFile
    column: str
    rows: Sequence[int]
    values: Sequence[Any]
    names: tuple[str, ...] = ()

    def at(self, k: int) -> str:
        """The *k*-th label and where it stands, for an error."""
        return f"{self.table.row(self.rows[k])}: {shown(self.column)} holds {shown(self.values[k])}"

    @property
    def whole(self) -> str:
        """The column, for an error about all of it."""
        return f"{self.table.name}: column {shown(self.column)}"


@dataclass(frozen=True)
class Labels:
    """`classes`: names in the order of their codes; empty = regression. `codes`: of each table, int64 `[n]`, or float32
    for a regression. `remarks`: what to know of them, in words."""

    classes: tuple[str, ...]
    codes: list[Any]
    remarks: list[str] = field(default_factory=list)


def read_labels(parts: Sequence[LabelColumn], kind: Kind | None = None) -> Labels:
    """The labels of the tables *parts*, of which the first is learned from, read as *kind* (None: as they look).

    Raises InputError for a label that is missing or of another kind than the rest, one class or too many, a class that
    only later tables have, and numbers that are not finite or all the same.
    """
    names = next((part.names for part in parts if part.names), ())
    if names and kind != "regression":
        for part in parts:
            _check_names(part)
        return _classes(parts, [_by_name(part, names) for part in parts], list(names), said=True)
    values = [[_label(part, k) for k in range(len(part.values))] for part in parts]
    numbers = [[_number(value) for value in part] for part in values]
    countable = all(number is not None for part in numbers for number in part)
    if kind == "regression":
        return _regression(parts, numbers)
    if kind == "classes":
        told: list[list[Any]] = [[_whole(number) for number in part] for part in numbers] if countable else \
            [[str(value) for value in part] for part in values]
        return _classes(parts, told, sorted(set(told[0])), said=True)
    for part, kept in zip(parts, values, strict=True):
        _one_kind(part, kept)
    if countable:
        if any(isinstance(number, float) for part in numbers for number in part):
            return _regression(parts, numbers)
        return _classes(parts, numbers, sorted({number for number in numbers[0] if number is not None}))
    for part, read in zip(parts, numbers, strict=True):
        _no_strays(part, read)
    for part, kept in zip(parts, values, strict=True):
        if not isinstance(kept[0], str):
            raise InputError(f"{part.whole} holds numbers, that of another table texts", "one kind of label",
                             "Write all labels the same way.")
    return _classes(parts, values, sorted({str(value) for value in values[0]}))


# -- one label ---------------------------------------------------------------------------------------------------------

def _label(part: LabelColumn, k: int) -> Label:
    """The *k*-th label, without the blanks around it. Raises InputError when it is none."""
    value = part.values[k]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        value = value.strip()
        if len(value) > LONGEST_CLASS or (value and not value.isprintable()):
            raise InputError(part.at(k), f"at most {LONGEST_CLASS} printable characters",
                             "Choose another column, or shorten the label.")
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{part.table.row(part.rows[k])}: {shown(part.column)} is empty", "a label in every row",
                         "Fill or remove the row.")
    if not isinstance(value, (str, int, float)):
        raise InputError(part.at(k), "a text or a number", "Correct the row.")
    if isinstance(value, int) and abs(value) >= 2**64:
        raise InputError(part.at(k), "a whole number of everyday size", "Choose another column.")
    return value


def _number(value: Label) -> int | float | None:
    """A label as the number that it is, or is written as; None when it is none."""
    if not isinstance(value, str):
        return value
    if WHOLE.fullmatch(value):
        return int(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and NUMBER.fullmatch(value) else None


def _whole(number: int | float | None) -> int | float | None:
    """2.0 as 2: a class is called by the shorter."""
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 2**53 else number


# -- one column --------------------------------------------------------------------------------------------------------

def _one_kind(part: LabelColumn, values: Sequence[Label]) -> None:
    """Refuse numbers among texts where the file itself tells them apart; the rarer kind is the slip."""
    texts = [k for k, value in enumerate(values) if isinstance(value, str)]
    others = [k for k, value in enumerate(values) if not isinstance(value, str)]
    if texts and others:
        few, many = sorted((texts, others), key=len)
        raise InputError(f"{part.at(few[0])}, {part.table.row(part.rows[many[0]]).rpartition(', ')[2]} holds "
                         f"{shown(part.values[many[0]])}: texts and numbers", "one kind of label",
                         "Write all labels the same way.")


def _no_strays(part: LabelColumn, numbers: Sequence[int | float | None]) -> None:
    """Refuse a column of numbers in which some row holds none: a missing value, a slip, a decimal comma."""
    others = [k for k, number in enumerate(numbers) if number is None]
    written = [str(part.values[k]).strip() for k in others]
    if others and all(COMMA.fullmatch(text) for text in written):
        raise InputError(part.at(others[0]), "a number with a decimal point",
                         "Write a point for the comma; for classes, choose that (--as classes).")
    count = len(numbers) - len(others)
    measured = any(isinstance(number, float) for number in numbers) and count >= len(others)
    missing = all(text.lower() in MISSING for text in written)
    if others and count and (measured or missing or len(others) <= STRAY * len(numbers)):
        raise InputError(f"{part.at(others[0])}, {count} of {len(numbers)} rows hold numbers", "a number in every row",
                         f"Correct or remove the row. {AS_CLASSES}")


def _check_names(part: LabelColumn) -> None:
    for k, name in enumerate(part.names):
        if not name.strip() or len(name) > LONGEST_CLASS or not name.isprintable() or name in part.names[:k]:
            raise InputError(f"{part.whole} calls its code {k} {shown(name)}",
                             f"names of 1 to {LONGEST_CLASS} printable characters, each once", "Rename the class.")


def _by_name(part: LabelColumn, names: Sequence[str]) -> list[Label]:
    """The labels as *names*: codes by what the table calls them; a table that names none has to write them out."""
    found: list[Label] = []
    for k, value in enumerate(part.values):
        if not part.names:
            value = _label(part, k)
            if value not in names:
                raise InputError(part.at(k), f"one of {listed(names)}, as another table names its classes",
                                 "Write the labels as these names.")
        elif value == -1 and not isinstance(value, bool):
            raise InputError(f"{part.at(k)}: it is unlabelled", "a label in every row",
                             "Remove the row; of a folder, name the file with labels itself.")
        elif value is None or not 0 <= value < len(part.names):
            raise InputError(part.at(k), f"a code from 0 to {len(part.names) - 1}", "Correct or remove the row.")
        else:
            value = part.names[value]
        found.append(value)
    return found


# -- all columns -------------------------------------------------------------------------------------------------------

def _regression(parts: Sequence[LabelColumn], numbers: Sequence[Sequence[int | float | None]]) -> Labels:
    targets = []
    for part, read in zip(parts, numbers, strict=True):
        for k, number in enumerate(read):
            if number is None:
                raise InputError(f"{part.at(k)}, which is no number", "a number in every row",
                                 "Correct or remove the row.")
        with np.errstate(over="ignore"):
            out = np.asarray(read, dtype=np.float64).astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(out))
        if len(bad):
            raise InputError(part.at(int(bad[0])), "a finite number of everyday size", "Correct or remove the row.")
        if len(out) > 1 and np.ptp(out) == 0:
            raise InputError(f"{part.whole} holds only {out[0]:g}", "numbers that differ", "Choose another column.")
        targets.append(out)
    low, high = targets[0].min(), targets[0].max()
    remarks = [f"Regression: the labels are numbers, from {low:g} to {high:g}, not rescaled (around 0 to 5 learns "
               "best)."]
    if all(np.all(out == np.round(out)) for out in targets):
        remarks.append(f"All of them are whole. {AS_CLASSES}")
    return Labels((), targets, remarks)


def _classes(parts: Sequence[LabelColumn], values: Sequence[Sequence[Label | None]], known: Sequence[Any], *,
             said: bool = False) -> Labels:
    """Codes by the order of *known*. *said*: that they are classes, somebody has said."""
    first, seen = parts[0], set(values[0])
    if len(seen) < 2:
        raise InputError(f"{first.whole} holds only {str(next(iter(seen)))!r}", f"2 to {CLASSES} classes",
                         "Choose another column.")
    most = CLASSES if said else min(CLASSES, max(FEW, len(values[0]) // ROWS_EACH))
    if len(known) > most:
        remedy = "" if any(isinstance(value, str) for value in known) else \
            " For a regression write numbers with a decimal point, or choose it (--as regression)."
        raise InputError(f"{first.whole} holds {len(known)} different labels in {len(values[0])} rows",
                         f"2 to {CLASSES} classes of {ROWS_EACH} rows or more", f"Choose another column.{remedy}")
    code, codes = {value: k for k, value in enumerate(known)}, []
    for part, told in zip(parts, values, strict=True):
        for k, value in enumerate(told):
            if value not in code:
                raise InputError(f"{part.table.row(part.rows[k])}: label {shown(value)} is not in {first.table.name}",
                                 f"one of {listed([str(v) for v in known])}", "Correct or remove the row.")
        codes.append(np.asarray([code[value] for value in told], dtype=np.int64))
    names = tuple(str(value) for value in known)
    return Labels(names, codes, _remarks(names, known, said))


def _remarks(names: Sequence[str], known: Sequence[Any], said: bool) -> list[str]:
    out, numbers = [], not any(isinstance(value, str) for value in known)
    if numbers and not said and len(known) > FEW:
        out.append(f"The labels are whole numbers, read as {len(known)} classes. {AS_REGRESSION}")
    if numbers and known[0] == -1 and not said:
        out.append("-1 is a class of its own here: where it marks rows without a label, remove them.")
    if not numbers and not said and all(MEASURED.fullmatch(name) for name in names):
        out.append(f"The labels are texts that begin with a number, read as {len(names)} classes: for a regression "
                   "keep the number alone.")
    alike = defaultdict(list)
    for name in names:
        alike[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    for same in alike.values():
        if len(same) > 1:
            out.append(f"{listed([repr(name) for name in same])} are classes of their own though they look alike.")
    return out


def listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
