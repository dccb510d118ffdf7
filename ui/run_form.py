"""The form of the Run page: one widget per field of RunSpec and per knob of the method, from the lists.

The link holds what differs from the form's defaults. Emptied, a box says the default that stands in it in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from core import demo
from core.errors import InputError
from core.live.asking import checked, given_of
from core.methods import METHODS
from core.methods.knobs import Knob, knobs_of
from core.models import MODELS
from core.models.named import source_of
from core.runs.records import RunSpec
from core.sparsity.patterns import PATTERNS, parse_pattern
from core.specs.settings import choices_of, help_of, kind_of, range_words
from core.tasks import TASKS
from core.tasks.own import registered
from core.views.drawing import style
from ui import links, run_own

START = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4"}
FEW = ("epochs", "seed")
# Pixels, each for the longest name of its list: all six stand in one row of a window of 1366.
WIDTHS = {"task": 204, "model": 230, "method": 228, "pattern": 160, "epochs": 82, "seed": 82}
REST = tuple(name for name in RunSpec.__struct_fields__ if name not in (*START, *FEW, "knobs"))


def own() -> links.Own:
    """The form's own keys in the link: the fields of a spec, and the knobs of every method of the list."""
    knobs = dict.fromkeys(f"knob.{knob.name}" for entry in METHODS.values() for knob in knobs_of(entry.knobs))
    return links.Own("run", (*START, *FEW, *REST, *knobs))


def read() -> dict[str, str]:
    """What the form says, as texts: field of RunSpec, or `knob.<name>` -> text. Nothing empty."""
    said = START | own().said()
    # A method that removes whole units has another pattern to begin with.
    if said["pattern"] == START["pattern"] and said["method"] in METHODS:
        said["pattern"] = METHODS[said["method"]].pattern
    return said


def draw() -> tuple[dict[str, Any], RunSpec] | None:
    """Draw the form; what it asks for as settings, and as a full spec. None, with a red box, when it cannot be used."""
    said, found = read(), None
    problem, model = st.container(), None
    try:
        given = given_of(said)
        if not demo.on():  # there no path is looked at
            model = source_of(said["model"])
            given["model"] = model.name
        found = given, checked(given)
    except InputError as error:
        problem.error(links.plain(str(error)))
    spec = found[1] if found else None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        tasks = [task for task, entry in TASKS.items() if not demo.on() or entry.kind == "built-in"]
        mine = [] if demo.on() else registered()
        tasks += [task.full for task in mine]
        _choice("task", "Task", {task: style.task_title(task) for task in tasks}, said, help_of("task"))
        _choice("model", "Model", {m: e.title for m, e in MODELS.items() if not demo.on() or m == demo.MODEL}, said,
                help_of("model"), new=not demo.on())
        _choice("method", "Method", {m: style.method_title(m) for m in METHODS}, said, METHODS_HELP)
        _choice("pattern", "Pattern", {k.example: k.example for k in PATTERNS.values() if _taken(said, k.example)},
                said, help_of("pattern"), new=True)
        for name in FEW:
            _text(name, said, _default(spec, name), _help(name), width=WIDTHS[name])
    if model is not None and model.words:
        st.caption(links.plain(model.words))
    knobs = knobs_of(METHODS[said["method"]].knobs) if said["method"] in METHODS else ()
    with st.expander("More knobs"):
        if knobs:
            st.caption(f"Of {style.method_title(said['method'])}")
            _grid([knob.name for knob in knobs], lambda k, name: _knob(knobs[k], said))
        st.caption("Of every run")
        _grid(REST, lambda k, name: _field(name, said, spec))
    run_own.draw(mine, lambda task: _write("task", task, START["task"], read()), said["task"])
    return found


def _taken(said: Mapping[str, str], pattern: str) -> bool:
    """Does the method of the form prune to *pattern*? A method that is not known takes all."""
    return said["method"] not in METHODS or METHODS[said["method"]].takes(parse_pattern(pattern))


METHODS_HELP = "How to prune; the Methods page has a card for each."


def _grid(names: Sequence[str], make: Any, across: int = 4) -> None:
    for start in range(0, len(names), across):
        for k, column in enumerate(st.columns(across)):
            if start + k < len(names):
                with column:
                    make(start + k, names[start + k])


def _default(spec: RunSpec | None, name: str) -> str:
    value = getattr(spec, name) if spec is not None else None
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value).lower()


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _help(name: str) -> str:
    """What a number is, and its range."""
    words = range_words(name)
    return f"{help_of(name)} {words[:1].upper()}{words[1:]}." + (" Empty: all." if name == "train_examples" else "")


def _field(name: str, said: Mapping[str, str], spec: RunSpec | None) -> None:
    if choices_of(name):
        names = {value: value for value in choices_of(name)}
        _choice(name, _label(name), names, said, help_of(name), default=_default(spec, name))
    elif kind_of(name) is bool:
        _choice(name, _label(name), {"true": "yes", "false": "no"}, said, help_of(name), default=_default(spec, name))
    else:
        _text(name, said, _default(spec, name), _help(name))


def _knob(knob: Knob, said: Mapping[str, str]) -> None:
    key, words = f"knob.{knob.name}", knob.help[:1].upper() + knob.help[1:]
    if isinstance(knob.default, bool):
        _choice(key, knob.name, {"true": "on", "false": "off"}, said, words, default=str(knob.default).lower())
    elif knob.choices:
        _choice(key, knob.name, {c: c for c in knob.choices}, said, words, default=str(knob.default))
    else:
        span = "" if knob.low is None else f" {knob.low:g} to {knob.high:g} {knob.unit}".rstrip()
        _text(key, said, f"{knob.default:g}" if isinstance(knob.default, float) else str(knob.default),
              f"{words}.{span}", label=knob.name)


def _write(key: str, value: str, default: str, said: Mapping[str, str]) -> None:
    """Put *value* into the link; another method forgets the knobs of the old one, and a pattern of the other kind."""
    new = {k: v for k, v in said.items() if START.get(k) != v and not (key == "method" and k.startswith("knob."))}
    if key == "method" and value in METHODS and said["method"] in METHODS \
            and METHODS[value].pattern != METHODS[said["method"]].pattern:
        new.pop("pattern", None)
    new.pop(key, None)
    own().say(new | ({key: value} if value not in ("", default) else {}), drops=("run",))


def _choice(key: str, label: str, names: Mapping[str, str], said: Mapping[str, str], help: str, *,
            default: str | None = None, new: bool = False) -> None:
    """A select box; *new*: it also takes what is typed."""
    first = START.get(key) or default or next(iter(names))
    value, widget = said.get(key) or first, f"run.{key}"
    options = [*names, *([] if value in names else [value])]
    st.session_state[widget] = value
    st.selectbox(label, options, format_func=lambda v: names.get(v, v), key=widget, help=links.plain(help),
                 accept_new_options=new, width=WIDTHS.get(key, "stretch"),
                 on_change=lambda: _write(key, (st.session_state[widget] or first).strip(), first, said))


def _text(key: str, said: Mapping[str, str], default: str, help: str, *, label: str | None = None,
          width: int | Literal["stretch"] = "stretch") -> None:
    widget = f"run.{key}"
    st.session_state[widget] = said.get(key, "")
    st.text_input(label or _label(key), key=widget, placeholder=default or "all", help=links.plain(help), width=width,
                  max_chars=60, on_change=lambda: _write(key, st.session_state[widget].strip(), "", said))


def note() -> None:
    """What a public demonstration allows, in words; nothing on a machine of one's own."""
    if demo.on():
        st.info(f"This is a demonstration: model tiny, the built-in tasks, at most {demo.EPOCHS:g} epochs.")
