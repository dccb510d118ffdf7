"""Your sentence: what the dense and the pruned model make of a text that somebody types, side by side."""

from __future__ import annotations

import streamlit as st

from core.lab import sentence
from core.lab.sentence import Reading
from core.views.activations import all_layers, attention_map, one_layer
from core.views.activations import typed as views
from core.views.activations.region_film import BLOCK
from ui import frame, links, sentence_text
from ui import sentence_bar as bar

PARTS = {"layer": "One layer", "layers": "All layers", "attention": "Attention"}


def page(choice: bar.Choice) -> None:
    """The boxes, the tokens, the answers, and one part of the inside at a time."""
    texts = sentence_text.ask(choice.record)
    if texts is None:
        return
    reader = bar.reader(choice)
    reading = sentence_text.read(reader, (choice.record.id, choice.pattern), *texts)
    answers = st.container()
    sentence_text.tokens(reading, sentence.words_known(reader.pruned.tokenizer))
    with st.container(horizontal=True, gap="large", vertical_alignment="bottom"):
        part = links.shared.choose("part", "Show", list(PARTS), look="segments", words=PARTS.__getitem__)
        layer = frame.pick_layer(reading.run)
        heads = [str(k) for k in range(1, reading.run.record.heads + 1)]
        head = links.shared.choose("head", "Head", heads, words="head {}".format) if part == "attention" else "1"
    with answers:
        frame.show(views.answer(reading.run, reading.probe), "answer")
    inside(reading, part, layer, int(head))
    with st.expander("Which models", type="compact"):
        st.caption(links.plain(bar.about(choice)))


def inside(reading: Reading, part: str, layer: int, head: int) -> None:
    """Activations before, after and their difference; or the attention of one head."""
    with frame.guarded():
        if part == "layer":
            frame.show(one_layer.one_layer(reading.run, reading.probe, BLOCK, layer), "layer")
        elif part == "layers":
            frame.show(all_layers.glance(reading.run, reading.probe, BLOCK, layer), "layers")
        else:
            frame.show(attention_map.attention(reading.run, reading.probe, layer, head), "attention")


frame.opening("sentence")
picked = bar.pick()
if picked is not None:
    with frame.guarded():
        page(picked)
