"""One HTML file that shows what was on the screen, and opens with the network off: a view, a film, or a whole deck.

    page([Screen("2:4 keeps half", view, source="SparseScope ...")])

Everything is in the file: the data, the player of films, and Plotly's own script, once, where there is a figure (4.8 MB
of it; a file of films alone is as large as they are). The data cannot become code: they stand in the file as JSON with
every `<` written as \\u003c, and as base64.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.exports import colours
from core.views.drawing.view import View
from core.views.film import script
from core.views.film.reel import Film

HERE = Path(__file__).parent / "page"
KEYS = "← → walk · N notes · P plays · B blank"


@dataclass(frozen=True)
class Screen:
    """One screen of the page. *claim*: the words over it, "" for the picture's own; *words*: smaller ones under them;
    *notes*: what only the speaker reads, shown by a key; *source*: where the picture is from."""

    claim: str
    shown: View | Film | None
    words: str = ""
    notes: str = ""
    source: str = ""
    moment: int | None = None  # that a film opens with; None for its own


def page(screens: Sequence[Screen], title: str = "") -> str:
    """The text of the file. *title*: what the browser's tab says; "" for the first claim."""
    if len(screens) > 1:  # for a hall: of a film the rows that lead it, shown large
        screens = [replace(s, shown=s.shown.staged(bool(s.claim))) if isinstance(s.shown, Film) else s for s in screens]
    parts = [_data(screen, number) for number, screen in enumerate(screens)]
    title = title or next((part["claim"] for part in parts if part["claim"]), "SparseScope")
    films = "\n".join(f'<script type="text/plain" id="film-{number}">{_film(screen.shown, screen.moment)}</script>'
                      for number, screen in enumerate(screens) if isinstance(screen.shown, Film))
    plotly = f"<script>{_plotly()}</script>" if any("figure" in part for part in parts) else ""
    player = (f"<script>const sparsescopeFilm = (() => {{\n{script.PLAYER}\nreturn mounted;\n}})();</script>"
              if films else "")
    templates = {theme: colours.template(theme) for theme in colours.THEMES}
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="SparseScope">
<title>{html.escape(title)}</title>
<style>
{colours.css()}
</style>
<style id="film-style">
{script.CSS}
</style>
<style>
{(HERE / 'page.css').read_text(encoding='utf-8')}
</style>
</head>
<body>
<header><h1 id="claim"></h1><p id="words"></p></header>
<main><div id="stage"></div></main>
<div data-film-floor><aside id="notes" hidden></aside>
<footer><span class="source" id="source"></span>{f'<span class="keys">{KEYS}</span>' if len(parts) > 1 else ''}
<span class="place" id="place"></span></footer></div>
<script type="application/json" id="screens">{_safe(parts)}</script>
<script type="application/json" id="templates">{_safe(templates)}</script>
{films}
{plotly}
{player}
<script>
{(HERE / 'page.js').read_text(encoding='utf-8')}
</script>
</body>
</html>
"""


def _data(screen: Screen, number: int) -> dict[str, Any]:
    """What the page's script needs to know of a screen."""
    shown = screen.shown
    data: dict[str, Any] = {"claim": screen.claim, "words": screen.words, "notes": screen.notes,
                            "source": screen.source, "alt": ""}
    if isinstance(shown, Film):
        said = "" if shown.speaks and screen.claim in ("", shown.claim) else screen.claim or shown.claim
        data |= {"claim": said, "alt": shown.alt, "film": f"film-{number}"}
    elif shown is not None:
        data |= {"claim": screen.claim or shown.heading or shown.claim, "alt": shown.alt}
        if shown.figure is not None:
            figure = json.loads(shown.figure.to_json())
            figure["layout"].pop("template", None)
            colours.room(figure["layout"])
            data["figure"] = figure
        elif shown.image is not None:
            data["image"] = f"data:image/png;base64,{base64.b64encode(shown.image).decode()}"
    return data


def _film(film: Film, moment: int | None) -> str:
    """A film as base64, with no moment in the link: a file has no link."""
    k = film.opens if moment is None else min(max(moment, 0), film.last)
    data = film.packed(key="", default=k, autoplay=False, grows="")
    return base64.b64encode(data).decode()


def _safe(data: Any) -> str:
    """JSON that no text in it can end: no tag begins in it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _plotly() -> str:
    """Plotly's script, as its package ships it: the one that draws the figures."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
