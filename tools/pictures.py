"""The pictures of README and of `docs/how-admm-reshapes-sparsity.md`, from the recorded runs: `make pictures`.

Each is a figure of a page as a headless Chromium paints it, light, and under a megabyte; the film is the player of the
page Watch, moment by moment. Needs Chromium, and Pillow, which Streamlit brings along.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from core.lessons.admm import FILM, MATRIX
from tests.browser.serving import ROOT, browser, complaints, painted, server

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1366, 900
CHART, PLAYER = "[data-testid=stPlotlyChart]", "[data-testid=stBidiComponentIsolated]"
STILLS = {  # name: the page's link, and which of its figures
    "plane": ("plane?case=good&k=60", PLAYER),
    "weights": (f"weights?run={FILM}&matrix={MATRIX}", PLAYER),
    "accuracy": ("accuracy?task=average", CHART),
    "helps": ("accuracy?view=helps&task=cola", CHART),
    "across": ("accuracy?task=average&show=agreement", f".st-key-across {CHART}, .st-key-across{CHART}"),
}
FILMED = f"watch?run={FILM}&matrix={MATRIX}&k=0"
MAPS = (0, 0, 800, 380)  # of the player, in pixels: the sentence, the three matrices, the scrubber under them
EVERY = 2  # moments of the player to one of the film
MOMENT, REST = 350, 2000  # milliseconds that a moment of the film stands; the first and the last one
COLOURS = 64  # of the film: enough for two colour scales and grey
PAINTED = 250  # milliseconds from a key to the new picture
MOST = 1_000_000  # bytes of a picture


def still(page: Any, address: str, path: str, selector: str) -> Image.Image:
    """One figure of one page."""
    page.goto(f"{address}/{path}", wait_until="commit", timeout=60_000)
    painted(page)
    if wrong := complaints(page):
        raise RuntimeError(f"{path}: {wrong[0]}")
    return shot(page, selector)


def shot(page: Any, selector: str) -> Image.Image:
    """The first such element of *page*, as it is painted now."""
    return Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB")


def film(page: Any, address: str) -> list[Image.Image]:
    """The moments of the film, in order, the first and the last among them."""
    still(page, address, FILMED, PLAYER)
    # Buttons that nobody can press here, and that the crop would cut.
    page.locator(".bar .named").evaluate_all("all => all.forEach(each => each.remove())")
    page.wait_for_timeout(PAINTED)
    frames = [shot(page, PLAYER)]
    for _ in range(int(page.locator("input[type=range]").last.get_attribute("max"))):
        page.keyboard.press("l")
        page.wait_for_timeout(PAINTED)
        frames.append(shot(page, PLAYER))
    return [frame.crop(MAPS) for frame in [*frames[:-1:EVERY], frames[-1]]]


def main(folder: Path) -> int:
    """Make all of them; 1 where one is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    with (tempfile.TemporaryDirectory() as nothing, server(environment={"SPARSESCOPE_RUNS": nothing}) as address,
          browser() as chrome):
        page = chrome.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light").new_page()
        for name, (path, selector) in STILLS.items():
            still(page, address, path, selector).quantize(256).save(folder / f"{name}.png", optimize=True)
        frames = [frame.quantize(COLOURS, dither=Image.Dither.NONE) for frame in film(page, address)]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:], loop=0, optimize=True,
                   duration=[REST, *[MOMENT] * (len(frames) - 2), REST])
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.*"))}
    for name, size in sizes.items():
        print(f"{name:<14}{size / 1e3:8.0f} kB")
    return int(max(sizes.values()) > MOST)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
