"""A part of the evaluation examples, for runs in a hurry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.tasks import TaskData


def scored_on(data: TaskData, most: int) -> TaskData:
    """*data* with at most *most* evaluation examples, evenly spaced and in their order; 0: all of them.

    Evenly spaced, as the files of GLUE are not shuffled: the first hundred of CoLA come from few of its sources.
    """
    n = len(data.evaluation)
    if most <= 0 or most >= n:
        return data
    index = np.floor(np.arange(most) * (n / most)).astype(np.int64)
    return replace(data, evaluation=data.evaluation.take(index))
