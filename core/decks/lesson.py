"""A lesson as a deck: every step is a slide, its title the words over the figure; the rest is for the speaker."""

from __future__ import annotations

from core.decks.base import Deck, Slide
from core.lessons.base import Lesson, Step

MINUTES = 1.0  # a step: look, ask, let them guess, say why


def from_lesson(lesson: Lesson) -> Deck:
    """*lesson* as a deck; its last step only looks back at what is known, and shows no figure."""
    return Deck(lesson.title, tuple(_slide(step) for step in lesson.steps if step.state), lesson.words)


def _slide(step: Step) -> Slide:
    notes = [step.words, f"Look at {step.look.words}"]
    if step.question is not None:
        asked = step.question
        notes += [f"Ask: {asked.text} ({' / '.join(asked.options)})", f"{asked.options[asked.answer]}. {asked.reveal}"]
    return Slide(step.page, {**step.state, "look": step.look.key}, step.title, "\n\n".join(notes), MINUTES)
