"""PAGES: the one list of pages. The navigation, the links between pages and the tests follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class PageEntry:
    """One page as the navigation, the links and the tests know it."""

    key: str  # the page's path in the link
    file: str  # relative to the repository
    title: str
    group: str  # "See", "Touch" or "Run"
    question: str  # what the page answers


PAGES: dict[str, PageEntry] = {
    entry.key: entry
    for entry in (
        PageEntry("overview", "pages/overview.py", "Overview", "See", "What does ADMM do to a transformer?"),
        PageEntry("weights", "pages/weights.py", "Weights", "See",
                  "Which weights went, and what happened to those that stayed?"),
        PageEntry("activations", "pages/activations.py", "Activations", "See", "What does the network feel?"),
        PageEntry("occupancy", "pages/occupancy.py", "N:M occupancy", "See", "Does every group hold exactly N?"),
        PageEntry("accuracy", "pages/accuracy.py", "Accuracy vs ratio", "See", "What does sparsity cost?"),
        PageEntry("trace", "pages/trace.py", "ADMM trace", "See",
                  "Did it converge, and what did the hard prune take?"),
    )
}
