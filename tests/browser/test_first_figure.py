"""At 1366 x 768 every page opened alone shows its first picture high up, is light on the wire, and every box shows what
is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.first_picture import BYTES_BAR, Meter, time_to_picture
from tests.browser.reading import SIZE, cut, first, grown, words
from tests.browser.serving import ROOT, complaints, painted
from tests.makers import make_store
from ui.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
HIGH = 260  # pixels from the top of the window
REAL = {"run": "[data-testid=stSelectbox]", "lesson": "[data-testid=stPageLink]",
        "present": "[data-testid=stPageLink]"}  # pages without a picture
FULL = {"accuracy": 280, "methods": 1000,  # words; the rest says what it shows in fewer
        "occupancy": 170, "patterns": 272, "compare": 298, "trace": 192, "sentence": 155, "inspect": 102, "run": 103}
MOST = 300
WANTED = {"lesson": "[data-testid=stPageLink]", "methods": ".formula", "runs": "[data-testid=stDataFrame]",
          "run": "[data-testid=stCode]", "present": "[data-testid=stPageLink]",
          "sentence": "[data-testid=stTextInput]"}  # what must be there; of the rest a picture
PICTURE = "[data-testid=stMain] img, [data-testid=stPlotlyChart], canvas"
# Pages with a figure whose margin depends on names or on tokens: it cannot be known before it is drawn.
LONG_NAMES = ("activations", "cost", "inspect", "patterns", "sentence", "trace")


@contextmanager
def opened(chrome: Any, link: str, before: Callable[[Any], Any] = lambda page: None) -> Iterator[Any]:
    """The page at *link*, painted, in a small window; *before* is called with it while it is empty."""
    context = chrome.new_context(viewport=SIZE)
    page = context.new_page()
    before(page)
    page.goto(link)
    painted(page)
    yield page
    context.close()


@pytest.mark.parametrize("key", PAGES)
def test_the_first_picture_is_high_and_no_box_cuts_its_words(chrome: Any, address: str, key: str) -> None:
    errors: list[str] = []
    meters: list[Meter] = []

    def listen(page: Any) -> None:
        page.on("pageerror", lambda error: errors.append(str(error)))
        meters.append(Meter(page))

    with opened(chrome, f"{address}/{'' if key == 'overview' else key}", listen) as page:
        assert complaints(page) == [] and errors == []
        assert page.locator(WANTED.get(key, PICTURE)).count()  # a locator sees into components
        assert 0.001 < meters[0].megabytes() <= BYTES_BAR
        top, bottom = first(page, REAL[key], 20) if key in REAL else first(page)
        assert top < HIGH and bottom > top
        assert cut(page) == []
        assert 0 < words(page) <= FULL.get(key, MOST)
        assert key in LONG_NAMES or grown(page) == []


def test_the_box_of_a_long_pattern_shows_all_of_it(chrome: Any, address: str) -> None:
    with opened(chrome, f"{address}/accuracy?task=average&kind=unstructured") as page:
        assert cut(page) == [] and page.get_by_text("At unstructured:0.5, ").count() == 1


def test_a_search_is_laid_out_once(chrome: Any, address: str) -> None:
    with opened(chrome, f"{address}/accuracy?view=helps&task=cola") as page:
        assert complaints(page) == [] and grown(page) == [] and words(page) <= FULL["accuracy"]


@pytest.mark.parametrize("query", [
    "", "?task=entailment&model=minilm-l6&method=taylor&pattern=neurons:0.5", "?method=admm&pattern=library:4x4:8:16"])
def test_what_a_run_is_begins_with_six_fields_in_one_row(chrome: Any, address: str, query: str) -> None:
    with opened(chrome, f"{address}/run{query}") as page:
        assert complaints(page) == []
        boxes = [page.locator("[data-testid=stMain]").get_by_label(name, exact=True).first.bounding_box()
                 for name in ("Task", "Model", "Method", "Pattern", "Epochs", "Seed")]
        assert max(box["y"] for box in boxes) - min(box["y"] for box in boxes) < 12
        assert cut(page) == []


BEYOND = """() => [...document.querySelectorAll('[data-testid=stMain] .stHtml > *')].filter(
    e => e.checkVisibility() && e.getBoundingClientRect().right > e.parentElement.getBoundingClientRect().right + 1)
    .map(e => e.className)"""


@pytest.mark.parametrize("method", ["admm", "admm-layer", "pattern-admm"])
def test_no_table_of_a_method_leaves_its_card(chrome: Any, address: str, method: str) -> None:
    with opened(chrome, f"{address}/methods?method={method}") as page:
        assert complaints(page) == [] and page.locator("table.runs tr").count() > 5
        assert page.evaluate(BEYOND) == []


LARGE = """() => [...document.querySelectorAll('[data-testid=stMain] *')]
    .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(e => [parseFloat(getComputedStyle(e).fontSize), e.textContent.trim()]).sort((a, b) => b[0] - a[0])"""


def test_the_verdict_is_the_largest_thing_on_inspect(chrome: Any, address: str) -> None:
    with opened(chrome, f"{address}/inspect") as page:
        largest, second = page.evaluate(LARGE)[:2]
        assert "obey" in largest[1] and largest[0] > second[0]


@pytest.mark.parametrize("key", ["weights", "trace"])
def test_the_longest_name_of_a_run_is_whole(chrome: Any, address: str, key: str) -> None:
    from core.runs.store import Store
    from core.views.drawing.telling_apart import short_names

    records = [r for r in Store(ROOT / "cached_runs", ROOT / "no-such-folder").records() if r.spec.method != "dense"]
    tasks = {r.spec.task for r in records}
    names: dict[str, str] = {}
    for task in tasks:
        names |= short_names(r for r in records if r.spec.task == task)
    with opened(chrome, f"{address}/{key}?run={max(names, key=lambda run: len(names[run]))}") as page:
        assert cut(page) == []


def test_a_cut_word_and_a_low_picture_would_be_noticed(chrome: Any) -> None:
    context = chrome.new_context(viewport=SIZE)
    page = context.new_page()
    page.set_content("""<div data-testid="stMain"><p style="height:400px">two words</p>
        <div data-testid="stSelectbox"><p style="width:40px;overflow:hidden;white-space:nowrap">much too long</p></div>
        <div data-testid="stImage" style="height:90px;width:90px"></div></div>""")
    assert first(page)[0] > HIGH and cut(page) == ["much too long"] and words(page) == 5
    context.close()


def test_the_home_page_brings_a_picture_from_a_cold_start(chrome: Any, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path)
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    assert time_to_picture(chrome, "app.py", ROOT, take=tmp_path / "picture.png") > 0
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
