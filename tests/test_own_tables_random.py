"""Tables at random, whole and damaged: every one ends in the rows that were written or in a sentence, never otherwise.

What is read is held against the rows themselves, and a damaged CSV against a reader of a few plain lines.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.tasks.preparing import Prepared, prepare
from core.tasks.tables import columns_of, head, read
from core.tasks.tables.files import table_file

TEXTS = st.sampled_from(["plain", 'a "quote"', '"', '""', "a,b;c|d", "tab\tin it", "two\nlines", "cr\rlf\r\n",
                         " blank ", "", "  ", "=1+1", "<b>", "é 你好 😀", "\u2028\x85", "\ufeffbom", "N/A", "nul\0",
                         "\x1b[2J", "'", "\\", "{}", "[1]", "x" * 70, "e\u0301", "0"])
WORDS = st.sampled_from(["good", "bad", "so-so", "very good", "Ünder", "true"])
WHOLES, MEASURED = st.integers(-2, 4), st.sampled_from([0.5, 1.0, 2.25, -3.5, 1e-7, 12345.678])
ODD = st.one_of(st.none(), st.booleans(), WHOLES, MEASURED, WORDS, st.sampled_from([
    "n/a", "nan", "NaN", "inf", "1,5", "1e400", "", " ", "1.5 stars", "z" * 61, "a\u200b", "0x1", "1_0", "\ud800",
    10**30, float("nan"), float("inf"), -1]))
KINDS = {"words": WORDS, "wholes": WHOLES, "measured": MEASURED, "odd": ODD}
NAMES = st.sampled_from(["", "", "id", "note", "note", "Unnamed: 0", "x" * 201, "a\nb", "texts", " label x"])
OTHERS = st.sampled_from(["", "1", "n/a", "a,b", '"', "z" * 300, "two\nlines"])


@st.composite
def tables(draw: Any) -> tuple[str, list[dict[str, Any]], list[str], list[list[str]]]:
    """(kind of labels, rows of text and label, names of other columns, their cells by row)."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    n = draw(st.integers(10, 13))
    plain = draw(st.booleans())  # most texts have to be usable, or no table ever comes through
    texts = [f"row {k}" for k in range(n)] if plain else draw(st.lists(TEXTS, min_size=n, max_size=n))
    if draw(st.integers(0, 20)) == 7:
        texts[0] = "y" * 50_010
    labels = draw(st.lists(KINDS[kind], min_size=n, max_size=n))
    names = draw(st.lists(NAMES, max_size=3))
    others = [draw(OTHERS) for _ in names]
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    return kind, rows, names, [others] * n


def cell(value: Any) -> str:
    return "" if value is None else str(value)


def csv_of(rows: list[dict[str, Any]], names: list[str], others: list[list[str]], separator: str, quoting: Any,
           end: str) -> bytes:
    made = io.StringIO()
    writer = csv.writer(made, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow([*names[:1], "text", "label", *names[1:]])
    for row, more in zip(rows, others, strict=True):
        writer.writerow([*more[:1], cell(row["text"]), cell(row["label"]), *more[1:]])
    return made.getvalue().encode("utf-8", "surrogatepass")


def typed(rows: list[dict[str, Any]], names: list[str], others: list[list[str]]) -> pa.Table:
    """The rows as Arrow holds them: one type a column, so labels of several become texts."""
    values = [row["label"] for row in rows]
    if len({type(v) for v in values if v is not None}) > 1 or any(v == 10**30 for v in values):
        values = [None if v is None else str(v) for v in values]
    columns = [[row["text"] for row in rows], values, *([more[k] for more in others] for k in range(len(names)))]
    return pa.Table.from_arrays([pa.array(column) for column in columns], names=["text", "label", *names])


def bytes_of(name: str, rows: list[dict[str, Any]], names: list[str], others: list[list[str]]) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(bytes_of(name[:-3], rows, names, others), 1)
    if name.endswith(("csv", "tsv")):
        separator = "\t" if name.endswith("tsv") else name[0] if name[0] in ";|" else ","
        return csv_of(rows, names, others, separator, csv.QUOTE_ALL if "all" in name else csv.QUOTE_MINIMAL,
                      "\r\n" if "crlf" in name else "\n")
    if name.endswith(("json", "jsonl")):
        whole = [dict(zip(names, more, strict=True)) | row for row, more in zip(rows, others, strict=True)]
        return (json.dumps(whole) if name.endswith("json") else "\n".join(map(json.dumps, whole))).encode()
    made = io.BytesIO()
    if name.endswith("parquet"):
        parquet.write_table(typed(rows, names, others), made)
        return made.getvalue()
    table = typed(rows, names, others)
    with pa.ipc.new_stream(made, table.schema) as stream:
        stream.write_table(table)
    return made.getvalue()


FILES = ("t.csv", "all crlf.csv", ";.csv", "|all.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "t.arrow", "t.csv.gz")


def as_read(name: str, rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """(text, label) of every row as the format can hold them, texts as far as they are kept."""
    found = []
    for row in rows:
        label = row["label"]
        if "csv" in name or "tsv" in name:
            label = cell(label)
        found.append((row["text"][:50_001], label))
    return found


def plain(value: Any) -> str:
    """A label as a class is called: texts without blanks around, truth in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and np.isfinite(float(value)) and not set("_xX") & set(str(value))
    except (ValueError, TypeError, OverflowError):
        return False


def agrees(data: Prepared, labels: list[Any]) -> None:
    """What was made of *labels* is what they say."""
    if data.labels:
        told = [data.labels[code] for code in data.train.labels]
        assert len(set(told)) >= 2 and len(set(data.labels)) == len(data.labels)
        if all(map(is_number, labels)):
            assert [float(t) for t in told] == [float(v) for v in labels]
            assert list(data.labels) == sorted(data.labels, key=float)
        else:
            assert told == [plain(v) for v in labels] and list(data.labels) == sorted(data.labels)
            words = {label for label in told if not is_number(label)}
            assert len(words) == len(set(told)) or not words <= {"n/a", "nan", "NaN", "inf"}
    else:
        assert data.train.labels.tolist() == [float(np.float32(float(v))) for v in labels]
        assert any("Regression" in remark for remark in data.remarks)


@settings(max_examples=550, deadline=None)
@given(tables(), st.sampled_from(FILES), st.booleans())
def test_a_table_is_read_as_it_was_written_or_refused(made: Any, name: str, as_texts: bool) -> None:
    kind, rows, names, others = made
    if as_texts:
        rows = [row | {"label": None if row["label"] is None else cell(row["label"])} for row in rows]
    try:
        file = table_file(name, bytes_of(name, rows, names, others))
    except (UnicodeEncodeError, pa.ArrowException):
        return  # half a pair, which these formats cannot hold: the writer refuses
    expected = as_read(name, rows)
    try:
        _, found = read(file, ["text", "label"])
        assert {"text", "label"} <= set(columns_of(file)) and len(head(file)["text"]) == 5
        if "parquet" not in name and "arrow" not in name:
            assert repr(list(zip(found["text"], found["label"], strict=True))) == repr(expected)
        else:
            assert found["text"] == [text for text, _ in expected]
        data = prepare("mine", file, text="text", label="label", validation=file)
    except InputError as error:
        assert "\n" not in str(error) and str(error).count(". ") >= 2
        usable = all(row["text"].strip() and "\0" not in row["text"] for row in rows)
        different = len({plain(row["label"]) for row in rows}) > 1
        assert not (usable and different and kind != "odd"), error  # such a table must come through
        return
    assert data.train.text == [text[:50_000] for text, _ in expected]
    assert all(text.strip() for text in data.train.text)
    agrees(data, found["label"])


def naive(text: str, separator: str) -> list[list[str]] | None:
    """A reader of CSV by its letters; None for what is none."""
    rows: list[list[str]] = [[]]
    cells, inside, quoted, k = "", False, False, 0
    text = text.removeprefix("\ufeff")
    while k < len(text):
        c = text[k]
        if inside:
            if c == '"' and text[k + 1:k + 2] == '"':
                cells, k = cells + '"', k + 1
            elif c == '"':
                inside = False
                if text[k + 1:k + 2] not in ("", separator, "\n", "\r"):
                    return None
            else:
                cells += c
        elif c == '"' and not cells and not quoted:
            inside = quoted = True
        elif c == separator or c in "\r\n":
            if c == separator or cells or quoted or rows[-1]:
                rows[-1].append(cells)
            cells, quoted = "", False
            if c != separator and rows[-1]:
                rows.append([])
        else:
            cells += c
        k += 1
    if inside:
        return None
    if cells or quoted or rows[-1]:
        rows[-1].append(cells)
    return [row for row in rows if row]


@settings(max_examples=550, deadline=None)
@given(tables(), st.sampled_from(FILES), st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(
    ["cut", "drop", "flip", "quote", "separator", "line", "nul", "double"])), min_size=1, max_size=3))
def test_a_damaged_table_is_read_or_refused_and_never_anything_else(made: Any, name: str, damage: Any) -> None:
    _, rows, names, others = made
    rows = [row | {"text": row["text"][:100], "label": None if row["label"] is None else cell(row["label"])}
            for row in rows]
    try:
        data = bytearray(bytes_of(name, rows, names, others))
    except (UnicodeEncodeError, pa.ArrowException):
        return
    for place, what in damage:
        k = place % (len(data) + 1)
        part = {"quote": b'"', "separator": b";", "line": b"\n", "nul": b"\0"}.get(what, b"")
        if what == "cut":
            del data[k:]
        elif what == "drop":
            del data[k:k + 3]
        elif what == "double":
            data[k:k] = data[k:k + 20]
        elif what == "flip" and k < len(data):
            data[k] ^= 1 << (place % 8)
        else:
            data[k:k] = part
    try:
        file = table_file(name, bytes(data))
        columns_of(file), head(file)
        _, found = read(file, ["text", "label"])
        prepare("mine", file, text="text", label="label")
    except InputError as error:
        assert "\n" not in str(error) and str(error).count(". ") >= 2
        return
    if name.endswith(".csv"):
        told = [rows for separator in ",;|\t" if (rows := naive(bytes(data).decode(), separator)) is not None
                and {"text", "label"} <= {name.strip() for name in rows[0]}]
        assert [[row[[name.strip() for name in rows[0]].index(c)] for row in rows[1:]] for rows in told[:1]
                for c in ("text", "label")] == [found["text"], found["label"]]
