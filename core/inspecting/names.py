"""What a tensor's name says of its place in a model, and which attention matrices have heads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LAYER = re.compile(r"(?:^|\.)\d+\.")  # a number as a part of the name: encoder.layer.3.attention..., h.0.attn...
EMBEDDING = re.compile(r"embed|(?:^|\.)(?:wte|wpe|shared)\.|relative_attention_bias")
ROWS = re.compile(r"\.(?:query|key|value|[qkv]_(?:proj|lin))$|SelfAttention\.[qkv]$")
COLUMNS = re.compile(r"attention\.output\.dense$|\.(?:o_proj|out_proj|out_lin)$|SelfAttention\.o$")
SHARED = re.compile(r"\.(?:key|value|[kv]_proj)$")  # of which there may be fewer heads


def matrix_name(tensor: str) -> str:
    """The name of a matrix: as in the state dict, without `.weight`."""
    return tensor.removesuffix(".weight")


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which layer 2 comes before layer 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]{1,9})", name)]


def place_of(tensor: str) -> str:
    """"layers" for what is repeated layer by layer, else "embeddings" or "head"."""
    if EMBEDDING.search(tensor):
        return "embeddings"
    return "layers" if LAYER.search(tensor) else "head"


def heads_of(matrix: str, shape: tuple[int, ...], config: Mapping[str, Any]) -> tuple[int, int] | None:
    """(heads, the dimension they lie along: 0 rows, 1 columns) of an attention *matrix*, as config.json counts them.

    None for any other matrix, without a count, or when the count does not divide the matrix.
    """
    axis = 0 if ROWS.search(matrix) else 1 if COLUMNS.search(matrix) else None
    count = config.get("num_key_value_heads") if SHARED.search(matrix) else None
    count = config.get("num_attention_heads") if count is None else count
    if axis is None or type(count) is not int or not 0 < count <= shape[axis] or shape[axis] % count:
        return None
    return count, axis
