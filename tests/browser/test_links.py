"""The link holds every choice: written by a click, read on a reload, kept over a walk through the pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.serving import complaints, painted, server
from tests.makers import make_store, run_named

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LIMIT = 180.0  # seconds for one page: a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def page(chrome: Any, store: Any) -> Iterator[tuple[Any, str]]:
    places = {"SPARSESCOPE_CACHED": str(store.recorded), "SPARSESCOPE_RUNS": str(store.live)}
    with server(environment=places) as address:
        context = chrome.new_context(viewport={"width": 1366, "height": 768})
        context.set_default_timeout(LIMIT * 1000)
        yield context.new_page(), address
        context.close()


def pick(page: Any, label: str, words: str) -> None:
    page.get_by_label(label, exact=False).first.click()
    page.get_by_role("option", name=words).first.click()
    page.wait_for_timeout(300)
    painted(page, LIMIT)


def shown(tab: Any) -> str:
    """The id of the run on the page, as its own words say it."""
    tab.get_by_role("button", name="About").click()
    tab.locator("[data-testid=stPopoverBody] code").first.wait_for()
    text = str(tab.inner_text("[data-testid=stPopoverBody]"))
    tab.keyboard.press("Escape")
    return text


def test_the_first_visitor_of_a_deep_link_gets_the_whole_app(page: tuple[Any, str], store: Any) -> None:
    tab, address = page
    run = run_named(store, method="asp", pattern="1:4")
    tab.goto(f"{address}/trace?run={run}", wait_until="commit")
    painted(tab, LIMIT)
    names = tab.eval_on_selector_all("[data-testid=stSidebarNavLink]", "links => links.map(l => l.innerText)")
    assert "ADMM trace" in names and not any(name in ("app", "trace") for name in names)
    assert run in shown(tab) and f"run={run}" in tab.url


def test_a_click_writes_the_link_and_a_reload_reads_it(page: tuple[Any, str], store: Any) -> None:
    tab, _ = page
    wanted = run_named(store, method="admm", pattern="1:4")
    pick(tab, "Run", "ADMM in training · 1:4")
    assert f"run={wanted}" in tab.url
    tab.reload(wait_until="commit")
    painted(tab, LIMIT)
    assert f"run={wanted}" in tab.url and wanted in shown(tab)


def test_the_run_goes_along_to_another_page(page: tuple[Any, str], store: Any) -> None:
    tab, _ = page
    wanted = run_named(store, method="admm", pattern="1:4")
    tab.locator("[data-testid=stSidebarNavLink]", has_text="N:M occupancy").click()
    tab.wait_for_url("**/occupancy*")
    painted(tab, LIMIT)
    assert f"run={wanted}" in tab.url and wanted in shown(tab)


def test_an_old_link_to_a_filtered_list_leads_to_those_runs(page: tuple[Any, str], store: Any) -> None:
    tab, address = page
    tab.goto(f"{address}/?task=cola&method=asp&pattern=2:4", wait_until="commit")
    painted(tab, LIMIT)
    tab.get_by_role("link", name="The runs that this link asks for").click()
    tab.wait_for_url("**/runs*")
    painted(tab, LIMIT)
    assert all(f"{key}={value}" in tab.url for key, value in (("task", "cola"), ("method", "asp")))
    assert tab.locator("[data-testid=stDataFrame]").count() and "1 of 18 runs" in tab.inner_text("[data-testid=stMain]")


@pytest.mark.parametrize("key", ["weights", "activations", "occupancy", "trace"])
def test_a_link_names_its_run_and_a_wrong_one_leaves_the_page_alive(page: tuple[Any, str], store: Any,
                                                                    key: str) -> None:
    tab, address = page
    run = run_named(store, method="admm", pattern="1:4")
    tab.goto(f"{address}/{key}?run={run}", wait_until="commit")
    painted(tab, LIMIT)
    assert f"run={run}" in tab.url
    tab.goto(f"{address}/{key}?run=no-such-run", wait_until="commit")
    painted(tab, LIMIT)
    assert "no-such-run" in tab.inner_text("[data-testid=stMain]")
    assert complaints(tab) == []
