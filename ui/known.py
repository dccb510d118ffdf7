"""Which words a link may hold, so that a page can say of an older or a mistyped link what it did not understand.

A value that means nothing is said by whatever reads it (`ui.links`, `frame.pick_run`); a name that nobody reads
would go by without a word. A test holds this list against the names that the code reads.
"""

from __future__ import annotations

import streamlit as st

from ui import links

WORDS = """
    across against at axis batch_size beside bits block by calibration case checkpoint chunk column coupling
    curvature damping deck dense dense_epochs dense_lr dev_examples difference distill distill_attention
    distill_hidden down dropout entry epochs eval_examples figure film flips freeze_embeddings head iterations judge
    k kind layer learned lesson lit lock look lr m1 m2 made map matrix max_length method model moment notes page
    part path pattern pin present prune published ramp record rho rho_end rho_start row run runs s1 s2 search seed
    sentence setting settle share show slide status step support supports task tilt train_examples unseen_examples
    value values view wstep zoom
"""
NAMES = frozenset(WORDS.split())
OPEN = ("knob.", "embed")  # what begins so: the knobs of methods, which the form judges, and Streamlit's own
MOST, LETTERS = 3, 40  # names that are said, and letters of each


def strange() -> list[str]:
    """Names in the link that no page reads, in its order."""
    return [name for name in st.query_params if name not in NAMES and not name.startswith(OPEN)]


def say() -> None:
    """One sentence on what of the link was not understood; nothing where all was."""
    found = strange()
    if found:
        more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
        said = ", ".join(name[:LETTERS] for name in found[:MOST])
        st.caption(links.plain(f"Of this link {said}{more} is not known here; the rest of it is shown."))
