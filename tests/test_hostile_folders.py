"""One store that holds every damage at once, and headers, traces and arrays that lie: each is listed with its reason,
every page and every command lives, and nothing outside the roots is read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from click.testing import CliRunner
from safetensors.numpy import load_file

from core.errors import InputError
from core.runs import store as st
from core.runs.store import Store
from tests import damage
from tests.makers import empty_store, make_dense, make_run, run_named
from tests.opening import open_page
from ui import damaged
from ui.pages import PAGES

MARKUP = "<img src=x onerror=alert(1)>[x](javascript:alert(1))"


def lying_trace(root: Path) -> str:
    """Rows of every wrong type, of numbers that are none, of two writers whose steps cross."""
    name = make_run(root, id="lying-trace", status="failed")
    rows: list[Any] = [
        {"step": "x", "loss": "high"}, {"step": None, "phase": None}, {"step": [1], "phase": ["admm"]}, 3, [], None,
        {"step": 10**400, "loss": 10**400, "primal": 1}, {"step": -5, "loss": -1e308, "phase": 7}, {"loss": 1},
        {"step": 5, "epoch": {}, "phase": MARKUP, "loss": float("nan"), "primal": float("inf"), "flips": True},
        *({"step": k, "phase": "admm", "loss": 0.1, "primal": 0.2, "dual": -1, "flips": 2, "score": "1"}
          for k in (8, 3, 8, 4, 9, 5))]
    file = root / name / st.TRACE
    file.write_text(file.read_text() + "\n".join(json.dumps(row) for row in rows) + '\n\x00\xff{"step"\n')
    return name


def endless_trace(root: Path) -> str:
    """A trace of a terabyte, of which nothing is written."""
    name = make_run(root, id="endless-trace")
    with (root / name / st.TRACE).open("r+b") as stream:
        stream.truncate(1 << 40)
    return name


def foreign_arrays(root: Path) -> str:
    """Arrays of another model under this run's names: every shape and type is wrong."""
    name = make_run(root, id="foreign-arrays", record="lab")
    held = load_file(root / name / st.ARRAYS)
    wrong = [np.zeros((0, 3), np.int8), np.full(5, np.nan, np.float32), np.ones((2, 2, 2, 2), np.float64),
             np.zeros((), np.uint8)]
    st.write_arrays(root / name, {key: wrong[k % len(wrong)] for k, key in enumerate(sorted(held))})
    return name


def lying_header(root: Path) -> str:
    """A header of the right types and the wrong meaning: markup for words, sizes that no machine holds."""
    name = make_run(root, id="lying-header")
    header = json.loads((root / name / st.HEADER).read_text())
    matrices = [{**m, "name": MARKUP + m["name"], "shape": [10**12, -7], "density": -3.0, "kept_energy": 1e308}
                for m in header["matrices"]]
    probes = [{**p, "text": MARKUP, "tokens": [MARKUP] * 3, "logits": []} for p in header["probes"]]
    snapshots = [{**s, "k": -1, "step": 10**15} for s in header["snapshots"]]
    damage.change_header(
        root / name, matrices=matrices, probes=probes, snapshots=snapshots, layers=10**6, heads=-1, labels=[],
        parent=None, created=MARKUP, error=MARKUP, pid=10**18,
        spec=header["spec"] | {"task": MARKUP, "model": "../../" + MARKUP, "pattern": "9:4", "method": "nobody's",
                               "epochs": -1, "seed": -1, "knobs": {MARKUP: MARKUP}})
    return name


def own_parent(root: Path) -> str:
    """Two runs that are each other's parents."""
    make_run(root, id="ring-b", parent="ring-a")
    return make_run(root, id="ring-a", parent="ring-b")


ODD: tuple[Callable[[Path], str], ...] = (lying_trace, endless_trace, foreign_arrays, lying_header, own_parent)


LIES = ("lying-trace", "endless-trace", "foreign-arrays", "lying-header")
LISTED = (*LIES, "ring-a", "truncated-arrays", "half-trace")
REFUSED = "linked-arrays"  # on a page the others go the same way
BARRED = ("weights", "activations", "occupancy", "patterns", "trace", "cost", "run")  # they open the run of the link


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Every damage, every lie, and a dense and an ADMM run that are whole. Everything here only reads it."""
    store = empty_store(tmp_path_factory.mktemp("hostile"))
    make_run(store.recorded, parent=make_dense(store.recorded))
    damage.damage_all(store)
    for make in ODD:
        make(store.live)
    return store


_watching: list[str] = []  # what is opened while a test watches; an audit hook cannot be taken out again
_watch = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _watch and event in ("open", "os.listdir", "os.scandir") and isinstance(args[0], str | bytes | os.PathLike):
        _watching.append(os.fsdecode(args[0]))


sys.addaudithook(_hook)


@pytest.fixture
def outside(hostile: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What was opened of the folders beside the store's roots, links followed."""
    global _watch
    true = safetensors.safe_open

    def safe_open(path: Any, **more: Any) -> Any:
        _watching.append(str(path))
        return true(path, **more)

    def found() -> list[str]:
        base = hostile.live.parent.resolve()
        opened = {Path(path).resolve() for path in _watching if "\0" not in path}
        return sorted(str(p) for p in opened if p.is_relative_to(base) and p != base
                      and p.relative_to(base).parts[0] not in (hostile.live.name, hostile.recorded.name))

    monkeypatch.setattr(safetensors, "safe_open", safe_open)
    _watching.clear()
    _watch = True
    yield found
    _watch = False


def test_the_watch_sees_what_is_read_outside(hostile: Store, outside: Callable[[], list[str]]) -> None:
    """The oracle of the tests below: a read through a planted link is noticed, by Python and by safetensors."""
    (hostile.live / "linked-trace" / st.TRACE).read_bytes()
    safetensors.safe_open(hostile.live / "linked-arrays" / st.ARRAYS, framework="np").__enter__()
    assert [Path(path).name for path in outside()] == ["outside-linked-arrays", "outside-linked-trace"]


def test_every_damage_is_listed_with_its_reason_and_every_lie_as_a_run(hostile: Store,
                                                                       outside: Callable[[], list[str]]) -> None:
    found = {entry.id: entry for entry in hostile.entries()}
    assert set(found) == {p.name for root in (hostile.live, hostile.recorded) for p in root.iterdir()}
    for name, (_, reason) in damage.DAMAGES.items():
        assert (found[name].record is None) == bool(reason) and reason in (found[name].damage or "")
    assert all(found[name].record is not None for name in LISTED)
    assert outside() == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_lives_over_all_of_them(page: str, hostile: Store, outside: Callable[[], list[str]],
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_page(monkeypatch, hostile, page).title
    for name in LIES if page in (*BARRED, "overview", "lab") else ():
        assert open_page(monkeypatch, hostile, page, run=name).title
    if page in BARRED:
        app = open_page(monkeypatch, hostile, page, run=REFUSED)
        assert any(damage.DAMAGES[REFUSED][1] in box.value for box in app.error)
    assert outside() == []


def test_the_commands_live_over_all_of_them(hostile: Store, outside: Callable[[], list[str]],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    from core.cli.group import main

    monkeypatch.setenv("SPARSESCOPE_CACHED", str(hostile.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(hostile.live))

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, list(words), prog_name="python -m core")
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        return done.exit_code, done.output

    code, text = call("list")
    assert code == 0 and all(name in text for name in (*damage.DAMAGES, *LISTED))
    assert all(reason in text for _, reason in damage.DAMAGES.values())
    assert "\x00" not in text and "\x1b" not in text
    for name in (*damage.DAMAGES, *LISTED, "../outside-linked-trace", "..", "a\x00b"):
        code, text = call("show", "--", name)
        assert code in (0, 2) and text, name
    asked = sorted({*damage.DAMAGES, *LISTED})
    code, text = call("check", *(str(hostile.live / name) for name in asked))
    assert code == 1 and f"{len(asked)} runs checked" in text
    for name in ("foreign-arrays", "lying-header", "truncated-arrays", "linked-arrays", "pipe"):
        assert any("PROBLEM" in line and name in line for line in text.splitlines()), name
    assert outside() == []


def test_a_defect_of_ours_is_not_blamed_on_a_whole_run(hostile: Store) -> None:
    whole, broken = (hostile.open(name) for name in (run_named(hostile, method="dense"), "foreign-arrays"))
    for run, kind in ((whole, ZeroDivisionError), (broken, InputError)):
        with pytest.raises(kind), damaged.reported(run):
            raise ZeroDivisionError

