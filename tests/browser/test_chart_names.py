"""No text of a chart lies over another, and none is cut, on Accuracy vs ratio: measured where it is painted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.serving import complaints, painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
LINKS = ("task=mrpc", "task=cola&axis=bits&show=kl", "task=average&pattern=1:4",
         "task=mrpc&pattern=1:4&against=asp&lit=magnitude,wanda,sparsegpt,admm-layer,asp,sr-ste,admm&published=true")
SLACK = 2.0  # pixels that two boxes of text may share: a box is a little larger than its letters

# Every painted text of every chart: [words, left, top, right, bottom], and the box of its chart.
TEXTS = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
  const frame = plot.querySelector('.main-svg').getBoundingClientRect();
  const texts = [...plot.querySelectorAll('.main-svg text')].filter(t => t.textContent.trim()).map(t => {
    const b = t.getBoundingClientRect();
    return [t.textContent, b.left, b.top, b.right, b.bottom];
  }).filter(([, l, t, r, b]) => r > l && b > t);
  return {frame: [frame.left, frame.top, frame.right, frame.bottom], texts};
})"""


def overlaps(charts: list[dict[str, Any]]) -> list[str]:
    """Pairs of texts of one chart that share more than SLACK pixels both ways, and texts that leave their chart."""
    out = []
    for chart in charts:
        left, top, right, bottom = chart["frame"]
        for i, (one, l1, t1, r1, b1) in enumerate(chart["texts"]):
            if l1 < left - 1 or t1 < top - 1 or r1 > right + 1 or b1 > bottom + 1:
                out.append(f"{one!r} leaves its chart")
            for two, l2, t2, r2, b2 in chart["texts"][i + 1:]:
                if min(r1, r2) - max(l1, l2) > SLACK and min(b1, b2) - max(t1, t2) > SLACK:
                    out.append(f"{one!r} over {two!r}")
    return out


@pytest.mark.parametrize(("link", "width"), [*((link, 1366) for link in LINKS), (LINKS[0], 1920)])
def test_no_text_lies_over_another(chrome: Any, address: str, link: str, width: int) -> None:
    context = chrome.new_context(viewport={"width": width, "height": 2000})  # tall: every chart is painted
    page = context.new_page()
    page.goto(f"{address}/accuracy?{link}")
    painted(page)
    charts = page.evaluate(TEXTS)
    assert complaints(page) == [] and sum(len(c["texts"]) for c in charts) > 15
    assert overlaps(charts) == []
    context.close()


def test_a_planted_overlap_would_be_noticed() -> None:
    chart = {"frame": [0, 0, 100, 100], "texts": [["a", 0, 0, 30, 15], ["b", 20, 5, 60, 20], ["c", 70, 70, 130, 85]]}
    assert overlaps([chart]) == ["'a' over 'b'", "'c' leaves its chart"]
