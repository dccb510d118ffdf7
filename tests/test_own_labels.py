"""What a column of labels says: classes or numbers, by rule or by word; what is doubtful is refused by its row."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.errors import InputError
from core.tasks.preparing import Prepared
from core.tasks.tables.files import TableFile, table_file
from tests.own_tables import jsonl, prepared, with_labels, written_labels


def coded(codes: list[Any], names: Any, kind: Any = None) -> TableFile:
    """A parquet file whose label is a ClassLabel, as `datasets` writes it."""
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": names, "_type": "ClassLabel"}}
    table = pa.table({"text": [f"t{k}" for k in range(len(codes))], "label": pa.array(codes, kind or pa.int64())})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    made = io.BytesIO()
    parquet.write_table(table, made)
    return table_file("t.parquet", made.getvalue())


def told(data: Prepared) -> list[Any]:
    """The labels of the training part, as names or numbers."""
    return [data.labels[code] for code in data.train.labels] if data.labels else data.train.labels.tolist()


@pytest.mark.parametrize(("labels", "classes"), [
    (["b", "a", " a "] * 4, ("a", "b")), ([10, 9] * 6, ("9", "10")), (["10", "9"] * 6, ("9", "10")),
    ([True, False] * 5, ("false", "true")), (["1", "x"] * 5, ("1", "x")), (["-1", "1", "0"] * 4, ("-1", "0", "1")),
    (["NA", "EU"] * 6, ("EU", "NA")), (["very good", "so-so"] * 6, ("so-so", "very good")),
    (["18-25", "26+"] * 6, ("18-25", "26+")), (["2.0", "gpt", "bert", "elmo"] * 4, ("2.0", "bert", "elmo", "gpt"))])
def test_classes_are_sorted_numbers_as_numbers(labels: list[Any], classes: tuple[str, ...]) -> None:
    table = with_labels(labels)
    data = prepared(table, validation=table)
    assert data.labels == classes and data.metrics == ("accuracy",)
    assert told(data) == [str(v).strip() if isinstance(v, str) else str(v).lower() for v in labels]
    assert not any("egression" in remark for remark in data.remarks)


@pytest.mark.parametrize("labels", [[0.5, 1, 2.25, 5.0] * 3, ["0.5", "1", "2.25", "5e0"] * 3])
def test_numbers_with_a_point_are_a_regression_and_it_is_said(labels: list[Any]) -> None:
    table = with_labels(labels)
    data = prepared(table, validation=table)
    assert data.labels == () and data.scale == (0.5, 5.0) and data.metrics == ("pearson", "spearman")
    assert data.train.labels.dtype == np.float32 and told(data) == [float(v) for v in labels]
    assert "Regression: the labels are numbers, from 0.5 to 5, not rescaled" in " ".join(data.remarks)
    assert "whole" not in " ".join(data.remarks)


def test_whole_numbers_with_a_point_are_a_regression_and_the_other_way_is_named() -> None:
    """As pandas writes classes when one of them was missing once."""
    table = written_labels(["0.0", "1.0"] * 6)
    assert "Regression" in " ".join(prepared(table).remarks)
    assert "All of them are whole. If they are classes, choose that (--as classes)." in prepared(table).remarks
    data = prepared(table, kind="classes", validation=table)
    assert data.labels == ("0", "1") and told(data) == ["0", "1"] * 6
    assert data.digest == prepared(written_labels(["0", "1"] * 6), validation=written_labels(["0", "1"] * 6)).digest


@pytest.mark.parametrize(("labels", "classes"), [
    (["1.5", "n/a", "2"] * 4, ("1.5", "2", "n/a")), ([0.5, 2.0, 10.0] * 4, ("0.5", "2", "10")),
    (["1,5", "2,5"] * 6, ("1,5", "2,5")), ([True, 1, 0] * 4, ("0", "1", "true"))])
def test_a_person_may_say_that_labels_are_classes(labels: list[Any], classes: tuple[str, ...]) -> None:
    data = prepared(with_labels(labels), kind="classes")
    assert data.labels == classes and len(data.train) + len(data.validation) == 12


def test_a_person_may_say_that_labels_are_amounts() -> None:
    table = written_labels([str(k) for k in range(40)])
    data = prepared(table, kind="regression", validation=table)
    assert data.labels == () and told(data) == list(range(40)) and data.scale == (0.0, 39.0)
    with pytest.raises(InputError, match=r"row 12: 'label' holds 'x', which is no number"):
        prepared(written_labels([*map(str, range(11)), "x"]), kind="regression")
    with pytest.raises(InputError, match=r"line 1: 'label' holds True, which is no number"):
        prepared(with_labels([True, False] * 6), kind="regression")


NINE = ["1.5", "2.5", "3.5"] * 3
STRAYS: dict[str, tuple[list[Any], str]] = {
    "n/a among numbers": ([*NINE, "n/a", *NINE], "row 10: 'label' holds 'n/a', 18 of 19 rows hold numbers"),
    "N/A among whole ones": (["0", "1", "2"] * 20 + ["N/A"], "row 61: 'label' holds 'N/A', 60 of 61 rows"),
    "nan among classes": (["0", "1"] * 5 + ["nan"], "row 11: 'label' holds 'nan'"),
    "half missing": (["4", "-"] * 10, "row 2: 'label' holds '-', 10 of 20 rows hold numbers"),
    "a slip among whole numbers": (["0", "1"] * 10 + ["O"], "row 21: 'label' holds 'O', 20 of 21 rows hold numbers"),
    "words among measured ones": (["0.5", "1.5", "high"] * 5, "row 3: 'label' holds 'high', 10 of 15"),
    "infinity": ([*NINE, "inf"], "row 10: 'label' holds 'inf'"),
    "decimal commas": (["1,5", "2,0"] * 6, "row 1: 'label' holds '1,5'. Expected a number with a decimal point"),
    "one decimal comma": ([*NINE, "1,5"], "row 10: 'label' holds '1,5'. Expected a number with a decimal point"),
}


@pytest.mark.parametrize("what", STRAYS)
def test_what_is_no_number_among_numbers_is_refused_by_its_row(what: str) -> None:
    labels, words = STRAYS[what]
    with pytest.raises(InputError) as caught:
        prepared(written_labels(labels))
    assert words in str(caught.value) and "--as classes" in str(caught.value) and "\n" not in str(caught.value)
    assert prepared(written_labels(labels), kind="classes").labels == tuple(sorted(set(labels)))  # as it is written
    with pytest.raises(InputError, match="row 2: 'label' holds 'n/a', 1 of 2 rows hold numbers"):
        prepared(written_labels(NINE + NINE), validation=written_labels(["1.5", "n/a"]))


BAD: dict[str, tuple[list[Any], str]] = {
    "one class": (["a"] * 12, "holds only 'a'. Expected 2 to 1000 classes"),
    "as many classes as rows": ([f"c{k}" for k in range(30)], "holds 30 different labels in 30 rows. Expected 2 to "
                                "1000 classes of 2 rows or more. Choose another column"),
    "1001 classes": ([f"c{k % 1001}" for k in range(2100)], "holds 1001 different labels in 2100 rows"),
    "numbers of rows": (list(range(30)), "write numbers with a decimal point, or choose it (--as regression)"),
    "one number": ([0.5] * 12, "holds only 0.5. Expected numbers that differ"),
    "a number among texts": (["a", "b"] * 6 + [1], "line 13: 'label' holds 1, line 1 holds 'a': texts and numbers"),
    "a truth among numbers": ([0, True, 1] * 4, "line 2: 'label' holds True, line 1 holds 0: texts and numbers"),
    "a text among numbers": ([1.5, 2.5] * 6 + ["3"], "line 13: 'label' holds '3', line 1 holds 1.5: texts and"),
    "a label as long as a text": (["y" * 61] * 12, "at most 60 printable characters"),
    "what nobody sees": (["a", "a\u200b"] * 6, "line 2: 'label' holds 'a\\u200b'. Expected at most 60 printable"),
    "a huge number": ([0.5, 1e300] * 6, "line 2: 'label' holds 1e+300"),
    "an endless number": ([0.5, math.inf] * 6, "line 2: 'label' holds inf"),
    "no number at all": ([0.5, math.nan] * 6, "line 2: 'label' is empty"),
    "a number of 400 digits": ([0.5, 10**400] * 6, "a whole number of everyday size"),
    "null": (["a", None] * 6, "line 2: 'label' is empty"), "blanks": (["a", "  "] * 6, "line 2: 'label' is empty"),
}


@pytest.mark.parametrize("what", BAD)
def test_labels_that_cannot_be_used_are_said_in_one_line(what: str) -> None:
    labels, words = BAD[what]
    with pytest.raises(InputError) as caught:
        prepared(with_labels(labels))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_many_classes_are_read_and_a_list_of_them_stays_short() -> None:
    """77 intents, as in a common data set of a bank's questions, and as many as are allowed."""
    labels = [f"intent_{(k * 31) % 77:02d}" for k in range(770)]
    data = prepared(with_labels(labels), validation=with_labels(labels))
    assert data.labels == tuple(f"intent_{k:02d}" for k in range(77)) and told(data) == labels
    assert len(prepared(with_labels([f"c{k % 1000:03d}" for k in range(2000)])).labels) == 1000
    numbers = with_labels([k % 150 for k in range(1500)])
    assert prepared(numbers).labels == tuple(str(k) for k in range(150))
    assert "The labels are whole numbers, read as 150 classes. If they are amounts, choose a regression (--as " \
        "regression)." in prepared(numbers).remarks
    with pytest.raises(InputError) as caught:
        prepared(with_labels(labels), validation=with_labels(["intent_99"]))
    assert "label 'intent_99' is not in t.jsonl. Expected one of intent_00, " in str(caught.value)
    assert "and 67 more" in str(caught.value) and len(str(caught.value)) < 300


def test_names_of_codes_are_classes_in_the_files_order() -> None:
    names = ["zebra", "ant", "9", "never used"]
    codes = [0, 1, 2, 1, 0, 2] * 3
    data = prepared(coded(codes, names), validation=coded(codes, names, pa.int8()))
    assert data.labels == tuple(names) and data.train.labels.tolist() == codes
    assert told(data)[:3] == ["zebra", "ant", "9"] and "in no row: never used" in " ".join(data.remarks)
    other = coded([0, 1, 2], ["ant", "9", "zebra"])  # the same names in another order: mapped by name
    assert prepared(coded(codes, names), validation=other).validation.labels.tolist() == [1, 2, 0]
    texts = jsonl({"text": "a", "label": "ant"}, {"text": "b", "label": "zebra"})
    assert prepared(coded(codes, names), validation=texts).validation.labels.tolist() == [1, 0]


@pytest.mark.parametrize(("codes", "names", "words"), [
    ([0, 1, -1] * 4, ["a", "b"], "row 3: 'label' holds -1: it is unlabelled. Expected a label in every row. Remove"),
    ([0, 1, 2] * 4, ["a", "b"], "row 3: 'label' holds 2. Expected a code from 0 to 1"),
    ([0, 1, None] * 4, ["a", "b"], "row 3: 'label' holds None. Expected a code"),
    ([0, 0, 0] * 4, ["a", "b"], "holds only 'a'"), ([0, 1] * 6, ["a", "a"], "calls its code 1 'a'"),
    ([0, 1] * 6, ["a", " "], "calls its code 1 ' '"), ([0, 1] * 6, ["a", "b\n"], r"calls its code 1 'b\n'"),
    ([0, 1] * 6, [f"c{k}" for k in range(1001)], "holds 1001 different labels")])
def test_codes_without_a_name_and_names_that_are_none_are_refused(codes: list[Any], names: list[str],
                                                                  words: str) -> None:
    with pytest.raises(InputError) as caught:
        prepared(coded(codes, names))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_without_names_cannot_follow_one_with_names() -> None:
    with pytest.raises(InputError, match=r"row 1: 'label' holds 0\. Expected one of b, a, as another table names"):
        prepared(coded([0, 1] * 6, ["b", "a"]), validation=coded([0, 1], []))


@pytest.mark.parametrize("names", ["ab", None, [1, 2], [], {"0": "a"}, [["a"]]])
def test_what_is_not_written_as_names_names_nothing(names: Any) -> None:
    assert prepared(coded([0, 1] * 6, names)).labels == ("0", "1")
    assert prepared(coded(["x", "y"] * 6, ["a", "b"], pa.string())).labels == ("x", "y")


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
    assert "In one row only: c." in prepared(rare).remarks and "one row only" not in words
    alike = " ".join(prepared(with_labels(["Good", "good", "bad"] * 4)).remarks)
    assert "'Good', 'good' are classes of their own though they look alike" in alike
    assert "look alike" not in words
    assert "-1 is a class of its own here" in " ".join(prepared(with_labels([0, 1, -1] * 4)).remarks)
    stars = prepared(written_labels(["1.0 stars", "2.5 stars"] * 6))
    assert stars.labels == ("1.0 stars", "2.5 stars") and "begin with a number" in " ".join(stars.remarks)


def test_a_class_that_only_validation_has_is_refused_by_its_row() -> None:
    train, held = with_labels(["a", "b"] * 6), with_labels(["a", "c"])
    with pytest.raises(InputError, match=r"line 2: label 'c' is not in t\.jsonl\. Expected one of a, b"):
        prepared(train, validation=held)
    with pytest.raises(InputError, match="column 'label' holds numbers, that of another table texts"):
        prepared(train, validation=with_labels([1, 2]))


def test_a_table_of_texts_and_a_table_of_numbers_agree_when_the_texts_are_numbers() -> None:
    data = prepared(written_labels(["0", "1"] * 6), validation=with_labels([1, 0]))
    assert data.labels == ("0", "1") and data.validation.labels.tolist() == [1, 0]


def test_nothing_in_a_cell_is_a_number_that_is_not_written_as_one() -> None:
    data = prepared(with_labels(["nan", "inf"] * 6))
    assert data.labels == ("inf", "nan") and not any(math.isnan(v) for v in data.train.labels)
    assert prepared(with_labels(["1_0", "0x1"] * 6)).labels == ("0x1", "1_0")
