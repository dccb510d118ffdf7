"""The repository as the structure tests read it: its files, their syntax trees, and what each of them imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path
    for top in ("core", "sparsescope", "pages", "ui", "benchmarks", "tests", "tools", "app.py")
    for path in ([ROOT / top] if top.endswith(".py") else (ROOT / top).rglob("*.py"))
    if path.exists()
)
SHIPPED = [path for path in SOURCES
           if path.relative_to(ROOT).parts[0] in ("core", "sparsescope", "pages", "ui", "app.py")]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(path: Path) -> str:
    """A file as written in messages: relative, with forward slashes."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """A file's module name: core/runs/store.py -> core.runs.store, core/runs/__init__.py -> core.runs."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path) for path in SOURCES}


@cache
def tree_of(path: Path) -> ast.Module:
    """The file's syntax tree, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports_in(tree: ast.AST, package: str) -> frozenset[str]:
    """Every module that *tree* can import, wherever the statement stands.

    `from x import y` gives x and x.y, as y may be a module. *package* is what a relative import starts from.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], base]).rstrip(".")
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                found.add(node.args[0].value)
    return frozenset(found)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """`imports_in` of a file."""
    module = module_of(path)
    return imports_in(tree_of(path), module if path.name == "__init__.py" else module.rpartition(".")[0])


def within(module: str, *packages: str) -> bool:
    """Is *module* one of *packages* or inside one?"""
    return any(module == package or module.startswith(package + ".") for package in packages)


def under(*prefixes: str) -> list[Path]:
    """Shipped files whose module is one of *prefixes* or inside one."""
    return [path for path in SHIPPED if within(module_of(path), *prefixes)]


def offenders(paths: list[Path], *banned: str) -> list[str]:
    """Which of *paths* import anything of *banned*, as messages."""
    return [f"{name_of(p)} imports {m}" for p in paths for m in sorted(imports_of(p)) if within(m, *banned)]
