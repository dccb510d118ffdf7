"""Accuracy versus ratio: what is drawn where, and what counts as noise."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.runs.store import Store
from core.views import curves
from core.views.noise import noise, rule
from core.views.published import PUBLISHED
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
    assert (mark["x"], mark["y"], mark["marker"]["symbol"]) == ([0.5], [0.554], "diamond-open")
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
