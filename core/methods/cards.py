"""What a method says of itself, read from the docstring of its file without importing it: a
method's code needs torch.

The form, which a test holds for every entry of METHODS (at most 100 words an idea, 60 characters a
formula):

    Name: what it does, in one to three sentences.

        a formula a line              four spaces or more, then what it means
        words that end in a colon:
            what happens under them, deeper

    A remark on the formula, if it needs one.

    Prunes: what may go, and what the choice is made by.
    Source: paper, equation or section.
    Where we differ: from the source, and why ("nothing" is an answer).
    Cost: what it takes.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from core.methods import entry_of

PARTS = ("idea", "formula", "prunes", "source", "differs", "cost")  # all of which every method has
TITLES = {"prunes": "Prunes", "source": "Source", "differs": "Where we differ", "cost": "Cost"}
_FIELD = {"prunes": "prunes", "source": "source", "sources": "source", "where we differ": "differs",
          "our formulation": "differs", "cost": "cost"}
# At the start of the text or after the end of a sentence, with a few words before the colon:
# "Cost per layer:".
_LABEL = re.compile(r"(?:^|(?<=[.)] ))(Prunes|Sources?|Where we differ|Our formulation|Cost)"
                    r"((?: [a-z]+){0,3}):\s")
_NOTE = re.compile(r"(?<=\S) {4,}(?=\S)")

# The start of every other run is an entry of METHODS too; it has no file of its own.
DENSE = """Dense: the fine-tuned model with nothing pruned. Every other run of its task and seed
starts from it.

    minimise over W:  mean of loss(W) over the training set

Prunes: nothing. All its weights stay, so it is the line that every score is held against.
Source: the usual fine-tuning of a pretrained encoder.
Where we differ: embeddings stay frozen unless a run asks otherwise; what is trained is the same for
every method.
Cost: one fine-tuning; a run that finds it in the store does not pay for it again.
"""


@dataclass(frozen=True)
class Line:
    """One line of a formula: *text* as written, *note* what it means (or ""), *depth* 0 for the
    outermost."""

    text: str
    note: str
    depth: int

    @property
    def words(self) -> bool:
        """Is this a line of words over the lines below it?"""
        return self.text.endswith(":")


@dataclass(frozen=True)
class MethodText:
    """The parts of one docstring, each in one line; "" or () where it has none."""

    idea: str
    formula: tuple[Line, ...]
    remark: str  # what stands between the formula and the first label
    prunes: str
    source: str
    differs: str
    cost: str

    @property
    def missing(self) -> list[str]:
        """The parts that every method should have and this one has not."""
        return [part for part in PARTS if not getattr(self, part)]


@cache
def text_of(name: str) -> MethodText:
    """What method *name* says of itself. Raises InputError for a name that is not in METHODS."""
    module = entry_of(name).target.partition(":")[0]
    if not module:
        return parse(DENSE)
    # Found as an import would find it, and not imported.
    found = find_spec(f"core.methods.{module}")
    assert found is not None and found.origin is not None
    source = Path(found.origin).read_text(encoding="utf-8")
    return parse(ast.get_docstring(ast.parse(source)) or "")


def parse(docstring: str) -> MethodText:
    """Take a docstring (its common indentation already removed) apart. Never raises: see
    `MethodText.missing`."""
    lines = docstring.strip().splitlines()
    indented = [i for i, line in enumerate(lines) if line.startswith("    ")]
    labelled = (i for i, line in enumerate(lines) if _LABEL.match(line))
    first = indented[0] if indented else next(labelled, len(lines))
    end = first
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith("    ")):
        end += 1
    if not indented:
        end = first
    rest = " ".join(filter(None, (line.strip() for line in lines[end:])))
    found = list(_LABEL.finditer(rest))
    parts = dict.fromkeys(TITLES, "")
    for label, following in zip(found, [*found[1:], None], strict=False):
        said = rest[label.end():following.start() if following else len(rest)].strip()
        more = label[2].strip()
        said = f"{more}: {said}" if more else said
        key = _FIELD[label[1].lower()]
        parts[key] = " ".join(filter(None, [parts[key], said]))
    idea = " ".join(line.strip() for line in lines[:first]).strip()
    remark = rest[:found[0].start() if found else len(rest)].strip()
    return MethodText(idea, tuple(_formula(lines[first:end])), remark, **parts)


def _formula(lines: list[str]) -> list[Line]:
    """The indented lines; depth counts the distinct indentations to the left of a line's own."""
    full = [line for line in lines if line.strip()]
    margins = sorted({len(line) - len(line.lstrip()) for line in full})
    out = []
    for line in full:
        text, *note = _NOTE.split(line.strip(), maxsplit=1)
        depth = margins.index(len(line) - len(line.lstrip()))
        out.append(Line(text, note[0] if note else "", depth))
    return out


def idea_of(text: MethodText) -> str:
    """The idea without the name that it begins with, as a sentence."""
    name, colon, rest = text.idea.partition(": ")
    said = rest if colon and len(name) < 40 else text.idea
    return said[:1].upper() + said[1:]
