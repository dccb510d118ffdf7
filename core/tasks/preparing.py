"""From a table of a person's own to checked examples: classes, codes, a validation part. Nothing is guessed silently.

*Labels.* Classes or numbers: `core.tasks.labels`.
*Validation.* A file of its own, or the last 20 % of a fixed permutation of the rows, the same on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from core.errors import InputError, unknown
from core.statistics.measures import METRICS
from core.tasks import PERMUTATION_SEED, TASKS, Examples
from core.tasks.labels import Kind, LabelColumn, listed, read_labels
from core.tasks.tables import class_names, limits, read
from core.tasks.tables.files import TableFile, shown

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
FEWEST = 10  # rows: with fewer there is nothing to score on
SHARE = 0.2  # of the rows, for validation, where no file is given
OFFERED = tuple(name for name in METRICS if name != "accuracy_f1_mean")  # that one is GLUE's alone


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
    said: tuple[str, ...] = ()  # of the labels and the texts, as they were read

    @property
    def kind(self) -> str:
        """What is learned, in two words."""
        return f"{len(self.labels)} classes" if self.labels else "a regression"

    @property
    def counts(self) -> list[tuple[str, int, int]]:
        """(class, rows in train, rows in validation); empty for a regression."""
        parts = [Counter(part.labels.tolist()) for part in (self.train, self.validation)]
        return [(name, parts[0][code], parts[1][code]) for code, name in enumerate(self.labels)]

    @property
    def remarks(self) -> list[str]:
        """What to know before a score is believed, in words."""
        n, out = len(self.validation), [f"Validation: {self.split}.", *self.said]
        if self.labels:
            counts = self.counts
            name, _, most = max(counts, key=lambda row: row[2])
            out.append(f"Always answering {name!r}, the commonest, is right in {most} of {n} ({most / n:.1%}).")
            unseen = [name for name, train, held in counts if held and not train]
            if unseen:
                out.append(f"In validation only, so never learned: {listed(unseen)}.")
            nowhere = [name for name, train, held in counts if not train and not held]
            if nowhere:
                out.append(f"Named by the file, and in no row: {listed(nowhere)}.")
            alone = [name for name, train, held in counts if train + held == 1]
            if alone:
                out.append(f"In one row only: {listed(alone)}.")
            if self.metrics == ("f1",):
                out.append(f"F1 is that of {self.labels[1]!r}.")
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


def prepare(name: str, table: TableFile, *, text: str, label: str, pair: str | None = None,
            validation: TableFile | None = None, metric: str | None = None, kind: Kind | None = None) -> Prepared:
    """Read and check the columns *text*, *pair* and *label* of *table* (and of *validation*). *kind*: what the labels
    are, if somebody says so.

    Raises InputError for a bad name, columns that are not there or the same twice, too few rows, a row without text or
    label (by its number), labels that `core.tasks.labels.read_labels` refuses, a metric that does not fit.
    """
    checked_name(name)
    columns = [text, label] if pair is None else [text, pair, label]
    if len(set(columns)) < len(columns):
        raise InputError(f"The columns {', '.join(shown(c) for c in columns)}", "a different column for each",
                         "Choose another column.")
    parts = [_read(part, text, pair, label) for part in (table, validation) if part is not None]
    if len(parts[0].texts) < FEWEST:
        raise InputError(f"{table.name} has {len(parts[0].texts)} rows", f"at least {FEWEST}", "Add rows.")
    labels = read_labels([part.labels for part in parts], kind)
    classes, codes = labels.classes, labels.codes
    scale = (0.0, 5.0) if classes else (float(codes[0].min()), float(codes[0].max()))
    train = Examples(parts[0].texts, parts[0].pairs, codes[0])
    if validation is not None:
        held, split = Examples(parts[1].texts, parts[1].pairs, codes[1]), f"all of {validation.name}"
    else:
        order = np.random.default_rng(PERMUTATION_SEED).permutation(len(train))
        cut = len(train) - max(1, round(SHARE * len(train)))
        train, held = train.take(order[:cut]), train.take(order[cut:])
        split = f"the last {SHARE:.0%} of a fixed permutation of {table.name}"
    metrics = _metrics(metric, classes)
    return Prepared(name, digest_of(classes, metrics, train, held), (text, pair), classes, metrics, scale, train, held,
                    split, table.name, (*labels.remarks, *_cut(parts)))


def _metrics(metric: str | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    chosen = metric or ("accuracy" if classes else "pearson_spearman_mean")
    if chosen not in OFFERED:
        raise unknown("metric", chosen, OFFERED)
    fitting = [name for name in OFFERED if METRICS[name].suits(len(classes))]
    if chosen not in fitting:
        what = f"{len(classes)} classes" if classes else "numbers as labels"
        raise InputError(f"Metric {chosen!r} with {what}", f"one of {', '.join(fitting)}", "Choose another --metric.")
    return METRICS[chosen].measures


@dataclass(frozen=True)
class _Part:
    """What is read of one table. `cut`: how many of its texts were longer than what is kept."""

    texts: list[str]
    pairs: list[str] | None
    labels: LabelColumn
    cut: int


def _read(table: TableFile, text: str, pair: str | None, label: str) -> _Part:
    rows, columns = read(table, [name for name in (text, pair, label) if name is not None])
    kept, cut = [], 0
    for name in (text, *([] if pair is None else [pair])):
        for row, value in zip(rows, columns[name], strict=True):
            _usable(f"{table.row(row)}: {shown(name)}", value)
        kept.append([value[:limits.LETTERS] for value in columns[name]])
        cut += sum(len(value) > limits.LETTERS for value in columns[name])
    labels = LabelColumn(table, label, rows, columns[label], class_names(table, label))
    return _Part(kept[0], None if pair is None else kept[1], labels, cut)


def _cut(parts: list[_Part]) -> list[str]:
    cut, n = sum(part.cut for part in parts), sum(len(part.texts) for part in parts)
    return [f"{cut} of {n} texts are longer than {limits.LETTERS} characters and were cut there."] if cut else []


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
