"""The Activations page over good, empty and damaged stores: words and figures, and no exception."""

from __future__ import annotations

import pytest

from core.runs.store import Store
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, said


def test_the_default_run_opens_with_its_answer_and_four_figures(monkeypatch: pytest.MonkeyPatch,
                                                                good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "activations")
    assert app.subheader[0].value.startswith(("Both models say", "The answer flips"))
    assert charts(app) == 4
    assert sum(len(c.proto.spec) for c in app.get("plotly_chart")) < 1_000_000


def test_every_choice_comes_from_the_link(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "activations", run=run_named(good_store), sentence="p1", layer="1",
                    head="3")
    assert "Head 3 of layer 1" in said(app)
    assert "Layer 1: the activations moved" in said(app)
    assert not app.error


def test_the_embeddings_have_no_heads(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "activations", run=run_named(good_store), layer="0")
    assert "Embeddings: the activations moved" in said(app)
    assert charts(app) == 3


@pytest.mark.parametrize("query", [{"sentence": "p99"}, {"head": "9"}, {"layer": "44"}])
def test_bad_choices_get_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, good_store: Store,
                                                      query: dict[str, str]) -> None:
    app = open_page(monkeypatch, good_store, "activations", run=run_named(good_store), **query)
    assert "Unknown" in app.error[0].value
    assert charts(app) == 4


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    assert "No runs yet" in open_page(monkeypatch, empty_store, "activations").info[0].value


def test_truncated_arrays_get_a_red_box(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    app = open_page(monkeypatch, damaged_store, "activations", run="truncated-arrays")
    assert "cannot be read" in " ".join(e.value for e in app.error)


def test_a_summary_keeps_no_sentences(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.recorded, record="summary", parent=make_dense(empty_store.recorded))
    app = open_page(monkeypatch, empty_store, "activations")
    assert "keeps no probe sentences" in " ".join(i.value for i in app.info)


def test_a_missing_parent_leaves_one_side(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.recorded, parent="lost")
    app = open_page(monkeypatch, empty_store, "activations")
    assert "what the other one says is not known" in app.subheader[0].value
    assert charts(app) == 4
