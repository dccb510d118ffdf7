"""A model with fewer heads and neurons in some layers: the class that transformers has not.

Of a family such as BERT every layer has the same number of heads and neurons, and the size of a head follows from their
number. So a shrunk model is a class of our own, made for each family from its classifier: the same modules under the
same names, the matrices of a layer as small as `config.shrunk` says. Its configuration is the family's, with that field
and with the model type "shrunk-<family>": who does not know it says so, and nobody loads it wrongly.

An attention without heads puts out nothing, and neither does an FFN without neurons: they lose their matrices, and the
residual connection passes by. No file of the folder is code: `register` makes the class known to the Auto classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.models.library import quiet_transformers
from core.models.prunable import head_count, prunable
from core.runs.anatomy import anatomy_of
from core.sparsity.units import Module

if TYPE_CHECKING:
    from torch import nn

PREFIX = "shrunk-"  # of the model type
FIELD = "shrunk"  # of config.json: {"heads": [left in layer 1, ...], "neurons": [...], "head_size": d}
_COUNTS = ("num_attention_heads", "n_heads", "num_heads")  # what families call the number in their attention
_MADE: dict[str, type] = {}  # by family


def layout(heads: Sequence[int], neurons: Sequence[int], head_size: int) -> dict[str, Any]:
    """The field `shrunk` of a configuration."""
    return {"heads": list(heads), "neurons": list(neurons), "head_size": head_size}


def register(family: str) -> type:
    """The class of shrunk models of *family* (transformers' model type), known to the Auto classes from now on.

    Raises InputError for a family that transformers does not know as a classifier.
    """
    if family in _MADE:
        return _MADE[family]
    transformers = quiet_transformers()
    from_auto = transformers.models.auto
    try:
        config = from_auto.configuration_auto.CONFIG_MAPPING[family]
        base = from_auto.modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[config]
    except KeyError:
        raise InputError(f"A shrunk model of the kind {family[:40]!r}", "a kind of encoder that transformers knows",
                         "Update transformers, or export the model without --shrink.") from None
    small = type(f"Shrunk{config.__name__}", (config,), {"model_type": PREFIX + family})
    made = type(f"Shrunk{base.__name__}", (base,), {"config_class": small, "__init__": _begin(base)})
    transformers.AutoConfig.register(PREFIX + family, small)
    transformers.AutoModelForSequenceClassification.register(small, made)
    _MADE[family] = made
    return made


def register_folder(folder: Path) -> None:
    """Make the class that *folder* needs known, if it holds a shrunk model; any other folder needs nothing."""
    try:
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError):  # whoever loads it says what is wrong with it
        return
    if isinstance(kind, str) and kind.startswith(PREFIX):
        register(kind.removeprefix(PREFIX))


def _begin(base: type) -> Callable[..., None]:
    def __init__(self: Any, config: Any, *args: Any, **named: Any) -> None:
        base.__init__(self, config, *args, **named)  # type: ignore[misc]
        resize(self, getattr(config, FIELD, None))

    return __init__


def resize(model: Any, shrunk: object) -> None:
    """Give the layers of *model*, fresh from its full configuration, the sizes that *shrunk* (the field) says.

    Weights are new ones: whoever calls this loads or copies them. Raises InputError when *shrunk* does not fit.
    """
    layers = prunable(model)
    anatomy = anatomy_of({n: (x.weight.shape[0], x.weight.shape[1]) for n, x in layers.items()}, head_count(model),
                         type(model).__name__)
    left = _numbers(shrunk, anatomy.modules)
    for m, count in zip(anatomy.modules, left, strict=True):
        if count == m.units:
            continue
        for name in m.rows:
            # Without units a module keeps one empty head, which has no weights: every family's attention runs on that,
            # and none on no head at all.
            empty = m.size if m.noun == "head" else 0
            _replace(model, name, _linear(layers[name], rows=count * m.size) if count else _nothing(empty))
        _replace(model, m.columns, _linear(layers[m.columns], columns=count * m.size) if count
                 else _nothing(m.outputs))
        if m.noun == "head":
            _count_heads(model, m, max(count, 1))


def _numbers(shrunk: object, modules: Sequence[Module]) -> list[int]:
    """Units that every module keeps, from the field of the configuration."""
    expected = "heads and neurons for every layer, each no more than the family's"
    remedy = "Export the model anew."
    if not isinstance(shrunk, Mapping):
        raise InputError("A shrunk model whose config.json does not say how far", expected, remedy)
    given = {"head": shrunk.get("heads"), "neuron": shrunk.get("neurons")}
    for noun, numbers in given.items():
        units = [m.units for m in modules if m.noun == noun]
        if not isinstance(numbers, list) or len(numbers) != len(units) or not all(
                type(n) is int and 0 <= n <= most for n, most in zip(numbers, units, strict=True)):
            raise InputError(f"A shrunk model whose config.json says {noun}s = {str(numbers)[:80]}", expected, remedy)
    rest = {noun: iter(numbers or []) for noun, numbers in given.items()}
    return [next(rest[m.noun]) for m in modules]


def _replace(model: Any, name: str, by: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, by)


def _linear(like: nn.Linear, rows: int | None = None, columns: int | None = None) -> nn.Linear:
    from torch import nn

    made = nn.Linear(like.in_features if columns is None else columns, like.out_features if rows is None else rows,
                     bias=like.bias is not None, device=like.weight.device, dtype=like.weight.dtype)
    made.train(like.training)
    return made


def _nothing(width: int) -> nn.Module:
    """A layer without parameters that puts out *width* zeros for every token."""
    import torch
    from torch import nn

    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_zeros(*x.shape[:-1], width)

    return Nothing()


def _count_heads(model: Any, m: Module, count: int) -> None:
    """Tell the attention of *m* how many heads it has, wherever it notes that."""
    attention = model.get_submodule(m.rows[0].rpartition(".")[0])
    for name in _COUNTS:
        if getattr(attention, name, None) == m.units:
            setattr(attention, name, count)
    if getattr(attention, "all_head_size", None) == m.units * m.size:
        attention.all_head_size = count * m.size
