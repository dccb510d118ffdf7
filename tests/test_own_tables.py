"""Tables that a person brings: the same rows from every format, and one line for whatever is wrong with a file."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.errors import InputError
from core.tasks.tables import columns_of, head, limits, read, unreadable
from core.tasks.tables.files import TableFile, table_file
from tests.own_tables import ROWS, WRITERS, comma, csv, ipc, jsonl, prepared, with_labels, written


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_very_texts_that_were_written(name: str) -> None:
    table = written(ROWS, name)
    numbers, columns = read(table, ["label", "text"])
    assert columns == {"label": [r["label"] for r in ROWS], "text": [r["text"] for r in ROWS]}
    assert numbers == list(range(1, len(ROWS) + 1))
    shown = head(table)
    assert list(shown) == ["text", "note", "label"]
    assert shown["text"][:2] == [r["text"] for r in ROWS[:2]] and shown["note"][0] == "=2+5" and len(shown["text"]) == 5


def test_the_same_rows_are_the_same_task_whatever_the_format_and_one_letter_makes_another() -> None:
    digests = {prepared(written(ROWS, name)).digest for name in WRITERS}
    assert len(digests) == 1
    for change in ({"text": "row 8."}, {"label": "pos"}):
        assert prepared(written([*ROWS[:-1], ROWS[-1] | change], "t.csv")).digest not in digests
    assert prepared(written(ROWS, "t.csv"), metric="f1").digest not in digests


def test_tasks_of_before_keep_their_digests() -> None:
    """The digests that the first reader of tables gave: what was added then is the same task when it is added again."""
    plain = [f"the lamp is number {k},{('bad', 'good')[k % 2]}" for k in range(20)]
    assert prepared(csv("text,label", *plain)).digest == "d72619c2"
    assert prepared(with_labels([k / 4 for k in range(20)])).digest == "285e9bbf"
    assert prepared(with_labels([k % 3 for k in range(20)])).digest == "ba83c0b8"


def test_validation_is_the_last_fifth_of_a_permutation_that_never_changes() -> None:
    data = prepared(written(ROWS, "t.csv"))
    order = np.random.default_rng(0).permutation(12)
    assert data.train.text == [ROWS[i]["text"] for i in order[:10]]
    assert data.validation.text == [ROWS[i]["text"] for i in order[10:]]
    assert data.labels == ("neg", "pos") and data.metrics == ("accuracy",)
    assert [data.labels[code] for code in data.validation.labels] == [ROWS[i]["label"] for i in order[10:]]
    assert data.split == "the last 20% of a fixed permutation of t.csv"


TEN = [f"t{k},{'ab'[k % 2]}" for k in range(10)]
OTHERS: dict[str, Any] = {  # of columns that nobody asks for
    "pandas' index": lambda: csv(",text,label", *(f"{k},{row}" for k, row in enumerate(TEN))),
    "a spreadsheet's empty columns": lambda: csv("text,label,,,", *(f"{row},,," for row in TEN)),
    "notes in unnamed columns": lambda: csv("text,label,,", *(f"{row},see, above" for row in TEN)),
    "empty cells that the header has not": lambda: csv("text,label", *(f"{row},," for row in TEN)),
    "a name twice": lambda: csv("note,text,label,note", *(f"x,{row},y" for row in TEN)),
    "a name that nobody can type": lambda: csv(f"text,label,{'x' * 300},\a", *(f"{row},1,2" for row in TEN)),
    "300 columns": lambda: csv(",".join(("text,label", *map(str, range(300)))),
                               *(f"{row}{',0' * 300}" for row in TEN)),
    "a huge cell": lambda: csv("text,label,page", *(f"{row},{'x' * (k == 7) * 200_000}" for k, row in enumerate(TEN))),
    "nested objects": lambda: jsonl(*({"meta": {"id": [1]}, "text": f"t{k}", "tags": [[]], "label": "ab"[k % 2]}
                                      for k in range(10))),
    "an object that says a name twice": lambda: jsonl(*(
        f'{{"id": 1, "id": 2, "x": {{"y": 1, "y": 2}}, "text": "t{k}", "label": "{"ab"[k % 2]}"}}'
        for k in range(10))),
    "names that come and go": lambda: jsonl(*({"text": f"t{k}", f"only {k}": k, "label": "ab"[k % 2]}
                                              for k in range(10))),
    "types that are not read": lambda: arrow_table(
        list=[[1]] * 10, struct=[{"a": 1}] * 10, bytes=[b"\xff"] * 10, none=pa.nulls(10),
        when=pa.array([0] * 10, pa.timestamp("ms")), map=pa.array([[("a", 1)]] * 10, pa.map_(pa.string(), pa.int8()))),
}


def arrow_table(**more: Any) -> TableFile:
    made = io.BytesIO()
    parquet.write_table(pa.table({"text": [f"t{k}" for k in range(10)], "label": ["a", "b"] * 5, **more}), made)
    return table_file("t.parquet", made.getvalue())


@pytest.mark.parametrize("what", OTHERS)
def test_columns_that_nobody_asked_for_are_not_looked_at(what: str) -> None:
    table = OTHERS[what]()
    assert read(table, ["text", "label"])[1] == {"text": [f"t{k}" for k in range(10)], "label": ["a", "b"] * 5}
    assert {"text", "label"} <= set(columns_of(table)) and "" not in columns_of(table)
    assert head(table)["label"] == ["a", "b", "a", "b", "a"] and len(head(table)) <= limits.SHOWN_COLUMNS
    assert prepared(table).digest == prepared(csv("text,label", *TEN)).digest


@pytest.mark.parametrize(("column", "words"), [
    ("list", "column 'list' holds lists. Expected a column of texts or numbers. Choose another"),
    ("struct", "column 'struct' holds structs with 'inner, other'"), ("bytes", "column 'bytes' holds bytes"),
    ("fixed", "column 'fixed' holds bytes"), ("when", r"column 'when' holds times (timestamp[ms])"),
    ("day", "column 'day' holds times (date32[day])"),
    ("decimal", "column 'decimal' holds decimals (decimal128(4, 1))"),
    ("map", "column 'map' holds key-value maps"), ("none", "column 'none' holds nothing"),
    ("other", "column 'other' holds values of the type"),
    ("inner", "no column 'inner' of its own: it is inside 'struct'"),
    ("struct.inner", "no column 'struct.inner' of its own: it is inside 'struct'"), ("gone", "Unknown column")])
def test_a_column_of_a_type_that_is_not_read_is_named_with_its_type(column: str, words: str) -> None:
    table = arrow_table(
        list=[[1]] * 10, struct=[{"inner": "a", "other": 1}] * 10, bytes=[b"x"] * 10, none=pa.nulls(10),
        fixed=pa.array([b"xx"] * 10, pa.binary(2)), when=pa.array([0] * 10, pa.timestamp("ms")),
        day=pa.array([0] * 10, pa.date32()), decimal=pa.array([1] * 10, pa.decimal128(4, 1)),
        map=pa.array([[("a", 1)]] * 10, pa.map_(pa.string(), pa.int8())),
        other=pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"x" * 16] * 10, pa.binary(16))))
    assert columns_of(table) == ["text", "label"]
    for asked in ({"text": column}, {"label": column}):
        with pytest.raises(InputError) as caught:
            prepared(table, **asked)
        assert words in str(caught.value)


def test_nested_tables_are_refused_by_the_column_that_holds_them() -> None:
    made = io.BytesIO()
    parquet.write_table(pa.table({"rec": [{"text": "a", "label": 1}] * 12}), made)
    nested = table_file("t.parquet", made.getvalue())
    lines = jsonl(*({"id": k, "data": {"text": "a"}, "tags": ["x"], "label": 1} for k in range(12)))
    for table, ask, words in (
            (nested, {}, "no column 'text' of its own: it is inside 'rec'"),
            (nested, {"text": "rec.text", "label": "rec.label"}, "no column 'rec.text' of its own: it is inside 'rec'"),
            (nested, {"text": "rec"}, "column 'rec' holds structs with 'text, label'"),
            (lines, {}, "no column 'text' of its own: it is inside 'data'"),
            (lines, {"text": "data"}, "line 1: 'data' holds an object with 'text'"),
            (lines, {"text": "tags"}, "line 1: 'tags' holds ['x']")):
        with pytest.raises(InputError) as caught:
            prepared(table, **ask)
        assert words in str(caught.value)
        assert "columns of their own" in str(caught.value) or "one value a row" in str(caught.value)
    with pytest.raises(InputError, match="column 'rec' holds structs"):
        columns_of(nested)
    assert columns_of(lines) == ["id", "label"]


@pytest.mark.parametrize(("table", "words"), [
    (lambda: csv("text,label,label", *(f"t{k},a,b" for k in range(10))), "two columns named 'label'"),
    (lambda: csv("text", *(f"t{k}" for k in range(10))), "t.csv has one column, 'text'. Expected a column of"),
    (lambda: arrow_table(label=pa.array([1] * 10, pa.decimal128(4, 1))), "column 'label' holds decimals"),
    (lambda: arrow_table(text=[b"x"] * 10), "column 'text' holds bytes"),
    (lambda: jsonl(*({"text": ["a"], "label": 1} for _ in range(10))), "line 1: 'text' holds ['a']"),
    (lambda: jsonl(*({} for _ in range(10))), "t.jsonl has no columns")])
def test_a_table_of_which_one_column_can_be_read_says_what_the_other_holds(table: Callable[[], TableFile],
                                                                           words: str) -> None:
    for ask in (columns_of, head):
        with pytest.raises(InputError) as caught:
            ask(table())
        assert words in str(caught.value)


def test_what_cannot_be_read_is_told_column_by_column() -> None:
    table = arrow_table(**{"price": pa.array([1] * 10, pa.decimal128(4, 1)), "": ["x"] * 10, "tags": [["x"]] * 10})
    assert [error.given for error in unreadable(table)] == [
        "t.parquet: column 'price' holds decimals (decimal128(4, 1))", "t.parquet: column 'tags' holds lists"]
    assert unreadable(arrow_table()) == []


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.arrow"])
def test_a_text_longer_than_what_is_kept_is_cut_and_counted(name: str) -> None:
    long = "lamp " * 20_000
    rows = [{"text": long if k in (3, 8) else f"row {k}", "label": "ab"[k % 2]} for k in range(12)]
    data = prepared(written(rows, name))
    kept = data.train.text + data.validation.text
    assert sorted(len(text) for text in kept)[-2:] == [50_000, 50_000] and kept.count(long[:50_000]) == 2
    assert any("2 of 12 texts are longer than 50000 characters and were cut there" in r for r in data.remarks)
    assert not any("were cut" in remark for remark in prepared(written(ROWS, name)).remarks)


def test_a_quote_in_a_file_with_tabs_is_text_unless_all_of_them_are_marks() -> None:
    """GLUE's own files hold quotes that open and never close; pandas puts cells with quotes into quotes."""
    literal = ['"I never', 'said "that"', '"all of it"', '""', 'a "', *(f"t{k}" for k in range(7))]
    table = table_file("t.tsv", ("text\tlabel\n" + "".join(f"{t}\t{'ab'[k % 2]}\n" for k, t in enumerate(literal)))
                       .encode())
    assert read(table, ["text"])[1]["text"] == literal
    marked = [text for text in literal if text != '"I never']
    marked += ["one\ttab", "two\nlines"]
    table = table_file("t.tsv", comma([{"text": text, "label": "a"} for text in marked], sep="\t"))
    assert read(table, ["text"])[1]["text"] == marked


LONG = "x" * 10_001
DEEP = '{"text": ' + "[" * 100_000 + "]" * 100_000 + ', "label": 1}'

BAD: dict[str, tuple[Any, str]] = {
    "no rows": (lambda: csv("text,label"), "has a header and no rows"),
    "few rows": (lambda: csv("text,label", *TEN[:9]), "has 9 rows. Expected at least 10"),
    "empty": (lambda: csv("  "), "t.csv is empty"),
    "an empty gzip": (lambda: table_file("t.csv.gz", gzip.compress(b"")), "t.csv.gz is empty"),
    "no such column": (lambda: csv("text,lable", *TEN), "Did you mean 'lable'?"),
    "two of one name": (lambda: csv("text,label,text", "a,b,c"), "two columns named 'text'"),
    "unnamed alone": (lambda: csv(",", "a,b"), "column 1 is named ''"),
    "ragged": (lambda: csv("text,label", "one, two,a"), "row 1 has 3 cells. Expected 2"),
    "ragged semicolons": (lambda: csv("text;label", "one; two;a"), "row 1 has 3 cells. Expected 2, as in the first "
                          "line. Put texts that hold a semicolon or a line break in double quotes"),
    "too few cells": (lambda: csv("text,label", *TEN, "alone"), "row 11 has 1 cells. Expected 2"),
    "open quote": (lambda: csv("text,label", *TEN[:5], '"never ends,a', *TEN[5:]),
                   "line 7 of the file, is no CSV (a quote that opens there never closes)"),
    "quotes after a backslash": (lambda: csv("text,label", *TEN, '"he said \\"so\\"",a'),
                                 "line 12 of the file, is no CSV (',' expected after '\"'). Expected"),
    "not UTF-8": (lambda: table_file("t.csv", b"text,label\na,b\n\xff\xfe,c\n"), "line 3 of the file, is not UTF-8"),
    "not UTF-8 in a list": (lambda: table_file("t.json", b'[{"text": "\xff"}]'), "line 1 of the file, is not UTF-8"),
    "UTF-16": (lambda: table_file("t.csv", "text,label\n".encode("utf-16")), "is not UTF-8"),
    "no text": (lambda: csv("text,label", *TEN, "  ,a"), "row 11: 'text' is empty"),
    "no label": (lambda: csv("text,label", "x,", *TEN), "row 1: 'label' is empty"),
    "a NUL": (lambda: csv("text,label", *TEN, "a\0b,a"), "row 11: 'text' holds a character that is none"),
    "half a pair": (lambda: jsonl(*({"text": "\ud800", "label": "a"},) * 10), "line 1: 'text' holds a character"),
    "a number as text": (lambda: jsonl(*({"text": 12, "label": "a"},) * 10), "line 1: 'text' holds 12, which is no"),
    "a list among texts": (lambda: jsonl({"text": "a", "label": "a"}, {"text": ["a"], "label": "a"}),
                           "line 2: 'text' holds ['a']"),
    "a missing key": (lambda: jsonl(*({"text": "a", "label": "b"},) * 9, {"text": "a"}), "line 10: 'label' is empty"),
    "a key that comes late": (lambda: jsonl({"text": "a"}, *({"text": "a", "label": "b"},) * 9),
                              "line 1: 'label' is empty"),
    "nothing but null": (lambda: jsonl(*({"text": "a", "label": None},) * 10), "line 1: 'label' is empty"),
    "no JSON": (lambda: jsonl({"text": "a", "label": "b"}, "{'text': 1}"), "line 2 is no JSON object"),
    "a JSON list": (lambda: jsonl([1, 2]), "line 1 holds [1, 2]"),
    "a list that goes astray": (lambda: table_file("t.json", b'[{"text": "a"}, 3]'), "item 2 holds 3"),
    "a list cut off": (lambda: table_file("t.json", b'[{"text": "a", "label": "b"},'), "item 2 is no JSON object"),
    "a list that goes on": (lambda: table_file("t.json", b'[{"text": "a", "label": 1}] {}'), "item 1 is not followed"),
    "columns in one object": (lambda: table_file("t.json", b'{"text": {"0": "a"}, "label": {"0": 1}}'),
                              "line 1: 'text' holds an object with '0'"),
    "a name twice": (lambda: jsonl('{"text": "a", "text": "b", "label": 1}'), "line 1 has 'text' twice"),
    "deep JSON": (lambda: jsonl({"text": "a", "label": "b"}, DEEP), "line 2 "),
    "a number of 5000 digits": (lambda: jsonl('{"text": "a", "label": 1' + "0" * 5000 + "}"), "line 1 is no JSON"),
    "a pickle": (lambda: table_file("t.parquet", b"\x80\x04\x95" + b"c" * 90), "is no parquet file"),
    "parquet cut off": (lambda: table_file("t.parquet", b"PAR1" + b"x" * 90 + b"PAR1"), "is no parquet file"),
    "no Arrow": (lambda: table_file("t.arrow", b"ARROW1\0\0" + b"x" * 90), "is no Arrow file"),
    "Arrow cut off": (lambda: table_file("t.arrow", ipc(ROWS)[:-100]), "t.arrow is damaged after row 0"),
    "Arrow packed inside": (lambda: table_file("t.arrow", ipc(ROWS, compression="zstd")), "is compressed inside"),
    "a gzip cut off": (lambda: table_file("t.csv.gz", gzip.compress(comma(ROWS))[:-9]), "t.csv.gz is a damaged gzip"),
    "a gzip in name": (lambda: table_file("t.parquet.gz", b"text,label"), "is no parquet file"),
    "a spreadsheet": (lambda: table_file("t.xlsx", b"PK"), "not read. Expected a table as .csv, .tsv, .jsonl, .json, "
                      ".parquet or .arrow, or one of them as .gz. Save the sheet as CSV"),
    "a pickle by name": (lambda: table_file("t.pkl", b"\x80\x04"), "A pickle can run code as it is read, so none is"),
    "an archive": (lambda: table_file("t.csv.zip", b"PK"), "of a kind that is not read"),
    "plain text": (lambda: table_file("t.txt", b"a"), "Name it .csv where commas separate its columns"),
    "only an ending": (lambda: table_file(".csv", b"a"), "of a kind that is not read"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_table_is_said_in_one_line(what: str) -> None:
    make, words = BAD[what]
    with pytest.raises(InputError) as caught:
        prepared(make())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("metric", ["f1", "pearson"])
def test_a_metric_that_does_not_fit_is_refused(metric: str) -> None:
    with pytest.raises(InputError, match=f"Metric '{metric}' with 3 classes"):
        prepared(with_labels(["a", "b", "c"] * 4), metric=metric)
    with pytest.raises(InputError, match="Metric 'accuracy' with numbers as labels"):
        prepared(with_labels([0.5, 1.5] * 6), metric="accuracy")
