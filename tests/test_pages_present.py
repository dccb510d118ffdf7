"""The page Present: decks that come along, one that is built, saved, sent and opened again."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.decks import DECKS, files, packed, shipped
from core.decks.base import Deck, Slide
from core.runs.store import Store
from tests.opening import open_page
from ui import decks
from ui.pages import PAGES

MINE = Deck("mine", (Slide("weights", {"layer": "1"}, "first", "say it"), Slide("plane"), Slide("trace")))


@pytest.fixture
def app(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return open_page(monkeypatch, empty_store, "present", deck=packed.packed(MINE))


def built(app: AppTest) -> Deck:
    deck = app.session_state[decks.KEY]
    assert isinstance(deck, Deck)
    return deck


def said(app: AppTest) -> Any:
    word = app.query_params["deck"]
    return word[0] if isinstance(word, list) else word


def test_every_deck_that_comes_along_is_listed(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, empty_store, "present")
    words = " ".join(m.value for m in app.markdown)
    for name in DECKS:
        assert shipped(name, frozenset(PAGES)).title in words
    app.button(key="deck.copy.two-of-four").click().run()
    assert built(app) == shipped("two-of-four", frozenset(PAGES)) == packed.unpacked(said(app), PAGES)


def test_every_slide_of_a_deck_is_a_way_into_the_hall(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import routes

    led: list[tuple[str, str, str]] = []
    monkeypatch.setattr(routes, "page_link", lambda page, label, query, icon=None: led.append(
        (page, label, f"{query['present']} {query['deck']} {query['slide']}")))
    open_page(monkeypatch, empty_store, "present")
    deck = shipped("sparsity", frozenset(PAGES))
    ours = [one for one in led if one[2].startswith("1 sparsity ")]
    assert ours[0] == (deck.slides[0].page, "Present", "1 sparsity 1")
    assert [(page, said) for page, _, said in ours[1:]] == [
        (slide.page, f"1 sparsity {place}") for place, slide in enumerate(deck.slides, 1)]
    assert ours[3][1].startswith("3. ") and ours[3][1].endswith(deck.slides[2].says)
    assert len(led) == sum(len(shipped(name, frozenset(PAGES)).slides) + 1 for name in DECKS)


def test_a_deck_is_built_by_hand_and_the_link_always_holds_it(app: AppTest) -> None:
    assert built(app) == MINE
    app.text_input(key="deck.says.1").set_value("second").run()
    app.text_area(key="deck.notes.0").set_value("say it\n\nslowly").run()
    app.button(key="deck.later.0").click().run()
    app.button(key="deck.remove.2").click().run()
    app.text_input(key="deck.title").set_value("ours").run()
    wanted = Deck("ours", (Slide("plane", {}, "second"), Slide("weights", {"layer": "1"}, "first", "say it\n\nslowly")))
    assert not app.exception and built(app) == wanted == packed.unpacked(said(app), PAGES)
    assert app.button(key="deck.earlier.0").disabled and app.button(key="deck.later.1").disabled


def test_what_is_saved_opens_again(app: AppTest) -> None:
    app.session_state[decks.KEY] = MINE
    assert files.read(files.written(built(app)), PAGES) == MINE


def test_a_broken_link_gets_a_red_box(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, empty_store, "present", deck="eNbroken")
    assert any("is not whole" in box.value for box in app.error) and app.markdown
    notes = open_page(monkeypatch, empty_store, "present", deck="nosuch", notes="1")
    assert any("Unknown deck" in box.value for box in notes.error)


def test_the_speaker_s_window_has_all_notes_and_nothing_else(
    empty_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = open_page(monkeypatch, empty_store, "present", deck="sparsity", notes="1")
    assert len(app.get("bidi_component")) == 1 and not app.button and not app.error
    sent = app.get("bidi_component")[0].proto.json
    for slide in shipped("sparsity", frozenset(PAGES)).slides:
        assert slide.notes.splitlines()[0][:40] in sent


def test_a_full_deck_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import InputError

    monkeypatch.setattr("ui.decks.st", type("Session", (), {"session_state": {}}))
    for _ in range(60):
        decks.add(Slide("plane"))
    with pytest.raises(InputError, match="60 slides"):
        decks.add(Slide("plane"))
    assert len(decks.built().slides) == 60
