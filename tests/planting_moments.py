"""Moments of a run that goes on, planted in its folder as a run writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from core.runs import arrays as enc
from core.runs.partial import FOLDER, Taken
from core.runs.records import Snapshot

NAMES = ["bert.encoder.layer.0.attention.output.dense", "bert.encoder.layer.1.output.dense"]
STEPS = {0: 0.61, 36: 0.6, 107: 0.32}  # |W - Z| / |W| by step


def weights_at(k: int, name: str, shape: tuple[int, int] = (64, 64)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, U and the 2:4 mask of a planted moment; U tips no weight over the line."""
    rng = np.random.default_rng([k, NAMES.index(name)])
    w = rng.normal(size=shape).astype(np.float32)
    order = np.argsort(-np.abs(w).reshape(-1, 4), axis=1)
    mask = np.zeros(w.size, np.uint8).reshape(-1, 4)
    np.put_along_axis(mask, order[:, :2], 1, axis=1)
    return w, w / 10, mask.reshape(shape)


def plant_moments(folder: Path, told: bool = True, names: list[str] = NAMES) -> None:
    """Three moments of ADMM. *told*: each file says which one it is, as runs of an older version did not."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for k, (step, primal) in enumerate(STEPS.items()):
        out = {}
        for name in names:
            w, u, mask = weights_at(k, name)
            out[f"snapshot/{k}/mask/{name}"] = enc.pack_mask(mask)
            for what, values in (("w", w), ("u", u)):
                key = f"snapshot/{k}/{what}/{name}"
                out[key], out[f"{key}.scale"] = enc.encode_rows(values)
        said = Taken(snapshot=Snapshot(k=k, step=step, rho=0.1, primal=primal), of=250, place=k + 1, moments=8)
        save_file(out, folder / FOLDER / f"{k}.safetensors", metadata=said.said() if told else None)
