"""What a lesson is: data. A step is a page, its knobs, what to look at, and a question to answer before the reason."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import unknown


@dataclass(frozen=True)
class Look:
    """What to look at: the key of an element of the page, and where on it, in a few words."""

    key: str
    words: str


@dataclass(frozen=True)
class Question:
    """Guess first, then read why. *answer* is the place of the right one in *options*."""

    text: str
    options: tuple[str, ...]
    answer: int
    reveal: str


@dataclass(frozen=True)
class Step:
    """One picture and what to see in it. *state*: what the link of *page* says; a knob not named stands at its
    default."""

    id: str
    title: str
    words: str
    page: str
    state: dict[str, str]
    look: Look
    question: Question | None = None


@dataclass(frozen=True)
class Act:
    """Steps that stay with one thing, from the step *first* on: what it is, and the picture that announces it."""

    title: str
    first: str
    picture: str  # one of `core.views.touch.announcing.PICTURES`


@dataclass(frozen=True)
class Way:
    """A way on from the end of a lesson: a page, what its link says, and why one would go there."""

    page: str
    state: dict[str, str]
    words: str


@dataclass(frozen=True)
class Lesson:
    """Steps in order, in *acts*; *words* says for whom it is and what they know afterwards. *known*: each thing that
    was taught, and what it is in a few words; *onward*: where to go from there."""

    id: str
    title: str
    words: str
    steps: tuple[Step, ...]
    acts: tuple[Act, ...]
    known: dict[str, str]
    onward: tuple[Way, ...]

    def place(self, step: str) -> int:
        """Where *step* stands, from 0. Raises InputError when the lesson has none of that name."""
        names = [s.id for s in self.steps]
        if step not in names:
            raise unknown("step", step, names)
        return names.index(step)

    def parts(self) -> list[tuple[Act, range]]:
        """Every act, and the places of its steps. Raises InputError when an act's first step is not there."""
        begins = [self.place(act.first) for act in self.acts]
        ends = [*begins[1:], len(self.steps)]
        return [(act, range(a, b)) for act, a, b in zip(self.acts, begins, ends, strict=True)]
