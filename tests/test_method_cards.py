"""What the methods say of themselves: every part is there, and what is read without torch is what torch would see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import InputError
from core.methods import METHODS, build
from core.methods.cards import Line, idea_of, parse, text_of

WIDEST = 60  # characters of a formula: more would not fit one of two columns at 1366 pixels


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_is_what_it_prunes_where_it_is_from_and_what_it_costs(name: str) -> None:
    text = text_of(name)
    assert text.missing == []
    assert len(idea_of(text).split()) <= 100 and idea_of(text).endswith(".")
    assert [line.text for line in text.formula if len(line.text) > WIDEST] == []
    assert not text.formula[-1].words, "words without a formula under them"


TEXT = """Name: one idea. And a second sentence
over two lines.

    a <- b          what a is
    for every c:
        d_i = e^2

    f = g

A remark.

Prunes: weights. Of all kinds.
Source: someone (arXiv 1). Where we differ: here; see
the next line.
Cost per layer: much.
"""


def test_a_docstring_comes_apart_as_it_is_written() -> None:
    text = parse(TEXT)
    assert text.idea == "Name: one idea. And a second sentence over two lines."
    assert idea_of(text) == "One idea. And a second sentence over two lines."
    assert text.formula == (Line("a <- b", "what a is", 0), Line("for every c:", "", 0), Line("d_i = e^2", "", 1),
                            Line("f = g", "", 0))
    assert [line.words for line in text.formula] == [False, True, False, False]
    assert (text.remark, text.prunes, text.source) == ("A remark.", "weights. Of all kinds.", "someone (arXiv 1).")
    assert (text.differs, text.cost) == ("here; see the next line.", "per layer: much.")
    assert text.missing == []


@pytest.mark.parametrize(("line", "part"), [
    ("Prunes: weights. Of all kinds.\n", "prunes"), ("Source: someone (arXiv 1). ", "source"),
    ("Where we differ: here; see\nthe next line.\n", "differs"), ("Cost per layer: much.\n", "cost"),
    ("    a <- b          what a is\n    for every c:\n        d_i = e^2\n\n    f = g\n", "formula")])
def test_a_part_that_is_left_out_is_named(line: str, part: str) -> None:
    assert TEXT.count(line) == 1
    assert parse(TEXT.replace(line, "")).missing == [part]


def test_nothing_at_all_is_taken_apart_without_an_error() -> None:
    assert parse("").missing == ["idea", "formula", "prunes", "source", "differs", "cost"]


def test_an_unknown_method_is_refused() -> None:
    for read in (text_of, build):
        with pytest.raises(InputError, match="Unknown method 'amdm'"):
            read("amdm")


@pytest.mark.parametrize("name", METHODS)
def test_the_command_line_says_the_same(name: str, cli: Any) -> None:
    text, said = text_of(name), json.loads(cli("methods", name, "--json").stdout)
    assert [said[part] for part in ("prunes", "source", "differs", "cost")] == \
        [text.prunes, text.source, text.differs, text.cost]
    printed = "".join(cli("methods", name).stdout.split())  # it is wrapped
    for part in (text.prunes, text.source, text.differs, text.cost, *(line.text for line in text.formula)):
        assert "".join(part.split()) in printed
