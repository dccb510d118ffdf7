"""What only one method does, drawn: from planted looks, and for every method that has a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import InputError
from core.methods import METHODS
from core.runs.store import Run, Store, write_header
from core.views.mechanisms import PICTURES, heaps, pictures
from core.views.scores import trace_curves
from tests import makers


def told(tmp_path: Path, method: str, arrays: dict[str, Any]) -> Run:
    """A run of *method* with *arrays* among what it keeps under method/."""
    made = makers.make_run(tmp_path / "cached_runs", method=method)
    file = tmp_path / "cached_runs" / made / "arrays.safetensors"
    save_file(load_file(file) | {f"method/{k}": np.asarray(v) for k, v in arrays.items()}, file)
    return Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs").open(made)


def looks() -> tuple[list[int], np.ndarray]:
    """40 groups at the threshold; after 10 steps 12 of them are at 0.05 of it, after 20 they are gone."""
    counts = np.zeros((3, heaps.BINS + 2), np.uint32)

    def column(size: float) -> int:
        return 1 + int((math.log10(size) - heaps.LOW) * heaps.BINS / (heaps.HIGH - heaps.LOW))

    counts[0, column(1.0)] = 40
    counts[1, column(1.0)], counts[1, column(0.05)] = 28, 12
    counts[2, column(1.0)], counts[2, 0] = 28, 12
    return [0, 10, 20], counts


def test_every_picture_belongs_to_a_method_and_every_file_of_the_room_to_a_picture() -> None:
    assert set(PICTURES) <= set(METHODS)
    room = Path(heaps.__file__).parent
    assert {path.stem for path in room.glob("*.py")} - {"__init__"} == {p.partition(":")[0] for p in PICTURES.values()}


def test_the_two_heaps_are_drawn_where_they_were_planted(tmp_path: Path) -> None:
    steps, counts = looks()
    view, = pictures(told(tmp_path, "group-lasso", {"steps": np.array(steps, np.int32), "heaps": counts}))
    assert view.heading.replace("\u202f", " ") == "The penalty brought 30 % of the groups near zero."
    claim = view.claim.replace("\u202f", " ")
    assert "after 20 steps, 30 % of the groups" in claim and "in the dense model it was 0 %" in claim
    assert "The pattern cuts 50 %." in claim and "40 groups at 3 looks" in view.alt
    drawn = json.loads(view.figure.to_json())["data"][0]
    assert drawn["zmin"] == 0 and drawn["zmax"] == heaps.FULL and drawn["x"]["bdata"]
    assert view.table["under a tenth of the threshold"].tolist() == pytest.approx([0.0, 0.3, 0.3])
    assert view.table["no norm left"].tolist() == pytest.approx([0.0, 0.0, 0.3])
    assert view.table["groups"].tolist() == [40, 40, 40]


@pytest.mark.parametrize("wrong", [
    {"steps": np.arange(2, dtype=np.int32)}, {"heaps": np.ones((3, 5), np.uint32)},
    {"heaps": np.zeros((3, heaps.BINS + 2), np.uint32)}])
def test_looks_that_do_not_fit_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    steps, counts = looks()
    run = told(tmp_path, "group-lasso", {"steps": np.array(steps, np.int32), "heaps": counts} | wrong)
    with pytest.raises(InputError, match="do not fit together"):
        pictures(run)


def test_a_run_that_kept_nothing_of_it_has_no_picture(tmp_path: Path) -> None:
    assert pictures(told(tmp_path, "group-lasso", {})) == []
    assert pictures(told(tmp_path / "other", "asp", {"steps": np.arange(3)})) == []


def test_the_trace_says_when_a_mask_was_fixed_that_was_not_so_from_the_start(tmp_path: Path) -> None:
    run = told(tmp_path, "group-lasso", {})
    for rows, words in (
            ([{"step": 10, "phase": "penalty", "loss": 1.0}, {"step": 30, "phase": "refine", "loss": 0.5}],
             "fixed after 10 steps"), ([{"step": 10, "phase": "refine", "loss": 1.0}], "fixed from the start")):
        (run.path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert words in trace_curves.timeline(Run(run.record, run.path, True)).claim


def corrected(tmp_path: Path, rank: int = 3, change: dict[str, np.ndarray] | None = None) -> Run:
    """A run at rank *rank*: every direction of a matrix of layer 1 leaves half of the one before it, beginning with
    0.1, those of layer 2 all as much, 0.001."""
    run = told(tmp_path, "admm-lowrank", {})
    for m in run.record.matrices:
        m.rank = rank
    write_header(run.path, run.record)
    halves, level = 0.1 * 0.5 ** np.arange(64), np.full(64, 0.001)
    arrays = {f"method/squares/{m.name}": (halves if ".layer.0." in m.name else level).astype(np.float32)
              for m in run.record.matrices}
    save_file(load_file(run.path / "arrays.safetensors") | arrays | (change or {}), run.path / "arrays.safetensors")
    return Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs").open(run.record.id)


def test_the_directions_that_a_correction_takes_back_are_coloured_and_add_up(tmp_path: Path) -> None:
    one, layers = pictures(corrected(tmp_path))
    taken, left = json.loads(one.figure.to_json())["data"]
    assert taken["x"] == [1, 2, 3] and left["x"] == list(range(4, 33))
    assert taken["y"] + left["y"] == pytest.approx([0.5**k for k in range(1, 33)])
    assert taken["marker"]["color"] == METHODS["admm-lowrank"].colour != left["marker"]["color"]
    # 1/2 + 1/4 + 1/8 of the error of 0.2, most of it in the first of the bars.
    assert one.heading.replace("\u202f", " ") == "3 of 64 directions hold 87.5 % of the error."
    claim = one.claim.replace("\u202f", " ")
    assert "off by 20 % of its layer's output" in claim and "and leaves 2.5 %" in claim and "layer 1" in claim
    assert one.table["taken back"].sum() == 3 and one.table["share of the output"].sum() == pytest.approx(0.2)
    # Layer 1: 0.2 and 0.025; layer 2: 64 and 61 directions of 0.001. 0.132 and 0.043 on average.
    _, alone, together = json.loads(layers.figure.to_json())["data"]
    assert alone["y"] == pytest.approx([0.2, 0.064], rel=1e-5)
    assert together["y"] == pytest.approx([0.025, 0.061], rel=1e-5)
    assert layers.heading.replace("\u202f", " ") == "All corrections take back 67.4 %."
    assert "layer 2: 6.4 % and 6.1 %" in layers.alt.replace("\u202f", " ")


@pytest.mark.parametrize("wrong", ["short", "negative", "rank 0", "rank 65"])
def test_a_correction_that_does_not_fit_its_matrix_is_refused(tmp_path: Path, wrong: str) -> None:
    rank = int(wrong.split()[1]) if "rank" in wrong else 3
    name = "method/squares/bert.encoder.layer.1.attention.self.key"
    values = np.ones(63, np.float32) if wrong == "short" else np.full(64, -1 if wrong == "negative" else 1, np.float32)
    with pytest.raises(InputError, match="does not fit its shape"):
        pictures(corrected(tmp_path, rank, {name: values}))
