"""Overview, Accuracy and Trace over an empty, a good and a damaged store."""

from __future__ import annotations

import pytest

from core.runs.store import Store
from tests import makers
from tests.opening import open_page, said

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
    assert not at.exception and not at.error and at.subheader
    kinds = [element.type for element in at.main if element.type in ("subheader", "image", "plotly_chart")]
    assert kinds[0] == "subheader" and len(set(kinds)) > 1  # a sentence stands before the first picture
    assert len(at.get("plotly_chart")) == {"overview": 0, "accuracy": 2, "trace": 3}[key]


@pytest.mark.parametrize("key", MINE)
def test_a_damaged_store_still_shows_the_whole_runs(
    damaged_store: Store, monkeypatch: pytest.MonkeyPatch, key: str,
) -> None:
    at = open_page(monkeypatch, damaged_store, key)
    assert not at.exception and at.subheader


def test_published_points_come_with_the_switch(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "accuracy", task="cola")
    assert len(at.get("plotly_chart")) == 1
    assert "published, another model" not in at.get("plotly_chart")[0].proto.spec
    at.toggle[0].set_value(True).run()
    assert not at.exception and "published, another model" in at.get("plotly_chart")[0].proto.spec
    assert any("Ratio is not speed" in c.value for c in at.caption)
    assert any("Within noise of dense" in c.value for c in at.caption)


def test_accuracy_over_bits_per_weight_comes_from_the_link(shared_store: Store, monkeypatch: pytest.MonkeyPatch,
                                                           ) -> None:
    at = open_page(monkeypatch, shared_store, "accuracy", task="agreement", axis="bits")
    assert "bits per weight instead of 32" in said(at) or "no run is within noise" in said(at)
    assert '"type":"log"' in at.get("plotly_chart")[0].proto.spec and not at.toggle
    assert any("Ratio is not speed" in c.value and "Dense is 32" in c.value for c in at.caption)
    wrong = open_page(monkeypatch, shared_store, "accuracy", axis="money")
    assert "Unknown axis" in wrong.error[0].value and len(wrong.get("plotly_chart")) == 2


def test_score_over_error_is_a_view_of_its_own(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "accuracy", view="error")
    assert not at.exception and not at.toggle and len(at.get("plotly_chart")) == 2
    assert not any("Ratio is not speed" in c.value for c in at.caption)


def test_the_trace_of_a_run_without_admm_says_so(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "trace", run=makers.run_named(shared_store, method="magnitude"))
    assert not at.exception and any("no ADMM phase" in box.value for box in at.info)
    assert len(at.get("plotly_chart")) == 2  # the scores and the drop: nothing was logged
