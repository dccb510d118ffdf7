"""The parts of a model: its repeated layers, whose linear layers may be pruned, and its embeddings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from core.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SHOWN = 4  # kinds of weights that a sentence names
_ATTENTION = re.compile(r"att(?:n|ention)", re.IGNORECASE)
_NUMBER = re.compile(r"\.[0-9]+(?=\.|$)")


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


def layer_stack(model: Any) -> list[dict[str, nn.Module]]:
    """What each of the repeated layers is made of, in order, by name. One module in most models; where the lists of
    modules are side by side, as XLM's `attentions` and `ffns`, what they hold at the same place."""
    from torch import nn

    name, layers = repeated_layers(model)
    above, _, _ = name.rpartition(".")
    beside = model.get_submodule(above).named_children() if above else model.named_children()
    lists = [(f"{above}.{child}".removeprefix("."), module) for child, module in beside
             if isinstance(module, nn.ModuleList) and len(module) == len(layers)]
    return [{f"{path}.{k}": module[k] for path, module in lists} for k in range(len(layers))]


def prunable(model: Any) -> dict[str, nn.Linear]:
    """Return every linear layer of the repeated encoder layers, in order, by its name in the state dict (without
    `.weight`). Embeddings, pooler and classifier stay dense. Raises InputError when the model has none, or when most of
    the weights of its attention are none of them."""
    from torch import nn

    found = {f"{path}.{name}".removesuffix("."): module
             for layer in layer_stack(model) for path, part in layer.items()
             for name, module in part.named_modules() if isinstance(module, nn.Linear)}
    left = left_out(model, found)
    lost = {name: size for name, size in left.items() if _ATTENTION.search(name)}
    reached = sum(module.weight.numel() for name, module in found.items() if _ATTENTION.search(name))
    if lost and reached < sum(lost.values()):
        name = next(iter(lost))
        kind = type(model.get_submodule(name)).__name__ if name in dict(model.named_modules()) else "bare parameters"
        raise InputError(f"The attention of {type(model).__name__} cannot be pruned: its weights ({name!r} first) are "
                         f"{kind}", "linear layers, as in BERT",
                         "Choose a model such as 'minilm-l6' or 'bert-base-uncased'.")
    if not found:
        raise InputError(f"The layers of {type(model).__name__} hold no linear layers", "a transformer encoder",
                         "Choose a model such as 'minilm-l6' or 'bert-base-uncased'.")
    return found


def left_out(model: Any, layers: Mapping[str, nn.Linear]) -> dict[str, int]:
    """What of the weights of repeated layers is none of *layers*, those that are pruned: stacked experts, convolutions,
    lists of layers elsewhere. By name, how many weights. Vectors and tables are no weights here."""
    from torch import nn

    base, found = model.base_model, {}
    names = {id(module): name for name, module in model.named_modules()}
    pruned = {id(module) for module in layers.values()}  # whatever such a layer holds beside its weight is its own
    for group in (module for module in base.modules() if isinstance(module, nn.ModuleList)):
        for module in group.modules():
            if isinstance(module, nn.Embedding) or id(module) in pruned:
                continue
            for leaf, values in module.named_parameters(recurse=False):
                name = f"{names[id(module)]}.{leaf}".removesuffix(".weight")
                if values.ndim > 1 and not leaf.endswith("bias") and name not in layers:
                    found[name] = values.numel()
    return found


def prunable_words(model: Any, layers: Mapping[str, nn.Linear]) -> str:
    """How much of the weights of the repeated layers *layers* are, in a sentence; "" when they are all."""
    left = left_out(model, layers)
    if not left:
        return ""
    reached = sum(module.weight.numel() for module in layers.values())
    kinds = list(dict.fromkeys(_NUMBER.sub(".*", name) for name in left))
    more = f" and {len(kinds) - SHOWN} more" if len(kinds) > SHOWN else ""
    return (f"{reached:,} of the {reached + sum(left.values()):,} weights of the layers are prunable; left out: "
            f"{', '.join(kinds[:SHOWN])}{more}.")


def token_table(model: Any) -> nn.Module | None:
    """The table of tokens, None where a model has none or does not tell it."""
    from torch import nn

    try:
        table = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return table if isinstance(table, nn.Module) else None


def embedding_part(model: Any) -> nn.Module:
    """What turns token ids into the vectors that the first layer reads: the part of the base model that holds the
    table of tokens, with its positions and norm; the table alone where it stands alone.

    Raises InputError when the model has no table.
    """
    table = token_table(model)
    if table is None:
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
    """Number of attention heads a layer, as its configuration has it; ConvBERT's layers have fewer."""
    return int(model.config.num_attention_heads)
