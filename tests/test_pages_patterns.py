"""The Patterns page over good, empty and damaged stores: words and figures, and no exception."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs import arrays as enc
from core.runs.store import Store
from tests.damage import change_header, replace_arrays
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, said

MATRIX = "bert.encoder.layer.0.output.dense"


def small(store: Store) -> str:
    """A dense run of one layer."""
    return make_dense(store.recorded, layers=1)


def test_the_page_opens_with_a_map_a_library_a_price_and_a_block(monkeypatch: pytest.MonkeyPatch,
                                                                 empty_store: Store) -> None:
    small(empty_store)
    app = open_page(monkeypatch, empty_store, "patterns")
    assert "of the blocks take the same support as the one below them" in app.header[0].value
    assert "A library of 16, learned from this matrix" in said(app)
    assert charts(app) == 5 and not app.error
    assert sum(len(c.proto.spec) for c in app.get("plotly_chart")) < 1_000_000


def test_every_choice_comes_from_the_link(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    run = small(empty_store)
    app = open_page(monkeypatch, empty_store, "patterns", run=run, matrix=MATRIX, block="1x8:4", supports="9",
                    learned="model", support="3", down="7", across="2")
    words = said(app)
    assert "Support 3 sits in" in words and "of layer 1 · FFN out" in words
    assert "A library of 9, learned from the whole model" in words
    assert "9 supports keep" in words and "Output 7, inputs 16–23" in words
    assert not app.error


def test_a_slider_writes_the_link_and_all_pictures_follow(monkeypatch: pytest.MonkeyPatch,
                                                          empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "patterns", run=small(empty_store))
    sliders = {s.label: s for s in app.slider}
    assert len(sliders) == 4
    sliders["Supports, K"].set_value(32).run()
    assert not app.exception and app.query_params["supports"] == "32"
    assert "A library of 32" in said(app) and "32 supports keep" in said(app) and "Of 32 supports" in said(app)


def test_a_library_has_no_more_supports_than_there_are(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "patterns", run=small(empty_store), block="1x4:2", supports="50")
    assert "All 6 supports are in the library: it is free choice" in said(app)


@pytest.mark.parametrize(("query", "words"), [
    ({"block": "9x9:9"}, "Unknown block"), ({"learned": "run"}, "Unknown source"),
    ({"supports": "many"}, "is no whole number"), ({"down": "x"}, "is no whole number")])
def test_bad_choices_get_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                      query: dict[str, str], words: str) -> None:
    app = open_page(monkeypatch, empty_store, "patterns", run=small(empty_store), **query)
    assert words in app.error[0].value
    assert charts(app) == 5


def test_a_pruned_run_shows_the_dense_weights_it_started_from(monkeypatch: pytest.MonkeyPatch,
                                                              good_store: Store) -> None:
    run = run_named(good_store)
    app = open_page(monkeypatch, good_store, "patterns", run=run)
    parent = run_named(good_store, method="dense")
    assert "dense weights that this run started from" in said(app)
    assert charts(app) == 5
    assert app.header[0].value == open_page(monkeypatch, good_store, "patterns", run=parent).header[0].value


def test_a_run_pruned_with_a_library_opens_with_its_own(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    name = make_run(empty_store.recorded, parent=small(empty_store), layers=1, record="masks", snapshots=0)
    run = empty_store.open(name)
    supports = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]], np.uint8)
    first = run.record.matrices[0]
    took = np.random.default_rng(0).integers(0, 3, (first.shape[0], first.shape[1] // 4))
    replace_arrays(run.path, {"library": np.packbits(supports, axis=1),
                              f"mask/{first.name}": enc.pack_mask(supports[took].reshape(first.shape))})
    spec = {k: getattr(run.record.spec, k) for k in run.record.spec.__struct_fields__}
    change_header(run.path, spec=spec | {"pattern": "library:1x4:2:3"})
    app = open_page(monkeypatch, empty_store, "patterns", run=name)
    words = said(app)
    assert "A library of 3, as this run recorded it" in words and "pruned with a library" in words
    assert "the run gave" in words and charts(app) == 5 and not app.error
    assert "Supports, K" not in {s.label for s in app.slider}
    replace_arrays(run.path, {"library": None})
    app = open_page(monkeypatch, empty_store, "patterns", run=name)
    assert "is missing" in app.error[0].value


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "patterns")
    assert "No runs yet" in app.info[0].value and charts(app) == 0


def test_without_dense_weights_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.recorded, parent="lost", layers=1)
    app = open_page(monkeypatch, empty_store, "patterns")
    assert "The dense weights of this run are not kept" in app.info[0].value and not app.error and not charts(app)


def test_truncated_arrays_get_a_red_box(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    file = empty_store.recorded / small(empty_store) / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    app = open_page(monkeypatch, empty_store, "patterns")
    assert "cannot be read" in app.error[0].value
