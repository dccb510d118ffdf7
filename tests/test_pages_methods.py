"""The page of methods over an empty, a good and a damaged store, and with one method in the link."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.methods import METHODS
from core.runs.store import Store
from core.views.catalogue.claims import STAMP
from tests import makers
from tests.opening import open_page, said


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def bodies(at: object) -> str:
    return " ".join(h.proto.body for h in at.get("html"))  # type: ignore[attr-defined]


def test_the_page_opens_with_its_answer_and_has_a_card_for_every_method(shared_store: Store,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "methods")
    assert not at.error and "loses least" in at.header[0].value
    html = bodies(at)
    assert [f'id="{name}"' in html for name in METHODS] == [True] * len(METHODS)
    assert STAMP in html and "against dense" in html
    assert "Wall time" in said(at)


def test_one_method_alone_shows_all_of_it(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "methods", method="admm-layer")
    html = bodies(at)
    assert 'id="admm-layer"' in html and 'id="asp"' not in html
    for part in ("Prunes", "Cost", "Source", "Where we differ", "rho_start", "9.68", "Our runs"):
        assert part in html, part
    runs = [r.id for r in shared_store.records() if r.spec.method == "admm-layer"]
    assert len(runs) == 4 and all(f"weights?run={run}" in html for run in runs)
    assert at.query_params["method"] == "admm-layer"
    labels = " ".join(c.value for c in at.caption)  # links are plain words on a page that runs alone
    assert "Open in the lab" in labels and "Open its trace" in labels


def test_a_trained_method_has_no_way_into_the_lab(shared_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "methods", method="nxm-admm")
    assert "Open in the lab" not in said(at)
    assert "No run of it is in the store" in bodies(at) and "+1.7" in bodies(at)


def test_an_unknown_method_gets_a_red_box_and_the_page_lives(shared_store: Store,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, shared_store, "methods", method="amdm")
    assert "Unknown method 'amdm'" in at.error[0].value and 'id="admm"' in bodies(at)


def test_an_empty_store_says_how_to_begin_and_still_explains(empty_store: Store,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, empty_store, "methods")
    assert "No runs yet" in at.info[0].value and 'id="sparsegpt"' in bodies(at)


def test_a_damaged_store_still_shows_the_whole_runs(damaged_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, damaged_store, "methods", method="admm")
    assert not at.error and "Our runs" in bodies(at)


def test_text_of_a_run_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    from core.runs.store import read_header, write_header

    store = makers.empty_store(tmp_path)
    folder = store.recorded / makers.make_run(store.recorded, method="asp")
    record = read_header(folder)
    write_header(folder, msgspec.structs.replace(record, spec=msgspec.structs.replace(record.spec, task="<script>")))
    html = bodies(open_page(monkeypatch, store, "methods", method="asp"))
    assert "<script>:" not in html and "&lt;script&gt;" in html
