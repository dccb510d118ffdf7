"""PUBLISHED: the few scores of other people's models that may stand beside ours, each with its source.

Only figures that their authors print with task and ratio. They belong to another model, another budget and another
split: they say where the field is, not who wins. Scores are fractions of the task's main metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.views.drawing import style
from core.views.drawing.build import Part


@dataclass(frozen=True)
class Published:
    """One printed score."""

    task: str
    sparsity: float
    score: float
    system: str
    model: str
    note: str
    source: str


_WANG = ("Pattern ADMM (Wang, 2024)", "model and split not stated in the abstract", "arXiv:2407.08334, version 1")
_INTEL = ("1:2 at pre-training (Intel)", "BERT-base", "model card; mean of 5 seeds")
_OBERT = ("oBERT, unstructured", "BERT-base", "model card")

PUBLISHED: tuple[Published, ...] = (
    Published("cola", 0.5, 0.554, _WANG[0], _WANG[1], "Matthews correlation", _WANG[2]),
    Published("rte", 0.5, 0.688, _WANG[0], _WANG[1], "accuracy", _WANG[2]),
    Published("sst2", 0.5, 0.913, _INTEL[0], _INTEL[1], "accuracy", _INTEL[2]),
    Published("qnli", 0.5, 0.904, _INTEL[0], _INTEL[1], "accuracy", _INTEL[2]),
    Published("mnli", 0.5, 0.833, _INTEL[0], _INTEL[1], "accuracy, matched", _INTEL[2]),
    Published("qqp", 0.5, 0.892, _INTEL[0], _INTEL[1], "mean of accuracy 0.908 and F1 0.876", _INTEL[2]),
    Published("stsb", 0.5, 0.8855, _INTEL[0], _INTEL[1], "mean of Pearson 0.888 and Spearman 0.883", _INTEL[2]),
    Published("mnli", 0.9, 0.834, _OBERT[0], _OBERT[1], "accuracy, matched", _OBERT[2]),
    Published("mnli", 0.97, 0.8091, _OBERT[0], _OBERT[1], "accuracy, matched", _OBERT[2]),
)


def published(task: str) -> list[Published]:
    """The printed scores of one task."""
    return [entry for entry in PUBLISHED if entry.task == task]


def stars(printed: Sequence[Published]) -> Part:
    """*printed* as open stars: x the share of zeros, y the score."""
    return {"type": "scatter", "mode": "markers", "name": "published, another model",
            "showlegend": False,
            "x": [p.sparsity for p in printed], "y": [p.score for p in printed],
            "marker": {"symbol": "star-open", "size": 14, "color": style.GREY, "line": {"width": 2}},
            "customdata": [[p.system, p.model, p.note, p.source] for p in printed],
            "hovertemplate": "<b>%{customdata[0]}</b><br>published, another model: %{customdata[1]}<br>%{y:.3f} "
                             "(%{customdata[2]})<br>%{customdata[3]}<extra></extra>"}
