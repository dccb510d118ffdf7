"""The metadata of a model card, as the hub reads it: YAML, written by the hub's own library."""

from __future__ import annotations

import re
from typing import Any

from core import tasks
from core.models import MODELS
from core.runs.model_names import folder_of, title_of
from core.runs.records import RunRecord

GLUE = "nyu-mll/glue"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
METRICS = {"pearson": "pearsonr", "spearman": "spearmanr"}  # what the hub calls the measures that it calls otherwise


def metadata(record: RunRecord) -> str:
    """The YAML block of *record*'s card, without its fences."""
    from huggingface_hub import EvalResult, ModelCardData

    spec, results = record.spec, record.results
    entry = tasks.TASKS.get(spec.task)
    glue = entry is not None and entry.kind == "glue"
    measures = {} if results is None else results.detail
    known: dict[str, Any] = {
        "language": "en" if entry is not None else None,  # all tasks of the list are English
        "license": MODELS[spec.model].licence if spec.model in MODELS else None,
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "base_model": base_of(spec.model),
        "datasets": [GLUE] if glue else None,
        "metrics": [METRICS.get(name, name) for name in measures] or None,
        "tags": ["sparsescope", *(["pruning", "sparsity", spec.method, spec.pattern] if spec.method != "dense" else []),
                 *([f"int{spec.bits}"] if spec.bits else [])],
    }
    if results is not None and measures:
        known |= {"model_name": record.id, "eval_results": [EvalResult(
            task_type="text-classification", dataset_type=GLUE if glue else spec.task,
            dataset_name=tasks.title_of(spec.task), dataset_config=spec.task if glue else None,
            dataset_split=results.split, metric_type=METRICS.get(name, name), metric_value=round(value, 6))
            for name, value in measures.items()]}
    return str(ModelCardData(**known).to_yaml())


def base_of(model: str) -> str | None:
    """The hub id of the *model* of a spec; None for one of our own, and for a folder."""
    if model in MODELS:
        return MODELS[model].hub_id
    return model if folder_of(model) is None and HUB_ID.fullmatch(model) and title_of(model) else None
