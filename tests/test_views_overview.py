"""The first page's film and its numbers, against runs whose contents are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs.store import Store
from core.views.catalogue import overview
from core.views.drawing import style
from core.views.film import opening
from tests import makers

SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def opened(store: Store, **which: str):
    return store.open(makers.run_named(store, **which))


def test_the_film_goes_from_the_dense_weights_to_the_pruned_ones(shared_store: Store) -> None:
    run = opened(shared_store)
    film = opening.film(run)
    assert film is not None and run.parent is not None
    steps = [f"ADMM, step {style.count(s.step)}" for s in run.record.snapshots]
    assert film.header["moments"] == ["dense", *steps, "hard prune", "refined"]
    name = run.record.matrices[0].name
    w, z = (film.header["panels"][key] for key in "wz")
    step = film.header["arrays"][w["values"]]["scale"]  # of an int16: half of one is lost by rounding
    np.testing.assert_allclose(film.array(w["values"])[0], run.parent.weight(name), atol=0.51 * step)
    np.testing.assert_allclose(film.array(w["values"])[-1], run.weight(name), atol=0.51 * step)
    np.testing.assert_array_equal(film.array(z["mask"])[-1], run.mask(name))
    assert film.array(z["mask"])[0].all() and film.array(z["mask"])[-1].mean() == 0.5
    first = run.record.snapshots[0].k
    np.testing.assert_allclose(film.array(z["values"])[1],
                               run.snapshot(first, "w", name) + run.snapshot(first, "u", name), atol=2e-4)


def test_the_film_is_small_has_words_and_ends_within_seconds(shared_store: Store) -> None:
    film = opening.film(opened(shared_store))
    assert film is not None and len(film.packed()) < 700_000
    assert film.header["pace"] * film.last <= opening.SECONDS
    assert "at last every group" in film.claim and "W and Z of layer 1 · query" in film.alt
    exact, gap = film.header["panels"]["time"]["strips"]
    assert [strip["title"] for strip in (exact, gap)] == ["groups 2 of 4", "W away from Z"]
    assert exact["lines"][0]["y"][-1] == 1.0 and len(exact["lines"][0]["y"]) == film.last + 1
    record = opened(shared_store).record
    assert gap["lines"][0]["y"] == pytest.approx([s.primal for s in record.snapshots], rel=1e-3)
    assert gap["lines"][0]["x"] == list(range(1, len(record.snapshots) + 1))  # dense has no Z to be apart from


def test_a_run_with_one_end_or_none_has_no_film_and_a_cut_file_says_so(tmp_path: Path, damaged_store: Store) -> None:
    store = Store(tmp_path / "a", tmp_path / "b")
    assert opening.film(store.open(makers.make_run(store.recorded, record="summary"))) is None
    assert opening.film(store.open(makers.make_run(store.live, status="running"))) is None
    with pytest.raises(InputError, match="cannot be read"):
        opening.film(damaged_store.open("truncated-arrays"))


def test_the_three_numbers_are_shares_of_all_weights_and_of_the_dense_score(shared_store: Store) -> None:
    record = opened(shared_store).record
    zeros, kept, cut = overview.numbers(record)
    weights = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    assert zeros.value == f"50{SPACE}%" and style.count(weights) in zeros.note
    assert kept.value == f"98{SPACE}%" and "0.882 of dense's 0.900" in kept.note  # 0.882 / 0.9
    assert cut.value == f"80{SPACE}%" and "0.720 of dense's 0.900" in cut.note and "magnitude" in cut.label


def test_what_a_run_does_not_know_is_no_number(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    running = store.open(makers.make_run(store.live, status="running")).record
    assert overview.numbers(running) == []
    record = store.open(makers.make_run(store.live, seed=1, scores={"one_shot": None})).record
    assert [n.label for n in overview.numbers(record)] == ["Zeros", "Score kept by ADMM in training"]


def test_a_score_near_zero_is_kept_as_a_difference() -> None:
    assert overview.kept_words(0.02, 0.01) == "+0.010"
    assert overview.kept_words(0.45, 0.9).startswith("50")
