"""What BESA learned and how DPP's draws became certain, drawn from planted arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import InputError
from core.runs.names import layer_of, part_of
from core.runs.store import Run, Store
from core.views.drawing.view import View
from core.views.mechanisms import pictures
from tests import makers
from tests.opening import open_page

LOOKS = 5


def told(root: Path, method: str, plant: Any, rows: list[dict[str, Any]] | None = None, **fields: Any) -> Run:
    """A run of *method* that keeps what *plant* makes of its record under method/."""
    made = makers.make_run(root / "cached_runs", method=method, **fields)
    store = Store(recorded=root / "cached_runs", live=root / "runs")
    file = root / "cached_runs" / made / "arrays.safetensors"
    more = plant(store.open(made).record)
    save_file(load_file(file) | {f"method/{key}": np.asarray(value) for key, value in more.items()}, file)
    if rows is not None:
        (file.parent / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return store.open(made)


def shares(record: Any) -> dict[str, Any]:
    """Half of every row, but: of the keys of layer 2 a quarter, of its values three quarters. Errors fall by a fifth in
    layer 1 and by two fifths in layer 2, in one step."""
    out: dict[str, Any] = {}
    for m in record.matrices:
        part = {"key": 0.25, "value": 0.75}.get(part_of(m.name), 0.5) if layer_of(m.name) == 2 else 0.5
        out[f"rows/{m.name}"] = np.full(m.shape[0], round(part * m.shape[1]), np.uint16)
    for number, left in ((1, 0.8), (2, 0.6)):
        out[f"uniform/{number}"] = np.array([0.1, 0.3, 0.1, 0.3], np.float32)
        out[f"error/{number}"] = np.array([0.1, 0.3 * left, 0.1 * left, 0.3 * left], np.float32)
        out[f"alpha/{number}"] = np.full((4, 6), 0.5, np.float32)
    out["whole"] = np.array([[0.2, 0.16], [0.4, 0.24]], np.float32)
    return out


def draws(record: Any) -> dict[str, Any]:
    """Two tiles a matrix at five looks: one certain all along, one that starts open and is certain from look 3 on; in
    the first matrix it stays open."""
    out: dict[str, Any] = {"steps": np.arange(0, 50, 10, dtype=np.int32), "scores": np.array([0.5, 0.75], np.float32)}
    for number, m in enumerate(record.matrices):
        counts = np.zeros((LOOKS, 2, 4), np.uint8)
        counts[:, 0] = [64, 64, 0, 0]
        counts[:, 1] = [32, 32, 32, 32]
        if number:
            counts[3:, 1] = [0, 64, 64, 0]
        out[f"kept/{m.name}"] = counts
        out[f"logits/{m.name}"] = counts.astype(np.float16)
    return out


TRACE = [{"step": 10 * i, "epoch": i / 10, "phase": "drawing", "diversity": 0.25 - 0.05 * i} for i in range(LOOKS)]


def data_of(view: View) -> list[dict[str, Any]]:
    assert view.figure is not None
    return [trace.to_plotly_json() for trace in view.figure.data]


def test_the_shares_stand_where_they_were_planted(tmp_path: Path) -> None:
    view, _ = pictures(told(tmp_path, "besa", shares))
    claim = view.claim.replace("\u202f", " ")
    assert view.heading == "The learned shares lie up to 50.0 points apart."
    assert "value of layer 2 learned to spare most, 75 %, and key of layer 2 least, 25 %, 50.0 points apart" in claim
    assert claim in view.alt.replace("\u202f", " ")
    dots = [part for part in data_of(view) if part["mode"] == "markers"]
    half = [0.5, 0.5]
    assert [list(part["x"]) for part in dots] == [half, [0.5, 0.25], [0.5, 0.75], half, half, half]
    assert {tuple(part["y"]) for part in dots} == {(1, 2)}
    assert {part["name"] for part in data_of(view) if part.get("showlegend")} == {
        "its rows, 5 to 95 %", "matrix", "uniform share"}
    layout = view.figure.layout.to_plotly_json()
    ranges = {tuple(layout[axis]["range"]) for axis in layout if axis.startswith("xaxis")}
    assert ranges == {(0.25, 0.75)} and {s["x0"] for s in layout["shapes"]} == {0.5}
    assert view.table["learned"].tolist().count(0.75) == 1


def test_the_errors_are_those_of_the_same_text_with_the_uniform_share(tmp_path: Path) -> None:
    _, view = pictures(told(tmp_path, "besa", shares))
    lines = [part for part in data_of(view) if part["mode"] == "lines"]
    # Running means: of the step's own texts, weighed as they come.
    assert list(lines[0]["y"]) == pytest.approx([1.0, 0.34 / 0.4, 0.42 / 0.5, 0.66 / 0.8])
    ends = [part["y"][0] for part in data_of(view) if part["mode"] == "markers"]
    assert ends == pytest.approx([0.8, 0.6])
    assert view.heading.replace("\u202f", " ") == "The layers' outputs are off by 30 % less."
    assert "from 30 % of their size to 20 %" in view.claim.replace("\u202f", " ")


def test_tiles_that_were_open_are_drawn_and_counted(tmp_path: Path) -> None:
    view, _ = pictures(told(tmp_path, "dpp", draws, TRACE))
    heat, = data_of(view)
    z = np.asarray(heat["z"])
    # 12 matrices, and the open tile of each: 12 of 4 rows with a gap between two.
    assert z.shape == (12 * 5 - 1, LOOKS) and (heat["zmin"], heat["zmax"]) == (0, 1)
    assert np.isnan(z[4::5]).all() and not np.isnan(np.delete(z, np.s_[4::5], axis=0)).any()
    assert (z[:4] == 0.5).all() and z[5:9, -1].tolist() == [0.0, 1.0, 1.0, 0.0]
    assert view.heading == "11 of 12 open tiles have become certain."
    assert "0 drew the same weights every time at first, and 11 in the end" in view.claim
    assert "12 tiles of 4 weights over 5 looks" in view.alt


def test_the_diversity_ends_where_it_was_planted_and_the_scores_are_said(tmp_path: Path) -> None:
    run = told(tmp_path, "dpp", draws, TRACE)
    _, view = pictures(run)
    line, pure = data_of(view)
    assert list(line["y"]) == pytest.approx([0.25, 0.2, 0.15, 0.1, 0.05]) and list(pure["y"]) == [0.5, 0.5]
    assert tuple(view.figure.layout.yaxis.range) == pytest.approx((0, 0.54))
    claim = view.claim.replace("\u202f", " ")
    assert "differ in 25 % of what they keep, two drawn at the end in 5 %; pure chance would be 50 %" in claim
    assert "2 drawn ones 0.500 to 0.750" in claim


def test_a_pattern_without_tiles_says_so(tmp_path: Path) -> None:
    view, = pictures(told(tmp_path, "dpp", lambda record: {"scores": np.ones(2, np.float32)}, TRACE))
    assert view.figure is None and "no tiles" in view.claim


@pytest.mark.parametrize(("method", "plant", "key", "wrong"), [
    ("besa", shares, "whole", np.array([[0.1, np.nan]], np.float32)), ("besa", shares, "whole", np.ones(2, np.float32)),
    ("besa", shares, "error/2", np.ones(3, np.float32)), ("dpp", draws, "steps", np.arange(4)),
    ("dpp", draws, "steps", np.zeros(0, np.int32))])
def test_damaged_arrays_are_refused(tmp_path: Path, method: str, plant: Any, key: str, wrong: Any) -> None:
    with pytest.raises(InputError, match="Make the run again"):
        pictures(told(tmp_path, method, lambda record: plant(record) | {key: wrong}, TRACE))


def test_rows_that_count_more_than_they_hold_are_refused(tmp_path: Path) -> None:
    def plant(record: Any) -> dict[str, Any]:
        first = record.matrices[0]
        return shares(record) | {f"rows/{first.name}": np.full(first.shape[0], first.shape[1] + 1, np.uint16)}

    with pytest.raises(InputError, match="do not fit its shape"):
        pictures(told(tmp_path, "besa", plant))


def test_the_page_shows_both_pictures_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = told(tmp_path, "dpp", draws, TRACE)
    at = open_page(monkeypatch, Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs"), "trace",
                   run=run.record.id)
    assert not at.exception and not at.error
    assert [s.value for s in at.header][:2] == ["11 of 12 open tiles have become certain.",
                                                   "Two drawn masks end up 5\u202f% apart."]
