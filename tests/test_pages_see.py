"""Overview, Accuracy and Trace over an empty, a good and a damaged store."""

from __future__ import annotations

import pytest

from core.runs.store import Store
from tests import makers
from tests.opening import open_page

MINE = ("overview", "accuracy", "trace")


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("key", MINE)
def test_an_empty_store_says_how_to_begin(empty_store: Store, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    at = open_page(monkeypatch, empty_store, key)
    assert not at.exception and not at.error
    assert "No runs yet" in at.info[0].value and "python -m core run" in at.code[0].value


@pytest.mark.parametrize("key", MINE)
def test_a_good_store_has_words_before_pictures(shared_store: Store, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    at = open_page(monkeypatch, shared_store, key)
    assert not at.exception and not at.error and at.header
    kinds = [element.type for element in at.main if element.type in ("header", "image", "plotly_chart")]
    assert kinds[0] == "header" and len(set(kinds)) > 1  # a sentence stands before the first picture
    assert len(at.get("plotly_chart")) == {"overview": 0, "accuracy": 2, "trace": 3}[key]


@pytest.mark.parametrize("key", MINE)
def test_a_damaged_store_still_shows_the_whole_runs(
    damaged_store: Store, monkeypatch: pytest.MonkeyPatch, key: str,
) -> None:
    at = open_page(monkeypatch, damaged_store, key)
    assert not at.exception and at.header


def test_the_trace_of_a_run_without_admm_says_so(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "trace", run=makers.run_named(shared_store, method="magnitude"))
    assert not at.exception and any("no ADMM phase" in box.value for box in at.info)
    assert len(at.get("plotly_chart")) == 2  # the scores and the drop: nothing was logged
