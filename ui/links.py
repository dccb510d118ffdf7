"""Choices that live in the link, kept in one of two ways and drawn by one family of widgets.

    links.shared.choose("matrix", "Matrix", names)        # means the same on every page that asks for it
    own = links.Own("patterns", ("block", "supports"))    # means something on this page alone
    own.slide("supports", "Supports in the library", 1, 64, default=16)

The URL is the single truth: a widget's callback writes the URL before the page runs again, and the page takes the
widget's value from the URL. So a link, the back button, a click and a reload all say the same thing. Both kinds survive
a walk over other pages; a default is left out of the link.

`?lock=rho,k` leaves the knobs that it names, in a row of their own, and takes every other one away (`Lock`).

Of a link alone, and never remembered, are the moment of a player (`?k=`), the pin of the lab, lesson and step. Not
Streamlit's `bind="query-params"`: it swallows a bad value without a word and forgets a choice when the page is left.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError, unknown

T = TypeVar("T")
Look = Literal["select", "several", "segments", "steps", "slider", "text", "switch"]
WIDGETS: dict[Look, Callable[..., Any]] = {
    "select": st.selectbox, "several": st.multiselect, "segments": st.segmented_control, "steps": st.select_slider,
    "slider": st.slider, "text": st.text_input, "switch": st.toggle}


def plain(text: str) -> str:
    """Text made safe for Markdown: shown as it is written, whatever it holds."""
    return re.sub(r"[\\`*\[\]<>$~|#]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)  # an underscore inside a word is harmless


def escaped(text: str) -> str:
    """Text made safe for HTML."""
    return html.escape(text)


class Lock:
    """What one run of a page's script knows of its knobs: their names in the link, and which of them a link leaves.

    *row*: where the ones that stay are drawn, whatever place the page has for them: a folded one would be out of reach.
    """

    def __init__(self, row: DeltaGenerator | None) -> None:
        self.row = row
        self.known: dict[str, str] = {}  # name in the link -> label

    def unknown(self) -> list[str]:
        """Names that the link leaves, and that are no knobs of this page."""
        return [name for name in left() or () if name not in self.known]


_lock: ContextVar[Lock | None] = ContextVar("lock", default=None)
MOST_LEFT = 12  # knobs that a link leaves at most, and letters of a name
LOCKED = """
.stSidebar, [data-testid=stExpandSidebarButton], .st-key-bar,
.stMain :is(.stSelectbox, .stSlider, .stButton, .stButtonGroup, .stPopover, .stTextInput, .stTextArea, .stMultiSelect,
  .stCheckbox, .stFileUploader, .stNumberInput, .stRadio, .stPageLink, .stForm):not(.st-key-knobs *, .st-key-lesson *) {
  display: none !important; }
.st-key-knobs .stSelectbox, .st-key-knobs .stSlider { min-width: 15rem; }
"""


def left() -> tuple[str, ...] | None:
    """The knobs that the link leaves; None where it locks nothing."""
    asked = st.query_params.get("lock")
    if asked is None:
        return None
    return tuple(dict.fromkeys(name.strip()[:40] for name in asked[:600].split(",") if name.strip()))[:MOST_LEFT]


def lock() -> Lock:
    """The lock of this run of the page, from now on: call it where the row of knobs shall stand."""
    row = None
    if left() is not None:
        st.html(f"<style>{LOCKED}</style>")
        row = st.container(horizontal=True, gap="large", vertical_alignment="bottom", key="knobs")
    made = Lock(row)
    _lock.set(made)
    return made


def free() -> bool:
    """May the page offer buttons that turn more than one knob? Not where a link locks them."""
    return left() is None


def widget(look: Look, key: str, label: str, value: Any, moved: Callable[[Any], object], *args: Any,
           names: Mapping[str, str] | None = None, **more: Any) -> None:
    """Draw a widget that stands at *value*; *moved* gets what a person chose, and writes the link. *names*: the options
    to choose from, as the link holds them, and their words. Where the link leaves other knobs, nothing is drawn."""
    name, here = key.rpartition(".")[2], _lock.get()
    if here is not None:
        here.known.setdefault(name, label)
    if name not in (left() or (name,)) or left() == ():
        return
    if names is not None:
        args, more["format_func"] = (list(names),), names.__getitem__
    st.session_state[key] = value

    def turned() -> None:
        chosen = st.session_state.get(key)
        if chosen is not None:  # None: a segment was clicked off
            moved(chosen)

    with nullcontext() if here is None or here.row is None else here.row:
        WIDGETS[look](label, *args, key=key, on_change=turned, **more)


def typed_text(key: str, label: str, value: str, most: int, moved: Callable[[str], object], empty: str = "",
               several: bool = False, quiet: bool = False) -> None:
    """A box for words that stands at *value*, of at most *most* letters; *moved* gets them. *empty*: what no words
    mean; *several*: of more lines than one; *quiet*: the label is only heard, not seen."""
    st.session_state[key] = value
    draw = st.text_area if several else st.text_input
    draw(label, key=key, max_chars=most, placeholder=empty, on_change=lambda: moved(st.session_state[key].strip()),
         label_visibility="collapsed" if quiet else "visible")


def forget_all() -> None:
    """Forget every choice of this session; the link stays as it is."""
    for key in [key for key in st.session_state if str(key).startswith(("link.", "kept.", "recalled."))]:
        del st.session_state[key]


class Choices(ABC):
    """A place for choices, and the widgets that read and write them."""

    name: str  # begins the keys of the widgets

    @abstractmethod
    def get(self, key: str) -> str | None:
        """What the link says of *key*, else what was chosen last; None for neither."""

    @abstractmethod
    def put(self, key: str, value: str, default: str | None = None, drops: Sequence[str] = ()) -> None:
        """Put *value* into the link, unless it is *default*; forget *drops*, which meant something beside the old."""

    @abstractmethod
    def forget(self, *keys: str) -> None:
        """Take *keys* out of link and memory: they say their defaults again."""

    def recalled(self, key: str, value: str) -> bool:
        """Did memory put *value* into the link? Then nobody asked for it here, and it may mean nothing: another run has
        other options."""
        return False

    def choose(
        self, key: str, label: str, options: Sequence[str], *, default: str | None = None,
        words: Callable[[str], str] = str, kind: str | None = None, always: bool = False, help: str | None = None,
        look: Literal["select", "segments", "steps"] = "select", width: int | Literal["stretch"] = 260,
        quiet: bool = False,
    ) -> str:
        """One of *options*: a select box, a row of segments, or the steps of a slider (not drawn where there is one).

        *words* says how an option is written on the page; the link holds the option itself. A value of the link that is
        no option gets a red box. *always*: the link names the value even at its default. *quiet*: the label is only
        heard, not seen.
        """
        first = options[0] if default is None else default
        if look == "steps" and len(options) == 1:
            return first
        asked, value = st.query_params.get(key), self.get(key)
        if asked is not None and asked not in options and not self.recalled(key, asked):
            st.error(plain(str(unknown(kind or label.lower(), asked, options))))
        value = value if value in options else first
        drop = None if always else first
        self.put(key, value, drop)
        more: dict[str, Any] = {"width": width} if look == "select" else {}
        more |= {"label_visibility": "collapsed"} if quiet else {}
        widget(look, f"{self.name}.{key}", label, value, lambda chosen: self.put(key, chosen, drop), list(options),
               format_func=words, help=help, **more)
        return value

    def slide(self, key: str, label: str, low: int, high: int, *, step: int = 1, default: int = 0, form: str = "%d",
              help: str | None = None, aside: bool = False) -> int:
        """A slider over whole numbers. Without a range (*high* <= *low*) nothing is drawn. *default*: a value out of
        the range stands for its nearest end. *aside*: its label stands to the left of it, not over it."""
        if high <= low:
            return low
        value, drop = self._whole(key, low, high, default)
        aside = aside and free()  # a row of knobs that a link leaves has its labels on top
        row = {"horizontal": True, "vertical_alignment": "center", "key": f"aside-{key}"}
        with st.container(**row) if aside else nullcontext():
            if aside:
                st.markdown(f":small[{label}]", width="content", help=help)
            widget("slider", f"{self.name}.{key}", label, value, lambda chosen: self.put(key, str(chosen), drop), low,
                   high, step=step, format=form, help=None if aside else help,
                   label_visibility="collapsed" if aside else "visible")
        return value

    def _whole(self, key: str, low: int, high: int, default: int) -> tuple[int, str]:
        """The whole number that the link asks for, moved inside *low* to *high*; and the default as the link has it."""
        text = self.get(key)
        value = default = min(max(default, low), high)
        if text is not None:
            try:
                value = min(max(int(text[:12]), low), high)
            except ValueError:
                error = InputError(f"{key}={text[:40]!r} is no whole number", f"{low} to {high}", "Move the slider.")
                st.error(plain(str(error)))
        self.put(key, str(value), str(default))
        return value, str(default)

    def switch(self, key: str, label: str, *, help: str | None = None, drops: Sequence[str] = ()) -> bool:
        """A switch, off by default; on, the link says `?key=true`. Switched off, it forgets *drops*."""
        def put(on: bool) -> None:
            self.put(key, str(on).lower(), "false")

        def switched(on: bool) -> None:
            put(on)
            if not on:
                self.forget(*drops)

        on = (self.get(key) or "").lower() == "true"
        put(on)
        widget("switch", f"{self.name}.{key}", label, on, switched, help=help)
        return on

    def typed(self, key: str, default: str, parse: Callable[[str], T]) -> T:
        """What was typed, as *parse* reads it; draws nothing: a page may have to know a value long before its `box`.

        A bad text gets a red box, and stays in box and link, so that it can be mended; the page goes on with *default*.
        """
        text = self.get(key)
        if text is not None:
            try:
                value = parse(text)
                self.put(key, text, default)
                return value
            except InputError as error:
                st.error(plain(str(error)))
        return parse(default)

    def box(self, key: str, label: str, *, default: str, help: str | None = None) -> None:
        """A text box for what `typed` reads; emptied, it says *default* again."""
        widget("text", f"{self.name}.{key}", label, self.get(key) or default,
               lambda text: self.put(key, text.strip() or default, default), help=help)

    def pick(self, key: str, label: str, options: Sequence[str], *, default: str, words: Callable[[str], str] = str,
             drops: Sequence[str] = (), help: str | None = None) -> None:
        """A select box for what `typed` reads, which takes what is typed into it; a new choice forgets *drops*."""
        now = self.get(key) or default
        widget("select", f"{self.name}.{key}", label, now, lambda text: self.put(key, text.strip(), default, drops),
               [*options, *([] if now in options else [now])], format_func=words, help=help, accept_new_options=True)


class _Shared(Choices):
    """What means the same on every page that asks for it: run, matrix, layer, task, ... Every key for itself."""

    name = "shared"

    def get(self, key: str) -> str | None:
        value = st.query_params.get(key)
        return value if value is not None else st.session_state.get(f"link.{key}")

    def put(self, key: str, value: str, default: str | None = None, drops: Sequence[str] = ()) -> None:
        self.forget(*drops)
        st.session_state[f"link.{key}"] = value
        if value == default:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != value:
            st.query_params[key] = value

    def forget(self, *keys: str) -> None:
        for key in keys:
            st.query_params.pop(key, None)
            st.session_state.pop(f"link.{key}", None)


shared = _Shared()


class Own(Choices):
    """The knobs of one page, all written in one entry of the browser's history.

    They belong together: a link that names one of *keys* says all of them, and only one that names none takes what was
    chosen last on this page. Under `shared`, a pattern chosen here would be the filter of another page.
    """

    def __init__(self, page: str, keys: Sequence[str]) -> None:
        self.name, self.keys = page, tuple(keys)

    def said(self) -> dict[str, str]:
        """What the link says of the page's keys; when it says nothing of them, what it said last, and says again."""
        here = {key: st.query_params[key] for key in self.keys if key in st.query_params}
        last = st.session_state.get(f"kept.{self.name}")
        if here or not last:
            return here
        st.query_params.update(last)
        st.session_state[f"recalled.{self.name}"] = dict(last)
        return dict(last)

    def recalled(self, key: str, value: str) -> bool:
        return st.session_state.get(f"recalled.{self.name}", {}).pop(key, None) == value

    def say(self, said: Mapping[str, str], drops: Sequence[str] = ()) -> None:
        """Make the link say *said*, and nothing else of the page's keys nor of *drops*."""
        st.session_state[f"kept.{self.name}"] = dict(said)
        now = st.query_params.to_dict()
        new = {key: value for key, value in now.items() if key not in (*self.keys, *drops)} | dict(said)
        if new != now:
            st.query_params.from_dict(new)

    def settle(self, said: Mapping[str, str], problems: Sequence[object]) -> None:
        """`say`; where a value could not be used, a red box for each of *problems* instead: the link stays as it is."""
        for problem in problems:
            st.error(plain(str(problem)))
        if not problems:
            self.say(said)

    def get(self, key: str) -> str | None:
        return self.said().get(key)

    def put(self, key: str, value: str, default: str | None = None, drops: Sequence[str] = ()) -> None:
        assert key in self.keys, f"{self.name} does not list {key}"
        rest = {name: text for name, text in self.said().items() if name not in (key, *drops)}
        self.say(rest | ({} if value == default else {key: value}), drops)

    def forget(self, *keys: str) -> None:
        self.say({key: value for key, value in self.said().items() if key not in keys}, keys)
