"""The parts of a model: its repeated layers, whose linear layers may be pruned, and its embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import InputError

if TYPE_CHECKING:
    from torch import nn


def repeated_layers(model: Any) -> tuple[str, nn.ModuleList]:
    """The repeated layers: the list of modules in the base model that holds the most parameters, and its name.

    Raises InputError when the model has no such list."""
    from torch import nn

    base = model.base_model
    size: Callable[[nn.Module], int] = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    lists = [module for module in base.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise InputError(f"{type(model).__name__} has no repeated layers", "a transformer encoder",
                         "Choose a model such as 'minilm-l6' or 'bert-base-uncased'.")
    found = max(lists, key=size)
    return next(name for name, module in model.named_modules() if module is found), found


def prunable(model: Any) -> dict[str, nn.Linear]:
    """Return every linear layer of the repeated encoder layers, in order, by its name in the state dict (without
    `.weight`). Embeddings, pooler and classifier stay dense. Raises InputError when the model has none."""
    from torch import nn

    prefix, layers = repeated_layers(model)
    found = {f"{prefix}.{name}": module for name, module in layers.named_modules() if isinstance(module, nn.Linear)}
    if not found:
        raise InputError(f"The layers of {type(model).__name__} hold no linear layers", "a transformer encoder",
                         "Choose a model such as 'minilm-l6' or 'bert-base-uncased'.")
    return found


def embedding_part(model: Any) -> nn.Module:
    """What turns token ids into the vectors that the first layer reads: the part of the base model that holds the
    table of tokens, with its positions and norm; the table alone where it stands alone.

    Raises InputError when the model has no table.
    """
    from torch import nn

    try:
        table = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        table = None
    if not isinstance(table, nn.Module):
        raise InputError(f"{type(model).__name__} does not tell its token embeddings", "a transformer encoder",
                         "Add --train-embeddings.")
    _, layers = repeated_layers(model)
    for part in model.base_model.children():
        inside = list(part.modules())
        if any(m is table for m in inside) and not any(m is layers for m in inside):
            return part
    return table


def layer_count(model: Any) -> int:
    """Number of repeated layers."""
    return len(repeated_layers(model)[1])


def head_count(model: Any) -> int:
    """Number of attention heads a layer."""
    return int(model.config.num_attention_heads)
