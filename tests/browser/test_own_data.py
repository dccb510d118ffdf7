"""A table of one's own, brought in through the browser: a small one becomes a task, a huge one is refused."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.tasks import own
from tests.browser.serving import ROOT, complaints, painted, server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
HUGE = 500 * 10**6  # bytes
MARKUP = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def page(chrome: Any, live: Path) -> Iterator[Any]:
    """The Run page with the part for own data unfolded."""
    with server(environment={"SPARSESCOPE_CACHED": str(ROOT / "cached_runs"), "SPARSESCOPE_RUNS": str(live),
                             "SPARSESCOPE_DEMO": ""}) as address:
        context = chrome.new_context(viewport={"width": 1366, "height": 768})
        made = context.new_page()
        made.set_default_timeout(120_000)
        made.goto(f"{address}/run", wait_until="commit")
        painted(made)
        made.get_by_text("Your own data").click()
        yield made
        context.close()


def test_a_table_with_markup_becomes_a_task_and_nothing_of_it_runs(page: Any, live: Path, tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(live))
    table = tmp_path / "reviews.csv"
    table.write_text("text,label\n" + "".join(f"film {k} {MARKUP if k % 5 == 0 else ''},{'good' if k % 2 else 'bad'}\n"
                                              for k in range(60)))
    page.locator("input[type=file]").first.set_input_files(str(table))
    page.get_by_role("button", name="Add task").click()
    page.get_by_text("--task own-reviews").first.wait_for()
    painted(page)
    added, = own.registered()
    assert added.labels == ("bad", "good") and added.full.startswith("own-reviews-")
    assert MARKUP in " ".join(own.read(added.entry)[0].text)
    assert page.title() != "taken" and not complaints(page)


def test_half_a_gigabyte_is_refused_by_the_page_and_by_the_server(page: Any, live: Path, tmp_path: Path) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    small.write_text("text,label\n" + "".join(f"film {k},{k % 2}\n" for k in range(60)))
    large.touch()
    with large.open("r+b") as file:
        file.truncate(HUGE)  # a hole: it takes no room
    page.reload(wait_until="commit")
    painted(page)
    page.get_by_text("Your own data").click()
    page.locator("input[type=file]").first.set_input_files(str(small))
    page.get_by_role("button", name="Add task").wait_for()
    before = len(sent)
    assert before == 1
    page.locator("input[type=file]").first.set_input_files(str(large))
    page.get_by_text("File must be 50").first.wait_for()
    assert len(sent) == before  # the page did not even begin
    assert _put(sent[0], HUGE) >= 400  # and one who goes around the page is turned away
    assert sum(f.stat().st_size for f in live.rglob("*") if f.is_file()) < 10**6


def test_the_shipped_models_read_a_sentence(page: Any) -> None:
    page.goto(page.url.split("/run")[0] + "/sentence", wait_until="commit")
    painted(page)
    words = page.inner_text("[data-testid=stMain]")
    assert "dense" in words and page.query_selector("[data-testid=stPlotlyChart]") and not complaints(page)
    assert "pruned here" not in words  # a recorded run with its weights, not a stand-in


def _put(address: str, size: int) -> int:
    """The answer to *size* bytes of nothing put where the browser put its file. 499: the server hung up."""
    place = urlsplit(address)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.csv"\r\nContent-Type: text/csv\r\n\r\n'
    try:
        connection.putrequest("PUT", place.path)
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", str(len(head) + size + len(b"\r\n--b--\r\n")))
        connection.endheaders()
        connection.send(head)
        for _ in range(size // 10**6):
            connection.send(bytes(10**6))
        connection.send(b"\r\n--b--\r\n")
        return connection.getresponse().status
    except OSError:
        return 499
    finally:
        connection.close()
