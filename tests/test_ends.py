"""How the command ends when nobody reads on, when it is stopped, when its streams are closed, and when it is our fault.

Real processes: one interpreter has the command loaded and forks for every case, so that each costs milliseconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.cli import COMMANDS
from core.errors import InputError, ours
from core.models import loading
from core.running import job, pipeline
from core.runs.store import REPOSITORY, Store, read_header
from tests import makers

# Reads cases, one JSON list a line: what is done to the command, then its words. Answers each with its end.
FORKING = r"""
import importlib, json, os, runpy, signal, sys, tempfile
import core.cli.group as group
# A shell that starts the tests in its background hands Ctrl-C down ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in set(group.COMMANDS.values()):
    importlib.import_module(f"core.cli.{name}")

def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass

def broken():
    raise ZeroDivisionError("ours")

for line in sys.stdin:
    how, *words = json.loads(line)
    said = tempfile.TemporaryFile()
    child = os.fork()
    if not child:
        os.dup2(said.fileno(), 2)
        if how == "pipe":
            read, write = os.pipe()
            os.close(read)
            os.dup2(write, 1)
        else:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if how in ("interrupted", "broken"):
            group.check_roots = globals()[how]
        sys.argv = ["core", *words]
        try:
            runpy.run_module("core", run_name="__main__", alter_sys=True)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    said.seek(0)
    print(json.dumps([os.waitstatus_to_exitcode(status), said.read().decode()]), flush=True)
"""


def roots(store: Store) -> dict[str, str]:
    """This process's environment, with the roots of *store*."""
    return {**os.environ, "SPARSESCOPE_RUNS": str(store.live), "SPARSESCOPE_CACHED": str(store.recorded)}


def ends(store: Store, *cases: tuple[str, ...], **more: str) -> list[tuple[int, str]]:
    """The exit code of every one of *cases*, and what it said on stderr."""
    done = subprocess.run([sys.executable, "-c", FORKING], input="".join(json.dumps(case) + "\n" for case in cases),
                          cwd=REPOSITORY, env=roots(store) | more, capture_output=True, text=True, check=True)
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_a_reader_that_has_seen_enough_is_no_error(small_store: Store, tmp_path: Path) -> None:
    """A pipe whose other end is closed, for every command that prints, much or little."""
    run, sweep = makers.run_named(small_store), tmp_path / "s.toml"
    sweep.write_text('[[runs]]\ntask = "agreement"\n')
    file = small_store.live / run
    cases = [("list",), ("list", "--json"), ("show", run), ("show", run, "--json"), ("check", run), ("methods",),
             ("methods", "admm"), ("patterns",), ("tasks",), ("models", "--json"), ("task", "list"),
             ("inspect", str(file)), ("sweep", str(sweep), "--dry-run"),
             ("--help",), ("--version",), *((name, "--help") for name in COMMANDS)]
    for case, (code, said) in zip(cases, ends(small_store, *(("pipe", *case) for case in cases)), strict=True):
        assert (code, said) == (0, ""), case


def test_list_head_as_it_is_typed(good_store: Store) -> None:
    """The shell's own pipe, and a list that is longer than what a pipe holds."""
    words = f"{sys.executable} -m core list --json | head -1"
    end = subprocess.run(["bash", "-o", "pipefail", "-c", words], cwd=REPOSITORY, env=roots(good_store),
                         capture_output=True, text=True)
    assert (end.returncode, end.stdout, end.stderr) == (0, "[\n", "")


def test_ctrl_c_ends_any_command_in_one_line(empty_store: Store) -> None:
    arguments = {"run": ("--task", "cola"), "sweep": ("x",), "show": ("x",), "check": ("x",), "evaluate": ("x",),
                 "inspect": ("x",), "keep": ("x",), "export": ("x", "--to", "y"), "task": ("list",)}
    cases = [("interrupted", name, *arguments.get(name, ())) for name in COMMANDS]
    assert ends(empty_store, *cases) == [(130, "Stopped.\n")] * len(cases)


def test_ctrl_c_while_serving_says_what_goes_on(empty_store: Store, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.cli import work

    for words, code in (((), 130), (("asked politely",), 0)):
        def serve(*_: Any, words: tuple[str, ...] = words, **__: Any) -> None:
            raise KeyboardInterrupt(*words)

        monkeypatch.setattr(work, "serve", serve)
        result = cli("work")
        assert (result.exit_code, result.stderr) == (code, "Stopped serving. 0 runs going on.\n")


def test_our_own_fault_is_said_to_be_ours_with_what_to_report(empty_store: Store) -> None:
    (code, said), = ends(empty_store, ("broken", "list", "--task", "it's"))
    *trace, last = said.splitlines()
    assert code == 1 and trace[0] == "Traceback (most recent call last):" and "ZeroDivisionError: ours" in trace
    assert last == ("Error: A fault of SparseScope, not of what was given (ZeroDivisionError: ours). Please report it "
                    "with the traceback and this command: python -m core list --task 'it'\"'\"'s'")


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_are_no_error(small_store: Store, closed: tuple[int, ...]) -> None:
    """As a service or `>&-` starts it. The next files to be opened must not get the streams' numbers."""
    def close() -> None:
        for number in closed:
            os.close(number)

    end = subprocess.run([sys.executable, "-m", "core", "check", makers.run_named(small_store)], cwd=REPOSITORY,
                         env=roots(small_store), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         preexec_fn=close)
    assert (end.returncode, end.stderr) == (0, "")
    assert ("no problem" in end.stdout) == (1 not in closed)


def test_a_home_that_takes_nothing_is_no_error(small_store: Store) -> None:
    table = small_store.live / "t.csv"
    table.write_bytes(b"text,label\n" + b"".join(b"a text %d,%d\n" % (k, k % 2) for k in range(40)))
    cases = [("check", makers.run_named(small_store)), ("models",), ("task", "list"),
             ("task", "add", "mine", str(table), "--text", "text", "--label", "label")]
    nowhere = {"HOME": "/proc/self", "XDG_CACHE_HOME": "/proc/self", "HF_HOME": "/proc/self/hf"}
    assert ends(small_store, *(("plain", *case) for case in cases), **nowhere) == [(0, "")] * len(cases)


@pytest.mark.parametrize(("error", "words", "kept"), [
    (KeyError("x"), "A fault of SparseScope, not of what was given (KeyError: 'x'). Please report it with the "
     "traceback and this command: python -m core run --task agreement --model tiny --method dense", True),
    (MemoryError(), "There is not enough memory. Expected room for the model", False),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
     "There is not enough memory.", False),
    (InputError("A", "b", "C."), "A. Expected b. C.", False),
    (OSError(28, "No space left on device"), "No space left on device", False),
    (KeyboardInterrupt(), "Stopped.", False)])
def test_a_run_that_ends_badly_keeps_whose_fault_it_was(error: BaseException, words: str, kept: bool,
                                                        empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def stages(*_: Any) -> None:
        raise error

    spec = pipeline.resolve({"task": "agreement", "model": "tiny", "method": "dense"})
    folder = empty_store.live / spec.run_id
    with monkeypatch.context() as patch:
        patch.setattr(job, "_stages", stages)
        expected = type(error) if kept or isinstance(error, KeyboardInterrupt) else InputError
        with pytest.raises(expected):
            pipeline.run(spec, store=empty_store)
    record = read_header(folder)
    assert words in (record.error or "")
    assert record.status == ("cancelled" if isinstance(error, KeyboardInterrupt) else "failed")
    assert (folder / "fault.log").exists() is kept
    if kept:
        text = (folder / "fault.log").read_text()
        assert text.startswith("Traceback") and "in stages\n    raise error" in text and "KeyError: 'x'" in text
        monkeypatch.setattr(job, "_stages", lambda *_: None)
        assert pipeline.run(spec, store=empty_store, resume=True).status == "succeeded"
        assert not (folder / "fault.log").exists()  # it tells of nothing any more


def test_our_own_fault_is_not_blamed_on_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that a library cannot read is the folder's fault; a line of ours that fails over a good one is not."""
    good = next(REPOSITORY.glob("cached_runs/agreement-tiny-dense-*/checkpoint"))
    bad = tmp_path / "bad"
    shutil.copytree(good, bad)
    config = json.loads((good / "config.json").read_text())
    (bad / "config.json").write_text(json.dumps(config | {"hidden_act": "no-such-function"}))
    with pytest.raises(InputError, match="bad' cannot be loaded"):
        loading.load_model(str(bad), labels=2, seed=0)
    monkeypatch.setattr(loading, "problem_type", None)
    with pytest.raises(TypeError) as caught:
        loading.load_model(str(good), labels=2, seed=0)
    assert ours(caught.value) and not ours(KeyError("never raised"))
    with pytest.raises(ValueError) as library:
        msgspec.convert({}, int)
    assert not ours(library.value)  # raised by a line of this test
