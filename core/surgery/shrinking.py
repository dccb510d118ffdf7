"""Units cut out: a smaller model with the same logits, its folder, and how it is loaded."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.models.loading import Loaded, load_model, save_checkpoint
from core.models.prunable import prunable
from core.models.shrunk import FIELD, layout, register
from core.sparsity.patterns import Pattern
from core.sparsity.units import Anatomy, Kept
from core.surgery.masking import mask

if TYPE_CHECKING:
    from torch import Tensor

# Of the largest logit, or of 1: what rounding may do to float32 logits in a deep model, whose sums run in another order
# when matrices are smaller. Measured: 1e-5 and less. A family that does not fit is off by a thousand times as much.
CLOSE = 1e-4
TRIED = (3, 12)  # texts and tokens of the words on which every shrunk model is held against the masked one


def shrink(model: Any, anatomy: Anatomy, kept: Kept) -> Any:
    """A model of the units that are *kept*: a new one, on the CPU, in eval mode; *model* stays as it is.

    Raises InputError when the family cannot be cut: when its model does not run on fewer heads, or says anything else
    than the masked one on a few words.
    """
    import torch

    masked = copy.deepcopy(model).cpu().eval()
    mask(masked, anatomy, kept)
    kind = masked.config.model_type
    made = register(kind)
    settings = masked.config.to_dict()
    for name in ("model_type", "architectures", "_name_or_path", "transformers_version"):
        settings.pop(name, None)
    size = next(m.size for m in anatomy.modules if m.noun == "head")
    left = layout(anatomy.counts(kept, "head"), anatomy.counts(kept, "neuron"), size)
    config = made.config_class(**{**settings, FIELD: left})  # type: ignore[attr-defined]
    try:
        with torch.random.fork_rng(devices=[]):  # the weights that a class draws when it is made are not kept
            small = made._from_config(config, dtype=torch.float32).eval()  # type: ignore[attr-defined]
        small.load_state_dict(_cut(masked.state_dict(), anatomy, kept))
        gap = _gap(masked, small)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _uncut(kind, str(error).strip().splitlines()[0][:120]) from None
    if not gap <= CLOSE:
        raise _uncut(kind, f"its logits differ by {gap:.1e}")
    return small


def shrink_to(model: Any, pattern: Pattern) -> Any:
    """The model of all units of which *model*, pruned to *pattern*, has a weight left; see `shrink`.

    Raises InputError for a pattern of single weights, too.
    """
    if not pattern.coupled:
        raise InputError(f"A model at {pattern.name} cannot be shrunk: single weights leave every matrix its size",
                         "a pattern of whole units, such as heads:0.5", "Export it without --shrink.")
    anatomy = pattern.known()
    return shrink(model, anatomy, anatomy.kept(
        {name: layer.weight.detach().cpu().numpy() for name, layer in prunable(model).items()}))


def _uncut(kind: str, why: str) -> InputError:
    return InputError(f"A model of the kind {kind!r} cannot be shrunk ({why})",
                      "a family whose layers run on fewer heads, such as BERT, RoBERTa, ELECTRA or DistilBERT",
                      "Use it masked: export it without --shrink.")


def _cut(state: dict[str, Tensor], anatomy: Anatomy, kept: Kept) -> dict[str, Tensor]:
    """The tensors of *state* without the rows, columns and biases of what is not *kept*."""
    import torch

    out = dict(state)
    for m, stays in zip(anatomy.modules, kept, strict=True):
        if stays.all():
            continue
        wide = torch.from_numpy(m.wide(stays))
        for name in (*m.rows, m.columns):
            weight, bias = out.pop(f"{name}.weight"), out.pop(f"{name}.bias", None)
            if not stays.any():
                continue
            rows = name != m.columns
            out[f"{name}.weight"] = (weight[wide] if rows else weight[:, wide]).contiguous()
            if bias is not None:
                out[f"{name}.bias"] = bias[wide] if rows else bias
    return out


def _gap(masked: Any, small: Any) -> float:
    """The largest difference of the two models' logits on a few made-up words, some of them padding, as a share of the
    largest logit where that is above 1."""
    import torch

    texts, tokens = TRIED
    most = int(masked.get_input_embeddings().num_embeddings)
    drawn = torch.randint(0, most, TRIED, generator=torch.Generator().manual_seed(0))
    attention = torch.ones(texts, tokens, dtype=torch.long)
    attention[0, tokens // 2:] = 0
    # A padding token of its own family moves nothing here: every token may be one.
    with torch.no_grad():
        a, b = (m(input_ids=drawn, attention_mask=attention).logits for m in (masked, small))
    return float((a - b).abs().max()) / max(1.0, float(a.abs().max()))


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a shrunk *model* and its tokenizer as a folder that `load` and `load_model(checkpoint=)` open."""
    save_checkpoint(model, tokenizer, folder)


def load(folder: Path | str) -> Loaded:
    """The model of *folder*, shrunk or not, with its tokenizer: float32, on the CPU, in eval mode.

    Afterwards `AutoModelForSequenceClassification.from_pretrained` opens shrunk folders of that family too. No code of
    the folder is run: there is none. Raises InputError when it cannot be loaded.
    """
    import json

    try:
        config = json.loads((Path(folder) / "config.json").read_bytes())
        labels = len(config["id2label"]) if isinstance(config.get("id2label"), dict) else 2
    except (OSError, ValueError, AttributeError):
        labels = 2  # what is wrong with the folder is said below
    loaded = load_model(str(folder), labels=labels, seed=0, checkpoint=Path(folder))
    loaded.model.eval()
    return loaded
