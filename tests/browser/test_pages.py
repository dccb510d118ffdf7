"""Every page in a real browser, over made-up runs: painted, without an exception, light on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.first_picture import BYTES_BAR, Meter, time_to_picture
from tests.browser.serving import ROOT, complaints, painted, server
from tests.checkpoints import LAYER, QUERY, nm, write
from tests.makers import make_run, make_store, run_named
from ui.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
LIMIT = 150.0  # seconds for one page: a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The made-up runs, one that keeps Gram matrices for the lab, and a checkpoint to inspect."""
    made = make_store(tmp_path_factory.mktemp("store"))
    write(made.recorded / run_named(made, method="dense") / "checkpoint", {LAYER.format(0, QUERY): nm(2, 4)})
    make_run(made.recorded, method="admm-layer", pattern="3:4", record="lab", parent=run_named(made, method="dense"))
    return made


@pytest.fixture(scope="module")
def address(store: Any) -> Iterator[str]:
    places = {"SPARSESCOPE_CACHED": str(store.recorded), "SPARSESCOPE_RUNS": str(store.live)}
    with server(environment=places) as where:
        yield where


@pytest.fixture
def page(chrome: Any) -> Iterator[Any]:
    context = chrome.new_context(viewport={"width": 1366, "height": 768})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("key", PAGES)
def test_a_page_opened_alone_is_painted_and_stays_under_its_bytes(page: Any, address: str, key: str) -> None:
    errors: list[str] = []
    meter = Meter(page)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}/{'' if key == 'overview' else key}")
    painted(page, LIMIT)
    assert complaints(page) == []
    assert errors == []
    wanted = {"lesson": "[data-testid=stPageLink]", "methods": ".formula", "runs": "[data-testid=stDataFrame]",
              "run": "[data-testid=stCode]", "present": "[data-testid=stPageLink]",
              "sentence": "[data-testid=stTextInput]"}.get(  # no whole model lies there
        key, "[data-testid=stMain] img, [data-testid=stPlotlyChart], canvas")
    assert page.locator(wanted).count(), f"nothing of {wanted}"  # a locator sees into components
    assert 0.001 < meter.megabytes() <= BYTES_BAR


@pytest.mark.parametrize("key", ["weights", "activations", "occupancy", "trace"])
def test_a_link_names_its_run_and_a_wrong_one_leaves_the_page_alive(page: Any, address: str, store: Any,
                                                                    key: str) -> None:
    run = run_named(store, method="admm", pattern="1:4")
    page.goto(f"{address}/{key}?run={run}")
    painted(page, LIMIT)
    assert f"run={run}" in page.url
    page.goto(f"{address}/{key}?run=no-such-run")
    painted(page, LIMIT)
    assert "no-such-run" in page.inner_text("[data-testid=stMain]")
    assert complaints(page) == []


def test_the_home_page_brings_a_picture_from_a_cold_start(chrome: Any, store: Any, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    assert time_to_picture(chrome, "app.py", ROOT, take=tmp_path / "picture.png") > 0
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
