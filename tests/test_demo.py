"""A public demonstration: every page opens, nothing is written, nothing long or large or foreign is taken in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import demo
from core.errors import InputError
from core.live import asking, serving, tickets
from core.runs.store import Store
from tests.makers import make_dense, make_run
from tests.opening import open_page, said
from ui.pages import PAGES

GIVEN = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4"}
WRITES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.symlink", "os.link", "os.chmod",
          "shutil.rmtree", "shutil.copyfile", "shutil.move", "tempfile.mkstemp", "subprocess.Popen", "os.posix_spawn"}
_written: list[str] = []
_watch = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watch:
        return
    if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        mode, flags = args[1] or "", args[2] if isinstance(args[2], int) else 0
        path = os.fsdecode(args[0])
        if (any(m in mode for m in "wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) \
                and not path.startswith("/dev/") and "__pycache__" not in path:
            _written.append(f"open {path}")
    elif event in WRITES and "__pycache__" not in str(args) and args[0] != "uname":  # the name of the processor
        _written.append(f"{event} {args[0]}")


sys.addaudithook(_hook)


@pytest.fixture(autouse=True)
def demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """On, and no worker is started."""
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    monkeypatch.setattr(serving, "_start", lambda *args: None)


@pytest.fixture
def watched() -> Iterator[list[str]]:
    """All that this process writes, makes, removes or starts."""
    global _watch
    _written.clear()
    _watch = True
    yield _written
    _watch = False


@pytest.fixture
def lab_store(empty_store: Store) -> Store:
    """A dense run, an ADMM run with everything recorded, one made here, and a ticket's folder of a server of before."""
    parent = make_dense(empty_store.recorded)
    make_run(empty_store.recorded, parent=parent, record="lab")
    make_run(empty_store.live, parent=parent, seed=1)
    return empty_store


def test_the_watch_sees_every_kind_of_writing(tmp_path: Path, watched: list[str]) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").mkdir()
    (tmp_path / "a").unlink()
    assert [words.split()[0] for words in watched] == ["open", "os.mkdir", "os.remove"]


@pytest.mark.parametrize("page", PAGES)
def test_opening_a_page_writes_nothing(page: str, lab_store: Store, watched: list[str],
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, lab_store, page)
    assert app.title and not app.error
    assert watched == []
    assert not app.get("file_uploader"), "a demonstration takes no file in"


def test_off_it_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "0"):
        monkeypatch.setenv("SPARSESCOPE_DEMO", value)
        assert not demo.on() and demo.longest(10_000) == 10_000
        demo.closed("Paths cannot be opened", "nothing")
        assert asking.checked({**GIVEN, "epochs": 9}).epochs == 9


def test_on_it_says_what_is_closed_and_what_there_is_instead() -> None:
    assert demo.longest(10_000) == demo.LETTERS and demo.longest(20) == 20
    with pytest.raises(InputError, match=r"Files cannot be sent in this demonstration\. Expected a built-in "
                                         r"task\. On a machine of your own there is no limit"):
        demo.closed("Files cannot be sent", "a built-in task")


@pytest.mark.parametrize("more", [{"model": "/etc"}, {"model": "a/b"}, {"task": "/etc"}, {"task": "cola"},
                                  {"model": ""}, {"task": "../x"}, {"epochs": 4.01}, {"dense_epochs": 18.5},
                                  {"method": "dense"}])
def test_no_path_is_looked_at_and_no_run_is_large(more: dict[str, Any], empty_store: Store, watched: list[str]) -> None:
    with pytest.raises(InputError):
        asking.submit(empty_store, {**GIVEN, **more}, "a")
    assert watched == [] and tickets.waiting(empty_store)[0] == []


def test_it_keeps_a_bounded_number_of_runs(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "KEPT", 3)
    make_run(empty_store.live, id="one")
    make_run(empty_store.live, id="half", status="failed")
    last = asking.submit(empty_store, {**GIVEN, "seed": 1}, "a")
    with pytest.raises(InputError, match=r"keeps 2 runs, and 1 wait\. Expected at most 3\. Look at one that is there"):
        asking.submit(empty_store, {**GIVEN, "seed": 2}, "b")
    assert asking.submit(empty_store, {**GIVEN, "seed": 1}, "b") == last  # who waits for the same run joins
    asking.cancel(empty_store, last)
    asking.submit(empty_store, {**GIVEN, "seed": 2}, "b")
    monkeypatch.setenv("SPARSESCOPE_DEMO", "0")
    asking.submit(empty_store, {**GIVEN, "seed": 3}, "b")


def test_nobody_stops_the_run_of_somebody_else(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = asking.submit(empty_store, GIVEN, "a")
    with pytest.raises(InputError, match="Somebody else asked for this run"):
        asking.cancel(empty_store, run, "b")
    assert len(tickets.waiting(empty_store)[0]) == 1
    asking.cancel(empty_store, run, "a")
    assert tickets.waiting(empty_store)[0] == []
    asking.submit(empty_store, GIVEN, "a")
    monkeypatch.setenv("SPARSESCOPE_DEMO", "0")
    asking.cancel(empty_store, run, "b")  # on a machine of one's own the viewers are one person's windows
    assert tickets.waiting(empty_store)[0] == []


def test_the_run_page_says_the_limits(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, empty_store, "run", model="/etc/passwd")
    assert "demonstration" in app.info[0].value and "More than this demonstration runs" in app.error[0].value
    assert "passwd" not in said(app)
