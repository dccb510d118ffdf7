"""The library behind every model, transformers, and how it is asked. Imported when it is called, never before."""

from __future__ import annotations

from typing import Any


def quiet_transformers() -> Any:
    """transformers, without its advice and its bars: what they say is checked or said by us."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def problem_type(labels: int) -> str:
    return "regression" if labels == 1 else "single_label_classification"
