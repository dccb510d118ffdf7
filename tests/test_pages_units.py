"""The pages over a run that removed whole heads and neurons, also where it kept its answers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.store import Store
from tests.makers import empty_store
from tests.making_units import plant
from tests.opening import charts, open_page, said

OUT = "bert.encoder.layer.0.attention.output.dense"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return empty_store(tmp_path)


def test_weights_opens_with_the_map_of_units(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "weights", run=plant(store), matrix=OUT)
    assert app.header[0].value.startswith("4 of 8 heads and 128 of 512 neurons")
    assert "Layer 1 · attention output: 1 of 4 heads are left." in said(app) and not app.error


@pytest.mark.parametrize("page", ["weights", "occupancy", "overview"])
def test_what_the_header_knows_is_shown(page: str, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """No matrix was kept, and none is asked for; which units are left is drawn all the same."""
    app = open_page(monkeypatch, store, page, run=plant(store, record="answers"))
    assert "4 of 8 heads and 128 of 512 neurons are left" in said(app).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert charts(app) >= 1 and not app.error and not app.info
    assert "groups" not in " ".join(s.value for s in app.header)


def test_the_page_of_patterns_offers_what_there_is(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    run = plant(store)
    app = open_page(monkeypatch, store, "patterns", run=run)
    assert "it has no library of small patterns" in app.header[0].value and charts(app) == 0
    app.toggle[0].set_value(True).run()
    assert charts(app) > 0 and app.query_params["dense"] == "true" and not app.exception


def test_a_link_that_names_a_knob_of_the_library_asks_for_it(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "patterns", run=plant(store), supports="4")
    assert charts(app) > 0 and app.toggle[0].value
    app.toggle[0].set_value(False).run()
    assert charts(app) == 0 and "supports" not in app.query_params


def test_compare_draws_what_each_layer_keeps(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    first, second = plant(store, record="answers"), plant(store, method="pip", record="answers")
    app = open_page(monkeypatch, store, "compare", runs=f"{first},{second}")
    assert "They keep as much of every layer." in said(app)
    assert "None of these runs kept its matrices." in said(app) and not app.error


def test_methods_of_units_have_a_table_of_their_own(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    plant(store, record="answers")
    app = open_page(monkeypatch, store, "methods")
    assert "Agreement (synthetic) at units:0.5" in said(app)
    assert "units · with or without training" in " ".join(h.value for h in app.get("html"))
