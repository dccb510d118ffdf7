"""`docs/how-admm-reshapes-sparsity.md`: its numbers are those that the lesson and the core table already prove."""

from __future__ import annotations

import re

from core.lessons.admm import ADMM
from tests.sources import ROOT

STORY = ROOT / "docs" / "how-admm-reshapes-sparsity.md"
NUMBER = re.compile(r"(?<![\w.:])\d[\d,]*(?:\.\d+)?(?!\w)")
OF_THE_PATTERN = {"2", "1", "4", "3", "0"}


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(re.sub(r"\]\([^)]*\)", "", text)))


def test_every_measured_number_of_the_story_is_one_of_the_lesson() -> None:
    said = [text for s in ADMM.steps
            for text in (s.words, *((s.question.text, s.question.reveal) if s.question else ()))]
    proved = numbers(" ".join(said))
    found = numbers(STORY.read_text(encoding="utf-8")) - OF_THE_PATTERN
    assert len(found) > 8
    assert found - proved == set()
