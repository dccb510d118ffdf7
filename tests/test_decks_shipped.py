"""The decks that come along: every slide names a page, its own knobs and recorded runs; opened, its figure stands there
and what is said over it is true."""

from __future__ import annotations

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.decks import DECKS, FILES, shipped
from core.decks.base import Slide
from core.runs.store import Store
from tests import films
from tests.opening import ROOT, open_page
from tests.test_hostile_links import keys
from ui.pages import PAGES

ALL = {name: shipped(name, frozenset(PAGES)) for name in DECKS}
SLIDES = [pytest.param(slide, id=f"{name}-{number}") for name in FILES
          for number, slide in enumerate(ALL[name].slides, 1)]
RECORDED = Store(ROOT / "cached_runs", ROOT / "no-such-folder")


def test_the_decks_that_were_promised_are_there() -> None:
    assert {deck.title for deck in ALL.values()} >= {
        "How ADMM reshapes sparsity", "What 2:4 means", "ADMM against one-shot", "Activations reshaped"}
    assert ALL["sparsity"].minutes == 20 and len(ALL["sparsity"].slides) >= 10
    pages = {slide.page for slide in ALL["sparsity"].slides}
    assert {"plane", "projection", "watch", "accuracy"} <= pages
    assert all(slide.notes and slide.minutes for name in FILES for slide in ALL[name].slides)


def test_slides_name_recorded_runs_their_matrices_and_known_keys() -> None:
    known = {*keys(), "look", "runs"}
    for deck in ALL.values():
        for slide in deck.slides:
            assert set(slide.query) <= known, slide.link
            ids = [slide.query["run"]] if "run" in slide.query else []
            ids += [each for each in slide.query.get("runs", "").split(",") if each]
            for run in ids:
                record = RECORDED.open(run).record
                assert record.status == "succeeded"
                if "matrix" in slide.query:
                    assert slide.query["matrix"] in {m.name for m in record.matrices}


def told(app: AppTest) -> str:
    """All that a page says of its figure: headings, words and numbers, folded ones too."""
    said = [str(e.value) for block in (app.caption, app.header, app.markdown) for e in block]
    said += [e.proto.body for e in app.get("html")]
    for film in films.films(app):
        said += [film["alt"], *(text for panel in film["panels"].values() if panel["kind"] == "words"
                                for text in panel["texts"])]
    return " ".join(said).replace("\u202f", " ").replace("\\", "")


# What is said over a figure in numbers, and the words of the page that bear it out.
TRUE = {
    "Z changed its mind 29 times in 30 iterations": "it has changed the weight it keeps 29 times",
    "solved by ADMM 0.03 %": "The answer loses 0.0289 % of the outputs",
    "The hard prune takes 0.003 of score": "The hard prune took 0.003 of score",
    "at last every group holds exactly two": "→ 100 %, from dense to pruned",
    "24 576 groups, 0 violations": "24 576 groups of 4, 0 violations",
    "the file is 1.62 times smaller": "the file is 1.62× smaller; a pass is no faster",
    "ADMM keeps 86 %": "these stay too: B 86.3 %",
    "ADMM mends 215 and breaks 33": "B mends 215 answers and breaks 33",
    "no region of the activations went quiet": "FFN intermediate 0 % → 0 %",
    "72 % of them are quiet": "FFN intermediate 0 % → 71.9 %",
    "from 3 % quiet regions to 63.5 %": "from 3.16 % in the dense model to 63.5 % at the end",
    "81 % of the features": "62.1 % → 81.3 % of the features",
}


def test_every_number_over_a_figure_is_held() -> None:
    for name in FILES:
        for slide in ALL[name].slides:
            numbers = re.findall(r"\d+", re.sub(r"2:4|Layer \d", "", slide.says))
            held = [words for words in TRUE if words in slide.says]
            assert not numbers or held or "3.7 %" in slide.says, slide.says  # 3.7 %: tests/test_lesson.py


@pytest.mark.slow
@pytest.mark.parametrize("slide", SLIDES)
def test_a_slide_opens_on_its_figure_and_says_what_is_true(slide: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    app: Any = open_page(monkeypatch, RECORDED, slide.page, **slide.query, present="1")
    figures = len(app.get("plotly_chart")) + len(app.get("bidi_component"))
    assert not app.error and figures == 1, [e.value for e in app.error]
    for words, truth in TRUE.items():
        if words in slide.says:
            assert truth in told(open_page(monkeypatch, RECORDED, slide.page, **slide.query))
