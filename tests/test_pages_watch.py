"""The page Watch over good, empty and damaged stores; and what a click and a moment in the link do."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.store import Store
from tests.damage import replace_arrays
from tests.films import header, text
from tests.makers import empty_store as bare_store
from tests.makers import make_dense, make_run, run_named
from tests.opening import open_page, said

FFN = "bert.encoder.layer.1.intermediate.dense"


def test_the_default_run_has_a_film_and_opens_where_w_and_z_are_furthest_apart(monkeypatch: pytest.MonkeyPatch,
                                                                               good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "watch")
    film = header(app)
    # The residual of a made run falls from its first step on, and that follows the dense weights.
    assert (film["default"], film["key"], film["autoplay"]) == (1, "k", False)
    assert not app.header, "the sentence follows the moment: it stands in the film"
    assert "away from Z" in text(app, "say", 1) and "every group holds" in text(app, "say")
    assert len(film["moments"]) == 8 and "two ends" not in said(app)
    assert len(app.get("bidi_component")[0].proto.bytes) < 1_500_000
    assert len(app.get("image")) == 1, "no picture for a browser without the script"


@pytest.mark.parametrize(("method", "words"), [("asp", "two ends"), ("admm", "")])
def test_a_run_without_moments_is_shown_with_what_it_has(monkeypatch: pytest.MonkeyPatch, good_store: Store,
                                                         method: str, words: str) -> None:
    app = open_page(monkeypatch, good_store, "watch", run=run_named(good_store, method=method), matrix=FFN)
    assert words in said(app) and header(app)["moments"][0] == "dense"


def test_a_film_of_one_kept_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = bare_store(tmp_path)
    make_run(store.recorded, parent=make_dense(store.recorded), snapshots=1)
    assert header(open_page(monkeypatch, store, "watch"))["moments"] == [
        "dense", "ADMM, step 0", "hard prune", "refined"]


@pytest.mark.parametrize(("asked", "stays", "words"), [
    ("3", "3", ""), ("0", "0", ""), ("99", "7", "no moment 99"), ("-4", "0", "no moment -4"),
    ("many", "many", "no whole number")])
def test_a_moment_of_the_link_is_moved_inside_in_words(monkeypatch: pytest.MonkeyPatch, good_store: Store, asked: str,
                                                       stays: str | None, words: str) -> None:
    app = open_page(monkeypatch, good_store, "watch", k=asked)
    assert words in said(app)
    assert (bool(app.error)) == (asked == "many")
    k = app.query_params.get("k")
    assert (k[0] if isinstance(k, list) else k) == stays
    assert header(app)["panels"]["w"]


def test_a_damaged_film_is_a_red_box_and_the_bar_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = bare_store(tmp_path)
    run = make_run(store.recorded, parent=make_dense(store.recorded))
    replace_arrays(store.recorded / run, {f"snapshot/2/u/{FFN}": None})
    app = open_page(monkeypatch, store, "watch", matrix=FFN)
    assert "lacks W, U or the mask" in app.error[0].value
    assert not app.get("bidi_component") and app.selectbox
    assert header(open_page(monkeypatch, store, "watch"))["moments"]  # another matrix of the same run


def test_other_damage_leaves_the_page_alive(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    shown = 0
    for entry in damaged_store.entries():
        app = open_page(monkeypatch, damaged_store, "watch", run=entry.id)
        films = len(app.get("bidi_component"))
        assert films or app.error or app.info, entry.id
        shown += films
    assert shown


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    assert "No runs yet" in open_page(monkeypatch, empty_store, "watch").info[0].value


def test_a_part_of_a_large_matrix_is_in_the_link(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "watch", matrix=FFN, row="100", column="x")
    assert header(app)["panels"]["w"]["start"] == [100, 0]


def test_the_wall_of_one_run_and_of_two(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "watch", view="model")
    film = header(app)
    assert list(film["panels"]) == ["side0", "side1", "change"] and len(film["panels"]["side1"]["cells"]) == 12
    assert film["panels"]["side0"]["title"] == "Dense"
    other = run_named(good_store, method="asp", pattern="1:4")
    app = open_page(monkeypatch, good_store, "watch", view="model", beside=other)
    assert header(app)["panels"]["change"]["title"] == "B − A"
    app = open_page(monkeypatch, good_store, "watch", view="model", beside="nobody")
    assert "Unknown run" in app.error[0].value and header(app)["panels"]["change"]
