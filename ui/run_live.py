"""The living half of the Run page: start, watch, cancel, resume, open. Two fragments poll while something goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from core.errors import InputError
from core.live import asking, estimates, tickets, workers
from core.live.serving import serve_once
from core.live.status import LiveStatus, jobs, status
from core.runs.records import RunSpec
from core.runs.store import HEADER, Run, file_times
from core.views.catalogue import live_run
from core.views.drawing import style
from ui import cache, comparing, frame, links, polling, run_demo, run_probe
from ui.run_words import STATES, duration, expectation, standing

PACE = 1.0  # seconds between two looks
HURRY = 0.25  # while matrices are solved one by one: of a small model several a second


def _do(act: Callable[..., Any], *args: Any, watch: bool = False, **more: Any) -> None:
    """Carry out what a button says; a refusal becomes a red box. *watch*: the page then shows that run."""
    try:
        run = act(cache.store(), *args, **more)
        serve_once(cache.store())
        if watch:
            links.shared.put("run", run)
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
    st.caption(links.plain(expectation(found)))
    done = asking.finished(store, spec.run_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Make it again" if done else "Start", type="primary", key="run.start", on_click=_do,
                  args=(asking.submit, given, polling.viewer()), kwargs={"again": done, "watch": True},
                  icon=":material/play_arrow:")
        if done:
            st.markdown("This run was made on this machine.", width="content")
            _open(spec.run_id)
        run_probe.offer(spec, found)


def _open(run: str) -> None:
    frame.link("weights", "Weights", run=run)
    frame.link("trace", "ADMM trace", run=run)
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
    run, over = found.run, found.over
    least = HURRY if run_demo.layered(run) else PACE
    timer = None if over else polling.every(least)

    def body() -> None:
        serve_once(cache.store())
        now = status(cache.store(), run)
        if timer is not None and (now.over or polling.outdated(timer, least)):
            st.rerun()  # of the whole page: only that ends the timer, or sets another
        _head(now)
        _pictures(now)

    st.fragment(body, run_every=timer)()


def _head(now: LiveStatus) -> None:
    st.subheader(links.plain(f"{now.run}: {STATES[now.state]}"), anchor=False)
    if now.state == "running":
        st.progress(now.share, text=links.plain(standing(now)))
        if now.stalled:
            st.warning(f"It lives, but has said nothing for {duration(now.silent)}. Nobody stops it but you.")
    elif now.state == "queued":
        st.info(f"It is {standing(now)}. It starts by itself.")
    elif now.state in ("failed", "cancelled"):
        st.error(links.plain(f"This run {'failed' if now.state == 'failed' else 'was cancelled'}. {now.reason}"))
    with st.container(horizontal=True, vertical_alignment="center"):
        _buttons(now, "watch")


def _buttons(now: LiveStatus, where: str) -> None:
    """What can be done about a run. A callback would run the fragment alone again: each runs the whole page."""
    if where == "job" and st.button("Watch", key=f"job.watch.{now.run}"):
        links.shared.put("run", now.run)
        st.rerun()
    if not now.over and now.watched and st.button("Cancel", key=f"{where}.cancel.{now.run}"):
        _do(asking.cancel, now.run, polling.viewer())
        st.rerun()
    if now.state in ("failed", "cancelled") and st.button("Resume", key=f"{where}.resume.{now.run}"):
        _do(asking.resume, now.run, polling.viewer(), watch=True)
        st.rerun()
    if now.state == "succeeded":
        _open(now.run)


def _pictures(now: LiveStatus) -> None:
    if now.state == "queued":
        return
    try:
        run = cache.open_run(now.run)
    except InputError:
        st.caption("Nothing is recorded of it yet." if now.state == "running" else "It left no record.")
        return
    if now.state != "succeeded" and (run.recorded or _before(run, now)):
        st.caption("Nothing is recorded of it yet.")  # what stands under its name is an earlier run
        return
    run_demo.matrices(run)
    if run.record.spec.method in run_demo.LAYERED and not run.trace:
        return  # its rounds are written down when all layers are solved
    with frame.guarded():
        frame.figures(frame.cached(live_run.numbers, run))
    frame.draw(live_run.growing, run, key="live.trace")
    _groups(run)


def _before(run: Run, now: LiveStatus) -> bool:
    """Was the header written before the worker that is under way began?"""
    written = file_times(run.path, (HEADER,))[0][0] / 1e9
    return now.state == "running" and now.watched and written < time.time() - now.elapsed - 1.0


def _groups(run: Run) -> None:
    """The groups of one matrix over the moments kept so far, while there are such."""
    with frame.guarded():
        names = live_run.watched(run)
        if names:
            matrix = links.shared.choose("matrix", "Matrix", names, words=style.matrix_words, kind="matrix")
            frame.show(live_run.groups_so_far(run, matrix), "live.groups")


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

    st.subheader("Queue and history", anchor=False)
    st.fragment(body, run_every=polling.every(PACE) if busy else None)()


def _line(found: LiveStatus) -> str:
    last = found.reason.strip().splitlines()[-1][:200] if found.reason.strip() else ""
    return standing(found) + (f": {last}" if last else "")
