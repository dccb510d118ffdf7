"""What the training benchmarks train on: minilm-l6 and real sentences, GLUE's where a folder of it is at hand."""

from __future__ import annotations

import os
from typing import Any

from core.models.encoding import Encoded, encode
from core.models.loading import Loaded, load_model
from core.tasks import TaskData
from core.tasks.loading import load_task


def material(train: int, task: str = "cola", max_length: int = 128) -> tuple[TaskData, Loaded, Encoded, Encoded]:
    """Task, model and tokenised examples: GLUE's *task* when SPARSESCOPE_GLUE_DIR is set, else our own `agreement`."""
    data = load_task(task if os.environ.get("SPARSESCOPE_GLUE_DIR") else "agreement", train_examples=train)
    loaded = load_model("minilm-l6", labels=data.entry.outputs, seed=0)
    return (data, loaded, encode(loaded.tokenizer, data.train, max_length),
            encode(loaded.tokenizer, data.evaluation, max_length))


def fresh(data: TaskData) -> Any:
    """minilm-l6 as it starts, again."""
    return load_model("minilm-l6", labels=data.entry.outputs, seed=0).model
