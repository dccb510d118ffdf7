"""Over a picture stand few words and one number; the whole sentence is folded, and says that number too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.lab import group, plane
from core.runs.store import Store
from core.sparsity.patterns import NM
from core.views.drawing import style
from core.views.touch import one_group, two_weights_words
from tests.films import films
from tests.opening import open_page
from tests.sources import ROOT
from ui.pages import PAGES

# A number that was measured: names of layers, patterns, moments and pictures are none.
NAMES = r"unstructured:[\d.]+|" \
        r"[Ll]ayers? \d+|[Hh]ead \d+|\d+:\d+|round \d+(?: of \d+)?|[Ss]upport \d+ of \d+|[Ss]upport \d+|\d+ of \d+|" \
        r"step \d+|[Ee]ntr\w+ \d+ and \d+|GLUE|SST-2|[\u201c][^\u201d]*[\u201d]|all [\d\u202f]+ |" \
        r"in [\d\u202f]+ groups|After \d+ iterations?|Iteration \d+|the (?:\d+ )?largest of \d+|\bw[12]\b|" \
        r"the first \d+|these \d+ weights|\d+ supports|one of \d+ levels|Average of \d+ tasks|" \
        r"\([^()]* to [^()]*\)"  # an interval belongs to its number
NUMBER = r"[\d][\d.\u202f]*"


def measured(heading: str) -> list[str]:
    return re.findall(NUMBER, re.sub(NAMES, "", heading.replace("\\", "")))


@pytest.mark.parametrize("key", ["weights", "activations", "occupancy", "patterns", "accuracy", "cost", "compare",
                                 "trace", "methods"])
def test_a_heading_has_at_most_one_number_and_few_words(good_store: Store, monkeypatch: pytest.MonkeyPatch,
                                                        key: str) -> None:
    at = open_page(monkeypatch, good_store, key)
    found = [str(s.value) for s in at.header]
    found += [fold.label for fold in at.expander if fold.label not in ("Notes and numbers", "The numbers")]
    assert found and PAGES[key].title
    for heading in found:
        assert len(measured(heading)) <= 1, heading
        assert len(heading.split()) <= 22, heading


@pytest.mark.parametrize(("key", "query"), [
    ("plane", {}), ("projection", {}), ("lab", {}), ("activations", {}), ("weights", {}), ("watch", {}),
    ("watch", {"view": "model"})])
def test_a_film_says_at_most_one_number_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str,
                                                        query: dict[str, str]) -> None:
    """The films of the repository's own runs, as their pages open."""
    at = open_page(monkeypatch, Store(recorded=ROOT / "cached_runs", live=tmp_path), key, **query)
    large = [text for film in films(at) for panel in film["panels"].values() if panel.get("large")
             for text in panel["texts"]]
    said = [str(s.value) for s in at.header] + large
    assert films(at) and said and (large or key in ("weights", "watch"))
    for heading in said:
        assert len(measured(heading)) <= 1, heading


def test_the_claims_of_the_films_on_two_weights_and_one_group_have_at_most_one_number() -> None:
    tied = group.solve((0.5, 0.9, -0.5, 0.1), NM(2, 4), 0.6, 1.0, 20)
    said = [one_group.claim(tied, k) for k in range(tied.last + 1)]
    for case in plane.CASES.values():
        path = plane.solve(case.choices)
        said += [two_weights_words.claim(path, k) for k in range(path.last + 1)]
    assert len(said) > 60 and any("tie" in words for words in said)
    for words in said:
        assert len(measured(words)) <= 1, words


def test_the_beginning_of_a_claim() -> None:
    assert style.lead("W went; Z stayed.") == "W went."
    assert style.lead("One sentence.") == "One sentence."
    assert style.lead("It took 0.1: 0.9 before; 0.8 after.", ":") == "It took 0.1."


@pytest.mark.parametrize(("heading", "numbers"), [
    ("Layer 1 \u00b7 query: 50\u202f% of the weights went.", 1), ("0.3 before and 0.5 now.", 2), ("2:4 in layer 3.", 0),
    ("It loses 1.8 points (2.9 lost to 0.7 gained).", 1), ("37.5\u202f% of 1\u202f024, now 100\u202f%.", 3)])
def test_the_counting_of_numbers(heading: str, numbers: int) -> None:
    assert len(measured(heading)) == numbers
