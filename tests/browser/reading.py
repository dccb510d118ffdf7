"""What a reader meets on a page: how many words, where the first picture begins, which boxes cut their text.

`python -m tests.browser.reading` prints a line a page, at 1366 × 768, over the store that SPARSESCOPE_CACHED names.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.browser.serving import browser, painted, server
from ui.pages import PAGES

SIZE = {"width": 1366, "height": 768}
FIRST = ("[data-testid=stPlotlyChart], [data-testid=stImage], [data-testid=stDataFrame], canvas, .tiles, table.method, "
         "[data-testid=stCode]")


def words(page: Any) -> int:
    """Words on the page without its side bar: what Plotly writes into a figure counts, what is folded does not."""
    return len(page.inner_text("[data-testid=stMain]").split())


def first(page: Any, what: str = FIRST, least: float = 40) -> tuple[float, float]:
    """Upper and lower edge, in pixels of the window, of the uppermost element *what* of at least *least* pixels."""
    edges = page.evaluate("""([what, least]) => [document, ...[...document.querySelectorAll('[data-testid=stMain] *')]
        .map(e => e.shadowRoot).filter(Boolean)]
        .flatMap(root => [...root.querySelectorAll(root === document ? '[data-testid=stMain] :is(' + what + ')'
            : 'canvas')])
        .map(e => e.getBoundingClientRect()).filter(r => r.width > 60 && r.height > least)
        .map(r => [r.top, r.bottom]).sort((a, b) => a[0] - b[0])[0] ?? [Infinity, Infinity]""", [what, least])
    return float(edges[0]), float(edges[1])


def cut(page: Any) -> list[str]:
    """What is chosen in a select box (or in one for several) and does not fit into it."""
    return list(page.evaluate("""() => [...document.querySelectorAll(
        '[data-testid=stMain] [data-testid=stSelectbox] *, [data-testid=stMain] [data-testid=stMultiSelect] *')]
        .filter(e => e.checkVisibility() && (e.value || e.textContent.trim()))
        .filter(e => getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth)
        .map(e => e.value ?? e.textContent)"""))


def grown(page: Any) -> list[tuple[int, str, float, float]]:
    """(figure, edge, pixels asked for, pixels taken) where words did not fit into a margin: the figure was laid out a
    second time, which costs as much as the first."""
    return [tuple(row) for row in page.evaluate("""() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(
        (g, i) => ['l', 'r', 't', 'b'].map(k => [i, k, g.layout.margin?.[k], g._fullLayout._size[k]]))
        .filter(([, , asked, taken]) => taken > asked + 1)""")]


def main(asked: list[str]) -> int:
    """Run from the command line; *asked*: keys of pages, all without any."""
    with server() as address, browser() as chrome:
        page = chrome.new_context(viewport=SIZE).new_page()
        print(f"{'page':12} {'words':>6} {'from':>6} {'to':>6}  cut")
        for key in asked or PAGES:
            page.goto(f"{address}/{'' if key == 'overview' else key}", wait_until="commit", timeout=60_000)
            painted(page)
            top, bottom = first(page)
            print(f"{key:12} {words(page):6} {top:6.0f} {bottom:6.0f}  {cut(page)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
