"""Accuracy versus ratio: what is drawn where, and what counts as noise."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.runs.store import Store
from core.statistics.noise import noise, rule
from core.views.scores import curves
from core.views.scores.published import PUBLISHED
from tests import makers


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def drawn(view, name: str, mode: str = "markers") -> list:
    return [t for t in json.loads(view.figure.to_json())["data"] if t.get("name") == name and t["mode"] == mode]


def test_one_panel_a_task_and_model(shared_store: Store) -> None:
    assert curves.panels(shared_store.records()) == [("cola", "tiny"), ("agreement", "tiny")]


def test_every_run_is_a_point_at_its_measured_sparsity(shared_store: Store) -> None:
    view = curves.panel(shared_store.records(), "agreement", "tiny")
    points = drawn(view, "ADMM in training")[0]
    assert sorted(zip(points["x"], points["y"], strict=True)) == [(0.5, 0.882), (0.75, 0.8595)]
    assert len(view.table) == 8 and set(view.table["pattern"]) == {"2:4", "1:4"}
    assert all(row["difference"] == pytest.approx(row["score"] - row["dense"]) for _, row in view.table.iterrows())


def test_untrained_runs_are_open_marks_on_a_dotted_line(shared_store: Store) -> None:
    view = curves.panel(shared_store.records(), "agreement", "tiny")
    assert drawn(view, "ADMM, layer by layer, no training")[0]["marker"]["symbol"] == "circle-open"
    assert drawn(view, "ASP")[0]["marker"]["symbol"] == "circle"
    assert drawn(view, "ADMM, layer by layer, no training", "lines")[0]["line"]["dash"] == "dot"


def test_a_line_goes_through_the_mean_of_the_seeds(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    for seed, score, dense in ((0, 0.80, 0.90), (1, 0.84, 0.92)):
        makers.make_run(store.recorded, method="asp", seed=seed, scores={"final": score, "dense": dense})
    view = curves.panel(store.records(), "agreement", "tiny")
    assert drawn(view, "ASP", "lines")[0]["y"] == [pytest.approx(0.82)]
    assert drawn(view, "Dense", "lines")[0]["y"] == [pytest.approx(0.91)] * 2
    spread = [s for s in json.loads(view.figure.to_json())["layout"]["shapes"] if (s["y0"], s["y1"]) == (0.9, 0.92)]
    assert len(spread) == 1
    assert "2 seeds: dense lies between 0.900 and 0.920" in curves.small_print(store.records(), "agreement", "tiny")


def test_one_seed_is_said(shared_store: Store) -> None:
    words = curves.small_print(shared_store.records(), "cola", "tiny")
    assert "One seed (0)" in words and "n = 1\N{NARROW NO-BREAK SPACE}000 examples (validation)" in words
    assert "correlation" in words


def test_within_noise_is_said_where_it_is_so_and_not_elsewhere(tmp_path: Path) -> None:
    half = 2 * math.sqrt(0.9 * 0.1 / 1000)  # written out anew
    for name, final, said in (("a", 0.9 - half + 0.001, "cost nothing that can be told from noise"),
                              ("b", 0.9 - half - 0.001, "no run is within noise of dense")):
        store = Store(tmp_path / name, tmp_path / "none")
        store.recorded.mkdir()
        makers.make_run(store.recorded, method="asp", scores={"final": final, "dense": 0.9})
        view = curves.panel(store.records(), "agreement", "tiny")
        assert said in view.claim
        assert list(view.table["within noise of dense"]) == ["yes" if name == "a" else "no"]


def test_the_noise_of_an_accuracy_is_what_resampling_gives() -> None:
    p, n = 0.8, 400
    means = np.random.default_rng(0).binomial(n, p, 20_000) / n
    assert noise("accuracy", p, n) == pytest.approx(2 * means.std(), rel=0.03)
    assert "binomial" in rule("accuracy") and "correlation" in rule("matthews_correlation")


def test_the_noise_of_a_correlation_is_what_resampling_gives() -> None:
    r, n = 0.5, 300
    x, e = np.random.default_rng(1).normal(size=(2, 2000, n))
    y = r * x + np.sqrt(1 - r * r) * e
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    found = (x * y).sum(1) / np.sqrt((x * x).sum(1) * (y * y).sum(1))
    assert noise("matthews_correlation", r, n) == pytest.approx(2 * found.std(), rel=0.06)


def test_published_points_are_off_until_asked_for_and_marked_apart(shared_store: Store) -> None:
    records = shared_store.records()
    assert not drawn(curves.panel(records, "cola", "tiny"), "published, another model")
    view = curves.panel(records, "cola", "tiny", True)
    mark = drawn(view, "published, another model")[0]
    assert (mark["x"], mark["y"], mark["marker"]["symbol"]) == ([0.5], [0.554], "star-open")
    assert "published, another model" in list(view.table["pattern"])
    assert not drawn(curves.panel(records, "agreement", "tiny", True), "published, another model")


def test_every_published_point_names_model_and_source() -> None:
    assert all(p.model and p.source and 0 < p.sparsity < 1 and 0 < p.score < 1 for p in PUBLISHED)


def test_failed_runs_are_no_points(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp")
    makers.make_run(store.recorded, method="admm", status="failed")
    assert len(curves.points(store.records(), "agreement", "tiny")) == 1


def test_a_panel_is_light(shared_store: Store) -> None:
    assert len(curves.panel(shared_store.records(), "agreement", "tiny").figure.to_json()) < 60_000


def test_runs_scored_on_other_examples_are_left_out_and_counted(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp", scores={"final": 0.85})
    for seed in (1, 2):
        makers.make_run(store.recorded, method="asp", seed=seed, scores={"split": "held out of train", "final": 0.99})
    records = store.records()
    assert [p.score for p in curves.points(records, "agreement", "tiny")] == [0.85]
    words = curves.small_print(records, "agreement", "tiny")
    assert "2 runs scored on other examples are left out" in words and "(validation)" in words


def test_without_a_validation_score_the_other_split_is_shown_and_named(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp", scores={"split": "held out of train"})
    assert "(held out of train)" in curves.small_print(store.records(), "agreement", "tiny")


# -- over bits per weight ----------------------------------------------------------------------------------------


def test_bits_per_weight_are_what_a_compact_file_holds(shared_store: Store) -> None:
    """By hand: 2:4 keeps 2 of 4 values and writes 2 positions of 2 bits; 1:4 keeps 1 and writes 1."""
    by_hand = {"2:4": (2 * 32 + 2 * 2) / 4, "1:4": (1 * 32 + 1 * 2) / 4}
    view = curves.panel(shared_store.records(), "agreement", "tiny", False, "bits")
    table = view.table
    assert dict(zip(table["pattern"], table["bits per weight"], strict=True)) == by_hand == {"2:4": 17.0, "1:4": 8.5}
    marks = drawn(view, "ADMM in training")[0]
    assert sorted(zip(marks["x"], marks["y"], strict=True)) == [(8.5, 0.8595), (17.0, 0.882)]
    axis = json.loads(view.figure.to_json())["layout"]["xaxis"]
    assert axis["type"] == "log" and axis["range"][0] > math.log10(32) > math.log10(8.5) > axis["range"][1]
    dense = [t for t in drawn(view, "Dense") if t["x"] == [32]]
    assert len(dense) == 1 and dense[0]["y"] == [pytest.approx(0.9)]


def quantised(store: Store) -> list:
    """ASP at 2:4: float32, on 8 bits, on 4; and the whole model on 8 bits with nothing pruned."""
    makers.make_run(store.recorded, method="asp", scores={"final": 0.85})
    makers.make_run(store.recorded, method="asp", bits=8, scores={"final": 0.895})
    makers.make_run(store.recorded, method="asp", bits=4, scores={"final": 0.80})
    whole = store.open(makers.make_run(store.recorded, method="magnitude", bits=8, scores={"final": 0.899})).record
    alone = msgspec.structs.replace(
        whole, spec=msgspec.structs.replace(whole.spec, pattern="dense"),
        matrices=[msgspec.structs.replace(m, density=1.0) for m in whole.matrices])
    return [r for r in store.records() if r.id != whole.id] + [alone]


def test_a_grid_is_one_point_with_its_own_mark_on_both_axes(tmp_path: Path) -> None:
    records = quantised(makers.empty_store(tmp_path))
    for axis, spots in (("zeros", [0.5, 0.5, 0.5]), ("bits", [17.0, 2 * 8 / 4 + 1 + 32 / 64, 2 * 4 / 4 + 1 + 32 / 64])):
        view = curves.panel(records, "agreement", "tiny", False, axis)
        own = drawn(view, "ASP")
        assert [t["marker"]["symbol"] for t in own] == ["circle", "square", "diamond"]
        assert [x for t in own for x in t["x"]] == [pytest.approx(x) for x in spots]
        assert [t["showlegend"] for t in own] == [True, False, False]  # one name in the legend, all under it
        assert {t["legendgroup"] for t in own} == {"ASP"}
        assert drawn(view, "Magnitude, one-shot")[0]["marker"]["symbol"] == "square-open"
        for words, symbol in (("float32", "circle"), ("8-bit grid", "square"), ("4-bit grid", "diamond")):
            assert [t["marker"]["symbol"] for t in drawn(view, words)] == [symbol]
    assert not drawn(curves.panel(records[:1], "agreement", "tiny"), "float32"), "no grid, nothing to tell apart"


def test_the_claim_is_true_on_both_axes(tmp_path: Path) -> None:
    records = quantised(makers.empty_store(tmp_path))
    zeros = curves.panel(records, "agreement", "tiny").claim
    assert "50\N{NARROW NO-BREAK SPACE}% zeros cost nothing" in zeros and "ASP at 2:4, 8 bits has 0.895" in zeros
    bits = curves.panel(records, "agreement", "tiny", False, "bits")
    assert "5.5 bits per weight instead of 32 cost nothing" in bits.claim and "ASP at 2:4, 8 bits" in bits.claim
    assert "0.895 at 2:4, 8 bits (5.5 bits)" in bits.alt and "score over bits per weight" in bits.alt
    alone = [r for r in records if r.spec.pattern == "dense"]
    assert "no run here prunes" in curves.panel(alone, "agreement", "tiny").claim
    assert "8.5 bits per weight instead of 32 cost nothing" in \
        curves.panel(alone, "agreement", "tiny", False, "bits").claim


def test_published_scores_state_no_storage_and_stay_on_their_axis(shared_store: Store) -> None:
    view = curves.panel(shared_store.records(), "cola", "tiny", True, "bits")
    assert not drawn(view, "published, another model")
    assert "Published scores state no storage" in curves.READING["bits"]


def test_a_run_whose_storage_is_not_known_is_counted_not_drawn(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp")
    known = store.open(makers.make_run(store.recorded, method="admm")).record
    odd = msgspec.structs.replace(known, id="odd", spec=msgspec.structs.replace(known.spec, pattern="spiral:7"))
    records = [*store.records(), odd]
    assert len(curves.panel(records, "agreement", "tiny", False, "bits").table) == 2
    assert "their storage is not known: 1." in curves.small_print(records, "agreement", "tiny", "bits")
    assert "storage" not in curves.small_print(records, "agreement", "tiny")
    bare = curves.panel([odd], "agreement", "tiny", False, "bits")
    assert bare.figure is None and "not known" in bare.claim
    assert curves.small_print([odd], "agreement", "tiny", "bits") == ""
