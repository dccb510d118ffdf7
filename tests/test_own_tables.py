"""Tables that a person brings: the same rows from every format, and one line for whatever is wrong with a file."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.errors import InputError
from core.tasks import tables
from core.tasks.preparing import Prepared, open_tables, prepare
from core.tasks.tables import head, read, table_file

ROWS: list[dict[str, Any]] = [
    {"text": '<script>alert("1")</script>', "note": "=2+5", "label": "pos"},
    {"text": 'a "quoted", word', "note": "", "label": "neg"},
    {"text": "two\nlines", "note": "é ñ 你好", "label": "pos"},
    *({"text": f"row {k}", "note": "x", "label": "neg"} for k in range(9)),
]


def written(rows: list[dict[str, Any]], kind: str, path: Path) -> tables.TableFile:
    """*rows* written by pandas and json, which are not what reads them."""
    file = path / f"table.{kind}"
    if kind == "csv":
        pd.DataFrame(rows).to_csv(file, index=False)
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pd.DataFrame(rows).to_parquet(file, index=False)
    return tables.open_table(file)


def prepared(table: tables.TableFile, **more: Any) -> Prepared:
    return prepare("mine", table, **{"text": "text", "label": "label", **more})


def csv(*lines: str) -> tables.TableFile:
    return table_file("t.csv", "\n".join(lines).encode("utf-8", "surrogatepass"))


def jsonl(*rows: Any) -> tables.TableFile:
    return table_file("t.jsonl", "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode())


def with_labels(labels: list[Any]) -> tables.TableFile:
    return jsonl(*({"text": f"t{k}", "label": value} for k, value in enumerate(labels)))


@pytest.mark.parametrize("kind", tables.KINDS)
def test_every_format_gives_the_very_texts_that_were_written(tmp_path: Path, kind: str) -> None:
    numbers, columns = read(written(ROWS, kind, tmp_path), ["label", "text"])
    assert columns == {"label": [r["label"] for r in ROWS], "text": [r["text"] for r in ROWS]}
    assert numbers == list(range(1, len(ROWS) + 1))
    shown = head(written(ROWS, kind, tmp_path))
    assert list(shown) == ["text", "note", "label"]
    assert shown["text"] == [r["text"] for r in ROWS[:5]] and shown["note"][0] == "=2+5"


def test_the_same_rows_are_the_same_task_whatever_the_format_and_one_letter_makes_another(tmp_path: Path) -> None:
    digests = {prepared(written(ROWS, kind, tmp_path)).digest for kind in tables.KINDS}
    assert len(digests) == 1
    for change in ({"text": "row 8."}, {"label": "pos"}):
        assert prepared(written([*ROWS[:-1], ROWS[-1] | change], "csv", tmp_path)).digest not in digests
    assert prepared(written(ROWS, "csv", tmp_path), metric="f1").digest not in digests


def test_validation_is_the_last_fifth_of_a_permutation_that_never_changes(tmp_path: Path) -> None:
    data = prepared(written(ROWS, "csv", tmp_path))
    order = np.random.default_rng(0).permutation(12)
    assert data.train.text == [ROWS[i]["text"] for i in order[:10]]
    assert data.validation.text == [ROWS[i]["text"] for i in order[10:]]
    assert data.labels == ("neg", "pos") and data.metrics == ("accuracy",)
    assert [data.labels[code] for code in data.validation.labels] == [ROWS[i]["label"] for i in order[10:]]
    assert data.split == "the last 20% of a fixed permutation of table.csv"


@pytest.mark.parametrize(("labels", "classes"), [
    (["b", "a", " a "] * 4, ("a", "b")), ([10, 9] * 6, ("9", "10")), (["10", "9"] * 6, ("9", "10")),
    ([True, False] * 5, ("false", "true")), (["1", "x"] * 5, ("1", "x")), (["-1", "1", "0"] * 4, ("-1", "0", "1"))])
def test_classes_are_sorted_numbers_as_numbers(labels: list[Any], classes: tuple[str, ...]) -> None:
    table = with_labels(labels)
    data = prepared(table, validation=table)
    assert data.labels == classes
    assert [classes[code] for code in data.train.labels] == [str(v).strip().lower() for v in labels]


@pytest.mark.parametrize("labels", [[0.5, 1, 2.25, 5.0] * 3, ["0.5", "1", "2.25", "5e0"] * 3])
def test_numbers_with_a_point_are_a_regression(labels: list[Any]) -> None:
    table = with_labels(labels)
    data = prepared(table, validation=table)
    assert data.labels == () and data.scale == (0.5, 5.0) and data.metrics == ("pearson", "spearman")
    assert data.train.labels.dtype == np.float32
    assert data.train.labels.tolist() == [float(v) for v in labels]


def test_what_makes_a_score_doubtful_is_said() -> None:
    train = with_labels(["a"] * 9 + ["b"] * 3)
    held = jsonl({"text": "t1", "label": "a"}, {"text": "new", "label": "a"}, {"text": "t9", "label": "b"})
    words = " ".join(prepared(train, validation=held).remarks)
    assert "'a', the commonest, is right in 2 of 3 (66.7%)" in words
    assert "2 of 3 validation texts are in the training part too" in words
    rare = with_labels(["a"] * 5 + ["b"] * 5 + ["c"])
    order = np.random.default_rng(0).permutation(11)
    unseen = 10 in order[9:]
    assert ("never learned: c" in " ".join(prepared(rare).remarks)) == unseen


def test_a_folder_holds_both_parts_in_any_format(tmp_path: Path) -> None:
    written(ROWS, "parquet", tmp_path)
    (tmp_path / "table.parquet").rename(tmp_path / "train.parquet")
    (tmp_path / "validation.jsonl").write_text('{"text": "held", "label": "pos"}\n')
    data = prepare("mine", *open_tables(tmp_path)[:1], text="text", label="label", validation=open_tables(tmp_path)[1])
    assert len(data.train) == len(ROWS) and data.validation.text == ["held"]
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(InputError, match=r"holds 2 files train\.\*"):
        open_tables(tmp_path)
    with pytest.raises(InputError, match=r"holds no files train\.\*.*Name the file itself"):
        open_tables(tmp_path.parent)


TEN = [f"t{k},{'ab'[k % 2]}" for k in range(10)]
LONG = "x" * 10_001
DEEP = '{"text": ' + "[" * 100_000 + "]" * 100_000 + ', "label": 1}'

BAD: dict[str, tuple[Any, str]] = {
    "no rows": (lambda: csv("text,label"), "has a header and no rows"),
    "few rows": (lambda: csv("text,label", *TEN[:9]), "has 9 rows. Expected at least 10"),
    "empty": (lambda: csv("  "), "t.csv is empty"),
    "semicolons": (lambda: csv("text;label", "a;b"), "one column, 'text;label'. Expected columns separated by commas"),
    "no such column": (lambda: csv("text,lable", *TEN), "Did you mean 'lable'?"),
    "two of one name": (lambda: csv("text,label,text", "a,b,c"), "two columns named 'text'"),
    "unnamed": (lambda: csv("text,,label", "a,b,c"), "column 2 is named ''"),
    "ragged": (lambda: csv("text,label", "one, two,a"), "row 1 has 3 cells. Expected 2"),
    "open quote": (lambda: csv("text,label", '"never ends,a'), "line 2 of the file, is no CSV"),
    "not UTF-8": (lambda: table_file("t.csv", b"text,label\na,b\n\xff\xfe,c\n"), "line 3 of the file, is not UTF-8"),
    "UTF-16": (lambda: table_file("t.csv", "text,label\n".encode("utf-16")), "is not UTF-8"),
    "no text": (lambda: csv("text,label", *TEN, "  ,a"), "row 11: 'text' is empty"),
    "no label": (lambda: csv("text,label", "x,", *TEN), "row 1: 'label' is empty"),
    "a NUL": (lambda: csv("text,label", *TEN, "a\0b,a"), "row 11: 'text' holds a character that is none"),
    "half a pair": (lambda: jsonl(*({"text": "\ud800", "label": "a"},) * 10), "line 1: 'text' holds a character"),
    "a long cell": (lambda: csv("text,label", *TEN, LONG + ",a"), "row 11: 'text' has 10001 characters"),
    "a huge cell": (lambda: csv("text,label", "x" * 200_000 + ",a"), "field larger than field limit"),
    "one class": (lambda: with_labels(["a"] * 12), "holds only 'a'. Expected 2 to 20 classes"),
    "21 classes": (lambda: with_labels([f"c{k}" for k in range(21)]), "holds 21 different labels"),
    "21 whole numbers": (lambda: with_labels(list(range(21))), "write numbers with a decimal point"),
    "one number": (lambda: with_labels([0.5] * 12), "holds only 0.5. Expected numbers that differ"),
    "texts and numbers": (lambda: with_labels(["a", 1] * 6), "holds texts and numbers"),
    "a label as long as a text": (lambda: with_labels(["y" * 61] * 12), "at most 60 printable characters"),
    "a huge number": (lambda: with_labels([0.5, 1e300] * 6), "line 2: 'label' holds 1e+300"),
    "a number as text": (lambda: jsonl(*({"text": 12, "label": "a"},) * 10), "line 1: 'text' holds 12, which is no"),
    "a list as text": (lambda: jsonl({"text": ["a"], "label": "a"}), "line 1: 'text' holds ['a']"),
    "a missing key": (lambda: jsonl(*({"text": "a", "label": "b"},) * 9, {"text": "a"}), "line 10: 'label' is empty"),
    "no JSON": (lambda: jsonl({"text": "a", "label": "b"}, "{'text': 1}"), "line 2 is no JSON object"),
    "a JSON list": (lambda: jsonl([1, 2]), "line 1 holds [1, 2]"),
    "a name twice": (lambda: jsonl('{"text": "a", "text": "b", "label": 1}'), "is no JSON object (a name twice)"),
    "deep JSON": (lambda: jsonl({"text": "a", "label": "b"}, DEEP), "line 2 "),
    "a pickle": (lambda: table_file("t.parquet", b"\x80\x04\x95" + b"c" * 90), "is no parquet file"),
    "parquet cut off": (lambda: table_file("t.parquet", b"PAR1" + b"x" * 90 + b"PAR1"), "is no parquet file"),
    "a spreadsheet": (lambda: table_file("t.xlsx", b"PK"), "of a kind that is not read"),
    "a pickle by name": (lambda: table_file("t.pkl", b"\x80\x04"), "of a kind that is not read"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_table_is_said_in_one_line(what: str) -> None:
    make, words = BAD[what]
    with pytest.raises(InputError) as caught:
        prepared(make())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_limits_on_size_and_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tables, "LARGEST", 100)
    (tmp_path / "t.csv").write_bytes(b"x" * 101)
    with pytest.raises(InputError, match="is larger than"):
        tables.open_table(tmp_path / "t.csv")
    monkeypatch.setattr(tables, "LARGEST", 10_000)
    monkeypatch.setattr(tables, "ROWS", 9)
    for table in (csv("text,label", *TEN), written(ROWS, "parquet", tmp_path)):
        with pytest.raises(InputError, match=r"rows\. Expected at most 9"):
            prepared(table)


def test_a_small_parquet_file_cannot_unpack_into_all_memory(tmp_path: Path) -> None:
    """One text of a million characters, said 5000 times: 5 GB when spelled out, some kilobytes on disk."""
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0] * 2500, pa.int32()), ["x" * 1_000_000, "short"])
    parquet.write_table(pa.table({"text": column, "label": pa.array(["a", "b"] * 2500)}), tmp_path / "t.parquet",
                        compression="zstd", store_schema=False)
    table = tables.open_table(tmp_path / "t.parquet")
    assert len(table.data) < 100_000
    with pytest.raises(InputError, match="row 2: 'text' has 1000000 characters"):
        prepared(table)


def test_columns_that_are_no_texts_or_numbers_are_not_offered(tmp_path: Path) -> None:
    frame = pa.table({"when": pa.array([0] * 12, pa.timestamp("s")), "list": pa.array([[1]] * 12),
                      "text": [f"t{k}" for k in range(12)], "label": [0, 1] * 6, "bytes": pa.array([b"x"] * 12)})
    parquet.write_table(frame, tmp_path / "t.parquet")
    table = tables.open_table(tmp_path / "t.parquet")
    assert tables.columns_of(table) == ["text", "label"]
    assert prepared(table).labels == ("0", "1")
    with pytest.raises(InputError, match=r"Unknown column of t\.parquet 'list'"):
        prepared(table, text="list")


def test_what_is_no_file_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")  # opening it would wait for ever
    for path, words in ((tmp_path / "pipe.csv", "no file"), (tmp_path / "gone.csv", "no file"),
                        (Path("a\0.csv"), "no file|no path"), (Path("x" * 5000 + ".csv"), "cannot be read|no file")):
        with pytest.raises(InputError, match=words):
            tables.open_table(path)


@pytest.mark.parametrize("metric", ["f1", "pearson"])
def test_a_metric_that_does_not_fit_is_refused(metric: str) -> None:
    with pytest.raises(InputError, match=f"Metric '{metric}' with 3 classes"):
        prepared(with_labels(["a", "b", "c"] * 4), metric=metric)
    with pytest.raises(InputError, match="Metric 'accuracy' with numbers as labels"):
        prepared(with_labels([0.5, 1.5] * 6), metric="accuracy")


def test_a_class_that_only_validation_has_is_refused_by_its_row() -> None:
    train, held = with_labels(["a", "b"] * 6), with_labels(["a", "c"])
    with pytest.raises(InputError, match=r"line 2: label 'c' is not in t\.jsonl\. Expected one of a, b"):
        prepared(train, validation=held)


def test_nothing_in_a_cell_is_a_number_that_is_not_written_as_one() -> None:
    data = prepared(with_labels(["nan", "inf"] * 6))
    assert data.labels == ("inf", "nan") and not any(math.isnan(v) for v in data.train.labels)
