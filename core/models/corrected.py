"""Linear layers with a correction of low rank beside their weight: W x + B (C x), W pruned.

A correction lives in the layer as two parameters, `lora_A` (C, `[r, in]`) and `lora_B` (B, `[out, r]`), which a hook
adds to what the layer puts out: the layer stays the linear layer that it is, and its `weight` is W alone. On disk it is
a folder of its own beside the model's files, in the layout of the adapters of PEFT (LoRA with a scale of 1), so that
others can open it: `PeftModel.from_pretrained(model, "correction")`. Without it, model.safetensors is the pruned model
alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.models.prunable import prunable
from core.models.weights import ADAPTER
from core.runs.owned import check_owned
from core.runs.store import CORRECTION

if TYPE_CHECKING:
    from torch import Tensor, nn

FACTORS = "adapter_model.safetensors"
RIGHT, LEFT = "lora_A", "lora_B"  # PEFT's names
PREFIX = "base_model.model."  # of PEFT, before the name of every layer

Factors = dict[str, tuple["Tensor", "Tensor"]]  # by matrix: left `[out, r]` and right `[r, in]`


def attach(layers: Mapping[str, nn.Linear], factors: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """From now on the *layers* that *factors* name put out W x + left (right x)."""
    from torch import nn

    for name, (left, right) in factors.items():
        layer = layers[name]
        for key, values in ((LEFT, left), (RIGHT, right)):
            layer.register_parameter(key, nn.Parameter(values.detach().to(layer.weight.data).contiguous()))
        layer.register_forward_hook(_add)


def _add(layer: Any, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
    from torch.nn.functional import linear

    return out + linear(linear(args[0], layer.lora_A), layer.lora_B)


def factors_of(model: Any) -> Factors:
    """The corrections that *model* carries, by matrix; {} for a model without."""
    return {name: (layer.get_parameter(LEFT).detach(), layer.get_parameter(RIGHT).detach())
            for name, layer in model.named_modules() if LEFT in layer._parameters}


def is_factor(name: str) -> bool:
    """Is the parameter *name* part of a correction?"""
    return name.rpartition(".")[2] in (LEFT, RIGHT)


def without(model: Any) -> dict[str, Tensor] | None:
    """The state of *model* without its corrections, for its own file: others would leave factors among the weights
    aside, and not say so. None for a model that has none."""
    if not factors_of(model):
        return None
    return {name: values for name, values in model.state_dict().items() if not is_factor(name)}


def merge(model: Any) -> None:
    """Add every correction of *model* to its weight, in place: a dense model with the same answers, but for rounding.
    """
    factors = factors_of(model)
    for name, layer in prunable(model).items():
        if name in factors:
            left, right = factors[name]
            layer.weight.data.addmm_(left, right)
            del layer.lora_A, layer.lora_B
            for key in [k for k, hook in layer._forward_hooks.items() if hook is _add]:
                del layer._forward_hooks[key]


def save(model: Any, folder: Path) -> None:
    """Write the corrections of *model* into *folder*, that of its checkpoint; nothing for a model without."""
    from safetensors.torch import save_file

    factors = factors_of(model)
    if not factors:
        return
    ranks = {name: left.shape[1] for name, (left, _) in factors.items()}
    most = max(ranks.values())
    fewer = {name: rank for name, rank in ranks.items() if rank != most}
    # A scale of lora_alpha / r = 1 everywhere: the factors are used as they are.
    said = {"peft_type": "LORA", "task_type": None, "base_model_name_or_path": None, "inference_mode": True,
            "r": most, "lora_alpha": most, "rank_pattern": fewer, "alpha_pattern": fewer, "lora_dropout": 0.0,
            "bias": "none", "fan_in_fan_out": False, "init_lora_weights": True, "modules_to_save": None,
            "target_modules": sorted(factors)}
    place = folder / CORRECTION
    place.mkdir()
    (place / ADAPTER).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    tensors = {f"{PREFIX}{name}.{key}.weight": values.cpu().contiguous() for name, (left, right) in factors.items()
               for key, values in ((LEFT, left), (RIGHT, right))}
    save_file(tensors, place / FACTORS, metadata={"format": "pt"})


def restore(model: Any, folder: Path) -> None:
    """Attach the corrections that lie in *folder*, that of a checkpoint of ours, to *model*; nothing without any.

    Raises InputError for files that are links, cannot be read, or do not fit the model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    place = folder / CORRECTION
    check_owned(folder, (CORRECTION,))
    if not place.is_dir():
        return
    check_owned(place, (FACTORS, ADAPTER))
    again = "Make the run again, or export it anew."
    try:
        tensors = load_file(place / FACTORS)
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"The correction in {place.name}/{FACTORS} cannot be read ({str(error)[:120]})",
                         "the factors of every layer", again) from None
    layers, factors = prunable(model), Factors()
    for name, layer in layers.items():
        left, right = (tensors.pop(f"{PREFIX}{name}.{key}.weight", None) for key in (LEFT, RIGHT))
        if left is None and right is None:
            continue
        if left is None or right is None or left.ndim != 2 or right.ndim != 2 or \
                (left.shape[0], right.shape[1]) != tuple(layer.weight.shape) or left.shape[1] != right.shape[0] or \
                not bool(left.isfinite().all() and right.isfinite().all()):
            raise InputError(f"The correction of {name} does not fit its matrix {list(layer.weight.shape)}",
                             "two finite factors, [out, r] and [r, in]", again)
        factors[name] = (left, right)
    if tensors or not factors:
        raise InputError(f"The correction holds {next(iter(tensors), 'nothing')[:120]}",
                         "factors of the model's layers", again)
    attach(layers, factors)
