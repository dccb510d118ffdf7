"""A presenter's way through a deck in a real browser: ten slides by the keys of a clicker, whatever has the focus."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from core.decks.base import Deck, Slide
from core.decks.packed import packed
from tests.browser.serving import complaints, painted
from tests.browser.staging import SPY, smallest, stands

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LIMIT = 180.0  # seconds for one page: a busy machine is slow, not wrong
RUN = {"run": "entailment-tiny-admm-2of4-e4-s0-237dea71"}
MATRIX = RUN | {"matrix": "bert.encoder.layer.0.attention.self.value"}
DECK = Deck("Ten", (
    Slide("plane", {"case": "good", "k": "0"}, notes="first notes"), Slide("plane", {"case": "small"}, "second words"),
    Slide("projection", {"pattern": "2:4", "coupling": "60", "rho": "1", "k": "0"}),
    Slide("watch", MATRIX), Slide("occupancy", MATRIX), Slide("occupancy", MATRIX | {"look": "history"}),
    Slide("trace", RUN), Slide("trace", RUN | {"look": "waterfall"}), Slide("weights", MATRIX | {"look": "model"}),
    Slide("occupancy", RUN | {"lock": "share"}, "The last")))
COUNT = len(DECK.slides)


@pytest.fixture(scope="module")
def hall(chrome: Any, address: str) -> Iterator[tuple[Any, str]]:
    context = chrome.new_context(viewport={"width": 1920, "height": 1080})
    context.set_default_timeout(LIMIT * 1000)
    context.add_init_script(SPY)
    yield context.new_page(), address
    context.close()


def blank(tab: Any) -> bool:
    return bool(tab.locator("#stage-blank").count())


def test_ten_slides_by_a_clicker(hall: tuple[Any, str]) -> None:
    tab, address = hall
    tab.goto(f"{address}/present?present=1&deck={packed(DECK)}", wait_until="commit")
    stands(tab, f"1 / {COUNT}", LIMIT)
    assert "/plane" in tab.url
    tab.wait_for_timeout(800)  # the rehearsal begins once the first slide stands
    tab.wait_for_function("!document.getElementById('stage-rehearsal')")
    took = []
    for number in range(2, COUNT + 1):
        tab.evaluate("window.drawnTexts.length = 0")
        tab.keyboard.press("PageDown")
        took.append(round(stands(tab, f"{number} / {COUNT}", LIMIT), 2))
        tab.wait_for_timeout(250)
        texts = smallest(tab)
        assert texts[0][0] >= 23.9, (number, texts[:3])
        claims = [size for size, words in texts if size >= 35.9]
        assert claims and complaints(tab) == [] and f"slide={number}" in tab.url, number
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # a process that waits for others is no slow page
    assert max(took) <= 1.0 * busy, (took, busy)


def test_only_the_figure_is_seen_and_reached(hall: tuple[Any, str]) -> None:
    tab, _ = hall
    seen = tab.evaluate("""() => [...document.querySelectorAll('.stApp *')]
        .filter(e => !e.closest('.st-key-stage, .st-key-knobs') && !e.contains(document.querySelector('.st-key-stage')))
        .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.innerText?.trim())
        .filter(e => e.getBoundingClientRect().right > 0 && e.getBoundingClientRect().bottom > 0)
        .map(e => e.innerText.slice(0, 40))""")
    assert seen == []
    knobs = tab.locator("[data-testid=stMain] input:visible")
    assert [k.get_attribute("aria-label") or k.get_attribute("type") for k in knobs.all()].count("range") <= 1


def test_keys_work_while_a_knob_has_the_focus(hall: tuple[Any, str]) -> None:
    tab, _ = hall
    knob = tab.locator(".st-key-knobs input").first
    knob.focus()
    tab.keyboard.press("ArrowUp")
    tab.wait_for_function("new URLSearchParams(location.search).has('share')")
    stands(tab, f"{COUNT} / {COUNT}", LIMIT)
    tab.locator(".st-key-knobs input").first.focus()
    tab.keyboard.press("PageUp")
    stands(tab, f"{COUNT - 1} / {COUNT}", LIMIT)
    tab.keyboard.press("b")
    assert blank(tab)
    tab.keyboard.press("b")
    assert not blank(tab)
    tab.keyboard.type("10")
    tab.keyboard.press("Enter")
    stands(tab, f"10 / {COUNT}", LIMIT)
    assert "share" not in tab.url.replace("lock=share", ""), "the slide is not as it was made"
    tab.keyboard.press("1")
    stands(tab, f"1 / {COUNT}", LIMIT)


def test_p_plays_and_the_speaker_s_window_follows(hall: tuple[Any, str]) -> None:
    tab, address = hall
    tab.keyboard.press("p")
    tab.get_by_role("button", name="Pause").wait_for()
    notes = tab.context.new_page()
    notes.goto(f"{address}/present?notes=1&deck={packed(DECK)}", wait_until="commit")
    notes.get_by_text("first notes").wait_for()
    assert notes.get_by_text("second words").count()  # what comes next
    notes.get_by_role("button", name="Next slide").click()
    stands(tab, f"2 / {COUNT}", LIMIT)
    tab.bring_to_front()
    tab.keyboard.press(" ")
    stands(tab, f"3 / {COUNT}", LIMIT)
    notes.get_by_text(f"3 / {COUNT}").wait_for()
    notes.close()


def test_escape_leaves_and_one_key_comes_back(hall: tuple[Any, str]) -> None:
    tab, _ = hall
    tab.keyboard.press("Escape")
    painted(tab, LIMIT)
    assert "present" not in tab.url and tab.get_by_role("heading", name="The projection").is_visible()
    tab.keyboard.press("f")
    stands(tab, "", LIMIT)
    tab.keyboard.press("f")
    painted(tab, LIMIT)
    assert "present" not in tab.url
    tab.get_by_role("button", name="More knobs").click()
    box = tab.get_by_role("textbox").first
    box.click()
    tab.keyboard.type("f")
    tab.wait_for_timeout(400)
    assert "present" not in tab.url and "f" in box.input_value()
