"""A file that a person brings: its name, its kind by that name, its bytes. A gzip is unpacked, within bounds."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from gzip import GzipFile
from pathlib import Path

from core.errors import InputError

ENDINGS = {"csv": "csv", "tsv": "tsv", "jsonl": "json", "ndjson": "json", "json": "json", "parquet": "parquet",
           "arrow": "arrow"}  # of a file's name -> kind
PACKED = "gz"  # may follow any of them
LARGEST = 50_000_000  # bytes of a table, unpacked from a gzip; .streamlit/config.toml holds an upload to the same
EXPECTED = "a table as .csv, .tsv, .jsonl, .json, .parquet or .arrow, or one of them as .gz"
GZIP = b"\x1f\x8b"
REMEDIES = {
    **dict.fromkeys(("pkl", "pickle", "joblib", "pt", "bin"),
                    "A pickle can run code as it is read, so none is opened: save the table as CSV or parquet."),
    **dict.fromkeys(("xlsx", "xls", "ods"), "Save the sheet as CSV in UTF-8."),
    **dict.fromkeys(("zip", "tar", "tgz", "7z", "bz2", "xz", "zst"), "Unpack it first."),
    "txt": "Name it .csv where commas separate its columns, .tsv where tabs do.",
}
ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")  # JSON that is one list of objects


@dataclass(frozen=True)
class TableFile:
    """A table, read whole: its name (for messages), its kind (of ENDINGS) and its bytes. `more`: the files that go on
    where this one ends, if the table was saved in several."""

    name: str
    kind: str
    data: bytes = field(repr=False)
    more: tuple[TableFile, ...] = ()

    @property
    def is_array(self) -> bool:
        """Whether it is JSON in one list, and not an object a line."""
        return self.kind == "json" and ARRAY.match(self.data) is not None

    def row(self, number: int) -> str:
        """Where a row stands, in words. Rows count from 1 (over all files of the table), a CSV's header not among them;
        JSON lines by their line, the objects of a list by their place in it."""
        if self.kind != "json":
            return f"{self.name}, row {number}"
        return f"{self.name}, {'item' if self.is_array else 'line'} {number}"


@dataclass(frozen=True)
class Column:
    """A column as its file names it. `trouble`: what to say when somebody asks for it, where it cannot be read.
    `fields`: what is inside, where it is nested. `classes`: the names of its codes 0, 1, ..., where the file says
    them."""

    name: str
    trouble: InputError | None = None
    fields: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def shown(value: object, most: int = 40) -> str:
    """A value as an error quotes it: on one line, short."""
    text = repr(value)
    return text if len(text) <= most else text[:most - 3] + "..."


def one_line(error: Exception) -> str:
    """What another library says of a fault, for an error's brackets."""
    return " ".join(str(error).split())[:80] or type(error).__name__


def kind_of(name: str) -> str:
    """The kind of the file *name* by its ending; "" for one that is not read."""
    stem, _, ending = name.lower().rpartition(".")
    if ending == PACKED:
        stem, _, ending = stem.rpartition(".")
    return ENDINGS.get(ending, "") if stem else ""


def table_file(name: str, data: bytes) -> TableFile:
    """The file *name* with the bytes *data*. Raises InputError for a kind that is not read, too many bytes or none."""
    label = "".join(c if c.isprintable() else "?" for c in name)[-80:]
    kind = kind_of(label)
    if not kind:
        ending = label.lower().rpartition(".")[2] if "." in label else ""
        raise InputError(f"{label!r} is of a kind that is not read", EXPECTED,
                         REMEDIES.get(ending, "Save it as one of them."))
    if data[:2] == GZIP:
        data = _unpacked(label, data)
    if len(data) > LARGEST:
        raise InputError(f"{label} is larger than {LARGEST // 10**6} MB", f"at most {LARGEST // 10**6} MB",
                         "Keep fewer rows.")
    if not data.strip():
        raise InputError(f"{label} is empty", EXPECTED, "Give a file with rows.")
    return TableFile(label, kind, data)


def _unpacked(label: str, data: bytes) -> bytes:
    """The content of a gzip, a byte more than LARGEST at most."""
    try:
        with GzipFile(fileobj=io.BytesIO(data)) as packed:
            return packed.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{label} is a damaged gzip ({one_line(error)})", "a whole one", "Pack it anew.") from None


def open_table(path: Path) -> TableFile:
    """Read the file *path*. Raises InputError when it cannot be read, and as `table_file` does."""
    label = shown(str(path)[-80:], 90)
    try:
        if not path.expanduser().is_file():  # also of what is no file: a pipe or a device never ends
            raise InputError(f"There is no file {label}", EXPECTED, "Correct the path.")
        if not kind_of(path.name):
            return table_file(path.name, b"")  # which refuses, unread
        with path.expanduser().open("rb") as stream:
            return table_file(path.name, stream.read(LARGEST + 1))
    except (OSError, RuntimeError) as error:
        raise InputError(f"{label} cannot be read ({getattr(error, 'strerror', error)})", EXPECTED,
                         "Correct the path.") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{label} is no path", EXPECTED, "Correct the path.") from None  # a zero byte in it


def lines_of(file: TableFile, newline: str) -> Iterator[str]:
    """The lines of a text file, decoded as they are asked for: a preview reads no further than it shows."""
    try:
        yield from io.TextIOWrapper(io.BytesIO(file.data), encoding="utf-8-sig", newline=newline)
    except UnicodeDecodeError:
        raise not_utf8(file) from None


def not_utf8(file: TableFile) -> InputError:
    """The error for a text file in another encoding, by the line where that shows."""
    line = file.data.count(b"\n") + 1
    try:
        file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.data[:error.start].count(b"\n") + 1
    return InputError(f"{file.name}, line {line} of the file, is not UTF-8 text", "UTF-8", "Save it as UTF-8.")


def unnamed(file: TableFile, number: int, name: str) -> InputError | None:
    """The error for a column whose name nobody can choose; None for a good *name*."""
    if name and len(name) <= 200 and name.isprintable():
        return None
    return InputError(f"{file.name}: column {number} is named {shown(name)}", "1 to 200 printable characters",
                      "Name the columns in the first row." if file.kind in ("csv", "tsv") else "Rename it.")
