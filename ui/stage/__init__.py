"""The stage: one figure of a page fills the window, under one claim, in text that the last row can read.

    ?present=1                       the first figure of the page
    ?present=1&look=history          the figure of that key
    ?present=1&deck=sparsity&slide=4 one slide of a deck; opened on another page, it leads to its own

A page is run as always; `frame.show` and `film.show` ask here whether a figure is wanted, and draw the one that is on
the stage. All else of the page is neither seen nor reached. Keys (in `stage.js`): F on every page, and F or Escape to
leave; arrows, PageUp, PageDown and space walk the deck, or else the figures of the page; P plays, B blanks, digits
jump.

`&lock=rho,pattern` shows those knobs and no other (`ui.links`): on the stage under the figure, else over the page.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.decks import named
from core.decks.base import Deck
from core.errors import InputError, unknown
from core.views.drawing.large import large
from ui import links, routes
from ui.pages import PAGES
from ui.stage import menu

__all__ = ["begin", "chart", "claim", "figures", "finish", "on", "place", "takes"]

HERE = Path(__file__).parent
CSS, SCRIPT = ((HERE / name).read_text(encoding="utf-8") for name in ("stage.css", "stage.js"))
WIDTH, HEIGHT, KNOBS = 1808, 876, 118  # pixels of the figure, of 1920 x 1080; and of the row of knobs under it
LONG, LONGEST = 90, 190  # letters of a claim that fill one line of it, and two


@dataclass
class Scene:
    """What one run of a page's script puts on the stage."""

    page: str
    presenting: bool
    look: str | None  # the figure that the link asks for
    deck: Deck | None = None
    at: int = 0
    shown: str | None = None  # the figure that is on the stage
    figures: dict[str, str] = field(default_factory=dict)  # all figures of the page, with their headings
    lock: links.Lock | None = None
    box: DeltaGenerator | None = None
    head: DeltaGenerator | None = None
    menu: DeltaGenerator | None = None


_scene: ContextVar[Scene | None] = ContextVar("scene", default=None)


def on() -> bool:
    """Does the link ask for the stage?"""
    return st.query_params.get("present") == "1"


def begin(page: str) -> Scene:
    """Set the stage of this run of *page*, before anything of it is drawn; may lead to the page of a slide."""
    scene = Scene(page, on(), st.query_params.get("look"))
    _scene.set(scene)
    if "deck" in st.query_params and scene.presenting:
        try:
            scene.deck = named(st.query_params["deck"], PAGES)
            scene.at = scene.deck.place(st.query_params.get("slide"))
        except InputError as error:
            scene.deck = None
            st.error(links.plain(str(error)))
    if scene.deck is not None:
        _arrive(scene, scene.deck)
    else:
        st.session_state.pop("stage.at", None)
    if scene.presenting:
        st.html(f"<style>{CSS} .st-key-stage {{ --figure-height: {_height()}px; --figure-width: {WIDTH}px; }}</style>")
        with st.container(key="stage"):
            scene.head = st.container(key="stage-claim")
            scene.box = st.container(key="stage-figure")
            if scene.deck is not None:
                with st.container(key="stage-number"):
                    st.markdown(f"{scene.at + 1} / {len(scene.deck.slides)}")
    return scene


def script() -> str:
    """The script of the stage, and what it has to know of this page."""
    scene = _scene.get()
    if scene is None:
        return ""
    said: dict[str, Any] = {"page": scene.page, "deck": None, "slides": [], "at": 0, "look": scene.look}
    if scene.deck is not None:
        said |= {"deck": st.query_params["deck"], "at": scene.at,
                 "slides": [{"page": slide.page, "query": dict(slide.query)} for slide in scene.deck.slides]}
    return f"{SCRIPT}\nwindow.sparsescopeStage.set({_json(said)});"


def _json(said: object) -> str:
    """JSON that may stand in a script, whatever a link says."""
    return json.dumps(said).replace("<", "\\u003c")


def _arrive(scene: Scene, deck: Deck) -> None:
    """At a slide's first run: forget what was chosen before it, and go to its page, or say its choices, where the link
    names the slide alone."""
    here, slide = (st.query_params["deck"], scene.at), deck.slides[scene.at]
    if st.session_state.get("stage.at") == here:
        return
    st.session_state["stage.at"] = here
    links.forget_all()
    ours = {key: st.query_params[key] for key in ("present", "deck", "slide", "lock") if key in st.query_params}
    if scene.page != slide.page:
        routes.switch(slide.page, {**slide.query, **ours})
    elif set(st.query_params) <= set(ours):
        st.query_params.update(slide.query)
        scene.look = slide.query.get("look")


def takes(key: str) -> bool:
    """Is the figure *key* wanted: on the stage, the one that the link asks for, or else the first; elsewhere every
    one?"""
    scene = _scene.get()
    if scene is None or not scene.presenting:
        return True
    return scene.shown is None and scene.look in (None, key)


def asked(key: str) -> bool:
    """Does the link ask for the figure *key* by its name?"""
    scene = _scene.get()
    return scene is not None and scene.look == key


def figures(key: str, heading: str) -> None:
    """The page has a figure *key* under *heading*."""
    scene = _scene.get()
    if scene is not None:
        scene.figures[key] = heading or scene.figures.get(key, "")


def place(key: str) -> DeltaGenerator:
    """Take the stage with the figure *key*."""
    scene = _scene.get()
    assert scene is not None and scene.box is not None
    scene.shown = key
    return scene.box


def says() -> str:
    """The words of the slide for its figure; "" where the figure's own are said."""
    scene = _scene.get()
    return "" if scene is None or scene.deck is None else scene.deck.slides[scene.at].says


def claim(own: str) -> None:
    """The one sentence over the figure: the slide's words, else the figure's *own*."""
    scene = _scene.get()
    assert scene is not None and scene.head is not None
    words = says() or _short(own)
    with scene.head:
        long = " long" if len(words) > LONG else ""
        st.html(f"<h3 class='stage-claim{long}'>{links.escaped(words)}</h3>")


def _short(words: str) -> str:
    """As many whole sentences of *words* as stand in two lines."""
    if len(words) <= LONGEST:
        return words
    cut = max(words.rfind(mark, 0, LONGEST) for mark in (". ", "; ", ": "))
    return words[:cut].rstrip(".;:") + "." if cut > 0 else words


def _height() -> int:
    """Pixels that a figure has: less, where knobs stand under it."""
    return HEIGHT - (KNOBS if links.left() else 0)


def chart(figure: go.Figure, key: str, alt: str, config: dict[str, Any]) -> None:
    """*figure*, large."""
    height = _height()
    st.plotly_chart(large(figure, WIDTH, height), key=key, width="stretch", height=height,
                    config={**config, "displayModeBar": False}, alt=alt)


def finish() -> None:
    """After the page has run: what can only be known now, its figures and its knobs."""
    scene = _scene.get()
    if scene is None or scene.lock is None:
        return
    for name in scene.lock.unknown():
        st.error(links.plain(str(unknown("knob", name, scene.lock.known))))
    # "of": the browser runs a script again only where its text has changed.
    said = _json({"keys": list(scene.figures), "of": f"{scene.page}/{scene.at}/{scene.look}"})
    st.html(f"<script>window.sparsescopeStage?.set({said});</script>", unsafe_allow_javascript=True)
    if scene.presenting:
        if scene.shown is None:
            _nothing(scene)
    elif links.free() and scene.menu is not None and scene.page != "present":
        with scene.menu:
            menu.draw(scene.page, dict(scene.figures), dict(scene.lock.known))


def _nothing(scene: Scene) -> None:
    """There is nothing on the stage: say why, and how to leave."""
    assert scene.box is not None
    if scene.look is not None and scene.figures:
        claim(f"{PAGES[scene.page].title} has no figure {scene.look[:40]!r} here")
    else:
        claim(PAGES[scene.page].question)
    with scene.box:
        st.markdown("Nothing here can be shown on the stage. **Esc** leaves it.")
