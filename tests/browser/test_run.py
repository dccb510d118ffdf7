"""A live run as a person makes it: started from the form, watched, found again after a reload, cancelled; then one that
outlives its server, leaves its film where it was put, and ends on the Weights page. Real workers."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.live import workers
from core.live.status import status
from core.running.pipeline import export
from core.runs.checks.folder_check import check
from core.runs.store import Store, read_header
from tests.browser.serving import ROOT, complaints, free_port, painted, started
from tests.live_workers import end_all

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]
RECORDED = "agreement-tiny-admm-2of4-e4-s0-09c8e928"
LIMIT = 300.0  # seconds for one thing to happen: a busy machine is slow, not wrong
POINTS = """() => {
    for (const chart of document.querySelectorAll('[data-testid=stPlotlyChart] .js-plotly-plot'))
        for (const curve of chart._fullData || [])
            if ((curve.name || '').startsWith('primal')) return curve.x.length;
    return 0;
}"""

RANGE = """[...document.querySelectorAll("[data-testid=stMain] *")]
    .map(each => each.shadowRoot?.querySelector("input[type=range]")).find(Boolean)"""  # of the film


class Place:
    """A store of its own, and a server over it that can be killed and started again at the same address."""

    def __init__(self, root: Path) -> None:
        self.store = Store(recorded=ROOT / "cached_runs", live=root / "runs")
        self.store.live.mkdir()
        self.port, self.address = free_port(), ""
        self.server: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Start the server."""
        self.server, self.address = started(port=self.port, environment={
            "SPARSESCOPE_CACHED": str(self.store.recorded), "SPARSESCOPE_RUNS": str(self.store.live),
            "SPARSESCOPE_WORKERS": "1", "SPARSESCOPE_DEMO": "",
            "SPARSESCOPE_SPARE": "1"})  # as a person starts it

    def kill(self) -> None:
        """End it as a crash of the machine's memory would."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait(20)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("live"))
    made.serve()
    yield made
    made.kill()
    end_all(made.store)


def window(chrome: Any) -> Any:
    """A browser window with nothing remembered."""
    context = chrome.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(LIMIT * 1000)
    return context.new_page()


def until(true: Callable[[], Any]) -> Any:
    """Wait for what happens outside the browser."""
    end = time.monotonic() + LIMIT
    while not (found := true()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)
    return found


def begin(tab: Any, place: Place, epochs: int) -> str:
    """Fill in the form and press Start; the id of the run, which then goes on."""
    tab.goto(f"{place.address}/run", wait_until="commit")
    tab.get_by_role("button", name="Start").wait_for()
    box = tab.get_by_label("Epochs", exact=True)
    box.fill(str(epochs))
    box.press("Enter")
    tab.locator("[data-testid=stCode]", has_text=f"--epochs {epochs}").wait_for()
    tab.get_by_role("button", name="Start").click()
    tab.wait_for_url("**run=**")
    run, = parse_qs(urlsplit(tab.url).query)["run"]
    headline(tab, run, "running")
    assert complaints(tab) == []
    return run


def headline(tab: Any, run: str, state: str) -> None:
    """Wait until the page says how the run stands."""
    tab.locator("[data-testid=stMain] h2", has_text=f"{run}: {state}").wait_for()


def grown(tab: Any, beyond: int) -> int:
    """Wait until the residual curve has more than *beyond* points; how many it has."""
    tab.wait_for_function(f"beyond => ({POINTS})() > beyond", arg=beyond, polling=200)
    return int(tab.evaluate(POINTS))


def film_at(tab: Any, *, beyond: int) -> int:
    """Wait until the film has a moment after number *beyond*; the one that it shows then."""
    tab.wait_for_function(f"beyond => ({RANGE})?.max > beyond", arg=beyond, polling=200)
    return int(tab.evaluate(f"() => ({RANGE}).value"))


def top(tab: Any) -> float:
    """How far the page is moved."""
    return float(tab.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop"))


def done_of(tab: Any) -> int:
    """Steps done, as the bar says."""
    words = tab.locator("[data-testid=stProgress]").inner_text()
    found = re.search(r"training (\d+) of \d+", words)
    return int(found[1]) if found else 0


def steps_of(place: Place, run: str) -> list[int]:
    return [row["step"] for row in place.store.open(run).trace]


def test_a_run_grows_survives_a_reload_and_is_cancelled(place: Place, chrome: Any) -> None:
    tab = window(chrome)
    run = begin(tab, place, epochs=60)
    assert 0 <= tab.locator(".st-key-live-run").bounding_box()["y"] < 200  # Start has brought it into view
    first = grown(tab, 1)
    second = grown(tab, first)
    film_at(tab, beyond=1)
    tab.locator("button[aria-label^=Start]").last.click()  # back to the first moment: it stays while the film grows
    tab.mouse.move(600, 500)
    tab.mouse.wheel(0, 240)
    tab.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollTop > 200")
    moved = top(tab)
    assert film_at(tab, beyond=2) == 0 and top(tab) == moved  # and nobody moves the page back
    worker, = workers.active(place.store)
    steps = done_of(tab)
    tab.reload(wait_until="commit")
    headline(tab, run, "running")
    assert f"run={run}" in tab.url and grown(tab, second) > second
    assert done_of(tab) >= steps > 0
    other = window(chrome)
    other.goto(tab.url, wait_until="commit")  # the link in a browser that knows nothing
    headline(other, run, "running")
    assert grown(other, second) > second
    other.context.close()
    assert workers.active(place.store) == [worker]  # one and the same all along
    tab.get_by_role("button", name="Cancel").first.click()
    headline(tab, run, "cancelled")
    tab.get_by_text("You cancelled this run at step").first.wait_for()
    assert not tab.query_selector("[data-testid=stMain] [data-testid=stAlertContentError]")
    tab.get_by_role("button", name="Resume").first.wait_for()
    assert read_header(place.store.live / run).status == "cancelled" and not workers.alive(worker)
    assert complaints(tab) == []
    tab.context.close()


def test_a_run_outlives_its_server_and_leaves_its_film_where_it_was_put(place: Place, chrome: Any) -> None:
    tab = window(chrome)
    run = begin(tab, place, epochs=20)  # long enough to be under way when the server is killed
    grown(tab, 0)
    worker, = workers.active(place.store)
    link = tab.url
    place.kill()
    assert workers.alive(worker)
    before = steps_of(place, run)
    until(lambda: len(steps_of(place, run)) > len(before) or not workers.alive(worker))
    assert len(steps_of(place, run)) > len(before) > 0  # it went on with no server at all
    place.serve()
    tab.goto(link, wait_until="commit")
    film_at(tab, beyond=2)
    tab.locator("button[aria-label^=Start]").last.click()
    tab.keyboard.press("l")
    headline(tab, run, "done")
    painted(tab, LIMIT)
    tab.wait_for_timeout(1500)
    assert film_at(tab, beyond=4) == 1, "the second moment, though the page around the film has changed"
    assert complaints(tab) == []
    steps = steps_of(place, run)
    assert steps[:len(before)] == before and steps == sorted(steps) and status(place.store, run).state == "succeeded"
    report = check(place.store.open(run))
    assert report.problems == [] and (place.store.live / run / "checkpoint" / "model.safetensors").exists()
    tab.locator("[data-testid=stMain] a", has_text="Weights").first.click()
    tab.wait_for_url("**/weights**")
    painted(tab, LIMIT)
    assert f"run={run}" in tab.url and tab.query_selector("[data-testid=stMain] img, [data-testid=stPlotlyChart]")
    assert complaints(tab) == []
    tab.goto(f"{place.address}/compare?runs={RECORDED},{run}", wait_until="commit")  # and beside a recorded one
    painted(tab, LIMIT)
    assert complaints(tab) == [] and tab.locator("[data-testid=stMain] [data-testid=stPlotlyChart]").count()
    tab.context.close()
    out = place.store.live.parent / "exported"
    export(run, store=place.store, to=out)  # and taken along
    card = (out / "README.md").read_text(encoding="utf-8")
    assert run in card and (out / "model.safetensors").exists()
