"""What a knob is: how it is declared and checked, read from text or numbers, and written into a
spec. Without torch.

Which knobs a method has is said in `core.methods.knob_sets`; METHODS names the class of every
method.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, cast

from core.errors import InputError, unknown
from core.sparsity.patterns import Pattern

Value = bool | int | float | str
V = TypeVar("V", bound=Value)
KINDS: dict[type, str] = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
INPUTS = ("dense", "pruned")  # the two ways through the layers that `core.running.solving` knows


@dataclass(frozen=True)
class Knob:
    """One knob of a method: its name, its default, what it is; its range (both ends allowed), unit,
    choices.

    *later*: see `knob`.
    """

    name: str
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    later: bool = False

    def read(self, given: object) -> Value:
        """The knob's value from *given*, a value or its text.

        Raises InputError for a wrong type, a value out of range, one that is not among the choices.
        """
        kind = type(self.default)
        try:
            value: Value = read_value(kind, given)
        except ValueError:
            raise InputError(f"{self.name} = {shown(given)}", KINDS[kind],
                             f"It is the {self.help}.") from None
        if self.choices and value not in self.choices:
            raise unknown(f"value of {self.name}", str(value), self.choices)
        # Written so that NaN, which is neither above nor below anything, is out of range too.
        if not isinstance(value, str) and self.low is not None and self.high is not None \
                and not self.low <= value <= self.high:
            raise InputError(
                f"{self.name} = {shown(value)}", f"{self.help}, {self.low} to {self.high}",
                "Choose a value in that range.")
        return value


def knob(default: Value, help: str, low: float | None = None, high: float | None = None,
         unit: str = "", choices: tuple[str, ...] = (), later: bool = False) -> Any:
    """Declare a knob: a dataclass field with its help, range (both ends allowed) and unit. A number
    has both ends.

    *later*: added when runs of its method were already recorded. A spec names such a knob only when
    it differs from its default, so those runs keep their ids.
    """
    if not isinstance(default, bool | str) and (low is None or high is None):
        raise TypeError(f"a number needs both ends of its range: {help}")
    return field(default=default, metadata={
        "help": help, "low": low, "high": high, "unit": unit, "choices": choices, "later": later})


def inputs_knob(default: str, help: str, later: bool = False) -> Any:
    """Declare `Knobs.inputs` as a knob of a method, in that method's words."""
    return knob(default, help, choices=INPUTS, later=later)


def match_knob() -> Any:
    """Declare `Knobs.match` as a knob of a method."""
    return knob(
        0, "passes of the calibration text in which each encoder layer is trained, its masks "
        "fixed, to put out what it did dense, once its matrices are solved (0: not at all; "
        "published: 20)", 0, 100, later=True)


@dataclass(frozen=True)
class Knobs:
    """A method without knobs. Subclasses add fields made with `knob`; they take values or their
    texts.

    Two are served by `core.running.solving` and not by the method: *inputs*, on which inputs a
    layer is solved, and *match*, how many passes match its encoder layer afterwards. A method that
    leaves no choice solves on the dense model's and matches nothing; `inputs_knob` and `match_knob`
    make it a choice.
    """

    # No annotation: attributes of the class, not fields.
    inputs = "dense"
    match = 0

    @property
    def passes(self) -> float:
        """Forward and backward passes that a training step takes, on average over the run."""
        return 1.0

    def __post_init__(self) -> None:
        for each in knobs_of(type(self)):
            # A frozen dataclass is written like this until it is complete.
            object.__setattr__(self, each.name, each.read(getattr(self, each.name)))
        self.fit_together()

    def fit_together(self) -> None:
        """Raise InputError for values that are fine one by one, but not together. Called with all
        of them read."""

    def fit_pattern(self, pattern: Pattern) -> None:
        """Raise InputError for values that *pattern* leaves no room for: knobs that are well by
        themselves (`fit_together`) and cannot be met under this pattern.

        Called once, when a spec is resolved: before a run begins, a job is queued, or a form sends
        it. So it may load no method's code, and knows the pattern by its text alone: neither what
        it learns from a model (`Pattern.bound`) nor the units it is joined to. What only the model
        shows is refused in the method, before its first step.
        """


def knobs_of(kind: type[Knobs]) -> tuple[Knob, ...]:
    """The knobs that *kind* declares, those of its base classes first."""
    return _declared(cast(Hashable, kind))  # to mypy, the class of a dataclass cannot be hashed


@cache
def _declared(kind: Any) -> tuple[Knob, ...]:
    return tuple(Knob(f.name, cast(Value, f.default), **f.metadata) for f in fields(kind))


def make_knobs(kind: type[Knobs], given: Mapping[str, Any]) -> Knobs:
    """Build *kind* from values or their texts. Raises InputError for an unknown name, a wrong type,
    a value that does not fit."""
    known = [each.name for each in knobs_of(kind)]
    for name in given:
        if name not in known:
            raise unknown("knob", name, known) if known else InputError(
                f"Knob {name!r}", "no knobs: this method has none", "Leave it out.")
    return kind(**given)


def knobs_to_spec(knobs: Knobs) -> dict[str, Value]:
    """The knobs as a spec holds them: all, but for those added later and left at their default."""
    values = {each: getattr(knobs, each.name) for each in knobs_of(type(knobs))}
    return {each.name: value for each, value in values.items()
            if not (each.later and value == each.default)}


def read_value(kind: type[V], given: object) -> V:
    """*given*, a value or its text, as a *kind*, and nothing lost on the way: 3.7 is no int, 2 is
    no bool, True no 1.

    Raises ValueError. Infinity and NaN are floats.
    """
    value = given
    if isinstance(given, str) and kind is not str:
        text = given.strip()
        value = TRUTH.get(text.lower()) if kind is bool else _number(text)
    if kind is bool and type(value) is int and value in (0, 1):
        # The command line reads `dual=1` as a number before anybody knows what `dual` is.
        value = value == 1
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf if value > 0 else -math.inf
    if type(value) is not kind:  # exact: a bool is an int to `isinstance`
        raise ValueError(f"{shown(given)} is not {KINDS[kind]}")
    return value


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        # Also for more digits than Python reads as an int; as a float that is infinite.
        return float(text)


def shown(value: object) -> str:
    """*value* as a message writes it, at most 80 characters."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 80 else text[:77] + "..."
