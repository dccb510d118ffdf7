"""The Weights page over good, empty and damaged stores: words and figures, and no exception."""

from __future__ import annotations

import pytest

from core.runs.store import Store
from tests.films import header, text
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, said

MATRIX = "bert.encoder.layer.1.output.dense"


def test_the_default_run_opens_with_its_answer_and_plays(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "weights")
    film = header(app)
    assert "of the weights went" in app.header[0].value and text(app, "say").startswith("With them went")
    assert film["default"] == len(film["moments"]) - 1 == 7
    assert charts(app) == 1  # the model
    assert len(app.get("bidi_component")[0].proto.bytes) < 1_500_000


def test_every_choice_comes_from_an_older_link(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    run = run_named(good_store)
    app = open_page(monkeypatch, good_store, "weights", run=run, matrix=MATRIX, moment="2", show="u", row="8",
                    column="12", figure="energy", difference="10")
    panels = header(app)["panels"]
    assert not app.error and "Kept energy" in said(app)
    assert panels["now"]["title"] == "U" and panels["tile"]["start"] == [8, 12]
    assert panels["change"]["limit"] == pytest.approx(panels["before"]["limit"] / 10)
    assert app.query_params["matrix"] == MATRIX
    assert app.query_params["k"] == "3" and "moment" not in app.query_params  # the dense one comes first
    app = open_page(monkeypatch, good_store, "weights", run=run, moment="final")
    assert "k" not in app.query_params and not app.error


def test_a_slider_writes_the_link(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "weights", run=run_named(good_store))
    app.slider[0].set_value(16).run()
    assert not app.exception
    assert app.query_params["row"] == "16"
    assert header(app)["panels"]["tile"]["start"] == [16, 0]


@pytest.mark.parametrize(("query", "words"), [
    ({"moment": "99"}, "Unknown moment"), ({"row": "many"}, "is no whole number"), ({"figure": "colour"}, "Unknown")])
def test_bad_choices_get_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, good_store: Store,
                                                      query: dict[str, str], words: str) -> None:
    app = open_page(monkeypatch, good_store, "weights", run=run_named(good_store), **query)
    assert words in app.error[0].value
    assert charts(app) == 1 and header(app)["moments"]


def test_a_position_beyond_the_matrix_is_moved_inside(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "weights", run=run_named(good_store), row="99999", column="-5")
    assert header(app)["panels"]["tile"]["start"] == [48, 0]


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "weights")
    assert "No runs yet" in app.info[0].value
    assert charts(app) == 0


def test_truncated_arrays_get_a_red_box(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    app = open_page(monkeypatch, damaged_store, "weights", run="truncated-arrays")
    assert "cannot be read" in app.error[0].value


@pytest.mark.parametrize(("record", "parent", "words", "figures"), [
    ("summary", True, "neither its weights nor its masks", 2), ("masks", True, "keeps its masks, not its weights", 4),
    ("full", False, "is not in the store: there is no before", 4), ("summary", False, "is not in the store", 2)])
def test_what_was_not_kept_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store, record: str, parent: bool,
                                   words: str, figures: int) -> None:
    make_run(empty_store.recorded, record=record, parent=make_dense(empty_store.recorded) if parent else "lost")
    app = open_page(monkeypatch, empty_store, "weights")
    assert words in " ".join(i.value for i in app.info)
    assert charts(app) == figures


def test_a_failed_run_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.live, status="failed")
    app = open_page(monkeypatch, empty_store, "weights")
    assert "lists no matrices" in " ".join(i.value for i in app.info)


def test_large_matrices_offer_single_weights(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    parent = make_dense(empty_store.recorded, hidden=192, ffn=384, layers=1)
    make_run(empty_store.recorded, parent=parent, hidden=192, ffn=384, layers=1, snapshots=0)
    app = open_page(monkeypatch, empty_store, "weights", zoom="on")
    assert not app.error
    assert charts(app) == 4
    assert "Colours run to" in said(app)
    assert "Each cell is the mean" in said(open_page(monkeypatch, empty_store, "weights"))
