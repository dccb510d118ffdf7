"""Which units a model is made of, from the names and shapes of its matrices. No torch.

A head or a neuron lies in several matrices (`core.sparsity.units`); which ones, their names say
(`core.runs.names`). So the header of a run tells it as well as the model itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.errors import InputError
from core.runs.names import KEY, OUTPUT, QUERY, VALUE, layer_of, part_of
from core.sparsity.units import Anatomy, Module

FIRST, GATE, SECOND = "FFN in", "FFN gate", "FFN out"
Shapes = Mapping[str, tuple[int, int]]


def anatomy_of(shapes: Shapes, heads: int, model: str = "The model") -> Anatomy:
    """The modules of a model whose layers hold matrices of *shapes* `[out, in]`, with *heads* attention heads each.

    *model*: what messages call it. Raises InputError when a layer's heads or neurons cannot be found: when query, key,
    value and output, or the two matrices of the FFN, are not told by their names or do not fit together.
    """
    layers: dict[int, dict[str, list[str]]] = {}
    for name in shapes:
        layer = layer_of(name)
        if layer is not None:
            layers.setdefault(layer, {}).setdefault(part_of(name), []).append(name)
    if not layers:
        raise _unknown(model, "its matrices name no layers")
    modules: list[Module] = []
    for layer, parts in sorted(layers.items()):
        modules += [_attention(layer, parts, shapes, heads, model), _feed_forward(layer, parts, shapes, model)]
    of_units = {name for m in modules for name in (*m.rows, m.columns)}
    return Anatomy(tuple(modules), sum(rows * columns for name, (rows, columns) in shapes.items()
                                       if name not in of_units))


def _attention(layer: int, parts: Mapping[str, Sequence[str]], shapes: Shapes, heads: int, model: str) -> Module:
    query, key, value, output = (_only(layer, part, parts, model) for part in (QUERY, KEY, VALUE, OUTPUT))
    rows, inputs = shapes[query]
    if shapes[key] != (rows, inputs) or shapes[value] != (rows, inputs) or shapes[output][1] != rows:
        raise _unknown(model, f"query, key, value and output of layer {layer} are of different sizes")
    if heads < 1 or rows % heads:
        raise _unknown(model, f"the {rows} rows of layer {layer}'s query are not {heads} equal heads")
    return Module(layer, "head", (query, key, value), output, heads, rows // heads, inputs, shapes[output][0])


def _feed_forward(layer: int, parts: Mapping[str, Sequence[str]], shapes: Shapes, model: str) -> Module:
    first, second = (_only(layer, part, parts, model) for part in (FIRST, SECOND))
    names = (first, *parts.get(GATE, ()))
    rows, inputs = shapes[first]
    if any(shapes[name] != (rows, inputs) for name in names) or shapes[second][1] != rows:
        raise _unknown(model, f"the matrices of layer {layer}'s FFN are of different sizes")
    return Module(layer, "neuron", names, second, rows, 1, inputs, shapes[second][0])


def _only(layer: int, part: str, parts: Mapping[str, Sequence[str]], model: str) -> str:
    found = parts.get(part, ())
    if len(found) == 1:
        return found[0]
    how = "no matrix" if not found else f"{len(found)} matrices"
    there = ", ".join(sorted(parts)[:8])
    raise _unknown(model, f"layer {layer} has {how} known as {part}, only {there}")


def _unknown(model: str, why: str) -> InputError:
    return InputError(f"The heads and neurons of {model[:80]} cannot be found: {why}",
                      "an encoder such as BERT, RoBERTa, ELECTRA or DistilBERT",
                      "Choose one of these, or a pattern of single weights such as 2:4.")
