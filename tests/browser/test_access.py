"""Access, in a real browser: what axe-core finds, the telephone, no motion for those who want none, the keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.axe import SIZE, STREAMLITS_OWN, THEMES, findings, look
from tests.browser.serving import painted
from ui.pages import PAGES, tab_title

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SAMPLE = ("watch", "accuracy", "run")  # a film, charts with segments, a form with code; `make access` takes all pages
TELEPHONE = {"width": 390, "height": 844}
WIDTHS = """() => [document.scrollingElement, document.querySelector('[data-testid=stMain]')]
    .map(e => e.scrollWidth)"""
RING = """() => {
    const shown = getComputedStyle(document.activeElement);
    return [document.activeElement.tagName, shown.outlineStyle, parseFloat(shown.outlineWidth)];
}"""


@pytest.fixture(scope="module")
def tab(chrome: Any, address: str) -> Any:
    """One tab for all of it."""
    context = chrome.new_context(viewport=SIZE)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("key", SAMPLE)
def test_a_page_opened_by_its_link_is_readable_and_fits_a_telephone(tab: Any, address: str, key: str) -> None:
    refused: list[str] = []
    tab.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    tab.set_viewport_size(SIZE)
    tab.goto(f"{address}/{key}")
    for theme in THEMES:
        found = look(tab, theme)
        assert [str(f) for f in found if not f.theirs] == []
        for rule, where, _ in STREAMLITS_OWN:  # a line that is needed no more has to go
            if tab.locator(f"[data-testid={where}]:visible").count():
                assert any(f.theirs and f.rule == rule for f in found), f"{rule} in {where} finds nothing"
    assert refused == [] and tab.title() == tab_title(PAGES[key].title)
    tab.set_viewport_size(TELEPHONE)
    painted(tab)
    assert max(tab.evaluate(WIDTHS)) <= TELEPHONE["width"]


def test_the_keyboard_is_seen_and_nothing_moves_for_those_who_want_it_calm(tab: Any, address: str) -> None:
    tab.set_viewport_size(SIZE)
    tab.emulate_media(reduced_motion="reduce")
    tab.goto(f"{address}/run")
    painted(tab)
    rings = []
    for _ in range(30):
        tab.keyboard.press("Tab")
        rings.append(tab.evaluate(RING))
    seen = [ring for ring in rings if ring[0] in ("A", "BUTTON", "SUMMARY")]
    assert len(seen) > 10 and all(style == "solid" and width >= 2 for _, style, width in seen)
    slow = tab.evaluate("""() => [...document.querySelectorAll('.stApp *')].filter(e =>
        [getComputedStyle(e).transitionDuration, getComputedStyle(e).animationDuration].some(
            d => d.split(',').some(one => parseFloat(one) > 0.001))).length""")
    assert slow == 0
    tab.emulate_media(reduced_motion="no-preference")


def test_the_word_of_an_open_menu_is_as_readable_as_of_a_closed_one(tab: Any, address: str) -> None:
    tab.emulate_media(color_scheme="dark")
    tab.goto(f"{address}/run")
    painted(tab)
    menu = tab.locator("[data-testid=stPopoverButton]").first
    colour = menu.evaluate("e => getComputedStyle(e).color")
    menu.click()
    tab.wait_for_selector("[data-testid=stPopoverButton][aria-expanded=true]")
    assert menu.evaluate("e => getComputedStyle(e).color") == colour
    tab.emulate_media(color_scheme="light")


def test_planted_faults_are_found(chrome: Any) -> None:
    page = chrome.new_page()
    page.set_content("""<html lang="en"><title>x</title><main><h1>x</h1><p style="color:#999;background:#fff">faint</p>
        <ul data-testid="stSidebarNavItems"><p>heading</p></ul><ul><p>ours</p></ul>
        <section role="presentation" aria-label="a" data-testid="stFileUploaderDropzone">a</section>
        <section role="presentation" aria-label="b">b</section></main>""")
    found = findings(page)
    assert {(f.rule, f.theirs) for f in found} == {
        ("color-contrast", False), ("list", True), ("list", False), ("presentation-role-conflict", True),
        ("presentation-role-conflict", False)}
    page.close()
