"""From a table of a person's own to checked examples: classes, codes, a validation part. Nothing is guessed silently.

*Labels.* Whole numbers, texts and booleans are classes, at most 20, in sorted order; numbers with a decimal point are
the target of a regression. In a CSV every cell is text: its labels are numbers when all of them read as such.
*Validation.* A file of its own, or the last 20 % of a fixed permutation of the rows, the same on every machine.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.errors import InputError, unknown
from core.statistics.measures import METRICS
from core.tasks import PERMUTATION_SEED, TASKS, Examples
from core.tasks.tables import KINDS, TableFile, open_table, read, shown

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
CLASSES = 20
FEWEST = 10  # rows: with fewer there is nothing to score on
SHARE = 0.2  # of the rows, for validation, where no file is given
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
OFFERED = tuple(name for name in METRICS if name != "accuracy_f1_mean")  # that one is GLUE's alone
LONGEST_CLASS = 60


@dataclass(frozen=True)
class Prepared:
    """Examples ready to be kept by `core.tasks.own.add`, and what a person should know of them first."""

    name: str
    digest: str
    columns: tuple[str, str | None]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    scale: tuple[float, float]
    train: Examples
    validation: Examples
    split: str
    source: str

    @property
    def counts(self) -> list[tuple[str, int, int]]:
        """(class, rows in train, rows in validation); empty for a regression."""
        parts = [Counter(part.labels.tolist()) for part in (self.train, self.validation)]
        return [(name, parts[0][code], parts[1][code]) for code, name in enumerate(self.labels)]

    @property
    def remarks(self) -> list[str]:
        """What to know before a score is believed, in words."""
        n, out = len(self.validation), [f"Validation: {self.split}."]
        if self.labels:
            name, _, most = max(self.counts, key=lambda row: row[2])
            out.append(f"Always answering {name!r}, the commonest, is right in {most} of {n} ({most / n:.1%}).")
            unseen = [name for name, train, _ in self.counts if not train]
            if unseen:
                out.append(f"In validation only, so never learned: {', '.join(unseen)}.")
            if self.metrics == ("f1",):
                out.append(f"F1 is that of {self.labels[1]!r}.")
        else:
            out.append(f"Labels from {self.scale[0]:g} to {self.scale[1]:g}, not rescaled: around 0 to 5 learns best.")
        seen = set(_keys(self.train))
        again = sum(key in seen for key in _keys(self.validation))
        if again:
            out.append(f"{again} of {n} validation texts are in the training part too: the score flatters.")
        return out


def _keys(examples: Examples) -> list[tuple[str, str]]:
    return list(zip(examples.text, examples.pair or [""] * len(examples), strict=True))


def digest_of(labels: tuple[str, ...], metrics: tuple[str, ...], train: Examples, validation: Examples) -> str:
    """Eight hex digits over all that a run learns from and is scored by."""
    digest = hashlib.sha256(msgspec.json.encode([labels, metrics]))
    for examples in (train, validation):
        digest.update(b"\n[")
        for row in _rows(examples):
            digest.update(msgspec.json.encode(row))
    return digest.hexdigest()[:8]


def _rows(examples: Examples) -> Iterator[tuple[str, str | None, Any]]:
    pairs = repeat(None) if examples.pair is None else examples.pair
    return zip(examples.text, pairs, examples.labels.tolist(), strict=False)  # as long as the texts


def checked_name(name: str) -> str:
    """*name* if an own task can have it. Raises InputError."""
    if not NAME.fullmatch(name) or name.startswith("own-"):
        raise InputError(f"Task name {shown(name)}", "1 to 31 of a-z, 0-9 and -, not beginning with - or own-",
                         "Choose another name.")
    if name in TASKS:
        raise InputError(f"Task name {name!r} is taken by a task of the list", "a name of its own", "Choose another.")
    return name


def open_tables(path: Path, validation: Path | None = None) -> tuple[TableFile, TableFile | None]:
    """The training table at *path*, a file or a folder that holds `train.*` and `validation.*`, and the validation
    table, None where *path* is a file and no *validation* is given. Raises InputError."""
    try:
        folder = path.expanduser() if path.expanduser().is_dir() else None
    except (OSError, RuntimeError, ValueError):
        folder = None
    given = open_table(validation) if validation is not None else None
    if folder is None:
        return open_table(path), given
    return _member(folder, "train"), given or _member(folder, "validation")


def _member(folder: Path, part: str) -> TableFile:
    found = [folder / f"{part}.{kind}" for kind in KINDS if (folder / f"{part}.{kind}").is_file()]
    if len(found) != 1:
        raise InputError(f"The folder {str(folder)[-80:]!r} holds {len(found) or 'no'} files {part}.*",
                         f"one of {', '.join(f'{part}.{kind}' for kind in KINDS)}",
                         "Name the file itself: the last 20 % of its rows then are the validation part."
                         if not found else "Leave one of them.")
    return open_table(found[0])


def prepare(name: str, table: TableFile, *, text: str, label: str, pair: str | None = None,
            validation: TableFile | None = None, metric: str | None = None) -> Prepared:
    """Read and check the columns *text*, *pair* and *label* of *table* (and of *validation*).

    Raises InputError for a bad name, columns that are not there or the same twice, too few rows, a row without text or
    label (by its number), one class or more than 20, classes of validation that train has not, a metric that does not
    fit.
    """
    checked_name(name)
    columns = [text, label] if pair is None else [text, pair, label]
    if len(set(columns)) < len(columns):
        raise InputError(f"The columns {', '.join(shown(c) for c in columns)}", "a different column for each",
                         "Choose another column.")
    texts, pairs, labels, rows = _read(table, text, pair, label)
    if len(texts) < FEWEST:
        raise InputError(f"{table.name} has {len(texts)} rows", f"at least {FEWEST}", "Add rows.")
    tables = [(table, rows, labels)]
    if validation is not None:
        more = _read(validation, text, pair, label)
        tables.append((validation, more[3], more[2]))
    classes, codes = _classes(tables, label)
    scale = (0.0, 5.0) if classes else (float(codes[0].min()), float(codes[0].max()))
    train = Examples(texts, pairs, codes[0])
    if validation is not None:
        held, split = Examples(more[0], more[1], codes[1]), f"all of {validation.name}"
    else:
        order = np.random.default_rng(PERMUTATION_SEED).permutation(len(train))
        cut = len(train) - max(1, round(SHARE * len(train)))
        train, held = train.take(order[:cut]), train.take(order[cut:])
        split = f"the last {SHARE:.0%} of a fixed permutation of {table.name}"
    metrics = _metrics(metric, classes)
    return Prepared(name, digest_of(classes, metrics, train, held), (text, pair), classes, metrics, scale, train, held,
                    split, table.name)


def _metrics(metric: str | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    chosen = metric or ("accuracy" if classes else "pearson_spearman_mean")
    if chosen not in OFFERED:
        raise unknown("metric", chosen, OFFERED)
    fitting = [name for name in OFFERED if METRICS[name].suits(len(classes))]
    if chosen not in fitting:
        what = f"{len(classes)} classes" if classes else "numbers as labels"
        raise InputError(f"Metric {chosen!r} with {what}", f"one of {', '.join(fitting)}", "Choose another --metric.")
    return METRICS[chosen].measures


def _read(table: TableFile, text: str, pair: str | None, label: str) -> tuple[list[str], list[str] | None, list[Any],
                                                                             list[int]]:
    wanted = [name for name in (text, pair, label) if name is not None]
    rows, columns = read(table, wanted)
    for name in (text, pair):
        for row, value in zip(rows, columns[name] if name is not None else [], strict=name is not None):
            _usable(f"{table.row(row)}: {shown(name)}", value)
    return columns[text], None if pair is None else columns[pair], columns[label], rows


def _usable(where: str, value: Any) -> None:
    """Refuse what is no text, or a text that no tokenizer or file can hold."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputError(f"{where} is empty", "a text in every row", "Fill or remove the row.")
    if not isinstance(value, str):
        raise InputError(f"{where} holds {shown(value)}, which is no text", "a text in every row",
                         "Choose another column, or correct the row.")
    if "\0" in value or not _encodes(value):
        raise InputError(f"{where} holds a character that is none (a NUL, or half of a pair)", "text",
                         "Correct or remove the row.")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _classes(tables: list[tuple[TableFile, list[int], list[Any]]], column: str) -> tuple[tuple[str, ...], list[Any]]:
    """Class names in the order of their codes (none for a regression), and each table's labels as an array."""
    values = [[_label(table, row, column, value) for row, value in zip(rows, labels, strict=True)]
              for table, rows, labels in tables]
    if all(isinstance(v, str) for part in values for v in part):  # a CSV, or texts: are they all numbers?
        read_as = [[_number(v) for v in part] for part in values]
        if all(v is not None for part in read_as for v in part):
            values = [[v for v in part if v is not None] for part in read_as]
    kinds = [next(iter({type(v) for v in part})) if len({type(v) for v in part}) == 1 else None for part in values]
    numbers = all(isinstance(v, (int, float)) for part in values for v in part)
    if numbers and any(isinstance(v, float) for part in values for v in part):
        return (), [_targets(*tables[k], column, part) for k, part in enumerate(values)]
    if len({*kinds}) != 1 or None in kinds:
        raise InputError(f"{tables[0][0].name}: column {shown(column)} holds texts and numbers", "one kind of label",
                         "Write all labels the same way.")
    known = sorted(set(values[0]))
    names = tuple(str(v) for v in known)
    if not 2 <= len(known) <= CLASSES:
        few = f"only {names[0]!r}" if len(known) == 1 else f"{len(known)} different labels"
        remedy = "Choose another column." if not numbers or len(known) == 1 else \
            "For a regression write numbers with a decimal point."
        raise InputError(f"{tables[0][0].name}: column {shown(column)} holds {few}", f"2 to {CLASSES} classes", remedy)
    code = {value: k for k, value in enumerate(known)}
    for (table, rows, _), part in zip(tables, values, strict=True):
        for row, value in zip(rows, part, strict=True):
            if value not in code:
                raise InputError(f"{table.row(row)}: label {shown(value)} is not in {tables[0][0].name}",
                                 f"one of {', '.join(names)}", "Correct or remove the row.")
    return names, [np.asarray([code[v] for v in part], dtype=np.int64) for part in values]


def _label(table: TableFile, row: int, column: str, value: Any) -> str | int | float:
    where = f"{table.row(row)}: {shown(column)}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        value = value.strip()
        if len(value) > LONGEST_CLASS or (value and not value.isprintable()):
            raise InputError(f"{where} holds {shown(value)}", f"at most {LONGEST_CLASS} printable characters",
                             "Choose another column, or shorten the label.")
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{where} is empty", "a label in every row", "Fill or remove the row.")
    if not isinstance(value, (str, int, float)):
        raise InputError(f"{where} holds {shown(value)}", "a text or a number", "Correct the row.")
    return value


def _number(text: Any) -> int | float | None:
    """A text as the number it is written as; None when it is none, or is not finite."""
    if WHOLE.fullmatch(text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and re.fullmatch(r"[0-9eE+.\-]+", text) else None


def _targets(table: TableFile, rows: list[int], labels: list[Any], column: str, values: list[Any]) -> Any:
    with np.errstate(over="ignore"):
        out = np.asarray([float(v) for v in values], dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(out))
    if len(bad):
        raise InputError(f"{table.row(rows[bad[0]])}: {shown(column)} holds {shown(labels[bad[0]])}",
                         "a finite number of everyday size", "Correct or remove the row.")
    if len(out) > 1 and np.ptp(out) == 0:
        raise InputError(f"{table.name}: column {shown(column)} holds only {out[0]:g}", "numbers that differ",
                         "Choose another column.")
    return out
