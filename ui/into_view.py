"""Bring a part of the page into view, once, after a button asked for it; never again while the page goes on."""

from __future__ import annotations

import json

import streamlit as st

KEY = "into-view"  # in the session: (name of the container, how often something was asked for)
SPACE = "4rem"  # over it: as high as the row of the toolbar
# It waits until the page stands there, and gives up as soon as the person moves the page. A page that is drawn again
# brings the same number again: it is heard once.
SHOW = """
(() => {
  const name = %(name)s, mark = %(mark)s;
  if (window.sparsescopeInView === mark) return;
  window.sparsescopeInView = mark;
  let tries = 40, moved = false;
  const stop = () => { moved = true; };
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"])
    window.addEventListener(kind, stop, {once: true, passive: true, capture: true});
  const wait = setInterval(() => {
    const found = document.querySelector(".st-key-" + name);
    const there = found && found.offsetHeight > 0 && !found.closest("[data-stale=true]");
    if (there && !moved) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      found.scrollIntoView({block: "start", behavior: calm ? "auto" : "smooth"});
    }
    if (there || moved || --tries < 0) clearInterval(wait);
  }, 100);
})();
"""


def ask(name: str) -> None:
    """Show the container of key *name* when the page is drawn next."""
    _, count = st.session_state.get(KEY, ("", 0))
    st.session_state[KEY] = (name, count + 1)


def place(name: str) -> None:
    """Draw what moves the page to container *name*, if it was asked for. Call it beside that container."""
    asked, count = st.session_state.get(KEY, ("", 0))
    if asked != name:
        return
    said = {"name": json.dumps(name), "mark": json.dumps(f"{name}/{count}")}
    st.html(f"<style>.st-key-{name} {{ scroll-margin-top: {SPACE}; }}</style>")
    st.html(f"<script>{SHOW % said}</script>", unsafe_allow_javascript=True)
