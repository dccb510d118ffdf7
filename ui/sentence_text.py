"""What is typed on "Your sentence": the boxes, sentences of ours, the tokens. It stays in this browser session: never
in the link, never on disk, and the models' answers to it are kept for the last text alone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from core.lab import sentence
from core.lab.sentence import Reader, Reading, Word
from core.runs.records import RunRecord
from core.tasks.probes import PROBES, ProbeText
from ui import links
from ui.sentence_bar import paired

SHOWN = 160  # tokens drawn as chips; a long text has more, and they say nothing new
WHAT = {"word": "", "special": "a mark of the tokenizer's own", "unknown": "a word that this model does not know"}
NAMES = {"text": "The sentence", "pair": "The second sentence"}


def ask(record: RunRecord) -> tuple[str, str | None] | None:
    """Draw the box (or two) and our own sentences beneath; the text (and the second one), checked. None, with words on
    the page, while nothing was typed for a task of which there are no sentences of ours.

    Raises InputError, as `core.lab.sentence.checked` does, after everything is drawn.
    """
    task, two = record.spec.task, paired(record)
    ours = PROBES.get(task) or tuple(ProbeText(p.id, p.text, p.text_pair) for p in record.probes)
    first = ours[0] if ours else ProbeText("p0", "", "" if two else None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _box(task, "text", "The first sentence" if two else "Your sentence", first.text)
        if two:
            _box(task, "pair", "The second sentence", first.pair or "")
        if ours:
            with st.popover("One of ours"):
                for probe in ours:
                    words = probe.text if probe.pair is None else f"{probe.text} / {probe.pair}"
                    st.button(links.plain(words), key=f"sentence.ours.{probe.id}", type="tertiary", on_click=_take,
                              args=(task, probe))
    if not ours and not any(f"sentence.{which}.{task}" in st.session_state for which in NAMES):
        st.info("Type a sentence as this task has them: both models answer.")
        return None
    said = [_checked(task, "text", first.text)] + ([_checked(task, "pair", first.pair or "")] if two else [])
    return said[0], said[1] if two else None


def _box(task: str, which: str, label: str, default: str) -> None:
    """A text box whose text survives a walk over other pages. Of a text that is too long only the beginning is kept."""
    widget = f"sentence.box.{which}"
    st.session_state[widget] = _kept(task, which, default)[0]
    st.text_input(label, key=widget, width="stretch", label_visibility="collapsed", placeholder=label,
                  on_change=lambda: _keep(task, which, st.session_state[widget]),
                  help=f"At most {sentence.longest()} characters. It stays in this session: it is not in the link, and "
                       "is written nowhere.")


def _kept(task: str, which: str, default: str) -> tuple[str, int]:
    return st.session_state.get(f"sentence.{which}.{task}", (default, len(default)))


def _keep(task: str, which: str, text: str | None) -> None:
    text = text or ""
    st.session_state[f"sentence.{which}.{task}"] = (text[:sentence.longest() + 1], len(text))


def _take(task: str, probe: ProbeText) -> None:
    _keep(task, "text", probe.text)
    _keep(task, "pair", probe.pair)


def _checked(task: str, which: str, default: str) -> str:
    text, size = _kept(task, which, default)
    return sentence.checked(text, NAMES[which], size=size)


def read(reader: Reader, key: Any, text: str, pair: str | None) -> Reading:
    """The sentence inside both models; the last one is kept for this session. *key* tells readers apart."""
    wanted = (key, text, pair)
    last = st.session_state.get("sentence.reading")
    if last is None or last[0] != wanted:
        last = st.session_state["sentence.reading"] = (wanted, sentence.read(reader, text, pair))
    return last[1]


def tokens(reading: Reading, known: Sequence[str]) -> None:
    """The tokens as chips, in words what the models do not know or do not see, and the words of a model with few."""
    shown = reading.words[:SHOWN]
    more = f'<span class="more">and {len(reading.words) - SHOWN} more</span>' if len(reading.words) > SHOWN else ""
    chips = f'<div class="tokens">{"".join(map(_chip, shown))}{more}</div>'
    lines = [f"{len(reading.words)} tokens."]
    if len(reading.unknown) == 1:
        lines.append(f"One word (struck through) is unknown to this model: it reads {_mark(reading)} instead.")
    elif reading.unknown:
        lines.append(f"{len(reading.unknown)} words (struck through) are unknown to this model: it reads "
                     f"{_mark(reading)} instead of each.")
    if reading.cut:
        lines.append(f"The last {reading.cut} tokens are cut: a run reads at most {len(reading.words)}.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(chips, width="content")
        st.caption(links.plain(" ".join(lines)), width="content")
        if known:
            with st.popover(f"The {len(known)} words it knows", type="tertiary"):
                st.markdown(links.plain(" · ".join(known)))


def _mark(reading: Reading) -> str:
    """The token that stands for every unknown word."""
    marks = {token for word, token in zip(reading.words, reading.run.record.probes[0].tokens, strict=True)
             if word.kind == "unknown"}
    return next(iter(marks), "[UNK]")


def _chip(word: Word) -> str:
    """One token as HTML; everything in it is escaped."""
    return f'<span class="{word.kind}{" second" if word.second else ""}" title="{escape(WHAT[word.kind])}">' \
           f"{escape(word.text[:60])}</span>"
