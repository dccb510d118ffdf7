"""The knobs of a method as its file declares them, read without importing it: a method's code needs torch.

A list of runs has to say which knobs a run turned, and a card which there are. Both read the `knob(default, help, ...)`
calls of the method's knobs class, and of the classes that it is built on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.methods import entry_of

HERE = Path(__file__).parent
Value = bool | int | float | str


@dataclass(frozen=True)
class Declared:
    """One knob: its name, its default, what it is."""

    name: str
    default: Value
    help: str


@cache
def declared(name: str) -> tuple[Declared, ...]:
    """The knobs of method *name*, base classes first, as `dataclasses.fields` orders them.

    Raises InputError for a name that is not in METHODS.
    """
    module, _, attribute = entry_of(name).target.partition(":")
    if not module:
        return ()
    for home, node in _ancestry(module, attribute):
        for statement in node.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "Knobs":
                return tuple(_knobs(home, ast.unparse(statement.value)).values())
    return ()


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))


def _found(module: str, name: str) -> tuple[str, ast.ClassDef] | None:
    """Where in core.methods class *name*, as *module* knows it, is written."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("core.methods."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _found(str(node.module).rpartition(".")[2], alias.name)
    return None


def _ancestry(module: str, name: str) -> Iterator[tuple[str, ast.ClassDef]]:
    """The class and those that it is built on, nearest first; only what is written in core.methods."""
    found = _found(module, name)
    if found is None:
        return
    yield found
    for base in found[1].bases:
        yield from _ancestry(found[0], ast.unparse(base))


def _knobs(module: str, name: str) -> dict[str, Declared]:
    """The fields of a knobs class, by name."""
    out: dict[str, Declared] = {}
    for _, node in reversed(list(_ancestry(module, name))):
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Call) \
                    and ast.unparse(statement.value.func) == "knob":
                field = ast.unparse(statement.target)
                default, help = (ast.literal_eval(argument) for argument in statement.value.args[:2])
                out[field] = Declared(field, default, help)
    return out
