"""Every command with what people really type: each ends as documented, with at most one sentence, never a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.cli.group import main
from tests import makers

LONG, DEEP = "x" * 5000, "a/" * 3000
ODD = "\u202egnp.\u00fc\u6f22\U0001f600 \x1b[2J\n'"
RUN, DENSE, TABLE = "{run}", "{dense}", "{table}"
ADD = ("task", "add", "mine")
COLUMNS = ("--text", "text", "--label", "label")
TINY = ("run", "--task", "agreement", "--model", "tiny")

# The words of a command; the exit code; what must be said, on stderr for 2, else on stdout.
CASES: list[tuple[tuple[str, ...], int, str]] = [
    # What is not there, is something else, or leads nowhere
    *[((command, name, *rest), 2, "") for command, rest in (
        ("show", ()), ("cost", ()), ("export", ("--to", "new")), ("evaluate", ()), ("keep", ()))
      for name in ("", " ", LONG, DEEP, ODD, "..", "../..", "-", "{file}/x")],
    *[(("check", name), 2, "") for name in ("", " ", LONG, DEEP, ODD, "-", "{file}", "{file}/x", "{loop}", "{pipe}")],
    *[(("inspect", name), 2, "") for name in (
        "", LONG, DEEP, ODD, "none", "{folder}", "{file}", "{loop}", "{dangling}", "{pipe}", "/dev/null", "{home}")],
    *[(("sweep", name), 2, "") for name in ("", LONG, ODD, "none", "{folder}", "{file}", "{loop}", "{dangling}",
                                            "/dev/null")],
    *[((*ADD, name, *COLUMNS), 2, "") for name in ("", LONG, ODD, "none", "{folder}", "{loop}", "{dangling}",
                                                   "/dev/null")],
    *[((*ADD, TABLE, *COLUMNS, "--validation", name), 2, "") for name in ("", LONG, "none", "{folder}", "{loop}")],
    *[(("task", "add", name, TABLE, *COLUMNS), 2, "") for name in ("", LONG, ODD, "..", "A B", "own:x", "-")],
    *[(("task", "remove", name), 2, "") for name in ("", LONG, ODD, "..", "none")],
    *[(("export", DENSE, "--to", to), 2, "") for to in ("", " ", LONG, "{file}", "{file}/x", "{folder}", "{loop}",
                                                        "{loop}/x", "{dangling}", "{dangling}/x", "~nobody-here/x")],
    *[(("export", DENSE, "--push", name), 2, "Correct --push") for name in ("", LONG, ODD, "..", "a/b/c", "-", "a b")],
    # Names of lists
    *[((*TINY, "--track", name), 2, "") for name in ("", LONG, ODD, "tensorbord")],
    *[((*TINY[:1], "--task", name), 2, "") for name in ("", LONG, ODD, "..", "own:", "own:none", "agreemnt")],
    *[((*TINY[:3], "--model", name), 2, "") for name in ("", " ", LONG, ODD, "..", "{file}", "{folder}", "{loop}",
                                                         "{dangling}", "{home}", "a//b", "http://a/b", "~nobody-here")],
    *[((*TINY, "--pattern", name), 2, "") for name in ("", LONG, ODD, "2:", ":4", "0:4", "4:4", "-1:4", "2:1000000000",
                                                       "nan:4", "1e9:4", "2:4:", "unstructured:nan", "block:2")],
    *[((*TINY, "--method", name), 2, "") for name in ("", LONG, ODD, "adm")],
    *[((*TINY, "--knob", pair), 2, "") for pair in ("", "=", "rho_end", "rho_end=", "=1", "rho_end=nan", "rho_end=inf",
                                                    "rho_end=-1", "none=1", f"{LONG}=1", "dual=2")],
    *[((*TINY, "--threads", text), 2, "") for text in ("0", "-1", "1e9", "1000000000", "nan", "", "many", "9" * 5000)],
    *[((*TINY, "--progress-file", name), 2, "") for name in ("", LONG, "{folder}", "{file}/x", "none/x")],
    *[((*TINY, "--track", "tensorboard", "--track-dir", name), 2, "") for name in ("", LONG, "{file}", "{file}/x")],
    *[(("run", "--task", "cola", "--model", "tiny", "--data-dir", name), 2, "") for name in (
        "", LONG, ODD, "none", "{file}", "{loop}", "~nobody-here")],
    *[((name,), 2, "Did you mean") for name in ("lst", "shwo")],
    *[(words, 2, "") for words in (("",), (LONG,), (ODD,), ("--none",), ("list", "--none"), ("list", "too", "many"),
                                   ("show",), ("export", RUN), ("list", "--task"), ("methods", "none"), ("methods", ""),
                                   ("bench", "none"), ("bench", ""),
                                   ("cost", RUN, "--passes", "0"), ("cost",), ("models", "x"), ("table", "--task", ""),
                                   ("table", "--quantity", "none"), ("table", "--task", "cola", "--against", "none"),
                                   ("table", "--task", "cola", "--pattern", ""), ("inspect", RUN, "--pattern", "9:4"),
                                   ("keep", RUN, "--as", "everything"), ("task",), ("task", "none"), ("task", "add"),
                                   ("work", "now"), ("check",), ("evaluate",), ("keep",))],
    # What is answered all the same
    *[(("list", option, name, "--json"), 0, "[]") for option in ("--task", "--model", "--method")
      for name in ("", LONG, ODD, "..")],
    (("show", RUN), 0, RUN), (("check", RUN), 0, "no problem"), (("check", "{folder}/../runs/" + RUN), 0, "no problem"),
    (("check", "{folder}"), 1, "PROBLEM"), (("work", "--once"), 0, ""), (("task", "list"), 0, "No task was added"),
    ((*ADD, TABLE, *COLUMNS), 0, "own-mine-"), (("export", DENSE, "--to", "new/one"), 0, "from_pretrained"),
    (("export", DENSE, "--to", "{home}/a/../new"), 0, "from_pretrained"),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store, a home folder, and one of everything that can stand in the place of a file."""
    here = tmp_path_factory.mktemp("here")
    store = makers.empty_store(here)
    dense = makers.make_dense(store.recorded)
    run = makers.make_run(store.live, parent=dense)
    for name in ("home", "folder"):
        (here / name).mkdir()
    (here / "folder" / "within").write_text("words")
    (here / "file").write_bytes(b"\x00\xff words")
    (here / "loop").symlink_to(here / "loop")
    (here / "dangling").symlink_to(here / "nowhere")
    os.mkfifo(here / "pipe")
    (here / "table.csv").write_bytes(b"text,label\n" + b"".join(b"a text %d,%d\n" % (k, k % 2) for k in range(40)))
    (store.recorded / dense / "checkpoint").mkdir()
    for name in ("config.json", "model.safetensors"):
        (store.recorded / dense / "checkpoint" / name).write_bytes(b"{}")
    found = {name: str(here / name) for name in ("home", "folder", "file", "loop", "dangling", "pipe")}
    return {**found, "here": str(here), "table": str(here / "table.csv"), "run": run, "dense": dense}


def _never(*_: Any) -> None:
    raise AssertionError("it began to train")


@pytest.fixture
def call(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Give a command, in a process that stands in the folder of *places*."""
    from core.running import job

    monkeypatch.setattr(job, "fit_dense", _never)
    monkeypatch.chdir(places["here"])
    monkeypatch.setenv("HOME", places["home"])
    monkeypatch.setenv("SPARSESCOPE_CACHED", "cached_runs")
    monkeypatch.setenv("SPARSESCOPE_RUNS", "runs")
    monkeypatch.delenv("SPARSESCOPE_GLUE_DIR", raising=False)
    return lambda words: CliRunner().invoke(main, words, prog_name="python -m core")


def _names(places: dict[str, str]) -> set[str]:
    """All that lies in the folder of *places*, but for the locks of writers that were refused."""
    return {str(path) for path in Path(places["here"]).rglob("*") if ".writers" not in path.parts}


def _filled(words: tuple[str, ...], places: dict[str, str]) -> list[str]:
    out = []
    for word in words:
        for name, place in places.items():
            word = word.replace(f"{{{name}}}", place)
        out.append(word)
    return out


def _name(case: tuple[tuple[str, ...], int, str]) -> str:
    return " ".join(ascii(word)[1:-1][:24] for word in case[0])


@pytest.mark.parametrize("case", CASES, ids=map(_name, CASES))
def test_a_command_ends_as_it_should(case: tuple[tuple[str, ...], int, str], call: Any, places: dict[str, str]) -> None:
    (words, code, said), before = case, _names(places)
    result = call(_filled(words, places))
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    if code == 2 and result.stderr.startswith("Usage:"):
        assert words == ()
    elif code == 2:
        assert result.stdout == "" and result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
        assert len(result.stderr) < 800 and "\x1b" not in result.stderr
        assert said in result.stderr and _names(places) == before
    else:
        assert _filled((said,), places)[0] in result.stdout and result.stderr == ""
