"""What is kept between two runs of a page: headers, opened runs, finished views. Keyed by file times, bounded.

What is kept is shared by all sessions and never copied: taking a figure of Plotly's apart and together again for every
viewer cost more than the rest of a page. Never change it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from core.evidence.cells import cells, drawn_together
from core.evidence.quantities import SCORE
from core.evidence.search import searched
from core.evidence.single import Versus
from core.runs import partial
from core.runs.signatures import writer_of
from core.runs.store import ARRAYS, HEADER, TRACE, Entry, Run, Store, default_store, file_times
from ui import damaged

T = TypeVar("T")
Stamp = tuple[Any, ...]
LOOK = 0.05  # seconds between two looks at the names of a store: a page asks for them dozens of times
_looked: dict[tuple[str, str], tuple[float, str]] = {}  # by its roots: when, and what was seen


def store() -> Store:
    """The store of this machine: `cached_runs/` and `runs/`, or what SPARSESCOPE_CACHED and SPARSESCOPE_RUNS name."""
    return default_store()


def fingerprint() -> str:
    """A value that changes whenever a header of the store does (names and times only: nothing is read), at most LOOK
    seconds later. One word: the cache takes a tuple of hundreds apart piece by piece, which took longer than the page.
    """
    here, moment = store(), time.monotonic()
    roots = (str(here.live), str(here.recorded))
    seen = _looked.get(roots)
    if seen is None or not 0.0 <= moment - seen[0] < LOOK:
        found = _look(here)
        # A writer that is killed changes no file: its run is looked at as long as it goes on.
        going = (e.record for e in _entries(found, here) if e.record is not None and e.record.status == "running")
        gone = [record.id for record in going if writer_of(record) == "gone"]
        seen = _looked[roots] = (moment, f"{found} {' '.join(gone)}".rstrip())
    return seen[1]


def _look(here: Store) -> str:
    out: list[Stamp] = []
    for root in (here.live, here.recorded):
        try:
            paths = sorted(root.iterdir())
        except OSError:
            paths = []
        out.append((str(root), *((p.name, *file_times(p, (HEADER,))) for p in paths)))
    return hashlib.blake2b(repr(out).encode(errors="surrogateescape"), digest_size=16).hexdigest()


def entries() -> tuple[Entry, ...]:
    """All folders of the store, newest first, damaged ones too. Shared between sessions: never change one."""
    return _entries(fingerprint(), store())


def own() -> frozenset[str]:
    """Ids of the runs that were made on this machine and are not recorded too: making a recorded run again is no
    reason for a page to open with another one."""
    recorded = store().recorded
    return frozenset(entry.id for entry in entries() if not entry.recorded and not (recorded / entry.id).is_dir())


@st.cache_resource(max_entries=4, show_spinner=False)
def _entries(fingerprint: str, _store: Store) -> tuple[Entry, ...]:
    return tuple(_store.entries())


def stamp(run: Run) -> Stamp:
    """Id and file times of a run and of its parent: the key under which anything made from it is kept."""
    own = (str(run.path), file_times(run.path, (HEADER, TRACE, ARRAYS)))
    return own if run.parent is None else (*own, *stamp(run.parent))


def open_run(run_id: str) -> Run:
    """Open a run. Raises InputError when there is none, or it is damaged. Opening reads two headers, no arrays."""
    return damaged.opened(store().open(run_id))


def cached(make: Callable[..., T], run: Run, *args: Any) -> T:
    """`make(run, *args)`, kept under the run's file times.

    *args* must be plain values. *make* is a function of a module, never a lambda: its name is part of the key.
    """
    with damaged.reported(run):
        return _made(f"{make.__module__}.{make.__qualname__}", stamp(run), args, make, run)


def cached_so_far(make: Callable[..., T], run: Run, *args: Any) -> T:
    """`make(run, *args)` of a run that goes on, kept until it keeps another moment: what it logs changes nothing."""
    with damaged.reported(run):
        parent = () if run.parent is None else stamp(run.parent)
        own = (str(run.path), file_times(run.path, (ARRAYS,)), run.record.status, partial.stamp(run.path))
        return _made(f"{make.__module__}.{make.__qualname__}", (*own, *parent), args, make, run)


def cached_over(make: Callable[..., T], *args: Any) -> T:
    """`make(records, *args)` over all readable records of the store, kept until a header changes."""
    records = [entry.record for entry in entries() if entry.record is not None]
    return _made(f"{make.__module__}.{make.__qualname__}", fingerprint(), args, make, records)


def cached_entries(make: Callable[..., T], *args: Any) -> T:
    """`make(entries, *args)` over all folders of the store, damaged ones too, kept until a header changes."""
    return _made(f"{make.__module__}.{make.__qualname__}", fingerprint(), args, make, entries())


def cached_cells(make: Callable[..., T], *args: Any) -> T:
    """`make(cells, *args)` over the answers that the runs of the store keep (`core.evidence.cells`), kept until a
    header changes. The answers are read once."""
    return _made(f"{make.__module__}.{make.__qualname__}", fingerprint(), args, make, cached_entries(cells))


def cached_search(make: Callable[..., T], *args: Any) -> T:
    """`make(searched, *args)` over the runs that were scored on examples held out of train (`core.evidence.search`)."""
    return _made(f"{make.__module__}.{make.__qualname__}", fingerprint(), args, make, cached_entries(searched))


def work_ahead() -> None:
    """Work out what every page that judges methods needs, the scores in all resamples: the first visitor of a server
    would wait for it."""
    drawn_together(cached_entries(cells), SCORE)


def cached_evidence(make: Callable[..., T], *args: Any) -> T:
    """`make(records, versus, *args)` over all readable records; *versus* knows each run's difference to dense."""
    records = [entry.record for entry in entries() if entry.record is not None]
    return _made(f"{make.__module__}.{make.__qualname__}", fingerprint(), args,
                 lambda given, *rest: make(*given, *rest), (records, cached_cells(Versus)))


def cached_across(make: Callable[..., T], runs: Sequence[Run], *args: Any) -> T:
    """`make(runs, *args)`, kept under the file times of every one of *runs*, in their order."""
    return _made(f"{make.__module__}.{make.__qualname__}", tuple(map(stamp, runs)), args, make, list(runs))


@st.cache_resource(max_entries=96, show_spinner=False)
def _made(name: str, stamp: Stamp | str, args: tuple[Any, ...], _make: Callable[..., T], _given: Any) -> T:
    return _make(_given, *args)
