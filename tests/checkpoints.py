"""Checkpoints written by hand for the tests of the inspector: planted weights, and files that are not what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "int8": "I8", "uint8": "U8", "int16": "I16",
         "int32": "I32", "int64": "I64", "bool": "BOOL", "uint16": "BF16"}
LAYER = "bert.encoder.layer.{}.{}.weight"
QUERY = "attention.self.query"


def file_bytes(tensors: Mapping[str, np.ndarray], types: Mapping[str, str] | None = None) -> bytes:
    """A .safetensors file, put together byte by byte; uint16 arrays are written as BF16, *types* says otherwise."""
    header: dict[str, Any] = {}
    body = b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        dtype = (types or {}).get(name, CODES[array.dtype.name])
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    return with_header(header, body)


def with_header(header: Any, body: bytes = b"") -> bytes:
    """A file with any header at all (text as it is, else as JSON)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def write(folder: Path, tensors: Mapping[str, np.ndarray], config: Any = None) -> Path:
    """A Hugging Face folder with these tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(file_bytes(tensors))
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def noise(rows: int = 64, columns: int = 64, seed: int = 0) -> np.ndarray:
    """Weights without a zero, float32."""
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return np.where(values == 0, np.float32(1), values)


def nm(n: int, m: int, rows: int = 64, columns: int = 64, seed: int = 0) -> np.ndarray:
    """Weights of which, group by group in a loop, *n* of *m* at random stay."""
    out, chance = noise(rows, columns, seed), np.random.default_rng(seed + 1)
    for row in range(rows):
        for start in range(0, columns, m):
            out[row, start + chance.permutation(m)[n:]] = 0
    return out


def scattered(sparsity: float, rows: int = 64, columns: int = 64, seed: int = 0) -> np.ndarray:
    """Weights with zeros anywhere."""
    gone = np.random.default_rng(seed + 2).random((rows, columns)) < sparsity
    return np.where(gone, np.float32(0), noise(rows, columns, seed))
