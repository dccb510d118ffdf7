"""A shrinking transformer, drawn from planted looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.runs.records import Units
from core.runs.store import Run
from core.views.mechanisms import pictures
from tests.test_views_learned import data_of, told


def looks(record: Any) -> dict[str, Any]:
    """Two layers of 4 heads and 256 neurons at nine looks. All thresholds fall from 2 to 0 by look 4, and then those of
    layer 2 rise by 1 and those of layer 1 fall by 1."""
    t = np.array([[2 - min(i, 4) / 2 + side * max(i - 4, 0) / 4 for side in (-1, 1)] for i in range(9)])
    shares = 1 / (1 + np.exp(-t))
    return {"steps": np.arange(0, 90, 10, dtype=np.int32), "target": np.array([0.5], np.float32),
            "threshold/head": t.astype(np.float32), "threshold/neuron": t.astype(np.float32),
            "left/head": np.ceil(shares * 4).astype(np.uint32), "left/neuron": np.ceil(shares * 256).astype(np.uint32)}


def run_of(root: Path, plant: Any = looks, units: Units | None = None, **fields: Any) -> Run:
    return told(root, "mlpruning", plant, pattern="2:4", **fields,
                units=units or Units(heads=[1, 3], neurons=[60, 196], other_weights=100))


def test_every_bar_is_as_wide_as_what_is_left_of_its_layer(tmp_path: Path) -> None:
    view, _ = pictures(run_of(tmp_path))
    gone, heads, neurons = data_of(view)
    # Five looks and the end, two layers, two bars in each.
    assert len(heads["x"]) == len(neurons["x"]) == 12 and list(gone["x"]) == [1.0] * 24
    assert list(heads["x"])[:2] == [1.0, 1.0]  # ceil(0.88 * 4) of 4
    assert list(heads["x"])[-2:] == [0.25, 0.75] and list(neurons["x"])[-2:] == pytest.approx([60 / 256, 196 / 256])
    for bar in (heads, neurons):  # in the middle of its drawing
        for x, base, at in zip(bar["x"], bar["base"], np.repeat(np.arange(6), 2), strict=True):
            assert base + x / 2 == pytest.approx(at * 1.22 + 0.5)
    # A full bar's area is its share of the layer's weights: 4 of 12 parts in the attention.
    assert heads["width"][0] * 2 == pytest.approx(neurons["width"][0])
    assert view.heading == "Layer 2 keeps 196 of 256 neurons, layer 1 only 60."
    assert "1 to 3 of 4 heads and with 60 to 196 of 256 neurons" in view.claim
    assert "drawn at 6 moments" in view.alt and "from the first, 60, 196." in view.alt
    assert view.table["left"].tolist()[-4:] == [1, 3, 60, 196]


def test_the_thresholds_go_down_together_and_part(tmp_path: Path) -> None:
    _, view = pictures(run_of(tmp_path))
    *lines, target = data_of(view)
    assert len(lines) == 4 and list(target["y"]) == [0.5, 0.5] and tuple(view.figure.layout.yaxis.range) == (0, 1)
    ends = [line["y"][-1] for line in lines]
    assert ends == pytest.approx([0.2689, 0.7311, 0.2689, 0.7311], abs=1e-4)
    claim = view.claim.replace("\u202f", " ")
    assert claim.startswith("From 88.1 % at first") and "the heads of layer 2 stay by 73.1 %" in claim
    assert "4 lines over 9 looks" in view.alt


def test_heads_alone_make_a_drawing_of_heads(tmp_path: Path) -> None:
    def plant(record: Any) -> dict[str, Any]:
        return {k: v for k, v in looks(record).items() if "neuron" not in k}

    view, lines = pictures(run_of(tmp_path, plant, Units(heads=[2, 2], neurons=[256, 256], other_weights=100)))
    assert [part["name"] for part in data_of(view)] == ["gone", "attention: heads left"]
    assert view.heading == "Every layer keeps 2 of 4 heads." and len(data_of(lines)) == 3


def with_blocks(record: Any) -> dict[str, Any]:
    """Of the first matrix a quarter of the blocks stays in the end, of the last three quarters, of the others half."""
    t = np.zeros((3, len(record.matrices)), np.float32)
    t[0], t[2, 0], t[2, -1] = 2, -np.log(3), np.log(3)
    return looks(record) | {"blocks/steps": np.array([90, 100, 110], np.int32), "blocks/threshold": t}


def test_blocks_of_a_second_step_have_a_picture_of_their_own(tmp_path: Path) -> None:
    *_, view = pictures(run_of(tmp_path, with_blocks, knobs={"blocks": 0.4}))
    *lines, target = data_of(view)
    assert len(lines) == 12 and list(target["y"]) == [0.6, 0.6]
    assert [lines[0]["y"][-1], lines[5]["y"][-1], lines[-1]["y"][-1]] == pytest.approx([0.25, 0.5, 0.75])
    assert view.heading.replace("\u202f", " ").endswith("between 25 % and 75 % of a matrix's blocks.")
    assert "12 lines over 3 looks" in view.alt
    with pytest.raises(InputError, match="Make the run again"):
        pictures(run_of(tmp_path / "other", lambda record: with_blocks(record) | {
            "blocks/threshold": np.zeros((3, 5), np.float32)}))


@pytest.mark.parametrize(("key", "wrong"), [
    ("left/head", np.full((9, 2), 5, np.uint32)), ("left/neuron", np.ones((8, 2), np.uint32)),
    ("threshold/head", np.full((9, 2), np.nan, np.float32)), ("steps", np.arange(4, dtype=np.int32))])
def test_damaged_looks_are_refused(tmp_path: Path, key: str, wrong: Any) -> None:
    with pytest.raises(InputError, match="Make the run again"):
        pictures(run_of(tmp_path, lambda record: looks(record) | {key: wrong}))
