"""A second view of a model: the same text, its embeddings changed on the way to the first layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from core.models.prunable import embedding_part


@contextmanager
def perturbed(model: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside this context the first layer of *model* reads ``change(embeddings)``, `[batch, tokens, features]`, and
    not the embeddings. Raises InputError when the model has no table of tokens."""

    def after(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return change(output)

    handle = embedding_part(model).register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()
