"""The headless command as a whole: its lists, its reference, its progress bars, and what it loads."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import os
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import click
import pytest

import benchmarks
from core import __version__
from core.cli import COMMANDS
from core.cli.group import main
from core.cli.output import table
from core.cli.progress import Bars, reporter
from core.methods import METHODS
from core.models import MODELS
from core.runs.records import RunSpec
from core.runs.store import REPOSITORY, Store
from core.sparsity.patterns import PATTERNS
from core.specs.settings import help_of
from core.tasks import TASKS
from tests import makers
from tests.commands import refused


@pytest.mark.parametrize(("command", "names"), [
    ("methods", list(METHODS)), ("tasks", list(TASKS)), ("models", list(MODELS)), ("patterns", list(PATTERNS))])
def test_every_list_is_printed_whole(command: str, names: list[str], cli: Any) -> None:
    lines = cli(command).stdout.splitlines()[2:]
    assert [line.split()[0] for line in lines] == names
    key = "kind" if command == "patterns" else "name"
    assert [o[key] for o in json.loads(cli(command, "--json").stdout)] == names


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_described_with_its_knobs(name: str, cli: Any) -> None:
    result = cli("methods", name)
    assert result.exit_code == 0
    fields = dataclasses.fields(METHODS[name].knobs)
    shown = json.loads(cli("methods", name, "--json").stdout)["knobs"]
    assert [(k["name"], k["default"]) for k in shown] == [(f.name, f.default) for f in fields]
    assert all(k["help"] and k["help"] in result.stdout for k in shown)
    assert fields or "It has no knobs." in result.stdout


def test_an_unknown_method_is_refused(cli: Any) -> None:
    assert "Unknown method 'amdm'" in refused(cli("methods", "amdm"))


def test_bench_prints_what_was_measured_and_exits_1_below_a_bar(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"name": "a step", "figure": 1.25, "unit": "x", "against": "a plain step", "bar": 1.05, "ok": False}
    module = types.ModuleType("stand_in_benchmark")
    module.measure = lambda: [row, row | {"name": "fine", "ok": True}]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stand_in_benchmark", module)
    monkeypatch.setattr(benchmarks, "BENCHMARKS", {"step": "stand_in_benchmark"})
    result = cli("bench", "--json")
    assert result.exit_code == 1
    assert [(r["name"], r["ok"]) for r in json.loads(result.stdout)] == [("a step", False), ("fine", True)]
    assert "1.2500" in cli("bench", "step").stdout
    assert "Unknown benchmark 'stap'. Expected one of 1 known benchmarks. Did you mean 'step'?" in \
        refused(cli("bench", "step", "stap"))
    monkeypatch.setattr(module, "measure", lambda: [row | {"ok": True}])
    assert cli("bench").exit_code == 0


def test_every_benchmark_of_the_list_is_a_file_and_every_file_is_listed() -> None:
    found = (REPOSITORY / "benchmarks").glob("*.py")
    files = {f"benchmarks.{p.stem}" for p in found if "def measure(" in p.read_text()}
    assert files == set(benchmarks.BENCHMARKS.values())


def test_every_field_of_a_spec_is_an_option_with_help() -> None:
    fields = set(RunSpec.__struct_fields__)
    assert all(help_of(name) for name in fields)
    run = main.get_command(None, "run")  # type: ignore[arg-type]
    assert run is not None
    options = {p.name: p for p in run.params}
    assert fields <= set(options)
    assert all(getattr(p, "help", None) for p in run.params)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_an_example_and_has_json(name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and command.name == name
    assert command.help and f"Example:\n  python -m core {name}" in inspect.cleandoc(command.help).replace("\b\n", "")
    assert "as_json" in {p.name for p in command.params}
    assert all(getattr(p, "help", None) for p in command.params if isinstance(p, click.Option))
    assert f"\n## {name}\n" in (REPOSITORY / "docs" / "cli.md").read_text()


def test_the_reference_is_what_help_says() -> None:
    made = subprocess.run([sys.executable, "-m", "core.cli.reference"], cwd=REPOSITORY, capture_output=True, text=True,
                          check=True).stdout  # a command that was used without its group keeps other flags for help
    assert (REPOSITORY / "docs" / "cli.md").read_text() == made, "run: python -m core.cli.reference > docs/cli.md"


def test_an_unknown_command_is_refused(cli: Any) -> None:
    expected = f"Unknown command 'chek'. Expected one of {len(COMMANDS)} known commands. Did you mean 'check'?"
    assert expected in refused(cli("chek"))


def test_looking_loads_neither_torch_nor_transformers_nor_datasets(small_store: Store) -> None:
    """In a fresh interpreter, as a person meets it: list, show and check, one after the other."""
    run, folders = makers.run_named(small_store), [str(p) for p in small_store.recorded.iterdir()]
    code = f"""
import sys
from core.cli.group import main
for words in (["list"], ["list", "--json"], ["show", {run!r}], ["check", {run!r}, *{folders}],
              ["methods"], ["patterns"], ["tasks"], ["models"], ["run", "--help"], ["sweep", "--help"]):
    try:
        main(words, standalone_mode=False)
    except SystemExit as end:
        assert not end.code, (words, end.code)
print("LOADED", sorted({{"torch", "transformers", "datasets", "streamlit", "pandas"}} & set(sys.modules)))
"""
    env = os.environ | {"SPARSESCOPE_CACHED": str(small_store.recorded), "SPARSESCOPE_RUNS": str(small_store.live)}
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=env, capture_output=True, text=True,
                          timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_a_refusal_of_the_real_command_has_exit_code_2_and_no_traceback(tmp_path: Path) -> None:
    env = os.environ | {"SPARSESCOPE_RUNS": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "core", "show", "../x"], cwd=REPOSITORY, env=env, capture_output=True,
                          text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Run id '../x' has characters") and done.stderr.count("\n") == 1


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def progress(phase: str, done: int, total: int, note: str = "") -> types.SimpleNamespace:
    return types.SimpleNamespace(phase=phase, done=done, total=total, note=note)


def test_a_terminal_sees_a_bar_a_phase_and_a_pipe_sees_nothing() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with reporter(stream) as report:
            for phase, total in (("load", 1), ("train", 4), ("record", 0)):
                for done in range(total + 1):
                    report(progress(phase, done, total, "loss 0.5\x1b[2J"))
    assert pipe.getvalue() == ""
    lines = [line.split("\r\x1b[K")[-1] for line in terminal.getvalue().split("\n")[:-1]]
    assert [line.split()[0] for line in lines] == ["load", "train", "record"]
    assert "4/4" in lines[1] and "[" + "#" * 30 + "]" in lines[1] and "loss 0.5\\x1b[2J" in lines[1]


def test_a_half_done_phase_has_half_a_bar() -> None:
    assert f"[{'#' * 15}{'.' * 15}] 2/4  7 s" in Bars(io.StringIO()).line(progress("train", 2, 4), 7.2)


def test_a_table_aligns_numbers_right_and_words_left() -> None:
    assert table(["a", "number"], [("x", 1), ("yy", 20), ("", None)]).split("\n") == [
        "a   number", "--  ------", "x        1", "yy      20", ""]


def test_there_is_one_version(cli: Any) -> None:
    assert tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"] == __version__
    assert __version__ in cli("--version").stdout
    assert f"## {__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()
