"""The lesson by keyboard in a real browser: three steps, a guess, a picture that plays and stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from core.lessons.admm import ADMM
from tests.browser.serving import complaints, painted
from ui.lesson_strip import query

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LIMIT = 180.0  # seconds for one page: a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def page(chrome: Any, address: str) -> Iterator[tuple[Any, str]]:
    context = chrome.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(LIMIT * 1000)
    yield context.new_page(), address
    context.close()


def press(page: Any, key: str, words: str) -> None:
    """Press *key* and wait until the strip or the page says *words*."""
    page.keyboard.press(key)
    page.get_by_text(words, exact=False).first.wait_for()
    painted(page, LIMIT)
    assert complaints(page) == []


def test_three_steps_by_key_and_back(page: tuple[Any, str]) -> None:
    tab, address = page
    tab.goto(f"{address}/lesson", wait_until="commit")
    painted(tab, LIMIT)
    tab.get_by_role("link", name="Start the lesson").click()
    tab.get_by_text("Step 1 of").wait_for()
    painted(tab, LIMIT)
    assert "step=cross" in tab.url and "/plane" in tab.url
    for place, step in enumerate(ADMM.steps[1:3], 2):
        press(tab, "n", f"Step {place} of")
        assert f"step={step.id}" in tab.url and f"case={step.state['case']}" in tab.url
        assert tab.locator(f".st-key-film-box-{step.look.key} canvas").count()
    press(tab, "p", "Step 2 of")
    assert "step=once" in tab.url
    question = ADMM.steps[1].question
    assert question is not None
    press(tab, str(question.answer + 1), question.reveal[:40])


def test_the_strip_leaves_most_of_the_window_and_never_covers_the_end_of_the_page(page: tuple[Any, str]) -> None:
    tab, _ = page
    strip = tab.locator(".st-key-lesson").bounding_box()
    assert strip["height"] < 0.45 * 768 and strip["y"] + strip["height"] <= 768
    tab.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 1e6)")
    last = tab.locator("[data-testid=stMainBlockContainer] [data-testid=stExpander]").last.bounding_box()
    assert last["y"] + last["height"] <= strip["y"]


SEEN = """look => {
    const strip = document.querySelector('[data-testid=stBottomBlockContainer]').getBoundingClientRect().top;
    const film = document.querySelector(`.st-key-film-box-${look}`);
    const root = film.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot;
    const parts = [film, root.querySelector('.bar'), ...root.querySelectorAll('canvas')];
    const knobs = [...document.querySelectorAll('[data-testid=stMain] [data-testid=stSlider]')]
        .filter(e => e.offsetHeight && !e.closest('details'));
    return [...parts, ...knobs].map(e => e.getBoundingClientRect()).filter(r => r.height)
        .map(r => [Math.round(r.top), Math.round(r.bottom - strip)]);
}"""


@pytest.mark.parametrize("name", ["cross", "crossing", "layer", "film"])
def test_picture_player_and_knobs_stand_over_the_strip_without_scrolling(page: tuple[Any, str], name: str) -> None:
    tab, address = page
    step = ADMM.steps[ADMM.place(name)]
    tab.goto(f"{address}/{step.page}?{urlencode(query(ADMM, step))}", wait_until="commit")
    painted(tab, LIMIT)
    tab.wait_for_timeout(1000)  # a film looks three times a second at the room that it has
    places = tab.evaluate(SEEN, step.look.key)
    assert len(places) >= 2
    assert all(top >= 0 and over <= 0 for top, over in places), places


def test_keys_live_on_after_a_slider_was_moved(page: tuple[Any, str]) -> None:
    tab, address = page
    step = ADMM.steps[ADMM.place("meet")]
    tab.goto(f"{address}/{step.page}?{urlencode(query(ADMM, step))}", wait_until="commit")
    painted(tab, LIMIT)
    for key, words in (("n", f"Step {ADMM.place('weak') + 1} of"), ("p", f"Step {ADMM.place('meet') + 1} of"),
                       ("1", "Ask again"), ("n", f"Step {ADMM.place('weak') + 1} of")):
        tab.locator("[data-testid=stSlider] input").first.focus()
        tab.keyboard.press("ArrowRight")
        tab.wait_for_function("new URLSearchParams(location.search).has('rho')")
        painted(tab, LIMIT)
        assert tab.evaluate("document.activeElement.type") == "range"
        press(tab, key, words)


def test_typing_into_a_box_is_no_shortcut(page: tuple[Any, str]) -> None:
    tab, address = page
    step = ADMM.steps[ADMM.place("group")]
    tab.goto(f"{address}/{step.page}?{urlencode(query(ADMM, step))}", wait_until="commit")
    painted(tab, LIMIT)
    tab.get_by_role("button", name="More knobs").click()
    box = tab.get_by_role("textbox").first
    box.click()
    tab.keyboard.type("np1")
    tab.wait_for_timeout(1000)
    assert "step=group" in tab.url and "np1" in box.input_value() and not tab.get_by_text("Ask again").count()


def test_play_runs_to_the_end_and_stops(page: tuple[Any, str]) -> None:
    tab, address = page
    tab.goto(f"{address}/plane?case=good&iterations=5&k=1", wait_until="commit")
    painted(tab, LIMIT)
    tab.keyboard.press("k")
    tab.get_by_role("button", name="Pause").wait_for()
    moment = tab.locator("output.moment")
    moment.filter(has_text="iteration 5").wait_for()
    tab.get_by_role("button", name="Play").wait_for()
    tab.wait_for_function("!new URLSearchParams(location.search).has('k')")
    tab.keyboard.press("j")
    moment.filter(has_text="iteration 4").wait_for()
    tab.wait_for_timeout(2500)  # long enough for a moment more, were it still playing
    assert moment.inner_text() == "iteration 4" and "k=4" in tab.url
