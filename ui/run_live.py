"""The living half of the Run page: start, watch, cancel, resume, open. Two fragments poll while something goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import streamlit as st

from core.errors import InputError
from core.live import asking, estimates, tickets, workers
from core.live.serving import serve_once
from core.live.status import LiveStatus, jobs, status
from core.runs.filmed import has_film
from core.runs.records import RunSpec
from core.runs.store import HEADER, Run, file_times
from core.views.catalogue import live_run
from core.views.drawing import style
from core.views.film import growing
from ui import cache, comparing, film, frame, into_view, links, polling, run_demo, run_probe
from ui.run_words import STATES, duration, expectation, outcome, standing

PACE = 1.0  # seconds between two looks
PLACE = "live-run"  # the part of the page that shows the run
STOPPED = "run.stopped"  # in the session: the runs that this person cancelled
HURRY = 0.25  # while matrices are solved one by one: of a small model several a second


def _do(act: Callable[..., Any], *args: Any, watch: bool = False, **more: Any) -> None:
    """Carry out what a button says; a refusal becomes a red box. *watch*: the page then shows that run."""
    try:
        run = act(cache.store(), *args, **more)
        serve_once(cache.store())
        if watch:
            links.shared.put("run", run)
            into_view.ask(PLACE)
    except InputError as error:
        st.session_state["run.refused"] = str(error)


def refused() -> None:
    """What the last button could not do, once."""
    words = st.session_state.pop("run.refused", None)
    if words:
        st.error(links.plain(words))


def begin(given: Mapping[str, Any], spec: RunSpec) -> None:
    """The command that the form stands for, what to expect, and the button that starts it."""
    store = cache.store()
    st.code(asking.command(given), language="bash", wrap_lines=True)
    records = [entry.record for entry in frame.entries() if entry.record is not None]
    found = estimates.estimate(store, spec, records)
    st.caption(links.plain(expectation(found, spec.run_id)))
    done = asking.finished(store, spec.run_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Make it again" if done else "Start", type="primary", key="run.start", on_click=_do,
                  args=(asking.submit, given, polling.viewer()), kwargs={"again": done, "watch": True},
                  icon=":material/play_arrow:")
        run_probe.offer(spec, found)
    there = next((record for record in records if record.id == spec.run_id and record.status == "succeeded"), None)
    if there is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(links.plain(outcome(there, done)), width="content")
            _open(there.id, done)


def _open(run: str, mine: bool = True) -> None:
    """The pages that show *run*, and if it is *mine* the one that compares it with what was made before it."""
    entry = cache.store().find(run)
    if entry is not None and entry.record is not None and has_film(entry.record):
        frame.link("watch", "Film", run=run)
    frame.link("weights", "Weights", run=run)
    frame.link("trace", "ADMM trace", run=run)
    if mine:
        comparing.link_mates(run)


def asked() -> LiveStatus | None:
    """The run that the link names, as it stands; a red box for one that nobody knows. None when the link names none."""
    run = st.query_params.get("run")
    if run is None:
        return None
    with frame.guarded():
        serve_once(cache.store())
        found = status(cache.store(), run)
        if found.state == "unknown":
            raise InputError(f"There is no run {run[:80]!r}", "a run of this machine", "Start one below.")
        return found
    return None


def watch(found: LiveStatus) -> None:
    """The run of the link, live: progress, numbers and pictures that grow. Once it is over the polling ends."""
    name, over = found.run, found.over
    least = HURRY if run_demo.layered(name) else PACE
    timer = None if over else polling.every(least)

    def body() -> None:
        serve_once(cache.store())
        now = status(cache.store(), name)
        if timer is not None and (now.over or polling.outdated(timer, least)):
            st.rerun()  # of the whole page: only that ends the timer, or sets another
        run = _recorded(now)
        _head(now)
        for note in [] if run is None else run.record.said:
            st.caption(links.plain(note))
        with st.container(horizontal=True, vertical_alignment="center"):
            _buttons(now, "watch")
            matrix = None if run is None else _matrix(run)
        _pictures(now, run, matrix)

    with st.container(key=PLACE):
        st.fragment(body, run_every=timer)()
    into_view.place(PLACE)


def _head(now: LiveStatus) -> None:
    st.header(links.plain(f"{now.run}: {STATES[now.state]}"), anchor=False)
    if now.state == "running":
        st.progress(now.share, text=links.plain(standing(now)))
        if now.stalled:
            st.warning(f"It lives, but has said nothing for {duration(now.silent)}. Nobody stops it but you.")
    elif now.state == "queued":
        st.info(f"It is {standing(now)}. It starts by itself.")
    elif now.state == "failed":
        st.error(links.plain(f"This run failed. {now.reason}"))
    elif now.state == "cancelled":
        st.info(_stopped(now.run))


def _stopped(run: str) -> str:
    """A cancel is no mistake: who asked for it, when, and what there is to see."""
    who = "You cancelled this run" if run in st.session_state.get(STOPPED, ()) else "This run was cancelled"
    try:
        step = max((int(row.get("step", 0)) for row in cache.open_run(run).trace), default=0)
    except InputError:
        step = 0
    if not step:
        return f"{who} before its first step."
    return f"{who} at step {style.count(step)}; what it kept is shown."


def _buttons(now: LiveStatus, where: str) -> None:
    """What can be done about a run. A callback would run the fragment alone again: each runs the whole page."""
    if where == "job" and st.button("Watch", key=f"job.watch.{now.run}"):
        links.shared.put("run", now.run)
        into_view.ask(PLACE)
        st.rerun()
    if not now.over and now.watched and st.button("Cancel", key=f"{where}.cancel.{now.run}"):
        _do(asking.cancel, now.run, polling.viewer())
        st.session_state.setdefault(STOPPED, set()).add(now.run)
        st.rerun()
    if now.state in ("failed", "cancelled") and st.button("Resume", key=f"{where}.resume.{now.run}"):
        _do(asking.resume, now.run, polling.viewer(), watch=True)
        st.rerun()
    if now.state == "succeeded":
        _open(now.run)


def _recorded(now: LiveStatus) -> Run | None:
    """What is recorded of the run by now; None for nothing, and for an earlier run under its name."""
    try:
        run = None if now.state == "queued" else cache.open_run(now.run)
    except InputError:
        return None
    return None if run is None or (now.state != "succeeded" and (run.recorded or _before(run, now))) else run


def _matrix(run: Run) -> str | None:
    """Choose the matrix to watch; None while no moment of any is kept."""
    with frame.guarded():
        names = cache.cached_so_far(growing.matrices, run)
        if names:
            return links.shared.choose("matrix", "Matrix", names, words=style.matrix_words, kind="matrix", quiet=True)
    return None


def _pictures(now: LiveStatus, run: Run | None, matrix: str | None) -> None:
    """The matrix going sparse, beside the curves; the numbers under both."""
    if run is None:
        if now.state != "queued":
            st.caption("Nothing is recorded of it yet." if now.state in ("running", "succeeded") else
                       "It left no record.")
        return
    run_demo.matrices(run)
    if run.record.spec.method in run_demo.LAYERED and not run.trace:
        return  # its rounds are written down when all layers are solved
    curves: AbstractContextManager[object] = nullcontext()
    if matrix is not None:
        left, curves = st.columns([3, 2])
        with left, frame.guarded():
            found = cache.cached_so_far(growing.film, run, matrix)
            if found is not None:
                film.show(found, "live", link="", claim=False, grows=now.run)
    with curves:
        frame.draw(live_run.growing, run, matrix is not None, key="live.trace")
    with frame.guarded():
        frame.figures(frame.cached(live_run.numbers, run))


def _before(run: Run, now: LiveStatus) -> bool:
    """Was the header written before the worker that is under way began?"""
    written = file_times(run.path, (HEADER,))[0][0] / 1e9
    return now.state == "running" and now.watched and written < time.time() - now.elapsed - 1.0


def history() -> None:
    """All that runs, waits and lately ended, each with what can be done about it."""
    busy = any(not found.over for found in jobs(cache.store()))

    def body() -> None:
        serve_once(cache.store())
        rows = jobs(cache.store())
        if busy and all(found.over for found in rows):
            st.rerun()
        if not rows:
            st.caption("Nothing was started from here yet.")
        for found in rows:
            with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"job-{found.run}"):
                st.markdown(f"**{links.plain(found.run)}**  \n{links.plain(_line(found))}", width="stretch")
                _buttons(found, "job")
        damaged = [*tickets.waiting(cache.store())[1], *workers.damaged(cache.store())]
        if damaged:
            st.warning(links.plain(f"Cannot be used, and left alone: {'; '.join(damaged[:5])}."))

    st.header("Queue and history", anchor=False)
    st.fragment(body, run_every=polling.every(PACE) if busy else None)()


def _line(found: LiveStatus) -> str:
    last = found.reason.strip().splitlines()[-1][:200] if found.reason.strip() else ""
    return standing(found) + (f": {last}" if last else "")
