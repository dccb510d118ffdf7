"""What a matrix's name says of its place in a model: layer, part, attention heads. The one answer; no torch.

A name is that of the model's own state dict, with or without `.weight`. Known are the names of BERT, RoBERTa, ELECTRA,
MPNet, DistilBERT, ALBERT, XLM, GPT-2, GPT-NeoX, BLOOM, OPT, BART, T5, Llama, Qwen, Phi, ModernBERT and ViT, as Hugging
Face writes them; of any other model the layer, and the rest of the name as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# A layer is the number after the name of a list of layers; in a T5, `block.3.layer.1.…` is of layer 3. Nine digits:
# more would be no layer, and Python refuses to read thousands of them.
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?|attentions|ffns|albert_layer_groups)\.([0-9]{1,9})(?=\.|$)")
_NUMBER = re.compile(r"(?:^|\.)([0-9]{1,9})(?=\.|$)")  # in a model that calls its list otherwise
_HEAD = re.compile(r"(?:^|\.)(?:\w*classifier|\w*head|score|pooler)\.")  # `classifier.0` is no layer
_EMBEDDING = re.compile(r"embed(?!_out)|(?:^|\.)(?:wte|wpe|shared)(?:\.|$)|relative_attention_bias")
_DECODER = re.compile(r"(?:^|\.)decoder\.")

_SELF = re.compile(r"(?:(?:albert_layers\.0\.)?attention(?:\.self|\.attn|\.attention)?|self_attention|self_attn"
                   r"|attn(?:\.attention)?|layer\.0\.SelfAttention)\.")
_CROSS = re.compile(r"(?:crossattention(?:\.self)?|cross_attn|encoder_attn|layer\.1\.EncDecAttention)\.")
_FEED = re.compile(r"^(?:albert_layers\.0|mlp|ffn|layer\.[12]\.DenseReluDense)\.")
QUERY, KEY, VALUE, OUTPUT = "query", "key", "value", "attention output"
_ATTENTION = {  # what is left of a name within attention
    **dict.fromkeys(("query", "query_proj", "q_proj", "q_lin", "q_attn", "q"), QUERY),
    **dict.fromkeys(("key", "key_proj", "k_proj", "k_lin", "k"), KEY),
    **dict.fromkeys(("value", "value_proj", "v_proj", "v_lin", "v"), VALUE),
    **dict.fromkeys(("output.dense", "dense", "o_proj", "out_proj", "out_lin", "c_proj", "Wo", "o"), OUTPUT),
}
_FUSED = ("query_key_value", "qkv_proj", "qkv", "Wqkv", "c_attn")
_FEED_FORWARD = {  # and of any other name of a layer
    **dict.fromkeys(("intermediate.dense", "lin1", "linear1", "fc1", "fc_in", "c_fc", "dense_h_to_4h", "up_proj", "wi",
                     "wi_1"), "FFN in"),
    **dict.fromkeys(("output.dense", "lin2", "linear2", "fc2", "fc_out", "c_proj", "dense_4h_to_h", "down_proj", "wo",
                     "Wo", "ffn_output"), "FFN out"),
    **dict.fromkeys(("gate_proj", "wi_0"), "FFN gate"),
    **dict.fromkeys(("gate_up_proj", "Wi"), "FFN gate and in"),
    "ffn": "FFN in",
}
# Within a layer, in the order in which a pass comes to them; attention to another sequence after that to its own.
_IN_ORDER = (QUERY, KEY, VALUE, "query, key and value", "key and value", OUTPUT, "FFN gate", "FFN gate and in", "FFN in",
             "FFN out")
_WIDTHS = ("intermediate_size", "hidden_dim", "ffn_dim", "n_inner")
_COUNTS = ("num_attention_heads", "n_heads", "n_head", "num_heads")  # the keys of config.json, by family


def matrix_name(tensor: str) -> str:
    """The name of a matrix: as in the state dict, without `.weight`."""
    return tensor.removesuffix(".weight")


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which layer 2 comes before layer 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]{1,9})", name)]


def in_order(name: str) -> tuple[list[tuple[int, str]], int, list[tuple[int, str]]]:
    """A key that sorts matrices as the model uses them: layer by layer, in it query, key, value, the attention's output
    and the feed-forward part; parts that are not known come after them. Files have them by the alphabet."""
    cross, part = _part(name)
    attention = _IN_ORDER.index(OUTPUT) + 1
    place = _IN_ORDER.index(part) if part in _IN_ORDER else len(_IN_ORDER)
    # Both attentions come before the feed-forward part.
    return natural(layer_name(name) or name), place + attention * (cross or place >= attention), natural(name)


def layer_of(name: str) -> int | None:
    """The layer (1 = first) that a name speaks of, or None."""
    found = _layer(name)
    return int(found[1]) + 1 if found else None


def layer_name(name: str) -> str | None:
    """The layer as the state dict calls it, "bert.encoder.layer.0", or None."""
    found = _layer(name)
    return name[:found.end()] if found else None


def place_of(name: str) -> str:
    """"layers" for what is repeated layer by layer, else "embeddings" or "head"."""
    if _EMBEDDING.search(name):
        return "embeddings"
    return "layers" if _layer(name) else "head"


def part_of(matrix: str) -> str:
    """Which part of its layer a matrix is: "query", "FFN in", "decoder query", or the rest of its name."""
    cross, part = _part(matrix)
    if cross:
        return "cross-attention " + part.removeprefix("attention ")
    return f"decoder {part}" if _DECODER.search(layer_name(matrix) or "") else part


def matrix_words(matrix: str) -> str:
    """A matrix as written on a page: "layer 1 · query"."""
    layer = layer_of(matrix)
    return f"layer {layer} · {part_of(matrix)}" if layer else part_of(matrix)


def heads_of(matrix: str, shape: tuple[int, ...], config: Mapping[str, Any]) -> tuple[int, int] | None:
    """(heads, the dimension they lie along: 0 rows, 1 columns) of an attention *matrix*, as config.json counts them.

    None for any other matrix, without a count, or when the count does not divide the matrix. None too for `c_proj`,
    which GPT-2 stores `[in, out]` and its successors `[out, in]`: the name does not say where its heads lie.
    """
    part = _part(matrix)[1]
    axis = 0 if part in (QUERY, KEY, VALUE) else 1 if part == OUTPUT and not matrix.endswith("c_proj") else None
    # Of keys and values there may be fewer heads.
    counts = ("num_key_value_heads", *_COUNTS) if part in (KEY, VALUE) else _COUNTS
    count = next((config[name] for name in counts if config.get(name) is not None), None)
    # Of a shrunk model (`core.models.shrunk`) every layer has as many as its matrices hold.
    shrunk = config.get("shrunk")
    if axis is not None and isinstance(shrunk, Mapping):
        size = shrunk.get("head_size")
        count = shape[axis] // size if type(size) is int and size > 0 and shape[axis] % size == 0 else None
    if axis is None or type(count) is not int or not 0 < count <= shape[axis] or shape[axis] % count:
        return None
    return count, axis


def heads_and_width(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Heads and FFN neurons that every layer has by a config.json; None for what it does not say."""
    found = [next((config[key] for key in keys if type(config.get(key)) is int), None) for keys in (_COUNTS, _WIDTHS)]
    return found[0], found[1]


def _layer(name: str) -> re.Match[str] | None:
    return _LAYER.search(name) or (None if _HEAD.search(name) else _NUMBER.search(name))


def _part(matrix: str) -> tuple[bool, str]:
    """Is it of attention to another sequence; which part, or the rest of the name."""
    found = _layer(matrix)
    rest = matrix[found.end():].removeprefix(".") or "weight" if found else matrix
    if found and found.group().endswith(f"attentions.{found[1]}"):  # XLM: attentions.0.q_lin, ffns.0.lin1
        rest = f"attention.{rest}"
    for attention in (_CROSS, _SELF):
        if start := attention.match(rest):
            leaf = rest[start.end():]
            if attention is _SELF and leaf in _FUSED:
                return False, "query, key and value"
            # GPT-2 asks the other sequence for keys and values by one matrix
            part = "key and value" if leaf == "c_attn" else _ATTENTION.get(leaf)
            return (attention is _CROSS, part) if part else (False, rest)
    return False, _FEED_FORWARD.get(_FEED.sub("", rest), rest)
