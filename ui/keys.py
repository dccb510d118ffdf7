"""Keys that live on after a slider was touched.

Streamlit runs no shortcut while any `<input>` has the focus. Its sliders, switches and radios are inputs too, so one
move of a slider and P, N, 1 to 4 were dead until somebody clicked elsewhere. Here a letter or a digit that such an
input cannot use reaches the shortcuts, as if nothing had the focus. Where text is typed nothing changes; a closed
select box leaves P and N to the shortcuts and keeps digits, since patterns such as 2:4 are typed into it.
"""

from __future__ import annotations

import streamlit as st

LISTEN = """
(() => {
  if (window.sparsescopeKeys) return;
  window.sparsescopeKeys = true;
  const WORDLESS = ["range", "checkbox", "radio", "button", "submit"];
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !/^[a-z0-9]$/i.test(event.key)) return;
    const field = event.composedPath()[0];
    if (!(field instanceof HTMLInputElement)) return;
    const box = field.closest("[role=combobox]");
    const closed = box && box.getAttribute("aria-expanded") !== "true" && /[pn]/i.test(event.key);
    if (!closed && !WORDLESS.includes(field.type)) return;
    if (closed) event.preventDefault();
    // What Streamlit asks is which elements the press came through.
    event.composedPath = () => [document.body, document.documentElement, document, window];
  }, true);
})();
"""


def listen(more: str = "") -> None:
    """Listen from now on; once a page load, however often it is called. *more*: a script that comes along."""
    st.html(f"<script>{LISTEN}{more}</script>", unsafe_allow_javascript=True)
