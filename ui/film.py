"""Play a film in the browser: one clock for all its panels, no word to the server until it stands still.

    found = frame.cached(watch.film, run, matrix)      # a core.views.film.reel.Film, kept
    film.show(found, "watch")                          # claim, player, the numbers folded

    show(film, key, *, autoplay=False, link="k", claim=True, grows="", picked=None)

*key* tells the films of the app apart. *link*: the key of the moment in the link, "" for a film that leaves it alone;
the moment that the film opens with (`film.opens`) is left out of it. *autoplay*: play by itself once, unless the link
names a moment or the person wants less motion. *picked*: called with the name of what was clicked on a wall; the whole
page runs again after it. *claim*: write the film's sentence over it.
*grows*: the run that goes on, by name; a longer film of it leads whoever watched its end to the new one, and leaves
whoever looked at an earlier moment there (moments are told apart by their names).

Keys, whatever has the focus: H start, J back, K play or pause, L on; arrows and space where nothing else wants them;
none while somebody types. The script is `core.views.film.script`: no build, no network.
A browser that does not run it keeps the picture that the server makes of the last moment, or its words.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.views.film import script, still
from core.views.film.reel import Film
from ui import frame, lesson_strip, links, saving, stage

__all__ = ["show"]

# The server's picture and the player take the same place.
LAID_OVER = ".stVerticalBlock[class*=st-key-film-box] { display: grid; grid-template-columns: minmax(0, 1fr); }" \
            ".stVerticalBlock[class*=st-key-film-box] > * { grid-area: 1 / 1; min-width: 0; }"
_mount = st.components.v2.component(
    "sparsescope.film", html='<div class="film"></div>', css=script.CSS, js=script.SCRIPT)


def show(film: Film, key: str, *, autoplay: bool = False, link: str = "k", claim: bool = True, grows: str = "",
         picked: Callable[[str], object] | None = None) -> None:
    """Show *film*: its sentence, the player, and what stands still below it. The module says what the rest means.

    A moment in the link that is no whole number gets a red box; one that does not exist is moved inside, in words.
    """
    stage.figures(key, film.claim)
    if not stage.takes(key):
        return
    if lesson_strip.asking() is not None:
        film = film.silent(lesson_strip.SILENT)
    rest = film.opens
    if claim and film.claim and not stage.on():
        st.header(links.plain(film.claim), anchor=False)
    if link and film.last > 0:
        _check(link, film.last, rest)
    if stage.on():
        film = film.staged(bool(stage.says()))
    data = film.packed(key=link if film.last > 0 else "", default=rest, autoplay=autoplay, grows=grows)

    @st.fragment
    def player() -> None:
        name = f"film.{key}"

        def moved() -> None:
            k = getattr(st.session_state.get(name), "k", None)
            if link and isinstance(k, int):
                _write(link, min(max(k, 0), film.last), rest)

        def chosen() -> None:
            name_of = getattr(st.session_state.get(name), "picked", None)
            if picked is not None and isinstance(name_of, str):
                picked(name_of)
                st.session_state[f"{name}.again"] = True

        st.html(f"<style>{LAID_OVER}</style>")
        with st.container(key=key), st.container(key=f"film-box-{key}"):
            picture = still.png(film)
            with st.container(key=f"film-still-{key}"):
                if picture is not None:
                    st.image(picture, width="content", alt=film.alt)
                else:
                    st.caption(links.plain(film.alt))
            _mount(key=name, data=data, on_k_change=moved, on_picked_change=chosen)
        if st.session_state.pop(f"{name}.again", False):
            st.rerun()

    if stage.on():
        if stage.says() or not film.speaks:
            stage.claim(film.claim)
        with stage.place(key):
            player()
        return
    player()
    if film.table is not None and lesson_strip.asking() is None:
        frame.numbers(film.table, key, taken=saving.Taken(film.claim, film.alt, film.table, film, link))


def _check(link: str, last: int, rest: int) -> None:
    """Say what is wrong with the moment in the link; one that does not exist is moved inside."""
    asked = st.query_params.get(link)
    if asked is None:
        return
    try:
        k = int(asked[:12])
    except ValueError:
        st.error(links.plain(f"{link}={asked[:40]!r} is no whole number. Expected: 0 to {last}. Move the slider."))
        return
    inside = min(max(k, 0), last)
    if inside != k:
        st.caption(links.plain(f"This film has no moment {asked[:12]}: moment {inside} of {last} is shown."))
    _write(link, inside, rest)


def _write(link: str, k: int, rest: int) -> None:
    """Name moment *k* in the link, unless it is the one that the film opens with."""
    if k == rest:
        st.query_params.pop(link, None)
    elif st.query_params.get(link) != str(k):
        st.query_params[link] = str(k)
