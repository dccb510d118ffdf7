"""The frame of every page: opening words, the bar on top, the way a view is shown.

    frame.opening("weights")
    run = frame.pick_run()
    if run is not None:
        matrix = frame.pick_matrix(run)
        frame.draw(weights.before_after, run, matrix, key="maps")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.methods import position_of
from core.runs import featured as featuring
from core.runs.levels import holds
from core.runs.records import RunRecord
from core.runs.store import Run
from core.tasks import HELD_OUT
from core.views.drawing import style
from core.views.drawing.telling_apart import short_names
from core.views.drawing.view import Number, View
from core.views.patterns.units_left import of_units
from ui import cache, damaged, keys, known, lesson_strip, links, routes, saving, stage
from ui.cache import cached, cached_cells, cached_evidence, cached_over, cached_search, entries, own, store
from ui.css import CSS
from ui.pages import PAGES, enter

if TYPE_CHECKING:  # the first page must not wait for pandas
    import pandas as pd
    import plotly.graph_objects as go

__all__ = ["bar", "cached", "cached_cells", "cached_evidence", "cached_over", "cached_search", "draw", "empty",
           "entries", "featured", "figures", "guarded", "link", "numbers", "opening", "own", "pick_layer",
           "pick_matrix", "pick_run", "show", "store", "wanted"]

_bar: ContextVar[DeltaGenerator | None] = ContextVar("bar", default=None)
PLOTLY = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


def opening(key: str) -> None:
    """The page's title and the question it answers."""
    enter()
    _bar.set(None)
    damaged.begin_page()
    st.html(f"<style>{CSS}</style>")
    scene = stage.begin(key)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="heading"):
        st.title(PAGES[key].title, anchor=False, width="content")
        st.caption(PAGES[key].question, width="content")
        scene.menu = st.container(width="content", key="menu")
    st.sidebar.caption(f"What am I looking at?\n\n{PAGES[key].note}")
    scene.lock = links.lock()
    keys.listen(stage.script())
    saving.begin(key)
    if not stage.on():
        known.say()
        lesson_strip.draw(key)


@contextmanager
def guarded() -> Iterator[None]:
    """Show a person's mistake, or a damaged file, as a red box and go on with the page."""
    try:
        with damaged.reported():
            yield
    except InputError as error:
        st.error(links.plain(str(error)))


# -- the bar on top ----------------------------------------------------------------------------------------------


def pick_run(kind: Literal["pruned", "any"] = "pruned", method: str = "admm", drawn: bool = True,
             units: bool = False) -> Run | None:
    """Draw the bar with task and run (`?run=`), and return the run chosen. *method*: whose runs teach most here;
    *drawn*: only runs that keep something of their matrices; *units*: those too that say only how many of their heads
    and neurons are left.

    None, with words on the page, when there is no run to choose. A bad, unknown or damaged `?run=` gets a red box; the
    page goes on with the default run.
    """
    found = [e.record for e in entries() if e.record is not None and e.record.status != "queued"]
    records = [r for r in found if (not drawn or drawable(r) or (units and of_units(r)))
               and (kind == "any" or r.spec.method != "dense")]
    asked = _asked()
    if asked is not None and asked.status != "queued" and all(r.id != asked.id for r in records):
        st.info(f"{links.plain(asked.id)} {_why_not(asked)} Choose a run below.")
    if not records:
        empty()
        return None
    by_id = {r.id: r for r in records}
    wanted = links.shared.get("run")
    run_id = wanted if wanted in by_id else default_run(records, method).id
    links.shared.put("run", run_id)
    bar = st.container(horizontal=True, vertical_alignment="bottom", key="bar")
    _bar.set(bar)
    with bar:
        _task_box(records, by_id[run_id])
        _run_box([r for r in records if r.spec.task == by_id[run_id].spec.task], run_id)
    with guarded():
        run = cache.open_run(run_id)
        with bar, st.popover("About"):
            _about(run)
        if run.record.status != "succeeded":
            st.warning(links.plain(f"This run has {STATUS.get(run.record.status, run.record.status)}. "
                                   f"{run.record.error or ''} What it kept is shown."))
        if run.record.left_out:
            st.caption(links.plain(run.record.left_out))
        return run
    return None


def featured() -> Run | None:
    """The run that the first page shows: the link's, or the pinned one. None when there is none."""
    asked = _asked()
    records = [e.record for e in entries()
               if e.record is not None and e.record.spec.method != "dense" and (
                   drawable(e.record) or of_units(e.record))]
    if not records:
        return None
    with guarded():
        return cache.open_run(asked.id if asked in records else default_run(records).id)
    return None


def drawable(record: RunRecord) -> bool:
    """Does *record* keep anything of its matrices? A run that keeps its answers alone has a score and no picture."""
    return holds(record.spec.record, "summary")


def _why_not(record: RunRecord) -> str:
    return ("is a dense run: this page shows pruned ones." if drawable(record) else
            "keeps its answers, not its matrices: see it on Accuracy and Compare.")


def _asked() -> RunRecord | None:
    """The record that the link names; a red box when it names none that can be shown."""
    asked = st.query_params.get("run")
    if asked is None:
        return None
    with guarded():
        return cache.open_run(asked).record
    return None


def default_run(records: Sequence[RunRecord], method: str = "admm") -> RunRecord:
    """The run of *records* that a page opens with: never one made here while a recorded one will do."""
    return featuring.default_run(records, method, own())


def _task_box(records: list[RunRecord], now: RunRecord) -> None:
    tasks = sorted({r.spec.task for r in records})

    def moved(task: str) -> None:
        there = [r for r in records if r.spec.task == task]
        same = [r for r in there if (r.spec.method, r.spec.pattern) == (now.spec.method, now.spec.pattern)]
        links.shared.put("run", default_run(same or there).id)

    links.widget("select", "bar.task", "Task", now.spec.task, moved, tasks, format_func=style.task_title, width=215,
                 label_visibility="collapsed")


def _run_box(records: list[RunRecord], run_id: str) -> None:
    records = sorted(records, key=lambda r: (r.spec.model, position_of(r.spec.method), r.spec.pattern,
                                             r.spec.epochs, r.spec.seed, r.id))
    links.widget("select", "bar.run", "Run", run_id, lambda chosen: links.shared.put("run", chosen),
                 names=short_names(records), width="stretch", label_visibility="collapsed")


def _about(run: Run) -> None:
    """Where a run is from, its name, and the command that makes it again."""
    record = run.record
    made = "Recorded" if run.recorded else "Made elsewhere" if record.made_elsewhere else \
        "Made on this machine"
    scored = "" if record.results is None else f", scored on {style.count(record.results.n_eval)} examples" + (
        f" {HELD_OUT}" if record.results.split == HELD_OUT else "")
    st.markdown(links.plain(f"{made} {record.created[:10]}, seed {record.spec.seed}{scored}."))
    for note in record.notes:
        st.caption(links.plain(note))
    st.code(record.id, language=None)
    st.caption("Make it again:")
    st.code(record.command, language="bash", wrap_lines=True)
    if record.spec.epochs:
        st.caption("On another make of processor a trained score at 1:4 may come out up to 2 points apart.")
    elif record.spec.method != "dense":
        st.caption("On another make of processor the score may come out up to 1 point apart.")


STATUS = {"running": "not ended yet", "failed": "failed", "cancelled": "been cancelled"}


def _place() -> DeltaGenerator:
    """The bar, when this page has drawn one; else a row of its own."""
    return _bar.get() or st.container(horizontal=True)


def bar() -> DeltaGenerator:
    """The bar on top, for a page's own choices."""
    return _place()


def pick_matrix(run: Run) -> str | None:
    """Choose a prunable matrix (`?matrix=`) in the bar; its name, or None (with words) when the run lists none."""
    names = [m.name for m in run.record.matrices]
    if not names:
        st.info("This run lists no matrices: it ended before pruning.")
        return None
    with _place():
        return links.shared.choose("matrix", "Matrix", names, words=style.matrix_words, kind="matrix", always=True,
                                   width=200, quiet=True)


def pick_layer(run: Run, *, first: int = 0) -> int:
    """Choose a layer (`?layer=`) in the bar: 0 the embeddings' output (when *first* is 0), 1 the first layer."""
    options = [str(k) for k in range(first, max(run.record.layers, first) + 1)]
    with _place():
        return int(links.shared.choose("layer", "Layer", options, default=options[-1], kind="layer", always=True,
                                       words=lambda k: "embeddings" if k == "0" else f"layer {k}", width=160,
                                       quiet=True))


def empty() -> None:
    """What a page says when the store holds nothing for it."""
    st.info("No runs yet. A run is one folder; this makes the first one, in about a minute, without any download:")
    st.code("python -m core run --task agreement --model tiny --method admm --pattern 2:4", language="bash")


# -- views -------------------------------------------------------------------------------------------------------


def show(view: View, key: str, small: str = "", heading: DeltaGenerator | None = None,
         picked: Callable[[str], object] | None = None) -> None:
    """Show a view: the sentence first, then the picture; folded, what to try, the *small* print, and the numbers.

    *heading*: the place of the sentence, where a knob stands beside it or under it. *picked*: called with the last word
    of the `customdata` of the mark that was clicked. While a lesson waits for an answer, only the picture that it
    speaks of, and not a word about it.
    """
    stage.figures(key, view.heading or view.claim)
    if stage.on():
        if stage.takes(key) and (view.image or view.figure is not None or stage.asked(key)):
            _staged(view, key)
        return
    step = lesson_strip.asking()
    if step is not None:
        if step.look.key == key and view.figure is not None:
            _chart(view.figure, key, lesson_strip.SILENT)
        return
    (heading or st).header(links.plain(view.heading or view.claim), anchor=False)
    if view.image is not None:
        st.image(view.image, width="stretch", alt=view.alt)
    elif view.figure is not None:
        _chart(view.figure, key, view.alt, picked)
    _read_on(view, key, small)


def _staged(view: View, key: str) -> None:
    """The picture of *view* on the stage."""
    stage.claim(view.heading or view.claim)
    with stage.place(key):
        if view.image is not None:
            st.image(view.image, width="stretch", alt=view.alt)
        elif view.figure is None:
            st.markdown(links.plain(view.claim if view.heading else ""))
        else:
            stage.chart(view.figure, key, view.alt, PLOTLY)


def _chart(figure: go.Figure, key: str, alt: str, picked: Callable[[str], object] | None = None) -> None:
    camera = {"toImageButtonOptions": {"format": "svg", "filename": saving.file_name(key, "svg").removesuffix(".svg")}}

    def clicked() -> None:
        found = [point.get("customdata") for point in st.session_state[key]["selection"]["points"]]
        if picked is not None and found and found[0]:
            picked(str(found[0][-1]))

    st.plotly_chart(figure, key=key, width="stretch", height="content", config=PLOTLY | camera, alt=alt,
                    on_select="ignore" if picked is None else clicked, selection_mode="points")


def _read_on(view: View, key: str, small: str = "") -> None:
    """All that a picture says, what to try with it, its *small* print and its numbers, folded away."""
    words = [links.plain(view.claim)] if view.heading else []
    words += [f"**Try this.** {links.plain(view.try_this)}"] if view.try_this else []
    words += [links.plain(small)] if small else []
    numbers(view.table, key, words, saving.Taken(view.heading or view.claim, view.alt, view.table, view))


def numbers(table: pd.DataFrame | None, key: str, words: Sequence[str] = (), taken: saving.Taken | None = None) -> None:
    """The picture's numbers, folded away under *words* (Markdown), and beside them what may be taken away: *taken*, or
    the numbers alone."""
    counted = table is not None and not table.empty
    with st.container(horizontal=True, gap="small"):
        if words or counted:
            with st.container():
                _folded(table if counted else None, key, words)
        saving.offer(key, taken or saving.Taken("", "", table))


@st.fragment
def _folded(table: pd.DataFrame | None, key: str, words: Sequence[str]) -> None:
    """The words, and once they are unfolded the *table*: a browser takes 20 ms to set up one that nobody sees."""
    fold = st.expander("Notes and numbers" if words else "The numbers", type="compact", key=f"{key}.numbers",
                       on_change="ignore" if table is None else "rerun")
    with fold:
        for paragraph in words:
            st.caption(paragraph)
        if table is not None and fold.open:
            st.dataframe(table, hide_index=True, key=f"{key}.table")


def figures(numbers: Sequence[Number]) -> None:
    """A row of numbers that matter, large, with their words."""
    for column, number in zip(st.columns(len(numbers) or 1), numbers, strict=False):
        with column, st.container(gap=None):
            st.metric(number.label, number.value)
            st.caption(links.plain(number.note))


def wanted(key: str) -> bool:
    """Shall the figure *key* be made? All are, but for the stage, which has room for one."""
    stage.figures(key, "")
    return stage.takes(key)


def draw(make: Callable[..., View], run: Run, *args: Any, key: str, small: str = "",
         heading: DeltaGenerator | None = None) -> None:
    """`show(cached(make, run, *args))`; a damaged file becomes a red box. Not made at all where it would not show."""
    if not wanted(key):
        return
    with guarded():
        show(cached(make, run, *args), key, small, heading)


def link(page: str, label: str, **query: str) -> None:
    """A link to another page with the choices it needs; plain words where there is no navigation (a page alone)."""
    routes.page_link(page, label, query)
