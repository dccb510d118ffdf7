"""Decks as files and as links: what is written reads back, what is wrong is refused in a sentence, bombs stay small."""

from __future__ import annotations

import base64
import json
import random
import tomllib
import zlib
from typing import Any

import pytest

from core.decks import DECKS, base, files, named, packed
from core.decks.base import Deck, Slide
from core.errors import InputError
from core.lessons import LESSONS
from ui.pages import PAGES

LETTERS = "abc XYZ 0123456789 \"\\'#=[]{}%&?+/<>$` äß≈μ中🂡—\u202f\u00a0"
NOTES = LETTERS + "\n\t"


def drawn(seed: int) -> Deck:
    """A deck of random words, and hard ones: quotes, backslashes, other scripts, line ends."""
    dice = random.Random(seed)

    def words(letters: str, most: int) -> str:
        return "".join(dice.choices(letters, k=dice.randint(0, most))).strip()

    slides = tuple(
        Slide(dice.choice(sorted(PAGES)), {f"key{n}": words(LETTERS, 12) for n in range(dice.randint(0, 3))},
              words(LETTERS, 60), words(NOTES, 200) + dice.choice(["", '"', '""', '"""', "\\"]),
              dice.choice([0.0, 0.5, 2.0, 1.25]))
        for _ in range(dice.randint(0, 8)))
    return Deck(f"deck {words(LETTERS, 30)}".strip(), slides, words(LETTERS, 80))


@pytest.mark.parametrize("seed", range(40))
def test_a_deck_reads_back_from_file_and_link(seed: int) -> None:
    deck = drawn(seed)
    text = files.written(deck)
    assert files.read(text, PAGES) == files.read(text.encode(), PAGES) == deck
    assert [t["link"] for t in tomllib.loads(text).get("slide", [])] == [s.link for s in deck.slides]
    word = packed.packed(deck)
    assert packed.looks_packed(word) and set(word) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                          "0123456789-_")
    assert packed.unpacked(word, PAGES) == named(word, PAGES) == deck


def test_a_link_is_taken_apart_as_it_stands_in_the_address_line() -> None:
    assert base.parted("http://127.0.0.1:8501/weights?run=a&k=3&present=1&deck=x&slide=4") == \
        ("weights", {"run": "a", "k": "3"})
    assert base.parted("lab?pin=x%3D1%26y&empty=") == ("lab", {"pin": "x=1&y", "empty": ""})
    assert base.parted("?k=2") == ("overview", {"k": "2"}) and base.parted("http://host/") == ("overview", {})
    slide = Slide("lab", {"pin": "a=1&b", "k": "0"})
    assert base.parted(slide.link) == (slide.page, slide.query)


SLIDE = '[[slide]]\nlink = "weights"\n'


@pytest.mark.parametrize(("text", "says"), [
    ("title =", "is no TOML"),
    ("[" * 5000, "is no TOML"),
    (b"title = \"\xff\"", "is no text"),
    ("words = \"x\"", "has no title"),
    ("title = 3", "title of the deck is no text"),
    ("title = \"a\"\nslides = []", "Unknown field of a deck 'slides'"),
    ("title = \"a\"\nslide = 3", "no list of tables"),
    ("title = \"a\"\nslide = [3]", "no list of tables"),
    (f"title = \"{'a' * 121}\"", "title of the deck has 121 characters"),
    ("title = \"a\\u0007\"", "a character that no screen can show"),
    ("title = \"a\\nb\"", "a character that no screen can show"),
    ("title = \"a\"\n" + SLIDE * 61, "The deck has 61 slides. Expected at most 60"),
    ("title = \"a\"\n[[slide]]\nsays = \"x\"", "Slide 1 has no link"),
    ("title = \"a\"\n" + SLIDE + "[[slide]]\nlink = \"wieghts?k=1\"", "Unknown page of slide 2 'wieghts'"),
    ("title = \"a\"\n[[slide]]\nlink = \"http://[bad\"", "is no link"),
    ("title = \"a\"\n" + SLIDE + f"says = \"{'x' * 241}\"", "says of slide 1 has 241 characters"),
    ("title = \"a\"\n" + SLIDE + f"notes = \"{'x' * 4001}\"", "notes of slide 1 has 4001 characters"),
    ("title = \"a\"\n" + SLIDE + "note = \"x\"", "Did you mean 'notes'?"),
    ("title = \"a\"\n" + SLIDE + "minutes = \"2\"", "minutes of slide 1"),
    ("title = \"a\"\n" + SLIDE + "minutes = true", "minutes of slide 1"),
    ("title = \"a\"\n" + SLIDE + "minutes = -1", "minutes of slide 1"),
    ("title = \"a\"\n" + SLIDE + "minutes = nan", "minutes of slide 1"),
    (" " * 400_001, "at most 400000"),
])
def test_a_bad_file_is_refused_in_one_sentence(text: str | bytes, says: str) -> None:
    with pytest.raises(InputError) as caught:
        files.read(text, PAGES)
    assert says in str(caught.value) and len(str(caught.value)) < 400


def zipped(data: Any) -> str:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(zlib.compress(text, 9)).rstrip(b"=").decode()


@pytest.mark.parametrize("word", [
    "eN", "eN!!", "eN" + "A" * 50, zipped(b"no json"), zipped([1, 2]), zipped(b"[" * 100_000),
    zipped({"title": "x"})[:-3], zipped(b" " * 160_001), zipped(b"0" * 10_000_000), zipped(b"\xff\xfe"),
])
def test_a_broken_link_and_a_bomb_are_refused(word: str) -> None:
    with pytest.raises(InputError, match=r"is not whole|characters"):
        packed.unpacked(word, PAGES)


def test_a_link_is_bounded_in_both_directions() -> None:
    dice = random.Random(1)
    notes = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz ", k=4000)).strip() for _ in range(20)]
    long = Deck("long", tuple(Slide("weights", notes=text) for text in notes))
    with pytest.raises(InputError, match="would make a link of"):
        packed.packed(long)
    with pytest.raises(InputError, match="at most 16000"):
        packed.unpacked("eN" + "A" * 16_000, PAGES)
    with pytest.raises(InputError, match="Unknown page of slide 1"):
        packed.unpacked(zipped({"title": "x", "slide": [{"link": "nowhere"}]}), PAGES)


def test_the_number_of_a_slide_is_read_strictly() -> None:
    deck = Deck("x", (Slide("weights"), Slide("trace")))
    assert [deck.place(asked) for asked in (None, "1", "2")] == [0, 0, 1]
    for asked in ("0", "3", "-1", "one", "9" * 500, "1.5"):
        with pytest.raises(InputError, match="1 to 2"):
            deck.place(asked)


def test_every_step_of_a_lesson_with_a_figure_is_a_slide() -> None:
    lesson = LESSONS["admm"]
    deck = named("admm", PAGES)
    steps = [step for step in lesson.steps if step.state]
    assert [(s.page, s.query, s.says) for s in deck.slides] == \
        [(step.page, {**step.state, "look": step.look.key}, step.title) for step in steps]
    for slide, step in zip(deck.slides, steps, strict=True):
        assert step.words in slide.notes and (step.question is None or step.question.reveal in slide.notes)


def test_an_unknown_deck_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean"):
        named("adm", PAGES)
    assert all(named(name, PAGES).slides for name in DECKS)
