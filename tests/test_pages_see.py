"""Overview, Accuracy and Trace over an empty, a good, a damaged and a very full store."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import HEADER, Store, read_header, write_header
from tests import makers
from tests.opening import open_page
from ui.pages import PAGES, ROOT

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
    assert len(at.get("plotly_chart")) == {"overview": 0, "accuracy": 4, "trace": 3}[key]


@pytest.mark.parametrize("key", MINE)
def test_a_damaged_store_still_shows_the_whole_runs(
    damaged_store: Store, monkeypatch: pytest.MonkeyPatch, key: str,
) -> None:
    at = open_page(monkeypatch, damaged_store, key)
    assert not at.exception and at.subheader


def test_the_overview_lists_what_is_damaged(damaged_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_page(monkeypatch, damaged_store, "overview").dataframe[0].value
    assert "newer-schema" in list(table["folder"])
    assert any("schema 99" in why for why in table["what happened"])


def test_the_overview_filters_by_the_link(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "overview", task="cola", method="asp", pattern="1:4")
    cards = [h.proto.body for h in at.get("html") if 'class="card"' in h.proto.body]
    assert len(cards) == 1 and "CoLA" in cards[0] and "ASP" in cards[0] and "1:4" in cards[0]
    assert "width:81.4" in cards[0] or "width:81.5" in cards[0]  # 0.9 x (0.93 - 0.025)


def test_card_text_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = makers.empty_store(tmp_path)
    run_id = makers.make_run(store.recorded, model="tiny")
    folder = store.recorded / run_id
    record = read_header(folder)
    spec = msgspec.structs.replace(record.spec, model="x/<img src=a onerror=b>", task="<script>")
    write_header(folder, msgspec.structs.replace(record, spec=spec))
    at = open_page(monkeypatch, store, "overview")
    card = next(h.proto.body for h in at.get("html") if 'class="card"' in h.proto.body)
    assert not at.exception and "<img" not in card and "<script>" not in card and "&lt;script&gt;" in card


def test_published_points_come_with_the_switch(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "accuracy", task="cola")
    assert len(at.get("plotly_chart")) == 2
    assert "published, another model" not in at.get("plotly_chart")[0].proto.spec
    at.toggle[0].set_value(True).run()
    assert not at.exception and "published, another model" in at.get("plotly_chart")[0].proto.spec
    assert any("Ratio is not speed" in c.value for c in at.caption)
    assert any("Within noise of dense" in c.value for c in at.caption)


def test_accuracy_over_bits_per_weight_comes_from_the_link(shared_store: Store, monkeypatch: pytest.MonkeyPatch,
                                                           ) -> None:
    at = open_page(monkeypatch, shared_store, "accuracy", task="agreement", axis="bits")
    assert "bits per weight instead of 32" in at.subheader[0].value or "no run is within noise" in at.subheader[0].value
    assert '"type":"log"' in at.get("plotly_chart")[0].proto.spec and not at.toggle
    assert any("Ratio is not speed" in c.value and "Dense is 32" in c.value for c in at.caption)
    wrong = open_page(monkeypatch, shared_store, "accuracy", axis="money")
    assert "Unknown axis" in wrong.error[0].value and len(wrong.get("plotly_chart")) == 4


def test_the_trace_of_a_run_without_admm_says_so(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "trace", run=makers.run_named(shared_store, method="magnitude"))
    assert not at.exception and any("no ADMM phase" in box.value for box in at.info)
    assert len(at.get("plotly_chart")) == 2  # the scores and the drop: nothing was logged


def test_a_thousand_runs_open_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = makers.empty_store(tmp_path)
    first = store.recorded / makers.make_run(store.recorded, record="summary")
    record = read_header(first)
    for k in range(1000):
        name = f"copy-{k:04d}"
        (store.recorded / name).mkdir()
        write_header_fast(store.recorded / name, msgspec.structs.replace(record, id=name))
    shutil.rmtree(first)
    open_page(monkeypatch, store, "trace")  # imports are not what is measured
    at = AppTest.from_file(str(ROOT / PAGES["overview"].file), default_timeout=90)
    began = time.process_time()
    at.run()
    spent = time.process_time() - began
    assert not at.exception and len(at.get("pagination")) == 1
    assert spent <= 1.0, f"{spent:.2f} s of processor time"


def write_header_fast(folder: Path, record: object) -> None:
    """A header without the fsync of `write_header`: a thousand of them would measure the disk."""
    (folder / HEADER).write_bytes(msgspec.json.encode(record))
