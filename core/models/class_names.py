"""Class names travel with a model: a checkpoint's outputs are put into the order of a task's classes by their names,
and the task's names are written into every configuration that is saved.

A checkpoint names its outputs in `id2label` of config.json. LABEL_0, LABEL_1 ... say which class is meant by its number
alone; so does a configuration without names: their outputs are taken in order. Names that are not the task's mean other
classes: then a head of that size is of no use, and a new one is drawn.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.store import write_atomic

if TYPE_CHECKING:
    from torch import nn

NUMBERED = re.compile(r"label_([0-9]{1,6})")
SHOWN = 6  # classes that a sentence lists
LARGEST = 64 << 20  # bytes of a configuration that is written anew: a million classes


@dataclass(frozen=True)
class Names:
    """What a checkpoint says of its outputs: `names` by output; None where it says nothing. `usable`: names that are
    one for every output and all different."""

    names: tuple[str, ...] | None
    usable: bool = True


def said_by(config: Mapping[str, Any]) -> Names:
    """The names in a configuration as it stands in config.json: its `id2label`, or else its `label2id`."""
    given, turned = config.get("id2label"), config.get("label2id")
    if not given and isinstance(turned, Mapping):
        given = {value: key for key, value in turned.items()} if len(set(map(str, turned.values()))) == len(turned) \
            else None
    if not isinstance(given, Mapping) or not given:
        return Names(None)
    by_number = {str(key).strip(): str(name) for key, name in given.items()}
    names = tuple(by_number.get(str(k), "") for k in range(len(by_number)))
    count = config.get("num_labels")
    whole = len(set(names)) == len(names) == len(given) and all(names) and count in (None, len(names))
    return Names(names if whole else tuple(by_number.values()), whole)


def order_of(said: Names, classes: Sequence[str]) -> list[int] | None:
    """Which output of the checkpoint is class 0, 1 ... of *classes*; None where the names are not those of the classes.

    Names are compared as they are, then without regard to capitals, Unicode's forms, and spaces, - and _, if they still
    differ from each other.
    """
    if said.names is None:
        return list(range(len(classes)))
    if not said.usable or len(said.names) != len(classes):
        return None
    for form in (str, _folded):
        outputs = {form(name): k for k, name in enumerate(said.names)}
        wanted = [form(name) for name in classes]
        if len(outputs) == len(set(wanted)) == len(classes) and set(wanted) == set(outputs):
            return [outputs[name] for name in wanted]
    numbers = [NUMBERED.fullmatch(name.casefold()) for name in said.names]
    codes = [int(found[1]) for found in numbers if found is not None]
    if sorted(codes) == list(range(len(classes))):  # they name codes, not classes
        return [codes.index(code) for code in range(len(classes))]
    return None


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", name).casefold().strip())


def output_layer(model: Any, outputs: int) -> tuple[str, nn.Linear] | None:
    """The layer that puts out the logits, and its name: the last linear one with *outputs* outputs outside the base
    model. None where there is none."""
    from torch import nn

    base = set(model.base_model.modules()) if model.base_model is not model else set()
    found = [(name, module) for name, module in model.named_modules()
             if isinstance(module, nn.Linear) and module.out_features == outputs and module not in base]
    return found[-1] if found else None


@dataclass(frozen=True)
class Head:
    """What became of a checkpoint's head. `note`: in words, "" where there is nothing to say. `drawn`: the parameters
    that are to be drawn although the checkpoint has values for them. `problem`: what it is instead of a head that is
    of use, "" where it is used."""

    note: str
    drawn: frozenset[str] = frozenset()
    problem: str = ""


def fit_head(model: Any, said: Names, classes: Sequence[str], outputs: int, fresh: Mapping[str, int],
             seed: int) -> Head:
    """Put the outputs of *model*'s head into the order of *classes* (none for a regression), or say that a new head of
    *outputs* outputs is to be drawn.

    *fresh*: the parameters that the checkpoint has no values of this size for, with the length of those that it has (0
    for none). Raises InputError when the head's last layer cannot be told.
    """
    found = output_layer(model, outputs)
    if found is None:
        raise InputError(f"The output layer of {type(model).__name__} cannot be found",
                         f"a linear layer with {outputs} outputs behind the base model", "Choose another model.")
    name, layer = found
    own = frozenset(f"{name}.{part}" for part, _ in layer.named_parameters())
    wanted = f"the classes {listed(classes)}" if classes else "one number"
    new = f"a new one with {outputs} {'output' if outputs == 1 else 'outputs'} is drawn from seed {seed}."
    if own & fresh.keys():
        size = max(fresh.get(part, 0) for part in own)
        named = f" ({listed(said.names)})" if said.names and len(said.names) == size and not numbered(said.names) \
            else ""
        had = f"has a head of {size} {'output' if size == 1 else 'outputs'}{named}, not one for {wanted}" if size else \
            "has no head"
        return Head(f"The checkpoint {had}: {new}", own, had)
    if not classes:
        return Head("")
    order = order_of(said, classes)
    if order is None:
        assert said.names is not None
        had = f"has a head for {listed(said.names)}, not for {wanted}"
        return Head(f"The checkpoint {had}: {new}", own, had)
    if order == list(range(outputs)):
        return Head(f"The checkpoint does not name its classes: its outputs are taken for {listed(classes)}, in this "
                    "order." if said.names is None or (numbered(said.names) and said.names != tuple(classes)) else "")
    _reorder(layer, order)
    return Head(f"The checkpoint's outputs are {listed(said.names or ())}: they were put into the task's order, "
                f"{listed(classes)}.")


def refuse_new(model: str, head: Head, fresh: Mapping[str, int], classes: Sequence[str]) -> None:
    """Raise InputError when any weight of *model*, which is to be used as it is, would have to be drawn."""
    if head.problem or fresh:
        what = head.problem or f"lacks {len(fresh)} weights ({min(fresh)!r} first)"
        renamed = "; or, if its classes are the same by other names, correct id2label in its config.json" \
            if head.problem and not fresh else ""
        raise InputError(f"Model {model[-80:]!r} cannot be used as it is (0 dense epochs): it {what}",
                         f"a fine-tuned model with a head for {listed(classes) or 'one number'}",
                         f"Train a new head: --dense-epochs 2{renamed}.")


def numbered(names: Sequence[str]) -> bool:
    """Do *names* name no classes, only their numbers?"""
    return all(NUMBERED.fullmatch(name.casefold()) for name in names)


def _reorder(layer: nn.Linear, order: list[int]) -> None:
    import torch

    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(parameter[order].clone())


def listed(names: Sequence[str]) -> str:
    """The first of *names*, for a sentence."""
    more = len(names) - SHOWN
    return ", ".join(name[:40] for name in names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def put(config: Any, classes: Sequence[str]) -> None:
    """Write *classes* into a model's configuration; nothing for a regression."""
    if classes:
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: k for k, name in enumerate(classes)}


def put_into(folder: Path, classes: Sequence[str]) -> None:
    """Write *classes* into the config.json of the model in *folder*, where it does not name them yet: weights saved by
    an older version. Raises OSError, and InputError for a damaged configuration."""
    file = folder / "config.json"
    if not classes:
        return
    try:
        config = json.loads(file.read_bytes()) if file.stat().st_size <= LARGEST else None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise InputError("The checkpoint's config.json is damaged", "the configuration of a model",
                         "Make the run again.")
    if said_by(config).names != tuple(classes):
        config |= {"id2label": {str(k): name for k, name in enumerate(classes)},
                   "label2id": {name: k for k, name in enumerate(classes)}}
        write_atomic(file, json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n")
