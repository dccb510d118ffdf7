"""What axe-core finds on a page, and what of it is Streamlit's own.

`python -m tests.browser.axe [PAGE...]` (`make access`) prints a line a page and theme; exit code 1 when one has a
finding of ours. The rules come with the package axe-playwright-python, which carries axe-core.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import axe_playwright_python

from tests.browser.serving import browser, painted, server
from ui.pages import PAGES

SCRIPT = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
THEMES = ("light", "dark")
SIZE = {"width": 1366, "height": 768}
# What no file of ours can mend: rule, where, why. A rule that finds nothing there any more has to go (a test).
STREAMLITS_OWN: tuple[tuple[str, str, str], ...] = (
    ("list", "stSidebarNavItems", "the list of pages holds its groups' headings beside its entries"),
    ("listitem", "stSidebarNavItems", "its entries lie in a box inside that list, one a group"),
    ("presentation-role-conflict", "stFileUploaderDropzone", "a box without a role that bears a name all the same"),
)
RUN = """own => axe.run({exclude: [['.js-plotly-plot']]}, {resultTypes: ['violations']}).then(found =>
    found.violations.flatMap(v => v.nodes.map(n => {
        const at = document.querySelector(typeof n.target[0] === 'string' ? n.target[0] : n.target[0][0]);
        return {rule: v.id, impact: v.impact, target: n.target.flat().join(' '), html: n.html.slice(0, 200),
                why: n.any.concat(n.all, n.none).map(c => c.message).join('; ').slice(0, 240),
                theirs: own.some(([rule, where]) => rule === v.id && at?.closest(`[data-testid=${where}]`))};
    })))"""


@dataclass(frozen=True)
class Finding:
    """One element that breaks one rule. *theirs*: STREAMLITS_OWN names it."""

    rule: str
    impact: str
    target: str
    html: str
    why: str
    theirs: bool

    def __str__(self) -> str:
        return f"{self.rule} ({self.impact}): {self.target}: {self.why}"


def findings(page: Any) -> list[Finding]:
    """What axe-core finds on the page as it stands. A figure of Plotly's is one image to it, with a text of ours."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SCRIPT)
    return [Finding(**found) for found in page.evaluate(RUN, [entry[:2] for entry in STREAMLITS_OWN])]


def look(page: Any, theme: str) -> list[Finding]:
    """The findings once the page has taken on *theme*."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_timeout(300)
    painted(page)
    return findings(page)


def main(keys: list[str]) -> int:
    """Run from the command line; *keys*: of pages, all without any."""
    ours = 0
    with server() as address, browser() as chrome:
        page = chrome.new_context(viewport=SIZE).new_page()
        for key in keys or PAGES:
            page.goto(f"{address}/{'' if key == 'overview' else key}", wait_until="commit", timeout=60_000)
            for theme in THEMES:
                found = look(page, theme)
                mine = [f for f in found if not f.theirs]
                ours += len(mine)
                print(f"{key:12} {theme:6} {len(mine):3} of ours", dict(Counter(f.rule for f in mine)),
                      f"and {len(found) - len(mine)} of Streamlit's", flush=True)
                for finding in mine:
                    print(f"    {finding}", flush=True)
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
