"""Do the tests notice? A random sample of small faults, one at a time, each against the tests of its room.

    make mutants ARGS="--number 24 --seed 0"            so many of every room
    make mutants ARGS="--room sparsity --out FILE"      one room; FILE gets every mutant and its fate, as JSON
    make mutants ARGS="--again FILE"                    those of FILE that survived, once more (while
                                                        their files are what they were: mutants are counted)

cosmic-ray finds the places and makes the faults; here they are drawn (a place first, then one of the faults that fit
it, so that an operator with eleven replacements weighs no more than a number with two), run and counted. Left out are
annotations, as nothing reads them, and `strict=` of zip, which like an assertion guards what always holds. The faults
are put into a copy of the checkout, never into the checkout itself.
Every mutant has a process of its own, forked from one that has imported the large libraries already.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path.cwd()
APART = {".git", ".venv", "build", "runs", "cached_runs", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
PRELOADED = ["__main__", "pytest", "hypothesis", "numpy", "pandas", "scipy.stats", "sklearn.metrics", "torch",
             "transformers.models.bert.modeling_bert", "accelerate", "safetensors.torch", "plotly.graph_objects"]
PATIENCE = 3.0  # times as long as the untouched room took, before a mutant counts as one that hangs
LEAST = 60.0  # seconds
EVERY = "tests/test_pipeline.py::test_every_method_on_every_pattern_leaves_a_run_that_checks"
# By room: the tests that belong to it. Those that name the mutant's module run first.
ROOMS = {
    "sparsity": ["select", "verify", "occupancy", "storage", "rounding", "patterns", "library", "library_pattern",
                 "new_pattern", "counts_off_by_one"],
    "methods": ["quadratic", "layer_knobs", "methods", "methods_oneshot", "straight_through", "reshaping", "sr_ste",
                "nxm_admm", "admm_refine", "pattern_admm", "gridded", "method_cards", "knobs", "split_by_hand"],
    "runs": ["records", "store", "answers", "solved", "grams", "gridding", "keeping", "writers", "checking", "capture",
             "views_trace", "levels", "model_names", "model_identity",
             "digests_pinned", "counts_off_by_one"],
    "cost": ["cost_packing", "cost_counted", "cost_measured", "views_cost"],
    "running": ["training", "distilling", "evaluating", "moments", "served", "recording", "dropout_kept_apart", "api",
                "kept_and_exported", "scores_recounted", "split_by_hand", "used_as_it_is", "rehearsing",
                f"{EVERY}[2:4-admm]", f"{EVERY}[1:4-magnitude]", f"{EVERY}[global:0.6-admm-layer]",
                "tests/test_pipeline.py::test_a_diverging_run_says_so_and_is_a_record",
                "tests/test_pipeline.py::test_a_full_disk_is_said_plainly",
                "tests/test_pipeline.py::test_the_exported_model_holds_the_recorded_zeros",
                "tests/test_pipeline.py::test_a_finished_run_is_not_made_again_unless_asked",
                "tests/test_pipeline.py::test_only_a_new_start_empties_the_folder"],
    "live": ["live", "live_damage", "live_fairness", "live_layers", "live_polling", "live_pruning", "live_standby",
             "live_ended", "estimates", "probing", "stopwatch"],
}


@dataclass
class Mutant:
    """One fault: occurrence number *occurrence* of *operator* in *file*, at *line*."""

    room: str
    file: str
    line: int
    operator: str
    occurrence: int
    diff: str = ""
    fate: str = ""  # killed, timed out, survived
    seconds: float = 0.0


def annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where nothing is ever evaluated: (line, column) of the start and the end of every annotation."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if part is not None:
                found.append(((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)))
    return found


def places(room: str) -> Iterator[list[Mutant]]:
    """Every place of *room* that can be mutated, with all the faults that fit it."""
    operators = {name: kind() for name in operator_names() if not (kind := get_operator(name)).arguments()}
    for file in sorted((ROOT / "core" / room).rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        out, lines = annotations(source), source.splitlines()
        nodes = list(ast_nodes(get_ast(source)))
        here: dict[tuple[tuple[int, int], tuple[int, int]], list[Mutant]] = {}
        for name, operator in operators.items():
            spots = [spot for node in nodes for spot in operator.mutation_positions(node)]
            for number, (start, end) in enumerate(spots):
                checked = lines[start[0] - 1][: start[1]].endswith("strict=")
                if not checked and not any(a <= start and end <= b for a, b in out):
                    here.setdefault((start, end), []).append(
                        Mutant(room, str(file.relative_to(ROOT)), start[0], name.removeprefix("core/"), number))
        yield from here.values()


def draw(room: str, number: int, seed: int) -> list[Mutant]:
    """*number* faults of *room*, no two at one place; the same for the same source and *seed*."""
    rng = random.Random(f"{seed}/{room}")
    spots = list(places(room))
    return [rng.choice(spot) for spot in rng.sample(spots, min(number, len(spots)))]


def tests_of(room: str, file: str = "") -> list[str]:
    """The tests of *room*, those first that name the module of *file*."""
    paths = [name if "/" in name else f"tests/test_{name}.py" for name in ROOMS[room]]
    module = file.removesuffix(".py").replace("/", ".")
    package, _, name = module.rpartition(".")
    named = re.compile(rf"{re.escape(module)}\b|from {re.escape(package)} import .*\b{re.escape(name)}\b")
    source = {path: (ROOT / path.partition("::")[0]).read_text(encoding="utf-8") for path in paths}
    return sorted(paths, key=lambda path: not named.search(source[path]))


def house() -> Path:
    """A copy of the checkout; the recorded runs are a link, as nobody writes there."""
    to = Path(tempfile.mkdtemp(prefix="mutants-"))
    for entry in ROOT.iterdir():
        if entry.name in APART:
            continue
        if entry.is_dir():
            shutil.copytree(entry, to / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(entry, to / entry.name)
    (to / "cached_runs").symlink_to(ROOT / "cached_runs")
    return to


def _pytest(where: str, tests: list[str], log: str, cached: bool) -> None:
    """In a process of its own: run *tests* in *where* and exit with pytest's status."""
    os.setsid()
    os.chdir(where)
    sys.path.insert(0, where)
    sys.dont_write_bytecode = not cached
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    import pytest

    os._exit(pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]))


def run(where: Path, tests: list[str], limit: float, cached: bool = False) -> tuple[int | None, float]:
    """pytest's status (None: stopped after *limit* seconds) and the seconds it took."""
    began = time.perf_counter()
    process = multiprocessing.get_context("forkserver").Process(
        target=_pytest, args=(str(where), tests, str(where / "log.txt"), cached))
    process.start()
    process.join(limit)
    late = process.exitcode is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it, or what it left behind
    process.join()
    return None if late else process.exitcode, time.perf_counter() - began


def judge(mutant: Mutant, where: Path, limit: float, tick: int) -> None:
    """Put *mutant* in, run its room's tests, take it out again. *tick*: later than every mutant before."""
    file = where / mutant.file
    source, before = file.read_text(encoding="utf-8"), file.stat()
    kind = get_operator(f"core/{mutant.operator}")
    changed = mutate_code(source, kind(), mutant.occurrence)
    mutant.diff = "\n".join(line for line in difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0,
                                                                  lineterm="") if not line.startswith(("---", "+++")))
    file.write_text(changed, encoding="utf-8")
    os.utime(file, (before.st_mtime + tick, before.st_mtime + tick))  # or compiled code of this second is reused
    try:
        status, mutant.seconds = run(where, tests_of(mutant.room, mutant.file), limit)
    finally:
        file.write_text(source, encoding="utf-8")
        os.utime(file, (before.st_atime, before.st_mtime))
    mutant.fate = "timed out" if status is None else "killed" if status else "survived"


def table(mutants: list[Mutant]) -> str:
    """By room: how many were drawn, and what became of them."""
    lines = [f"{'room':10}{'sampled':>9}{'killed':>9}{'timed out':>11}{'survived':>10}{'noticed':>9}"]
    for room in [*dict.fromkeys(m.room for m in mutants), "all"]:
        own = Counter(m.fate for m in mutants if room in (m.room, "all"))
        total = own.total()
        lines.append(f"{room:10}{total:9}{own['killed']:9}{own['timed out']:11}{own['survived']:10}"
                     f"{(total - own['survived']) / total:9.0%}")
    return "\n".join(lines)


@click.command()
@click.option("--room", "rooms", multiple=True, type=click.Choice(list(ROOMS)), help="Only this one (may be repeated).")
@click.option("--number", default=24, show_default=True, help="Mutants a room.")
@click.option("--seed", default=0, show_default=True, help="Which ones.")
@click.option("--again", type=click.Path(exists=True, path_type=Path), help="The survivors of this file instead.")
@click.option("--out", type=click.Path(path_type=Path), help="Write every mutant and its fate here.")
def main(rooms: tuple[str, ...], number: int, seed: int, again: Path | None, out: Path | None) -> None:
    """Sample mutants and say which ones the tests notice. Ends with an error when a room fails as it is."""
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    multiprocessing.set_forkserver_preload(PRELOADED)
    if again:
        mutants = [m for m in (Mutant(**m) for m in json.loads(again.read_text())) if m.fate == "survived"
                   and m.room in (rooms or ROOMS)]
    else:
        mutants = [m for room in rooms or ROOMS for m in draw(room, number, seed)]
    where = house()
    try:
        limits = {}
        for room in dict.fromkeys(m.room for m in mutants):
            status, seconds = run(where, tests_of(room), 600.0, cached=True)
            if status:
                raise click.ClickException(f"{room} fails as it is:\n{(where / 'log.txt').read_text()[-3000:]}")
            limits[room] = max(LEAST, PATIENCE * seconds)
            click.echo(f"{room} as it is: {seconds:.0f} s")
        for tick, mutant in enumerate(mutants, 1):
            judge(mutant, where, limits[mutant.room], tick)
            click.echo(f"{tick:4}/{len(mutants)} {mutant.seconds:4.0f} s  {mutant.fate:10}{mutant.file}:{mutant.line} "
                       f"{mutant.operator}")
            if out:
                out.write_text(json.dumps([asdict(m) for m in mutants if m.fate], indent=1) + "\n")
    finally:
        shutil.rmtree(where, ignore_errors=True)
    for mutant in mutants:
        if mutant.fate == "survived":
            click.echo(f"\n{mutant.file}:{mutant.line} {mutant.operator}\n{mutant.diff}")
    click.echo("\n" + table(mutants))


if __name__ == "__main__":
    main()
