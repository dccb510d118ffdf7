"""What may be asked of the layer lab: a pattern, a method, a named setting, single knobs. As the link holds it.

Numbers are written as `%g`; what a setting says anyway is left out. `read` and `LayerChoices.link` are each other's
inverse, and a pin is the same link as one text: `pattern=2:4,rho_end=1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import InputError, unknown
from core.methods import METHODS
from core.methods.knob_sets import FINE, QUICK, AdmmLayerKnobs
from core.methods.knobs import knobs_of, make_knobs, read_value
from core.sparsity.grids import Grid
from core.sparsity.patterns import Unstructured, parse_pattern

PATTERNS_OFFERED = ("1:4", "2:4", "3:4", "2:8", "4:8", "16:32", "unstructured:0.5", "unstructured:0.75",
                    "block:4x4:0.5")


@dataclass(frozen=True)
class Setting:
    """A named set of knobs of `admm-layer`; what it leaves out is that method's default."""

    title: str
    words: str
    knobs: dict[str, Any]


SETTINGS: dict[str, Setting] = {
    "ours": Setting("ours", "rho rises in three stages; ten steps of conjugate gradients finish.", {}),
    "fixed": Setting("fixed rho (Boza 2024)", "rho stays at 1 in preconditioned columns; the zeros grow over fifteen "
                     "rounds, then the mask rests for five; no finish.",
                     {"rise": "fixed", "rho_end": 1.0, "damping": 0.1, "iterations": 20, "ramp": 15, "settle": 5,
                      "polish": 0}),
    "support": Setting("rising with the support (ALPS 2024)", "rho grows faster while the support still changes; "
                       "conjugate gradients finish.", {"rise": "support"}),
    "fine": Setting("fine", "columns count by what the layer loses without a weight; rho rises in four stages.",
                    dict(FINE)),
    "quick": Setting("quick", "a third of the rounds, one rho, a short finish.", dict(QUICK)),
}
FIRST = "admm-layer"  # the method that the page opens with, and whose settings these are


@dataclass(frozen=True)
class Slider:
    """One knob of the page: its words and the values that its slider offers. The ends are what the link may say."""

    label: str
    values: tuple[float, ...]


RHOS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.15, 0.3, 0.6, 1.0, 3.0, 10.0, 100.0)
KNOBS: dict[str, Slider] = {
    "rho_start": Slider("rho at the start", RHOS),
    "rho_end": Slider("rho at the end", RHOS),
    "iterations": Slider("Iterations", (1, 2, 4, 8, 10, 15, 20, 24, 30, 40, 50)),
    "damping": Slider("Damping", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)),
    "ramp": Slider("Rounds until the mask is full", (0, 2, 5, 10, 15, 20, 30, 40)),
    "settle": Slider("Last rounds with a fixed mask", (0, 1, 2, 5, 10, 15, 20, 30)),
}
WHOLE = {knob.name for knob in knobs_of(AdmmLayerKnobs) if type(knob.default) is int}
BITS: dict[str, str] = {"0": "none", "8": "8 bits", "4": "4 bits", "3": "3 bits", "2": "2 bits"}
CHUNK = 64  # the default
CHUNKS: dict[str, str] = {"0": "a whole row", "128": "128 inputs", "64": "64 inputs", "32": "32 inputs",
                          "16": "16 inputs"}
LABELS = {"bits": "Grid", "chunk": "Inputs that share a scale"}
HELPS = {"bits": "The few levels that every kept weight goes to: 4 bits are 15 levels, -7 to 7, times a scale.",
         "chunk": "Consecutive inputs of a row with one scale. Fewer: closer levels, more scales to store."}
KEYS = ("pattern", "method", "setting", "bits", "chunk", *KNOBS)
SEEN = 4  # choices that are on the page at once; the rest is folded away
UNUSED = {"support": ("rho_end",), "fixed": ("rho_start",), "stages": ()}  # by the way in which rho rises


@dataclass(frozen=True)
class LayerChoices:
    """All that a path depends on, beside the layer. *knobs*: those that differ from the setting's, sorted."""

    pattern: str
    method: str = FIRST
    setting: str = "ours"
    knobs: tuple[tuple[str, float], ...] = ()
    bits: int = 0  # of the grid; 0: none
    chunk: int = CHUNK

    @property
    def grid(self) -> Grid | None:
        """The grid, or None."""
        return Grid(self.bits, self.chunk) if self.bits else None

    def link(self, pattern: str) -> dict[str, str]:
        """What the link says when *pattern* is its run's own."""
        plain = LayerChoices(pattern)
        said = {key: getattr(self, key) for key in ("pattern", "method", "setting")
                if getattr(self, key) != getattr(plain, key)}
        said |= {key: str(getattr(self, key)) for key in ("bits", "chunk")
                 if getattr(self, key) != getattr(plain, key)}
        return said | {key: f"{value:g}" for key, value in self.knobs}

    def text(self) -> str:
        """The whole of it in one text, for a pin."""
        said = {"pattern": self.pattern} | self.link(self.pattern)
        return ",".join(f"{key}={value}" for key, value in said.items())


def from_text(text: str) -> LayerChoices:
    """Undo `LayerChoices.text`. Raises InputError for anything else."""
    parts = dict(part.partition("=")[::2] for part in text[:400].split(","))
    wrong = [key for key in parts if key not in KEYS]
    if wrong or "pattern" not in parts:
        raise InputError(f"pin={text[:60]!r} is no setting",
                         "what the button Pin writes, such as pattern=2:4,rho_end=1", "Pin again.")
    choices, problems = read(parts, parts["pattern"])
    if problems:
        raise InputError(f"The pin: {problems[0].given}", problems[0].expected, problems[0].remedy)
    return choices


def usual(pattern: str) -> str:
    """The pattern that a single layer of a run with *pattern* opens with: one over a whole model becomes its share."""
    rule = parse_pattern(pattern)
    return Unstructured(rule.sparsity).name if rule.scope == "model" else rule.name


def read(query: Mapping[str, str], pattern: str) -> tuple[LayerChoices, list[InputError]]:
    """What *query* asks for, with *pattern* where it names none; and what in it could not be used."""
    problems: list[InputError] = []
    choices = LayerChoices(pattern)
    for key in KEYS:
        if key in query:
            try:
                choices = with_one(choices, key, query[key])
            except InputError as error:
                problems.append(error)
    try:
        make_knobs(METHODS[choices.method].knobs, resolved(choices))
    except InputError as error:  # single values are checked by `with_one`: this is for what only fails together
        problems.append(error)
        choices = replace(choices, knobs=())
    return choices, problems


def with_one(choices: LayerChoices, key: str, text: str) -> LayerChoices:
    """*choices* with *key* as *text* says; a new method or setting forgets the knobs.

    Raises InputError for what cannot be.
    """
    if key == "pattern":
        return replace(choices, pattern=parse_pattern(text).name)
    if key == "method":
        names = [e.name for e in METHODS.values() if e.by_layer]
        if text not in names:
            raise unknown("method of one layer", text, names)
        return _with_grid(LayerChoices(choices.pattern, text), choices.bits, choices.chunk)
    if key == "setting":
        if text not in SETTINGS:
            raise unknown("setting", text, SETTINGS)
        fresh = LayerChoices(choices.pattern, choices.method, text if choices.method == FIRST else "ours")
        return _with_grid(fresh, choices.bits, choices.chunk)
    if key in ("bits", "chunk"):
        try:
            number = read_value(int, text)
        except ValueError:
            raise InputError(f"{key}={text[:40]!r} is no whole number", "a whole number", "Choose from the list.") \
                from None
        return _with_grid(choices, number, choices.chunk) if key == "bits" else \
            _with_grid(choices, choices.bits, number)
    value = check(key, text)
    kept = {k: v for k, v in choices.knobs if k != key}
    if key in offered(choices) and f"{value:g}" != f"{_default(choices, key):g}":
        kept[key] = value
    return replace(choices, knobs=tuple(sorted(kept.items())))


def _with_grid(choices: LayerChoices, bits: int, chunk: int) -> LayerChoices:
    """*choices* on a grid, where the method knows one; without a grid the chunk means nothing and is forgotten."""
    if not bits or not METHODS[choices.method].grids:
        return replace(choices, bits=0, chunk=CHUNK)
    grid = Grid(bits, chunk)  # says what cannot be
    return replace(choices, bits=grid.bits, chunk=grid.chunk)


def check(key: str, text: str) -> float:
    """The number that *text* gives knob *key*. Raises InputError for none, or one beyond the slider's ends."""
    low, high = min(KNOBS[key].values), max(KNOBS[key].values)
    whole = key in WHOLE
    kind = "a whole number" if whole else "a number"
    try:
        value: float = read_value(int, text) if whole else read_value(float, text)
    except ValueError:
        raise InputError(f"{key}={text[:40]!r} is no {kind.partition(' ')[2]}", f"{kind} from {low:g} to {high:g}",
                         "Move the slider.") from None
    if not low <= value <= high:  # NaN is not
        raise InputError(f"{key}={text.strip()[:40]} is out of range", f"{kind} from {low:g} to {high:g}",
                         "Move the slider.")
    return value


def offered(choices: LayerChoices) -> list[str]:
    """The knobs that mean something for the method and the setting of *choices*."""
    known = {knob.name for knob in knobs_of(METHODS[choices.method].knobs)}
    rise = resolved(replace(choices, knobs=())).get("rise", "stages")
    return [key for key in KNOBS if key in known and key not in UNUSED[rise]]


def value_of(choices: LayerChoices, key: str) -> str:
    """A choice as the link writes it."""
    if key in KNOBS:
        return f"{dict(choices.knobs).get(key, _default(choices, key)):g}"
    return str(getattr(choices, key))


def names(choices: LayerChoices, key: str) -> dict[str, str]:
    """What *key* may be, as the link writes it, and its words; the present value among them."""
    now = value_of(choices, key)
    if key == "pattern":
        alone = ("dense",) if choices.bits else ()  # on a grid nothing needs to go
        return {name: name for name in dict.fromkeys((*PATTERNS_OFFERED, *alone, now))}
    if key == "bits":
        return BITS | ({} if now in BITS else {now: f"{now} bits"})
    if key == "chunk":
        return CHUNKS | ({} if now in CHUNKS else {now: f"{now} inputs"})
    if key == "method":
        return {e.name: e.title for e in METHODS.values() if e.by_layer}
    if key == "setting":
        return {name: setting.title for name, setting in SETTINGS.items()}
    return {text: text for text in sorted({*(f"{v:g}" for v in KNOBS[key].values), now}, key=float)}


def shown(choices: LayerChoices) -> tuple[list[str], list[str]]:
    """The choices on the page, four at most, and those folded away."""
    rest = offered(choices)
    first = ["pattern", "method", *(["setting"] if choices.method == FIRST else [])]
    for key in ("rho_end", "rho_start", "damping"):
        if key in rest and len(first) < SEEN:
            first.append(key)
    grid = ["bits", *(["chunk"] if choices.bits else [])] if METHODS[choices.method].grids else []
    return first, grid + [key for key in rest if key not in first]


def label_of(key: str) -> str:
    """A choice's name as written on a page."""
    return KNOBS[key].label if key in KNOBS else LABELS.get(key, key.capitalize())


def help_of(choices: LayerChoices, key: str) -> str | None:
    """What a knob is, in the words of the method that has it."""
    if key in HELPS:
        return HELPS[key]
    return next((k.help.capitalize() for k in knobs_of(METHODS[choices.method].knobs) if k.name == key), None)


def resolved(choices: LayerChoices) -> dict[str, Any]:
    """The knobs to solve with: the setting's, then those changed by hand."""
    base = dict(SETTINGS[choices.setting].knobs) if choices.method == FIRST else {}
    return base | dict(choices.knobs)


def title_of(choices: LayerChoices) -> str:
    """Method and setting as written on a page."""
    title = METHODS[choices.method].title
    if choices.method == FIRST:
        title = f"{title}, {SETTINGS[choices.setting].title}"
    if choices.bits:
        title += f", {choices.bits} bits"
        title += "" if choices.chunk == CHUNK else f" by {names(choices, 'chunk')[str(choices.chunk)]}"
    turned = ", ".join(f"{key} {value:g}" for key, value in choices.knobs)
    return f"{title} ({turned})" if turned else title


def _default(choices: LayerChoices, key: str) -> float:
    plain = make_knobs(METHODS[choices.method].knobs, resolved(replace(choices, knobs=())))
    return float(getattr(plain, key, KNOBS[key].values[0]))
