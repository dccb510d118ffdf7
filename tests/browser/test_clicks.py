"""A click on a mark of a still picture leads on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.reading import SIZE
from tests.browser.serving import complaints, painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]


def test_a_dot_of_the_tasks_side_by_side_opens_its_task(chrome: Any, address: str) -> None:
    context = chrome.new_context(viewport=SIZE)
    page = context.new_page()
    page.goto(f"{address}/accuracy")
    painted(page)
    panel = page.locator(".st-key-tasks")
    panel.scroll_into_view_if_needed()
    names = panel.locator(".annotation-text").all_text_contents()
    place = names.index("MRPC")
    dots = panel.locator(f".subplot.x{place + 1}y{place + 1} .points path")
    assert dots.count() > 4
    for _ in range(2):  # the same dot again, once the average is chosen again
        panel.scroll_into_view_if_needed()
        # Dots lie over each other: the click goes to where the first one is, and hits what is on top there.
        box = dots.first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_url("**/accuracy?task=mrpc", timeout=20_000)
        painted(page)
        assert page.get_by_role("heading", name="MRPC: ADMM in training at ").count() == 1
        page.wait_for_function("document.querySelector('.st-key-bar').getBoundingClientRect().top >= 0", timeout=10_000)
        assert all(float(path.evaluate("e => getComputedStyle(e).opacity")) == 1 for path in dots.all())
        page.locator(".st-key-bar [data-testid=stSelectbox]").first.click()
        page.get_by_role("option", name="average of GLUE").click()
        page.wait_for_url("**/accuracy", timeout=20_000)
        painted(page)
    assert complaints(page) == []
    context.close()
