"""PAGES: the one list of pages. The navigation, the links between pages and the tests follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class PageEntry:
    """One page as the navigation, the links and the tests know it."""

    key: str  # the page's path in the link
    file: str  # relative to the repository
    title: str
    group: str  # "See", "Touch" or "Run"
    question: str  # what the page answers
    note: str  # "what am I looking at", in Markdown


PAGES: dict[str, PageEntry] = {
    entry.key: entry
    for entry in (
        PageEntry("overview", "pages/overview.py", "Overview", "See", "What does ADMM do to a transformer?",
                  "**N:M** keeps N of every M consecutive weights along the input. **Sparsity** is the share of zeros. "
                  "**Dense** is the same model with nothing pruned."),
        PageEntry("watch", "pages/watch.py", "Watch", "See", "How does a matrix get from dense to sparse?",
                  "**W** learns, **Z** obeys the pattern, and the gap between them closes. Press **Play**, or drag. "
                  "Click a group of weights to open it. **Grey** is pruned; the page's own tone is zero."),
        PageEntry("runs", "pages/runs.py", "Runs", "See", "Which runs are there?",
                  "A **run** is one model, pruned once and kept with all that the pages show. **% of dense**: its "
                  "score, where the same model with nothing pruned has 100. **Moments** can be played."),
        PageEntry("weights", "pages/weights.py", "Weights", "See",
                  "Which weights went, and what happened to those that stayed?",
                  "One weight matrix, outputs down and inputs across, before and after pruning, in one colour range. "
                  "**Grey** is pruned; the page's own tone is zero."),
        PageEntry("activations", "pages/activations.py", "Activations", "See", "What does the network feel?",
                  "A sentence of ours as the dense and the pruned model see it: tokens down, features across. A "
                  "**region** is one token and 16 neighbouring features."),
        PageEntry("occupancy", "pages/occupancy.py", "N:M occupancy", "See", "Does every group hold exactly N?",
                  "A **group** is M consecutive weights of a row. Its **occupancy** is how many of them matter. The "
                  "certificate counts the groups that hold more than N."),
        PageEntry("patterns", "pages/patterns.py", "Patterns", "See",
                  "Which shapes may a block take, and what does a small library cost?",
                  "A **block** is some rows × columns of weights, a **support** says which of them stay, a **library** "
                  "is a short list of supports. A block takes the one that keeps most of its squares."),
        PageEntry("accuracy", "pages/accuracy.py", "Accuracy vs ratio", "See", "What does sparsity cost?",
                  "One panel a task. **Ratio** is sparsity, the share of zeros. All methods start from the same dense "
                  "model of their task and seed."),
        PageEntry("cost", "pages/cost.py", "Cost", "See", "What does sparsity save?",
                  "One run beside its dense model. **Packed**: only the weights that stay, and which they are. "
                  "**FLOPs**: operations of one pass, on paper. **Time**: passes of both models, measured in turn. "
                  "**1×** saves nothing."),
        PageEntry("compare", "pages/compare.py", "Compare", "See", "What differs between these runs?",
                  "Two to four runs, recorded or made here. **A** is the pinned **reference**: scores, masks, weights "
                  "and answers are measured from it. One matrix, one colour range."),
        PageEntry("methods", "pages/methods.py", "Methods", "See", "What is each method, and what does it cost?",
                  "A card a method, in the words of its own code. **W** is trained, **Z** obeys the pattern, **U** is "
                  "the dual, **M** the mask, **P** keeps the largest of every group. All prune the encoder's weight "
                  "matrices; embeddings, pooler and classifier stay dense."),
        PageEntry("trace", "pages/trace.py", "ADMM trace", "See",
                  "Did it converge, and what did the hard prune take?",
                  "**W** is trained, **Z** obeys the pattern, **rho** pulls them together. **Primal residual**: "
                  "how far W is from Z. **Dual residual**: how much Z still moves."),
        PageEntry("plane", "pages/plane.py", "ADMM in two dimensions", "Touch",
                  "How do two copies of a weight come to agree?",
                  "Rings: equal loss. The **cross** is all that the pattern 1:2 allows. **W** goes downhill, **Z** "
                  "stays on the cross, **U** remembers what they disagree on, **rho** is how hard they pull."),
        PageEntry("projection", "pages/projection.py", "The projection", "Touch",
                  "Which weights of a group survive, and how can a loser come back?",
                  "One **group** of M weights. **Z** keeps the N largest of W + U. **U** grows for a weight that is "
                  "cut and yet wanted, until it crosses the line."),
        PageEntry("lab", "pages/lab.py", "Layer lab", "Touch",
                  "What does each method do to one real layer?",
                  "Real weights, and the **Gram matrix** of what the layer saw. The **error** is what the layer's "
                  "outputs lose, |X(W - Z)'|², relative to the outputs."),
        PageEntry("lesson", "pages/lesson.py", "The lesson", "Touch",
                  "What do W, Z, U and rho each do?",
                  "From two weights to a network. Every step sets the real knobs, asks a question, and is a link."),
        PageEntry("present", "pages/present.py", "Present", "Run", "What is shown to a hall, in which order?",
                  "A **deck** is a list of links with words over each figure and **notes** for the speaker, which "
                  "stand in a second window. **Add to deck** is under **Present** on every page."),
        PageEntry("sentence", "pages/sentence.py", "Your sentence", "Run",
                  "What do the dense and the pruned model make of a sentence of mine?",
                  "A text that you type, as both models read it: **tokens**, answers, activations, attention. The "
                  "**lead** is how far an answer is before the next best. What is typed stays in this session: it is "
                  "not in the link."),
        PageEntry("inspect", "pages/inspect.py", "Inspect", "Run", "Is this checkpoint really sparse?",
                  "A file or folder of weights, read and never run: the zeros of every matrix, the **pattern** that "
                  "they follow, and every **violation** of it. Embeddings and head are counted apart."),
        PageEntry("run", "pages/run.py", "Run", "Run", "What happens if I prune it differently?",
                  "A form for the headless command. A run goes on when the page is closed; its link finds it again. "
                  "**Queue**: viewers take turns."),
    )
}


def tab_title(title: str) -> str:
    """What the browser's tab of a page says: twenty tabs of one name could not be told apart."""
    return f"{title} · SparseScope"


def enter() -> None:
    """Make sure that a page runs under `app.py`'s navigation.

    Streamlit looks for a `pages/` folder on its own until the process has called `st.navigation` once: the first
    visitor of a fresh server who follows a link to a page would see bare file names and a narrow page. Then the app
    starts again, with the same link. A page that is run alone (`streamlit run pages/weights.py`) is left alone.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()
