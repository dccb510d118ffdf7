"""The card of a method, and the table that compares all of them. Every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

import streamlit as st

from core.evidence import search
from core.methods.cards import TITLES
from core.views.catalogue.claims import STAMP
from core.views.catalogue.method_table import Costs, MethodCard, Row
from ui import formula, frame

FEW, FEWER = 4, 2  # runs, and printed figures, on a card among others; alone it shows all figures
MANY = 12  # runs on a card alone; the list of runs has all


def show(card: MethodCard, alone: bool = False) -> None:
    """A card: among others with the essentials, *alone* with all that is said of it, in two columns."""
    with st.container(border=True, height="stretch"):
        st.html(_head(card, "" if card.implied and not alone else card.training))
        if alone:
            left, right = st.columns([11, 9], gap="large")
            with left:
                st.html(_idea(card) + formula.block(card.text.formula) + _remark(card)
                        + _parts(card, ("prunes", "cost", "source", "differs")))
            with right:
                st.html(_runs(card.rows, MANY) + _claims(card, len(card.claims)))
                _ways(card)
                st.html(_knobs(card))
            return
        st.html(_idea(card))
        with st.expander("Formula, cost, source, knobs, runs", type="compact"):
            st.html(formula.block(card.text.formula) + _remark(card)
                    + _parts(card, ("prunes", "cost", "source", "differs")) + _knobs(card) + _claims(card, FEWER)
                    + _runs(card.rows, FEW))
            _ways(card)


def _ways(card: MethodCard) -> None:
    """The links: into the lab, the trace, the list of all its runs."""
    with st.container(horizontal=True, gap="medium"):
        if card.lab:
            frame.link("lab", "Open in the lab", method=card.name)
        if card.trace:
            frame.link("trace", "Open its trace", run=card.trace)
        if card.rows:
            frame.link("runs", "All its runs", method=card.name)
        if card.name == search.SEARCHED and frame.cached_search(search.places, card.name):
            frame.link("accuracy", "What helps it?", view="helps")


def _head(card: MethodCard, training: str) -> str:
    return (f'<div class="card" id="{escape(card.name)}"><div class="name"><i style="background:{card.colour}"></i>'
            f'<a href="methods?method={quote(card.name)}">{escape(card.title)}</a>'
            f"<span>{escape(training)}</span></div></div>")


def _idea(card: MethodCard) -> str:
    return f'<p class="method">{escape(card.idea)}</p>'


def _remark(card: MethodCard) -> str:
    return f'<p class="method">{formula.typeset(card.text.remark, words=True)}</p>' if card.text.remark else ""


def _parts(card: MethodCard, parts: Iterable[str]) -> str:
    said = "".join(f"<dt>{TITLES[part]}</dt><dd>{formula.typeset(_sentence(getattr(card.text, part)), words=True)}</dd>"
                   for part in parts)
    return f'<dl class="method">{said}</dl>'


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name of code or a sign."""
    return text[:1].upper() + text[1:] if text[:2].isalpha() else text


def _knobs(card: MethodCard) -> str:
    if not card.knobs:
        return '<p class="method">It has no knobs.</p>'
    rows = "".join(f"<tr><td><code>{escape(k.name)}</code></td><td>{escape(_value(k.default))}</td>"
                   f"<td>{escape(k.help)}</td></tr>" for k in card.knobs)
    return f'<table class="method"><tr><th>knob</th><th>default</th><th>what it does</th></tr>{rows}</table>'


def _value(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else \
        str(value)


def _claims(card: MethodCard, most: int) -> str:
    if not card.claims:
        return ""
    rows = "".join(f"<div><b>{escape(c.figure)}</b><span>{escape(c.text)}<br><small>{escape(c.where)}</small></span>"
                   f"</div>" for c in card.claims[:most])
    left = len(card.claims) > most
    more = f"<small>{most} of {len(card.claims)} figures; all on its own card</small>" if left else ""
    return f'<div class="printed"><small>{STAMP}</small>{rows}{more}</div>'


def _runs(rows: tuple[Row, ...], most: int) -> str:
    if not rows:
        return '<p class="method">No run of it is in the store.</p>'
    listed = "".join(f'<tr><td><a href="weights?run={quote(r.id)}">{escape(r.task)}</a></td>'
                     f"<td>{escape(r.pattern)}</td><td>{escape(r.budget)}</td><td>{escape(r.score)}</td><td>{_difference(r)}</td></tr>"
                     for r in rows[:most])
    count = f"<caption>{most} of our {len(rows)} runs</caption>" if len(rows) > most else "<caption>Our runs</caption>"
    return (f'<table class="method runs">{count}<tr><th>task</th><th>pattern</th><th>budget</th><th>score</th>'
            f"<th>against dense</th></tr>{listed}</table>")


def _difference(row: Row) -> str:
    near = row.within and row.difference != "–"
    return f'{escape(row.difference)}{" ≈" if near else ""}'


def compare(found: Costs) -> None:
    """All methods on one task: what they take and what they leave."""
    rows = "".join(
        f'<tr><td><i style="background:{c.colour}"></i>'
        f'<a href="methods?method={quote(c.name)}">{escape(c.title)}</a></td>'
        f"<td>{escape(c.row.budget)}</td><td>{escape(c.solving)}</td><td>{escape(c.training)}</td>"
        f'<td><a href="weights?run={quote(c.row.id)}">{escape(c.row.score)}</a></td><td>{_difference(c.row)}</td></tr>'
        for c in found.rows)
    st.html(f'<table class="method wide"><tr><th>method</th><th>budget</th><th>solving the layers</th><th>training</th>'
            f"<th>score</th><th>against dense</th></tr>{rows}</table>")
