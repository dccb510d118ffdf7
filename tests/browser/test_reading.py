"""What meets the eye first on every page: a picture in the upper third, and boxes whose text is whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import reading
from tests.browser.serving import browser, painted, server
from ui.pages import PAGES

pytestmark = pytest.mark.browser
TOP = 260  # pixels from the upper edge, of 768
# Where the first figure still begins lower; none may begin lower than it does. A page that is mended leaves this list.
LOWER = {"activations": 290, "patterns": 290, "plane": 270, "compare": 500, "lab": 370,
         "sentence": 460, "run": 450}
CUT = {"compare", "lab", "sentence", "inspect"}  # whose boxes still cut what is chosen


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with server() as address, browser() as chrome:
        page = chrome.new_context(viewport=reading.SIZE).new_page()
        page.sparsescope = address
        yield page


@pytest.mark.parametrize("key", [k for k in PAGES if k != "lesson"])
def test_a_picture_begins_in_the_upper_third_and_no_box_is_cut(tab: Any, key: str) -> None:
    tab.goto(f"{tab.sparsescope}/{'' if key == 'overview' else key}", wait_until="commit", timeout=60_000)
    painted(tab)
    top, _ = reading.first(tab)
    print(f"{key}: {reading.words(tab)} words, first figure at {top:.0f} px")
    assert top <= LOWER.get(key, TOP)
    assert key in CUT or not reading.cut(tab)
