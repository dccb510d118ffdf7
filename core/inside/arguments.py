"""What a module is called on. Most model families hand the hidden states over by position, some by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from core.errors import InputError


def first_argument(module: nn.Module, args: tuple[Any, ...],
                   named: Mapping[str, Any]) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """The first argument of a call of *module* with *args* and *named*, and the others, by position and by name: with
    them `module(first, *others, **named)` is the same call.

    Raises InputError when that argument is not there, or is no tensor.
    """
    rest, others = args[1:], dict(named)
    name = next(iter(inspect.signature(module.forward).parameters), "")
    first = args[0] if args else others.pop(name, None)
    if not isinstance(first, Tensor):
        raise InputError(f"{type(module).__name__} is called without a tensor as its first argument ({name!r})",
                         "an encoder layer that is given its hidden states, as in BERT",
                         "Choose a model such as 'minilm-l6' or 'bert-base-uncased'.")
    return first, rest, others
