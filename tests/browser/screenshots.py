"""Shoot every page of PAGES in both themes and two sizes: `python -m tests.browser.screenshots OUTDIR [PAGE...]`.

Exits 1, naming the page, when one shows an exception. SPARSESCOPE_CACHED and SPARSESCOPE_RUNS choose the store.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.browser.serving import browser, complaints, painted, server
from ui.pages import PAGES

THEMES = ("light", "dark")
SIZES = ((1366, 768), (1920, 1080))


def shoot(folder: Path, keys: list[str]) -> list[str]:
    """Write `<page>-<theme>-<width>.png` (whole page) into *folder*; returns what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    wrong = []
    with server() as address, browser() as chrome:
        for theme in THEMES:
            for width, height in SIZES:
                context = chrome.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
                page = context.new_page()
                for key in keys:
                    page.goto(f"{address}/{'' if key == 'overview' else key}", wait_until="commit", timeout=60_000)
                    painted(page)
                    _unroll(page, width, height)
                    name = f"{key}-{theme}-{width}"
                    page.screenshot(path=str(folder / f"{name}.png"))
                    page.set_viewport_size({"width": width, "height": height})
                    wrong += [f"{name}: {text}" for text in complaints(page)]
                context.close()
    return wrong


def _unroll(page: object, width: int, height: int) -> None:
    """Make the window as tall as the page: it scrolls inside a box, which a full-page picture would cut off."""
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")  # type: ignore[attr-defined]
    page.set_viewport_size({"width": width, "height": max(height, min(int(tall), 6000))})  # type: ignore[attr-defined]
    painted(page)


def main(words: list[str]) -> int:
    """Run from the command line."""
    if not words:
        print(__doc__)
        return 2
    wrong = shoot(Path(words[0]), words[1:] or list(PAGES))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
