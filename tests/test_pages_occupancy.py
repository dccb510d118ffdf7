"""The N:M occupancy page over good, empty and damaged stores: words and figures, and no exception."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs.store import Store
from core.views.drawing import style
from tests.damage import flip_bit, replace_arrays
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, ran, said

MATRIX = "bert.encoder.layer.0.attention.self.key"


def test_the_page_opens_with_the_certificate(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "occupancy")
    groups = sum(m.shape[0] * m.shape[1] // 4 for m in good_store.open(run_named(good_store)).record.matrices)
    first = app.expander[0]
    assert first.label == f"Certificate: all {style.count(groups)} groups of the model hold exactly 2 of 4."
    assert "0 violations" in first.caption[0].value and charts(app) == 3
    assert sum(len(c.proto.spec) for c in app.get("plotly_chart")) < 1_000_000


def test_every_choice_comes_from_the_link(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "occupancy", run=run_named(good_store, pattern="1:4"), matrix=MATRIX,
                    share="40")
    assert app.slider[0].value == 40
    assert "In layer 1 · key" in said(app)
    assert "the largest 40" in said(app)
    assert not app.error


def test_the_threshold_starts_where_the_pattern_keeps(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "occupancy", run=run_named(good_store, pattern="1:4"))
    assert app.slider[0].value == 25
    app.slider[0].set_value(60).run()
    assert app.query_params["share"] == "60"
    assert not app.exception


def test_a_violation_is_listed(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    run = good_store.open(run_named(good_store))
    column = int(np.flatnonzero(run.mask(MATRIX)[2, :4] == 0)[0])
    flip_bit(run.path, MATRIX, 2, column)
    replace_arrays(run.path, {f"weight/{MATRIX}": None})
    app = open_page(monkeypatch, good_store, "occupancy", run=run.record.id, matrix=MATRIX)
    first = app.expander[0]
    assert first.label.startswith("Certificate: 1 of ") and first.label.endswith(" groups of the model breaks 2:4.")
    assert [line.value for line in first.caption[1:]] == ["layer 1 · key, output 2, inputs 0–3: 3 kept, 2 allowed"]


def test_the_numbers_of_the_certificate_can_be_saved(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "occupancy")
    assert not len(app.dataframe) and not app.get("download_button")
    app.session_state["certificate.numbers"] = app.session_state["save.certificate"] = True
    ran(app)
    inside = app.expander[0]
    assert inside.dataframe[0].value["violations"].sum() == 0 and len(inside.dataframe[0].value) == 12
    assert [button.proto.label for button in inside.get("download_button")] == ["CSV"]


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    assert "No runs yet" in open_page(monkeypatch, empty_store, "occupancy").info[0].value


def test_truncated_arrays_get_a_red_box(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    app = open_page(monkeypatch, damaged_store, "occupancy", run="truncated-arrays")
    assert "cannot be read" in app.error[0].value


@pytest.mark.parametrize("fields", [
    {"record": "summary"}, {"record": "masks"}, {"pattern": "unstructured:0.5"}, {"pattern": "block:4x4:0.5"},
    {"pattern": "dense", "bits": 8}, {"parent": "lost"}, {"parent": "lost", "record": "summary"}])
def test_every_kind_of_run_has_its_pictures(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                            fields: dict[str, str]) -> None:
    make_run(empty_store.recorded, **({"parent": make_dense(empty_store.recorded)} | fields))
    app = open_page(monkeypatch, empty_store, "occupancy")
    assert charts(app) >= 2
    assert not app.error
