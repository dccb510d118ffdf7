"""The N:M occupancy page over good, empty and damaged stores: words and figures, and no exception."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs.store import Store
from tests.damage import flip_bit, replace_arrays
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, said

MATRIX = "bert.encoder.layer.0.attention.self.key"


def test_the_page_opens_with_the_certificate(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "occupancy")
    assert any("0 violations" in s.value for s in app.header)
    assert charts(app) == 3
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
    assert any("1 violation in" in s.value for s in app.header)
    assert "output 2, inputs 0–3: 3 kept, 2 allowed" in app.warning[0].value


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
