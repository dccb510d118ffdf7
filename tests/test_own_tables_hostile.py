"""Tables meant to do harm, or damaged: held to their limits, refused in words, and the process goes on."""

from __future__ import annotations

import gzip
import io
import os
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.errors import InputError
from core.tasks.tables import columns_of, files, limits
from core.tasks.tables.files import open_table, table_file
from tests.own_tables import ROWS, WRITERS, ipc, packed_parquet, prepared, written


def test_limits_on_size_and_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "LARGEST", 100)
    (tmp_path / "t.csv").write_bytes(b"x" * 101)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"x" * 101))
    for name in ("t.csv", "t.csv.gz"):
        with pytest.raises(InputError, match="is larger than"):
            open_table(tmp_path / name)
    monkeypatch.setattr(files, "LARGEST", 50_000)
    monkeypatch.setattr(limits, "ROWS", 9)
    for name in WRITERS:
        with pytest.raises(InputError, match=r"rows\. Expected at most 9"):
            prepared(written(ROWS, name))


def test_a_small_file_cannot_unpack_into_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of a million characters, said 5000 times, is 5 GB when spelled out, and some kilobytes on disk."""
    monkeypatch.setattr(limits, "ALL_LETTERS", 20_000_000)
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0] * 2500, pa.int32()), ["x" * 1_000_000, "short"])
    table, made = pa.table({"text": column, "label": pa.array(["a", "b"] * 2500)}), io.BytesIO()
    parquet.write_table(table, made, compression="zstd", store_schema=False)
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    views = pa.BufferOutputStream()
    with pa.ipc.new_stream(views, pa.schema([("text", pa.string_view())])) as writer:
        writer.write_table(pa.table({"text": pa.array(["x" * 1_000_000], pa.string_view())}))
    for name, data, words in (
            ("t.parquet", made.getvalue(), "more than 20 million characters"),
            ("t.arrow", stream.getvalue().to_pybytes(), "more than 20 million characters"),
            ("t.arrow", views.getvalue().to_pybytes(), "'text' holds texts as views"),
            ("t.csv", gzip.compress(b"text,label\n" + b"x" * 60_000_000), "is larger than 50 MB")):
        assert len(data) < 2_000_000
        began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match=words):
            prepared(table_file(name, data))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 400_000  # kilobytes


def test_what_is_no_file_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")  # opening it would wait for ever
    for path, words in ((tmp_path / "pipe.csv", "no file"), (tmp_path / "gone.csv", "no file"),
                        (Path("a\0.csv"), "no file|no path"), (Path("x" * 5000 + ".csv"), "cannot be read|no file")):
        with pytest.raises(InputError, match=words):
            open_table(path)


def test_a_damaged_footer_does_not_end_the_process() -> None:
    """A column said to be required, with counts of its missing values beside it: to be asked for that column's share of
    the file, pyarrow 26 aborts."""
    whole = packed_parquet(ROWS)
    assert whole.count(b"\x25\x02\x18\x05label") == 1  # optional, in the footer's schema
    damaged = table_file("t.parquet", whole.replace(b"\x25\x02\x18\x05label", b"\x25\x00\x18\x05label"))
    assert columns_of(damaged) == ["text", "note", "label"]
    with pytest.raises(InputError, match="is damaged after row 0"):
        prepared(damaged)


def test_a_name_that_is_not_utf8_is_said_and_troubles_no_other_column() -> None:
    stream = ipc([{"text": f"t{k}", "label": "ab"[k % 2], "aside": k} for k in range(12)])
    assert stream.count(b"aside") == 1
    table = table_file("t.arrow", stream.replace(b"aside", b"\xff\xfeide"))
    assert columns_of(table) == ["text", "label"] and prepared(table).labels == ("a", "b")
    broken = table_file("t.arrow", ipc([{"aside": 1}]).replace(b"aside", b"\xff\xfeide"))
    with pytest.raises(InputError, match="the name of column 1, or one inside it, is not UTF-8"):
        columns_of(broken)
