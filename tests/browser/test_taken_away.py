"""What is taken away: pictures saved on a page, and files that open from the disk with the network off, and play."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from core.cli.deck import deck_command
from core.cli.figure import figure_command
from core.runs.featured import FEATURED
from core.runs.store import default_store, read_header
from tests.browser.serving import ROOT, painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]
DECK = f"""title = "A talk"
[[slide]]
link = "trace?run={FEATURED}&look=waterfall"
notes = "Say this."
[[slide]]
link = "plane?case=good&k=0"
[[slide]]
link = "occupancy?run={FEATURED}"
"""


@pytest.fixture
def alone(chrome: Any) -> Any:
    """A page without a network; whatever it asks the network for is written down."""
    context = chrome.new_context(viewport={"width": 1366, "height": 768}, offline=True)
    page = context.new_page()
    page.asked, page.errors = [], []
    page.on("request", lambda r: page.asked.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    yield page
    assert page.asked == [] and page.errors == []
    context.close()


def lit(page: Any) -> int:
    """A number that stands for what the canvases of the page show."""
    return int(page.evaluate("""() => [...document.querySelectorAll('#stage canvas')].map(c => c.width && c.toDataURL())
        .join('').split('').reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) | 0, 7)"""))


def test_a_film_plays_from_the_disk(alone: Any, tmp_path: Path) -> None:
    to = tmp_path / "film.html"
    assert CliRunner().invoke(figure_command, [FEATURED, "watch.watch", "--to", str(to)]).exit_code == 0
    assert to.stat().st_size < 2_000_000
    alone.goto(to.as_uri())
    alone.wait_for_function("document.querySelectorAll('#stage canvas').length > 5")
    moments = int(alone.get_attribute("#stage input[type=range]", "max"))
    opened = int(alone.input_value("#stage input[type=range]"))
    widest = max(read_header(ROOT / "cached_runs" / FEATURED).snapshots, key=lambda s: s.primal or 0.0)
    assert moments > 10 and 0 < opened < moments
    expect(alone.locator("#stage .moment")).to_have_text(f"ADMM, step {widest.step}")  # W and Z are furthest apart
    before = lit(alone)
    alone.click("#stage .bar .main")
    alone.wait_for_function(f"Number(document.querySelector('#stage input[type=range]').value) > {opened + 1}")
    alone.keyboard.press("k")
    assert lit(alone) != before
    alone.fill("#stage input[type=range]", str(moments))
    expect(alone.locator("#stage .moment")).to_have_text("refined")  # the words are painted with the next frame
    assert FEATURED in alone.inner_text("footer")


def test_a_deck_is_walked_by_keys_from_the_disk(alone: Any, tmp_path: Path) -> None:
    (tmp_path / "talk.toml").write_text(DECK)
    to = tmp_path / "talk.html"
    assert CliRunner().invoke(deck_command, [str(tmp_path / "talk.toml"), "--to", str(to)]).exit_code == 0
    alone.goto(to.as_uri())
    alone.wait_for_selector("#stage .main-svg .xtick")
    assert alone.inner_text("#place") == "1 / 3" and alone.title() == "A talk" and alone.is_hidden("#notes")
    alone.keyboard.press("n")
    assert alone.inner_text("#notes") == "Say this."
    alone.keyboard.press("n")
    alone.keyboard.press("PageDown")
    alone.wait_for_selector("#stage canvas")
    clock = alone.locator("#stage input[type=range]")
    assert clock.input_value() == "0"
    alone.keyboard.press("p")
    expect(clock).not_to_have_value(re.compile("^[01]$"))
    alone.keyboard.press("ArrowRight")
    alone.wait_for_selector("#stage .main-svg .xtick")
    alone.keyboard.press("b")
    assert alone.evaluate("getComputedStyle(document.querySelector('main')).visibility") == "hidden"
    alone.keyboard.press("b")
    alone.keyboard.press("2")
    assert alone.inner_text("#place") == "2 / 3"


def test_a_page_saves_its_pictures_with_claim_source_and_name(chrome: Any, address: str, tmp_path: Path) -> None:
    context = chrome.new_context(viewport={"width": 1366, "height": 768}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/trace?run={FEATURED}")
    painted(page)
    page.locator("[data-testid=stPopover] button:has-text('Save')").last.click()
    kept = {}
    for form in ("svg", "png", "csv", "html"):
        with page.expect_download() as waiting:
            page.locator(f"[class*=st-key-save-{form}] button").click()
        assert waiting.value.suggested_filename == f"trace-drop-{FEATURED}.{form}"
        waiting.value.save_as(tmp_path / form)
        kept[form] = (tmp_path / form).read_bytes()
    svg = kept["svg"].decode()
    claim = re.search(r"<title>(.*?)</title>", svg)[1]  # type: ignore[index]
    assert claim in page.inner_text("[data-testid=stMain]") and svg.count("The hard prune took") >= 2
    assert f"run {FEATURED}" in svg and 'fill="rgb(18, 22, 28)"' in svg and "Wanda" not in svg
    assert svg.count("<text") > 12 and "url(&quot;http" not in svg and "font/woff2" in svg
    assert kept["png"][:8] == b"\x89PNG\r\n\x1a\n" and int.from_bytes(kept["png"][16:20]) > 800
    assert kept["csv"].decode().count("\n") == 1 + 8 and b"plotly.js v" in kept["html"]
    assert default_store().open(FEATURED).record.id in kept["html"].decode()
    context.close()


def test_a_film_saved_on_its_page_opens_at_the_moment_of_the_page(chrome: Any, address: str, alone: Any,
                                                                  tmp_path: Path) -> None:
    for query, words in (("", "ADMM, step"), ("&k=0", "dense")):
        context = chrome.new_context(viewport={"width": 1366, "height": 768})
        page = context.new_page()
        page.goto(f"{address}/watch?run={FEATURED}{query}")
        painted(page)
        shown = page.locator(".bar .moment").first.inner_text()
        assert words in shown
        page.locator("[data-testid=stPopover] button:has-text('Save')").first.click()
        with page.expect_download() as waiting:
            page.locator("[class*=st-key-save-html] button").click()
        waiting.value.save_as(tmp_path / "saved.html")
        context.close()
        alone.goto((tmp_path / "saved.html").as_uri())
        expect(alone.locator("#stage .moment").first).to_have_text(shown)


def test_a_figure_for_paper_is_drawn_as_wide_as_its_column(tmp_path: Path) -> None:
    to = tmp_path / "trace.svg"
    done = CliRunner().invoke(figure_command, [FEATURED, "trace.waterfall", "--column", "single", "--to", str(to)])
    assert done.exit_code == 0 and "Caption: " in done.output
    svg = to.read_text()
    width, viewed = re.search(r'width="([\d.]+)in".*?viewBox="0 0 ([\d.]+) ', svg).groups()  # type: ignore[union-attr]
    assert float(width) == 3.5 and "<title>It ends +0.006 from dense.</title>" in svg and FEATURED in svg
    letters = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    assert min(letters) * 3.5 * 72 / float(viewed) >= 6.99  # points on paper
