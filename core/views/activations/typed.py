"""What the dense and the pruned model answer to a sentence that somebody typed, and how far the answer moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.store import Run
from core.views.activations import margins as said
from core.views.activations.kept_sentence import dense_probe, probe_of
from core.views.drawing.build import Part, build, words_only
from core.views.drawing.view import View

ROW = 34  # pixels of a bar
TRY = "Change one word, or take one of ours. Which word turns the answer, and does it turn both models'?"


def answer(run: Run, probe: str) -> View:
    """The answers of both models as bars; the sentence over them says how far the lead of the dense model's moved.

    *run* and its parent hold the sentence *probe*. Raises InputError for an unknown sentence.
    """
    found, labels = said.answers(run, probe)
    words = said.claim(found, labels)
    claim = f"{words[0].upper()}{words[1:]}."
    if set(found) != {"dense", "pruned"}:
        return words_only(claim)
    logits = _logits(run, probe)
    shown, names = said.leading(found, labels)
    bars = said.bars(run, shown, names)
    layout: Part = {"barmode": "group", "bargap": 0.25, "margin": {"l": 130, "r": 24, "t": 48, "b": 78},
                    "legend": {"traceorder": "normal"},
                    "xaxis": {"title": {"text": _unit(labels)}}
                    | ({"range": [0, 1.1], "tickvals": [0, 1], "ticktext": ["0 %", "100 %"]} if labels else {}),
                    "yaxis": {"autorange": "reversed", "showgrid": False}}
    rows = 2 * max(len(names), 1)
    return View(claim, build(bars, layout, 110 + ROW * rows, legend=True), None, f"Answers of both models. {claim}",
                _table(found, labels, logits), TRY,
                heading=_heading(found, labels))


def _heading(found: said.Chances, labels: list[str]) -> str:
    """What both say, and by how much the lead of the dense model's answer moved."""
    words, leads = said.heading(found, labels), lead(found) if labels else {}
    moved = f"; its lead moves by {_signed(leads['pruned'] - leads['dense'], 1)} points" if leads else ""
    return f"{words[0].upper()}{words[1:]}{moved}."


def lead(found: said.Chances) -> dict[str, float]:
    """By how many percentage points each model puts the dense model's answer before the next best; negative where it
    gives another one."""
    top = int(found["dense"].argmax())
    return {side: 100 * float(c[top] - np.delete(c, top).max()) for side, c in found.items()}


def _logits(run: Run, probe: str) -> dict[str, list[float]]:
    dense = dense_probe(run, probe)
    return {"dense": dense.logits if dense is not None else [], "pruned": probe_of(run, probe).logits}


def _table(found: said.Chances, labels: list[str], logits: dict[str, list[float]]) -> pd.DataFrame:
    if not labels:
        return pd.DataFrame([{"model": side, "value": float(v[0])} for side, v in found.items()])
    dense: NDArray[np.float64] = found["dense"]
    return pd.DataFrame([
        {"answer": name, "dense": float(dense[k]), "pruned": float(found["pruned"][k]),
         "change": float(found["pruned"][k] - dense[k]), "dense logit": logits["dense"][k],
         "pruned logit": logits["pruned"][k]} for k, name in enumerate(labels)])


def _unit(labels: list[str]) -> str:
    return "probability" if labels else "answer"


def _signed(value: float, digits: int) -> str:
    value = round(value, digits)  # what is nothing has no sign
    sign = "−" if value < 0 else "+" if value else ""
    return f"{sign}{abs(value):.{digits}f}"
