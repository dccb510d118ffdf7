"""The first walk of somebody who has never been here: open, play the film, see the weights, see what it costs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.serving import complaints, painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
HEARD = "document.addEventListener('film-painted', event => { window.moments = (window.moments || 0) + 1; });"
FIGURE = "[data-testid=stPlotlyChart], [data-testid=stBidiComponentIsolated], [data-testid=stMain] img"


def arrived(page: Any, title: str) -> None:
    """The page *title* stands, with its claim over a figure; but for the front door, the claim holds a number."""
    page.locator("[data-testid=stMain] h1", has_text=title).wait_for()
    painted(page)
    assert complaints(page) == []
    claims = page.locator("[data-testid=stMain] h2").all_inner_texts()
    assert claims and (title == "Overview" or any(re.search(r"\d", claim) for claim in claims)), claims
    assert page.locator(FIGURE).locator("visible=true").count() > 0


def test_from_the_front_door_to_what_it_costs(chrome: Any, address: str) -> None:
    context = chrome.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.add_init_script(HEARD)
    page.goto(address, wait_until="commit")
    arrived(page, "Overview")
    page.get_by_role("link", name="Watch", exact=True).click()
    arrived(page, "Watch")
    before = page.evaluate("window.moments || 0")
    page.keyboard.press("k")
    page.wait_for_function(f"(window.moments || 0) > {before + 3}")
    for name in ("Weights", "Accuracy vs ratio"):
        page.get_by_role("link", name=name, exact=True).click()
        arrived(page, name)
    context.close()
