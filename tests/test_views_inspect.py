"""The pictures of an inspected checkpoint: data, range, words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.inspecting.looking import inspect
from core.inspecting.report import Report
from core.sparsity.patterns import parse_pattern
from core.views.patterns import inspected as views
from tests.checkpoints import LAYER, QUERY, nm, noise, scattered, write

KEY = "attention.self.key"


@pytest.fixture
def report(tmp_path: Path) -> Report:
    broken = nm(2, 4)
    broken[17, 20:24] = 1
    tensors = {LAYER.format(0, QUERY): nm(2, 4), LAYER.format(0, KEY): noise(), LAYER.format(1, QUERY): broken,
               LAYER.format(1, KEY): nm(1, 4), "classifier.weight": noise(2, 64)}
    return inspect(write(tmp_path, tensors, {"num_attention_heads": 4}))


def test_the_squares_hold_the_share_of_zeros_at_a_fixed_range(report: Report) -> None:
    chosen = LAYER.format(1, KEY).removesuffix(".weight")
    view = views.overview(report, chosen)
    assert view.figure is not None
    grid = view.figure.data[0]
    assert (grid.zmin, grid.zmax) == (0, 1) and grid.colorbar.title.text == "zeros"
    np.testing.assert_allclose(grid.z, [[0.5, 0.0], [0.5 - 2 / 4096, 0.75]], atol=1e-6)  # query, then key
    assert list(view.figure.data[1].text) == ["50\u202f%", "0\u202f%", "50\u202f%", "75\u202f%"]
    shape = view.figure.layout.shapes[0]
    assert (shape.x0 < 1 < shape.x1, shape.y0 < 1 < shape.y1) == (True, True)
    assert "4 squares" in view.alt and "From 0\u202f% zeros" in view.alt
    assert len(view.figure.to_json()) < 500_000


def test_names_without_layers_flow_in_rows(tmp_path: Path) -> None:
    report = inspect(write(tmp_path, {f"m<b>{k:02}.weight": scattered(k / 40, 8, 8) for k in range(30)}))
    view = views.overview(report)
    assert view.figure is not None and np.shape(view.figure.data[0].z) == (3, 12)
    assert int(np.isfinite(view.figure.data[0].z).sum()) == 30
    assert "<b>" not in str(view.figure.data[0].text)


def test_the_certificate_counts_what_was_planted(report: Report) -> None:
    def of(k: int, part: str) -> tuple[str, dict[str, str]]:
        view = views.certificate(report, LAYER.format(k, part).removesuffix(".weight"))
        return view.claim, dict(view.table.itertuples(index=False))

    claim, facts = of(0, QUERY)
    assert claim == "Layer 1 · query obeys 2:4: 1\u202f024 groups, none holds more than 2."
    assert facts["most kept in 4 consecutive inputs"] == "2" and facts["attention heads wholly zero"] == "0 of 4"
    assert facts["zeros"] == "2\u202f048 of 4\u202f096" and facts["pattern along the outputs"] == "none"
    assert of(1, QUERY)[0] == "Layer 2 · query nearly obeys 2:4: 1 violation in 1\u202f024 groups."
    assert of(0, KEY)[0] == "Layer 1 · key is dense: 0\u202f% zeros."
    assert [line.partition(": ")[2] for line in views.violations(
        report, LAYER.format(1, QUERY).removesuffix(".weight"))] == ["row 17, inputs 20..23 keep 4, allowed 2"]
    with pytest.raises(InputError, match="Unknown matrix"):
        views.certificate(report, "gone")


def test_the_table_and_the_numbers(report: Report, tmp_path: Path) -> None:
    table = views.table(report)
    assert list(table["pattern"]) == ["2:4", "dense", "2:4", "1:4", "dense"]
    size = sum(w.size for w in (noise(), nm(2, 4), nm(1, 4), noise())) * 4 / 1e3
    assert [n.value for n in views.numbers(report)] == ["43.7\u202f%", f"{size:.1f} kB"]
    judged = views.table(inspect(tmp_path, pattern=parse_pattern("2:4")))
    assert list(judged["breaks 2:4"].fillna(-1)) == [0, 1024, 1, 0, -1]


def test_a_file_without_matrices_is_said(tmp_path: Path) -> None:
    view = views.overview(inspect(write(tmp_path, {"bias": np.ones(3, np.float32)})))
    assert view.figure is None and "nothing to judge" in view.claim


def test_how_a_matrix_is_stored_stands_in_the_table_and_in_its_certificate(tmp_path: Path) -> None:
    report = inspect(write(tmp_path, {"layers.0.mlp.experts.down_proj": np.stack([nm(2, 4), nm(1, 4)]),
                                      "layers.0.fc.weight_orig": noise(), "layers.0.fc.weight_mask": nm(2, 4) != 0}))
    table = views.table(report)
    assert dict(zip(table["matrix"], table["stored as"], strict=True)) == {
        "layers.0.fc": "weight x mask", "layers.0.mlp.experts.down_proj[0]": "one of a stack",
        "layers.0.mlp.experts.down_proj[1]": "one of a stack"}
    facts = dict(views.certificate(report, "layers.0.fc").table.itertuples(index=False))
    assert facts["stored as"] == "weight x mask"
    assert [list(row) for row in views.others(report).to_numpy()] == [["masks", 1, 0, "4.1 kB"]]


def test_long_names_of_columns_are_told_by_their_ends(tmp_path: Path) -> None:
    parts = ["mlp.experts_of_all.down_proj", "mlp.experts_of_all.up_proj", "self_attn.qkv_proj",
             "first_of_two_long_names.same", "second_of_two_long_names.same"]
    report = inspect(write(tmp_path, {f"layers.{k}.{part}.weight": noise(4, 4) for k in (0, 1) for part in parts}))
    view = views.overview(report)
    assert view.figure is not None
    assert sorted(view.figure.layout.xaxis.ticktext) == sorted([
        "down_proj", "up_proj", "query, key and value", "…two_long_names.same", "…two_long_names.same"])
