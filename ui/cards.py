"""Small pieces of HTML: tile captions and the card of a run. Every text that comes from a run is escaped."""

from __future__ import annotations

from html import escape
from math import isfinite

import streamlit as st

from core.views.catalogue.overview import Card, Strip
from ui import frame


def strip(picture: Strip) -> None:
    """The wide picture with a caption under every tile."""
    st.image(picture.image, width="stretch", alt=picture.alt)
    cells = "".join(f"<div><b>{escape(title)}</b><br>{escape(note)}</div>" for title, note, _ in picture.tiles)
    st.html(f'<div class="tiles" style="grid-template-columns:repeat({len(picture.tiles)},1fr);'
            f'column-gap:{100 * picture.gap:.3f}%">{cells}</div>')


def card(run: Card) -> None:
    """One run: what it is, its score against dense as a bar, and the ways into it."""
    with st.container(border=True, gap="xsmall"):
        st.html(
            f'<div class="card"><div class="over">{escape(run.task)}<span>{escape(run.made)}</span></div>'
            f'<div class="name"><i style="background:{run.colour}"></i>{escape(run.method)}'
            f'<b>{escape(run.pattern)}</b></div>'
            f'{_bar(run)}<div class="figures"><b>{escape(run.score)}</b><span>{escape(run.zeros)}</span></div>'
            f'<div class="over">{escape(run.detail)}</div></div>')
        with st.container(horizontal=True, gap="medium"):
            frame.link("weights", "Weights", run=run.id)
            frame.link("occupancy", "Occupancy", run=run.id)
            frame.link("trace", "Trace", run=run.id)


def _bar(run: Card) -> str:
    final, dense = (100 * min(max(x, 0.0), 1.0) if isfinite(x) else 0.0 for x in (run.final, run.dense))
    return (f'<div class="bar" role="img" aria-label="score {escape(run.score)} dense">'
            f'<i style="width:{final:.1f}%;background:{run.colour}"></i><u style="left:{dense:.1f}%"></u></div>')
