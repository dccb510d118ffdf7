"""The way into a lesson: its acts, each under a small picture, with their steps as links; and the way out of it."""

from __future__ import annotations

import streamlit as st

from core.lab import reading_group
from core.lessons import LESSONS
from core.lessons.base import Act, Lesson
from core.views.touch import announcing
from ui import cache, frame, links, routes
from ui.lesson_strip import query


def lessons() -> None:
    """All lessons, each with its steps; at the end of one, what is known now and where to go on."""
    for lesson in LESSONS.values():
        if st.query_params.get("lesson") == lesson.id:
            _known(lesson)
        else:
            st.header(links.plain(lesson.title), anchor=False)
            _listed(lesson)


def _listed(lesson: Lesson) -> None:
    """What *lesson* is, the link that begins it, and its acts side by side."""
    st.markdown(links.plain(lesson.words))
    with st.container(key=f"learn-{lesson.id}"):
        _link(lesson, 0, "Start the lesson", ":material/play_arrow:")
    columns = st.columns(len(lesson.acts), gap="medium")
    for column, (act, places) in zip(columns, lesson.parts(), strict=True):
        with column:
            with frame.guarded():
                _announce(lesson, act)
            st.subheader(links.plain(act.title), anchor=False)
            with st.container(key=f"steps-{lesson.id}-{act.picture}"):
                for place in places:
                    _link(lesson, place, f"{place + 1}. {links.plain(lesson.steps[place].title)}", None)


def _announce(lesson: Lesson, act: Act) -> None:
    """The picture of *act*; none where its run is not on this machine."""
    small = _picture(act, lesson.steps[lesson.place(act.first)].state)
    if small is not None:
        st.image(small.svg, width="stretch", alt=small.alt)


def _picture(act: Act, state: dict[str, str]) -> announcing.Small | None:
    if act.picture == "plane":
        return announcing.two_weights()
    if act.picture == "group":
        kind = reading_group.pattern(state["pattern"])
        return announcing.group(reading_group.DEFAULT[:reading_group.size(kind)], kind.allowed or 0)
    if cache.store().find(state["run"]) is None:
        return None
    run = cache.open_run(state["run"])
    if act.picture == "layer":
        return cache.cached(announcing.layer, run, state["matrix"])
    return cache.cached(announcing.network, run)


def _known(lesson: Lesson) -> None:
    """What the lesson has taught, in one line each, beside the ways on."""
    with st.container(key=lesson.steps[-1].look.key):
        left, right = st.columns(2, gap="large")
        with left:
            st.header("What you know now", anchor=False)
            for name, words in lesson.known.items():
                st.markdown(f"**{links.plain(name)}** {links.plain(words)}")
        with right:
            st.header("What next", anchor=False)
            for way in lesson.onward:
                routes.page_link(way.page, way.words, way.state)


def _link(lesson: Lesson, place: int, label: str, icon: str | None) -> None:
    step = lesson.steps[place]
    routes.page_link(step.page, label, query(lesson, step), icon)
