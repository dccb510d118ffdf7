"""A figure for paper: as wide as a column, in letters that can be read there, as vectors.

    write(view, Path("trace.pdf"), "double")

The figures of the pages are laid out for a screen. Here they get so many pixels that, printed as wide as a column, the
smallest letter is 7 points high; then all is drawn once and scaled, lines and letters alike.

Plotly is drawn by its own script, which needs a browser: kaleido drives one that is on this machine (nothing is
fetched). A second way to draw would be a second look. What needs no browser is the page with the script in it:
`core.exports.html`.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from core.errors import InputError
from core.exports import colours
from core.runs.store import write_atomic
from core.views.drawing.build import PAGE_TEXT
from core.views.drawing.view import View

COLUMNS = {"single": 3.5, "double": 7.0}  # inches: what IEEE, ACM and NeurIPS have, to a few hundredths
LETTER = 7.0  # points: the smallest letter on paper
POINTS, PIXELS = 72.0, 96.0  # an inch, in print and in CSS
FORMS = ("svg", "pdf", "png")
DOTS = 4  # pixels of a PNG a pixel of the figure: 384 an inch, and more where it is scaled down
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def write(view: View, to: Path, column: str = "double", theme: str = "light", source: str = "") -> None:
    """Draw *view*, which has a figure, into the file *to* (.svg, .pdf or .png), as wide as *column* of COLUMNS.

    Claim and *source* stand in the SVG's title and description: a paper's caption says them. Raises InputError for
    another ending, and where no browser is on this machine.
    """
    form = to.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise InputError(f"{to.name} ends in {to.suffix or 'nothing'!r}", ".svg, .pdf, .png or .html",
                         "Give the file another ending.")
    figure, wide = dressed(view, column, theme)
    data = _drawn(figure, form, wide / figure["layout"]["width"])
    if form == "svg":
        data = _sized(data.decode(), wide, view, source).encode()
    write_atomic(to, data)


def dressed(view: View, column: str, theme: str = "light") -> tuple[dict[str, Any], float]:
    """The figure of *view* in the colours of *theme*, laid out for *column*; and how wide that is, in CSS pixels.

    Its layout is so much wider than the column as its smallest letter is larger than LETTER.
    """
    assert view.figure is not None, "write: a view without a figure"
    figure = json.loads(view.figure.to_json())
    layout = figure["layout"]
    layout["template"] = colours.template(theme)
    colours.room(layout)
    layout["paper_bgcolor"] = "rgba(0,0,0,0)" if theme == "light" else colours.themes()[theme]["back"]
    text = colours.themes()[theme]["text"]
    figure = _said_in(figure, text)
    wide = COLUMNS[column] * PIXELS
    factor = smallest(figure) * POINTS / PIXELS / LETTER
    drawn = wide * factor
    figure["layout"]["width"] = math.floor(drawn)
    figure["layout"]["height"] = figure["layout"].get("height") or math.ceil(drawn * 0.62)
    return figure, wide


def smallest(figure: Any) -> float:
    """The size of the smallest letters that a figure asks for, in pixels; 12 is Plotly's own where it asks for none."""
    return min([size for size in _sizes(figure) if size > 0], default=12.0)


def _sizes(part: Any) -> Iterator[float]:
    if isinstance(part, dict):
        for key, value in part.items():
            if (key == "font" or key.endswith("font")) and isinstance(value, dict):
                if isinstance(value.get("size"), int | float):
                    yield float(value["size"])
            elif key != "template":
                yield from _sizes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _sizes(value)


def _said_in(part: Any, text: str) -> Any:
    """*part* with the pages' text colour, which their style sheet turns into the theme's, as the theme's."""
    if isinstance(part, dict):
        return {key: _said_in(value, text) for key, value in part.items()}
    if isinstance(part, list):
        return [_said_in(value, text) for value in part]
    return text if part == PAGE_TEXT else part


def _drawn(figure: dict[str, Any], form: str, scale: float) -> bytes:
    """The bytes of a picture, drawn by a browser of this machine."""
    named = [os.environ[name] for name in ("CHROMIUM", "BROWSER_PATH") if os.environ.get(name)]
    browser = next((path for name in (*named, *BROWSERS) if (path := shutil.which(name))), None)
    try:
        import kaleido
    except ImportError:
        raise InputError("kaleido is not installed", "the package that draws figures without a window",
                         "Install it (pip install -r requirements.txt), or write a .html file.") from None
    if browser is None:
        raise InputError("There is no Chromium or Chrome on this machine", "one that can be started by name",
                         "Install one (apt-get install chromium), name it in CHROMIUM, or write a .html file.")
    opts = {"format": form, "width": figure["layout"]["width"], "height": figure["layout"]["height"],
            "scale": scale * DOTS if form == "png" else scale if form == "pdf" else 1}
    drawn = kaleido.calc_fig_sync(figure, opts=opts, kopts={"path": browser, "mathjax": False})
    return bytes(drawn)  # without MathJax, which kaleido would fetch from the network


def _sized(text: str, wide: float, view: View, source: str) -> str:
    """An SVG in inches, with a title and a description: what it shows, and where it is from."""
    head = re.search(r"<svg\b[^>]*>", text)
    assert head is not None, "kaleido: no SVG"
    across, down = (float(re.search(rf'\b{name}="([\d.]+)"', head[0])[1]) for name in ("width", "height"))  # type: ignore[index]
    tag = re.sub(r'\bwidth="[\d.]+"', f'width="{wide / PIXELS:g}in"', head[0])
    tag = re.sub(r'\bheight="[\d.]+"', f'height="{wide / PIXELS * down / across:.3f}in"', tag)
    if "viewBox" not in tag:
        tag = tag[:-1] + f' viewBox="0 0 {across:g} {down:g}">'
    said = f"<title>{escape(view.heading or view.claim)}</title><desc>{escape(f'{view.alt} {source}'.strip())}</desc>"
    return text[:head.start()] + tag + said + text[head.end():]
