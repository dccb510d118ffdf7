"""Which way round is a matrix stored, and which tensors of three and four dimensions hold matrices?

A product of a model's layer is `[out, in]` for `nn.Linear`, and the other way round for the `Conv1D` of GPT-2 and its
kin, for `kernel`s of Flax and Keras, and in some stacks of experts. What tells, in this order: the family that
config.json names, a bias (it is as long as there are outputs), the shapes beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from core.inspecting.sources import Array, Source, as_matrix, convolution, stack, turned
from core.runs.names import matrix_name, place_of

# The families of transformers 5 whose layers import `Conv1D`.
CONV1D = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp", "clvp_encoder", "clvp_decoder", "jais")
# Those whose experts are `[experts, in, out]` (`is_transposed` in transformers 5), and Llama 4's, multiplied by `bmm`.
EXPERTS_TURNED = ("gpt_oss", "openai_privacy_filter", "aria", "aria_text", "llama4", "llama4_text")

_CONV1D = re.compile(r"(?:^|\.)(?:c_attn|c_proj|c_fc|q_attn)$")
_EXPERTS = re.compile(r"expert|(?:^|[._])moe(?:[._]|$)")
_INWARD = re.compile(r"(?:gate_up_proj|gate_proj|up_proj|gate_up|w1|w3|v1|fc1|wi|wi_0|wi_1|input_linear)$")
_OUTWARD = re.compile(r"(?:down_proj|w2|fc2|wo|output_linear)$")
_CONVOLVES = re.compile(r"(?:^|[._])conv")
_BY_HEADS = re.compile(r"(?:^|\.)(?:rel_attn\.[qkvr]|r_kernel)$")  # XLNet, Funnel: [in, heads, of a head]
_FROM_HEADS = re.compile(r"(?:^|\.)rel_attn\.o$")  # XLNet: [out, heads, of a head]
# Tables of two and more dimensions that no input is multiplied with.
_NONE = re.compile(r"(?:^|[._])(?:bias|A_log|running_(?:mean|var)|\w+_token|gamma|beta|lambda\w*|position_ids"
                   r"|inv_freq|rel_pos\w*|\w+_bias_table|\w+_emb|\w+_embed)$")
# A third dimension of these, under a name of no expert, is a window of a convolution.
WINDOWS = (1, 2, 3, 4, 5, 7, 9, 11, 13, 15)
POSITIONS = 1 << 12  # of a window of a convolution: more is a picture, not a window


class Layouts:
    """How the arrays of one checkpoint lie."""

    def __init__(self, arrays: Iterable[Array], config: Mapping[str, Any]) -> None:
        held = {a.name: a.shape for a in arrays}
        text = config.get("text_config")
        self._configs = [c for c in (config, text) if isinstance(c, dict)]
        self._families = {f for c in self._configs if isinstance(f := c.get("model_type"), str)}
        self._lengths = {n: shape[0] for n, shape in held.items() if len(shape) == 1}
        self._shapes = {matrix_name(n): shape for n, shape in held.items()}
        self._conv1d = bool(self._families & set(CONV1D)) or self._by_shapes()

    def sources(self, array: Array) -> list[Source]:
        """The matrices in *array*; [] where it holds none."""
        name, shape = matrix_name(array.name), array.shape
        if array.count == 0 or len(shape) < 2 or _NONE.search(name):
            return []
        if len(shape) == 2:
            return [(turned if self._turned(name, shape) else as_matrix)(array)]
        if name.endswith(".kernel"):  # Flax: the outputs are last, whatever is before them
            return [turned(array)] if len(shape) == 4 else []
        if len(shape) == 3 and (_BY_HEADS.search(name) or _FROM_HEADS.search(name)):
            whole = (shape[0], shape[1] * shape[2])
            return [as_matrix(array, whole) if _FROM_HEADS.search(name) else turned(array, whole)]
        if len(shape) == 3 and _EXPERTS.search(name):
            return stack(array, turn=self._experts_turned(name, shape))
        if min(shape[:2]) == 1 or place_of(array.name) == "embeddings":
            return []
        if len(shape) > 3 or shape[2] in WINDOWS or _CONVOLVES.search(name):
            return [convolution(array)] if math.prod(shape[2:]) <= POSITIONS else []
        return stack(array, turn=False) if place_of(array.name) == "layers" else []

    def _turned(self, name: str, shape: tuple[int, ...]) -> bool:
        if name.rpartition(".")[2] == "kernel" or name.endswith("experts.mlp.w2"):  # Flax; DBRX
            return True
        if _CONV1D.search(name):
            return self._conv1d
        return place_of(name) == "layers" and self._bias_says(name, shape) is True

    def _bias_says(self, name: str, shape: tuple[int, ...]) -> bool | None:
        """True: the bias is as long as there are columns. None where there is none, or both sides are as long."""
        length = self._lengths.get(f"{name}.bias")
        if length is None or len(shape) != 2 or shape[0] == shape[1] or length not in shape:
            return None
        return length == shape[1]

    def _by_shapes(self) -> bool:
        """Do matrices under the names of `Conv1D` lie the other way round?"""
        named = {n: s for n, s in self._shapes.items() if _CONV1D.search(n) and len(s) == 2}
        said = [says for n, s in named.items() if (says := self._bias_says(n, s)) is not None]
        if said:
            return said[0]
        for leaf, times in (("c_attn", 3), ("c_fc", 1)):  # three times as many outputs as inputs, or simply more
            wide = [s for n, s in named.items() if n.endswith(leaf) and s[0] != s[1]]
            if wide:
                return all(s[1] == times * s[0] if times > 1 else s[1] > s[0] for s in wide)
        return False

    def _experts_turned(self, name: str, shape: tuple[int, ...]) -> bool:
        if self._families & set(EXPERTS_TURNED):
            return True
        inward, outward = _INWARD.search(name), _OUTWARD.search(name)
        if not (inward or outward) or shape[1] == shape[2]:
            return False
        hidden = next((c["hidden_size"] for c in self._configs if type(c.get("hidden_size")) is int), None)
        if hidden in shape[1:]:
            return (shape[1] == hidden) == bool(inward)
        if inward and name.endswith("gate_up_proj"):  # beside it lies `down_proj`: their inner sides must meet
            down = self._shapes.get(f"{name.removesuffix('gate_up_proj')}down_proj", ())
            return len(down) == 3 and shape[1] == down[2] and shape[2] == 2 * down[1]
        up = self._shapes.get(f"{name.removesuffix('down_proj')}gate_up_proj", ())
        return len(up) == 3 and shape[2] == up[1] and up[2] == 2 * shape[1]
