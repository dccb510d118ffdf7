"""What a model's weights must hold: everything but head and pooler, as plain finite numbers. What is packed, quantised,
half an adapter or of another model is refused by the name of its tensors; what has no use here (heads of other tasks,
tables of positions) is left aside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.store import CORRECTION

if TYPE_CHECKING:
    from torch import nn

WHOLE = "the weights of a whole model as plain numbers, of which only head and pooler may be missing"
ADAPTER = "adapter_config.json"
MERGE = "Merge it: PeftModel.from_pretrained(BASE_MODEL, ADAPTER).merge_and_unload().save_pretrained(NEW)."
UNPACK = "Take the model as it was before it was packed, or unpack it and save it with save_pretrained."
REMOVE = "Make the masks final with torch.nn.utils.prune.remove(module, 'weight'), then save it again."
AGAIN = "Save the whole model again with save_pretrained, or choose another."
PACKED = ("quantization_config", "compression_config", "sparsity_config")  # the keys of config.json that tell of it
FLOATS = ("F64", "F32", "F16", "BF16")  # as safetensors calls them
SHOWN = 3  # tensors that a sentence names

_LORA = re.compile(r"(?:^|\.)(?:lora_\w+|base_layer|ia3_\w+|adapters?|prefix_encoder|prompt_embeddings?)(?:\.|$)")
_PRUNED = re.compile(r"_(?:orig|mask)$")
_QUANTISED = re.compile(
    r"(?:^|[._])(?:scales?|scale_inv|scaling_factor|zero_points?|zeros|qzeros|qweight|qscales?|g_idx|packed|bitmask"
    r"|compressed|row_offsets|weight_shape|meta|absmax|quant_map|quant_state\S*|SCB|weight_format)$")
# Tables that a model works out by itself, and counts that nothing reads.
_TABLE = re.compile(r"(?:^|\.)(?:position_ids|token_type_ids|inv_freq|masked_bias|num_batches_tracked)$")
_POOLER = re.compile(r"(?:^|\.)pooler(?:\.|$)")

Header = dict[str, tuple[str, tuple[int, ...]]]  # type and shape by tensor


def refuse_adapter(folder: Path) -> None:
    """Raises InputError for a folder that holds an adapter, alone or beside a model. No torch."""
    if (folder / ADAPTER).is_file():
        raise InputError(f"Model folder {str(folder)[-80:]!r} holds an adapter ({ADAPTER})", WHOLE, MERGE)


def refuse_correction(folder: Path) -> None:
    """Raises InputError for a folder of ours whose weights are those of a pruned model with a correction beside them
    (`core.models.corrected`): without it they are another model. No torch."""
    if (folder / CORRECTION / ADAPTER).is_file():
        raise InputError(f"Model folder {str(folder)[-80:]!r} holds a correction beside its weights", WHOLE,
                         "Export that run again with --merge: one matrix for both.")


def inner_words(folder: Path) -> str:
    """What to do about a *folder* without a configuration: it may be the one above the model's. No torch."""
    inner = sorted(file.parent.name for file in folder.glob("*/config.json"))[-1:]
    return f"Name the folder that holds it{', such as ' + inner[0][:80] if inner else ''}."


def refuse_packed(source: str, config: Mapping[str, Any]) -> None:
    """Raises InputError for a model whose configuration says that its weights are packed or quantised. No torch."""
    for key in PACKED:
        if said := config.get(key):
            method = said.get("quant_method", said.get("format")) if isinstance(said, Mapping) else None
            kind = f": {str(method)[:40]}" if method else ""
            raise InputError(f"The weights of {source!r} are packed or quantised ({key} in config.json{kind})", WHOLE,
                             UNPACK)


def header_of(folder: Path, prefix: str = "") -> Header:
    """Type and shape of every tensor of the files that a model is loaded from, by its name without *prefix*; empty
    where there are none."""
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    names: Iterable[str] = ["model.safetensors"]
    if not (folder / "model.safetensors").is_file():
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values())) if index.is_file() else []
    found: Header = {}
    for name in names:
        with safe_open(folder / name, framework="pt") as file:
            names_within = file.keys()
            for tensor in names_within:
                part = file.get_slice(tensor)
                found[tensor.removeprefix(prefix)] = (str(part.get_dtype()), tuple(part.get_shape()))
    return found


def prefix_of(model: Any, info: Mapping[str, Any]) -> str:
    """What stands before every name of a file, "module." say, so that *model* found none of its encoder in it; "" where
    the names are the model's own, or other ones. *info*: what transformers says of loading it."""
    missing = sorted(name for name in info["missing_keys"] if not of_head(model, name))
    names = set(info["unexpected_keys"])
    for name in sorted(names):
        for key in missing:
            prefix = name.removesuffix(key)
            if name.endswith(f".{key}") and all(prefix + other in names for other in missing):
                return prefix
    return ""


def of_head(model: Any, name: str) -> bool:
    """Is the parameter *name* one of what stands behind the encoder: pooler and head?"""
    prefix = model.base_model_prefix
    return bool(_POOLER.search(name)) or (model.base_model is not model and not name.startswith(f"{prefix}."))


def checked(model: Any, source: str, header: Header, info: Mapping[str, Any]) -> dict[str, int]:
    """The parameters that the source has no values for, or none of the right shape, each with the first side of the
    shape that it has (0 for none): they belong to head or pooler and are to be drawn.

    *header*: of the source's files; *info*: what transformers says of loading them. Raises InputError, by the name of
    the tensors, for weights that are packed, quantised, of an adapter, masked, missing, of another shape, without a
    place in the model, or not finite.
    """
    unexpected = sorted(name for name in info["unexpected_keys"] if not _useless(name, header))
    _refuse_formats(model, source, header, unexpected)
    known = {*dict(model.named_parameters()), *(n for n, _ in model.named_buffers() if n.endswith("running_mean"))}
    missing = sorted(name for name in info["missing_keys"] if name in known)
    if lacking := [name for name in missing if not of_head(model, name)]:
        raise InputError(f"{source!r} lacks {len(lacking)} weights: {listed(lacking)}", WHOLE, AGAIN)
    shapes = sorted((name, tuple(theirs), tuple(ours)) for name, theirs, ours in info["mismatched_keys"])
    for name, theirs, ours in shapes:
        if not of_head(model, name) or _POOLER.search(name):
            raise InputError(f"{source!r} holds {name!r} of shape {list(theirs)}, its config.json means {list(ours)}",
                             "weights of the shapes that config.json says", AGAIN)
    if homeless := [name for name in unexpected if _inside(model, name) and not _POOLER.search(name)]:
        raise InputError(f"{len(homeless)} weights of {source!r} have no place in the model of its config.json: "
                         f"{listed(homeless)}", "weights and a config.json of one model", AGAIN)
    fresh = dict.fromkeys(missing, 0) | {name: theirs[0] for name, theirs, _ in shapes}
    _refuse_not_finite(model, source, fresh)
    return fresh


def _useless(name: str, header: Header) -> bool:
    """Tables of positions and masks that old versions saved beside the weights."""
    kind, shape = header.get(name, ("", ()))
    mask = name.endswith(("attn.bias", "attention.bias")) and (len(shape) == 4 or kind in ("BOOL", "U8"))
    return mask or bool(_TABLE.search(name))


def _refuse_formats(model: Any, source: str, header: Header, unexpected: list[str]) -> None:
    if found := [name for name in unexpected if _LORA.search(name)]:
        raise InputError(f"{source!r} holds an adapter beside or instead of its weights: {listed(found)}", WHOLE, MERGE)
    pairs = [name for name in unexpected if _PRUNED.search(name)]
    if found := [name for name in pairs if _PRUNED.sub("_mask", name) in pairs and _PRUNED.sub("_orig", name) in pairs]:
        raise InputError(f"{source!r} keeps weights and masks apart, as torch.nn.utils.prune does: {listed(found)}",
                         WHOLE, REMOVE)
    if found := [name for name in unexpected if _QUANTISED.search(name) and _inside(model, name.rpartition(".")[0])]:
        raise InputError(f"The weights of {source!r} are packed or quantised: {listed(found)}", WHOLE, UNPACK)
    own = dict(model.named_parameters())
    if found := sorted(name for name, (kind, _) in header.items()
                       if kind not in FLOATS and any(ours in own for ours in _names_of(model, name))):
        raise InputError(f"{source!r} holds weights of the type {header[found[0]][0]}: {listed(found)}", WHOLE, UNPACK)


def _names_of(model: Any, name: str) -> tuple[str, ...]:
    """What a tensor of a file may be called in *model*: files lack the base model's name, or have it too many, and old
    ones say gamma and beta."""
    prefix = f"{model.base_model_prefix}."
    new = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    return new, prefix + new, new.removeprefix(prefix)


def _inside(model: Any, name: str) -> bool:
    """Would *name* lie in the encoder, or at a layer of the head?"""
    base, modules = model.base_model, {path for path, _ in model.named_modules() if path}
    inner = name.removeprefix(f"{model.base_model_prefix}.")
    children = {child for child, _ in base.named_children()}
    return inner.partition(".")[0] in children or name in modules


def _refuse_not_finite(model: nn.Module, source: str, fresh: Mapping[str, int]) -> None:
    import torch

    kinds = (("NaN", torch.isnan), ("infinity", torch.isinf))
    for name, values in model.named_parameters():
        # The sum of finite numbers may overflow: only where it is not finite is each of them looked at.
        if name in fresh or torch.isfinite(values.detach().sum()):
            continue
        for kind, test in kinds:
            if count := int(test(values).sum()):
                raise InputError(f"{source!r} holds {kind} at {count} of the {values.numel()} places of {name!r}",
                                 "finite weights", "Take a checkpoint from before its training went wrong.")


def draw(model: nn.Module, names: Iterable[str]) -> None:
    """Draw the parameters *names* anew, in that order, from torch's generator: normal weights, zero biases, BERT's own
    start."""
    import torch

    deviation = getattr(model.config, "initializer_range", 0.02)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in names:
            if name in parameters:
                values = parameters[name]
                if values.ndim > 1:
                    values.normal_(0.0, deviation)
                else:
                    values.fill_(0.0 if name.endswith("bias") else 1.0)


def listed(names: Sequence[str]) -> str:
    """The first of *names*, for a sentence."""
    more = len(names) - SHOWN
    return ", ".join(repr(name[:120]) for name in names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
