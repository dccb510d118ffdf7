"""Whose fault is it? An exception over a run whose files do not fit together is the run's, and becomes a red box. Over
a run that passes its own check it is ours, and stays what it is: no defect of the program hides behind this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.errors import InputError
from core.runs.checks.folder_check import check
from core.runs.store import Run

_open: ContextVar[tuple[Run, ...]] = ContextVar("open", default=())
MOST = 8  # runs a page has open; the latest count


def opened(run: Run) -> Run:
    """Remember that this page opened *run*."""
    _open.set((*_open.get()[-MOST + 1:], run))
    return run


def begin_page() -> None:
    """A page begins: nothing is open."""
    _open.set(())


@contextmanager
def reported(*runs: Run) -> Iterator[None]:
    """Turn an exception into an InputError when one of *runs*, of those that the page opened, or of their parents is
    damaged. Only then are they checked, which reads all their arrays."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        for run in (*runs, *_open.get()):
            for each in (run, run.parent):
                fault = _fault(each) if each is not None else ""
                if each is not None and fault:
                    raise InputError(f"The files of {each.record.id} do not fit together: {fault[:300]}",
                                     "a whole run folder", "Make the run again, or fetch the folder anew.") from error
        raise


def _fault(run: Run) -> str:
    """The first problem that the check of a finished *run* finds; "" for none. Kept with the opened run.

    A parent that is not in the store is no damage: every page knows runs without one.
    """
    if "fault" not in run._cache:
        found = check(run).problems if run.record.status == "succeeded" else []
        problems = [words for words in found if "parent" not in words]
        run._cache["fault"] = problems[0] if problems else ""
    return str(run._cache["fault"])
