"""The knobs of a method as its file declares them, read without importing it: a method's code needs torch.

A list of runs has to say which knobs a run turned, and a card which there are. Both read the `knob(default, help, ...)`
calls of the method's knobs class, and of the classes that it is built on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.errors import InputError, unknown
from core.methods import entry_of

HERE = Path(__file__).parent
Value = bool | int | float | str


@dataclass(frozen=True)
class Declared:
    """One knob: its name, its default, what it is; and its range (both ends allowed), unit, choices.

    *later*: a spec names it only when it differs from its default, see `core.methods.base.knob`.
    """

    name: str
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    later: bool = False


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
                given = {k.arg or "": ast.literal_eval(k.value) for k in statement.value.keywords}
                out[field] = Declared(field, *map(ast.literal_eval, statement.value.args), **given)
    return out


@cache
def grids(name: str) -> bool:
    """Can method *name* put weights on a grid of few bits? As its class says, or the nearest one it is built on."""
    module, _, attribute = entry_of(name).target.partition(":")
    for _, node in _ancestry(module, attribute) if module else ():
        for statement in node.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else \
                statement.target if isinstance(statement, ast.AnnAssign) else None
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            if target is not None and value is not None and ast.unparse(target) == "grids":
                return bool(ast.literal_eval(value))
    return False


def settled(name: str, given: Mapping[str, object]) -> dict[str, Value]:
    """The knobs of method *name* as a spec holds them, from text or numbers: `make_knobs` and `knobs_to_spec` without
    the method's code. What a knobs class checks on its own account is left to it.

    Raises InputError for an unknown name, a wrong type, a value out of range.
    """
    known = {knob.name: knob for knob in declared(name)}
    for key in given:
        if key not in known:
            raise unknown("knob", key, known) if known else InputError(
                f"Knob {key!r}", "no knobs: this method has none", "Leave it out.")
    values = {key: _read(knob, given[key]) if key in given else knob.default for key, knob in known.items()}
    return {key: value for key, value in values.items() if not (known[key].later and value == known[key].default)}


def _read(knob: Declared, given: object) -> Value:
    kind, text = type(knob.default), str(given).strip()
    try:
        if kind is bool:
            value: Value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        else:
            value = kind(given)  # type: ignore[arg-type, call-overload]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{knob.name} = {given!r}", f"a {kind.__name__}", f"It is the {knob.help}.") from None
    if knob.choices and value not in knob.choices:
        raise unknown(f"value of {knob.name}", str(value), knob.choices)
    if not isinstance(value, str) and (value != value or (knob.low is not None and value < knob.low)
                                       or (knob.high is not None and value > knob.high)):
        raise InputError(f"{knob.name} = {value!r}", f"{knob.help}, {knob.low} to {knob.high}",
                         "Choose a value in that range.")
    return value
