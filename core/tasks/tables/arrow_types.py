"""Columns of Arrow's types, out of parquet or out of a saved data set: which can be read, what codes are called, cells.

pyarrow is imported inside the functions: a table of another kind is read without it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from core.errors import InputError
from core.tasks.tables.files import Column, TableFile, shown, unnamed

COLUMNS = 10_000  # of a file: its schema is read whole
NAMES = 10_000  # of classes


def columns_of_schema(file: TableFile, schema: Any) -> list[Column]:
    """The columns of an Arrow *schema*: texts, numbers and booleans can be read, others say what they hold. Raises
    InputError when there are too many."""
    if len(schema) > COLUMNS:
        raise InputError(f"{file.name} has {len(schema)} columns", f"at most {COLUMNS}", "Keep fewer of them.")
    classes = class_names(schema)
    return [_named_column(file, k, column, classes) for k, column in enumerate(schema, 1)]


def _named_column(file: TableFile, place: int, column: Any, classes: dict[str, tuple[str, ...]]) -> Column:
    try:
        return _column(file, place, column, classes)
    except UnicodeDecodeError:
        what = f"{file.name}: the name of column {place}, or one inside it, is not UTF-8"
        return Column(f"column {place}", InputError(what, "a name in UTF-8", "Rename it."))


def _column(file: TableFile, place: int, column: Any, classes: dict[str, tuple[str, ...]]) -> Column:
    import pyarrow as pa

    kind = _plain(column.type)
    if texts(kind) or any(fits(kind) for fits in (pa.types.is_integer, pa.types.is_boolean, pa.types.is_floating)):
        codes = classes.get(column.name, ()) if pa.types.is_integer(column.type) else ()
        return Column(column.name, unnamed(file, place, column.name), classes=codes)
    fields = tuple(kind.field(k).name for k in range(kind.num_fields)) if pa.types.is_struct(kind) else ()
    what, remedy = _said(kind, fields)
    return Column(column.name, InputError(f"{file.name}: column {shown(column.name)} holds {what}",
                                          "a column of texts or numbers", remedy), fields)


def _plain(kind: Any) -> Any:
    """The type of the values of a dictionary, a type as it is otherwise."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def texts(kind: Any) -> bool:
    """Whether a type is one of the texts."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _said(kind: Any, fields: tuple[str, ...]) -> tuple[str, str]:
    """What a type that is not read holds, in words, and what to do about it."""
    import pyarrow as pa

    t = pa.types
    known: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("lists", "Choose another column, or write one value a row.",
         (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view)),
        ("key-value maps", "Write what is inside as columns of their own.", (t.is_map,)),
        ("bytes", "Write them as text in UTF-8.",
         (t.is_binary, t.is_large_binary, t.is_fixed_size_binary, t.is_binary_view)),
        (f"decimals ({kind})", "Write them as texts, whole numbers or floats.", (t.is_decimal,)),
        (f"times ({kind})", "Write them as texts.", (t.is_temporal,)),
        ("nothing", "Choose another column.", (t.is_null,)))
    if fields:
        return f"structs with {shown(', '.join(fields))}", "Write what is inside as columns of their own."
    return next(((words, remedy) for words, remedy, tests in known if any(test(kind) for test in tests)),
                (f"values of the type {shown(str(kind))}", "Write them as texts or numbers."))


def class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """By column, what its codes 0, 1, ... are called (ClassLabel), as Hugging Face datasets write it into the schema
    of their files. What is not written in that form names nothing."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {name: feature["names"] for name, feature in features.items()
                 if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return {}
    return {name: tuple(names) for name, names in found.items()
            if isinstance(names, list) and 0 < len(names) <= NAMES and all(isinstance(n, str) for n in names)}


def cells(array: Any, letters: int) -> list[Any]:
    """The values of an *array*; of texts no more than *letters* characters. Repeated texts of a dictionary are cut, and
    spelled out, once: a small file may say a long text very often."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.DictionaryArray):
        there = array.indices.is_valid().to_numpy(zero_copy_only=False)
        used, places = np.unique(array.indices.drop_null().to_numpy(zero_copy_only=False), return_inverse=True)
        known = cells(array.dictionary.take(pa.array(used)), letters)
        named = iter(places.tolist())
        return [known[next(named)] if is_there else None for is_there in there.tolist()]
    if texts(array.type):
        array = pc.utf8_slice_codeunits(array, 0, letters)
    found: list[Any] = array.to_pylist()
    return found
