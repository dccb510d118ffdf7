"""The two sets of colours of the app, for pages that stand without it. They are read from its own settings."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any

from core.runs.store import REPOSITORY

SETTINGS = REPOSITORY / ".streamlit" / "config.toml"
THEMES = ("light", "dark")
WIDER = 1.2  # other letters than the page's run wider: the room that names have in a margin grows with them
FONT = '"Source Sans", "Source Sans 3", "Source Sans Pro", "Segoe UI", Arial, "Liberation Sans", Helvetica, sans-serif'


@lru_cache(maxsize=1)
def themes() -> dict[str, dict[str, str]]:
    """For "light" and "dark": back, wash, text, accent and rule, as CSS colours."""
    given = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["theme"]
    names = {"back": "backgroundColor", "wash": "secondaryBackgroundColor", "text": "textColor",
             "accent": "primaryColor", "rule": "borderColor"}
    return {theme: {ours: given[theme][theirs] for ours, theirs in names.items()} for theme in THEMES}


def css() -> str:
    """The colours as CSS variables, those of the player among them; dark where the person's system is."""
    def block(theme: str) -> str:
        c = themes()[theme]
        return (f"--back: {c['back']}; --wash: {c['wash']}; --text: {c['text']}; --accent: {c['accent']}; "
                f"--rule: {c['rule']}; --st-background-color: {c['back']}; --st-text-color: {c['text']}; "
                f"--st-primary-color: {c['accent']}; --st-border-color: {c['rule']}; color-scheme: {theme};")

    return (f":root {{ {block('light')} --st-font: {FONT}; }}\n"
            f"@media (prefers-color-scheme: dark) {{ :root {{ {block('dark')} }} }}")


def template(theme: str) -> dict[str, Any]:
    """A Plotly template: letters in the theme's colour, room made for the labels of the axes. All else is the figure's
    own, as on the pages."""
    text = themes()[theme]["text"]
    axis = {"automargin": True, "title": {"standoff": 10}, "zerolinecolor": themes()[theme]["rule"], "ticks": ""}
    return {"layout": {
        "font": {"color": text, "family": FONT, "size": 14}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "xaxis": axis, "yaxis": axis, "title": {"font": {"color": text}},
        "hoverlabel": {"bgcolor": themes()[theme]["wash"], "font": {"color": text}}}}


def room(layout: dict[str, Any]) -> None:
    """Give the margins of *layout* in which names stand so much more room as letters may be wider."""
    margin = layout.get("margin", {})
    for side in ("l", "r"):
        if margin.get(side, 0) > 100:
            margin[side] = round(margin[side] * WIDER)
