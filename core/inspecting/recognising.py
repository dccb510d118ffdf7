"""Which tensors make which matrices? Known formats by the names that their writers give, the rest as it lies there.

Every tensor is taken once: into a matrix, or into what stands beside the matrices (masks, scales, low-rank updates,
norms, embeddings). What is packed in a way that is not read here is named, never judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.inspecting import packed
from core.inspecting.header import SIZES, Tensor
from core.inspecting.layout import Layouts
from core.inspecting.marlin import MARLIN, marlin
from core.inspecting.numbers import BITS_OF, INTEGERS, integers
from core.inspecting.sources import Array, Source, codes, masked, plain
from core.runs.names import place_of

MASKS, SCALES, OTHER = "masks", "scales and notes of a format", "norms, biases and other"
LOW_RANK, ADAPTER = "low-rank updates", "small layers of an adapter"
EMBEDDINGS, WHOLE = "embeddings", "whole numbers that are no weights"
SCORED = "weights with scores: which of them stay is decided when the model runs"
_SCALE = re.compile(
    r"(?:^|[._])(?:scales?|scale_inv|scale_packed|zero_points?|zeros|qzeros|g_idx|absmax|SCB|scb|quant_map"
    r"|weight_format|(?:nested_|quant_state)\S*|scaling_factor|scale_inverse|amax|qparams|weight_shape"
    r"|input_scale\w*|x_(?:min|max)|weight_integer|bias_integer|fc_scaling_factor|act_scaling_factor|_pre_quant_scale)$")
_LOW_RANK = re.compile(r"(?:^|[._])(?:lora[._](?:A|B|E|down|up|mid|embedding_A|embedding_B|magnitude_vector)"
                       r"|hada_w[12]_[ab]|lokr_w[12](?:_[ab])?|vera_lambda_[bd]|ia3_l|oft_[rs]|boft_[rs])(?:[._]|$)")
_ADAPTER = re.compile(r"(?:^|\.)(?:adapters?|adapter_(?:down|up)\w*)\.")
_MASK = re.compile(r"(?:^|[._])mask$")
# Quantisers whose codes lie in an order of their own kernels: their whole numbers are not one weight each.
SHUFFLED = ("eetq", "hqq", "aqlm", "vptq", "quip", "spqr", "higgs", "bitnet", "fp_quant")


@dataclass(frozen=True)
class Beside:
    """Tensors that are not looked into as matrices."""

    kind: str
    names: tuple[str, ...]
    tensors: tuple[Tensor, ...]  # zeros are counted in them where they are floats
    weights: int | None  # parameters that they stand for; None: how many is not known
    unread: bool = False  # matrices that cannot be judged

    @property
    def place(self) -> str:
        """Where in the model it stands."""
        return place_of(self.names[0])


@dataclass
class Found:
    """The matrices of a checkpoint, and what stands beside them."""

    sources: list[Source] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)


def recognise(tensors: Sequence[Tensor], config: Mapping[str, Any]) -> Found:
    """Sort all *tensors* of a checkpoint. Raises InputError for a file that shrinks meanwhile."""
    sorter = _Sorter({t.name: t for t in tensors}, config)
    sorter.sort()
    return sorter.found


class _Sorter:
    """Takes tensors out of *left*, format by format, the most telling names first."""

    def __init__(self, left: dict[str, Tensor], config: Mapping[str, Any]) -> None:
        self.left, self.config, self.found = left, config, Found()
        said = config.get("quantization_config")
        self.said = said if isinstance(said, dict) else {}
        self.arrays: list[Array] = []
        self.notes: dict[str, list[Tensor]] = {}  # module -> scales and zero points beside its weights

    def sort(self) -> None:
        """Sort everything."""
        for name in list(self.left):
            for suffix, taken in SUFFIXES.items():
                if name in self.left and name.endswith(suffix):
                    taken(self, name.removesuffix(suffix))
        for kind, named in ((LOW_RANK, _LOW_RANK), (ADAPTER, _ADAPTER)):
            for name in [n for n in self.left if named.search(n)]:
                self.put(kind, self.left[name], parameters=True)
        for name in list(self.left):
            if name in self.left:
                self._masked(name)
        self._notes()
        self._numbers()

    def get(self, *names: str) -> Tensor | None:
        """The first of *names* that is left."""
        return next((self.left[n] for n in names if n in self.left), None)

    def judge(self, tensors: Sequence[Tensor | None], kind: str, make: Callable[[], Sequence[Source]]) -> None:
        """Make matrices of *tensors*, the weights first; where they do not fit together, name them *kind*, unread."""
        held = [t for t in tensors if t is not None]
        try:
            self.found.sources += make()
        except packed.Unfit:
            self.blind(f"{kind}, its parts not as that format writes them", held, None)
        for t in held:
            self.left.pop(t.name, None)

    def blind(self, kind: str, tensors: Sequence[Tensor], weights: int | None) -> None:
        """Name a matrix of *weights* weights (None: nobody knows) that is not read, the tensor of its weights first."""
        for t in tensors:
            self.left.pop(t.name, None)
        self.found.beside.append(Beside(kind, (tensors[0].name,), tuple(tensors), weights, unread=True))

    def put(self, kind: str, *tensors: Tensor, parameters: bool = False) -> None:
        """Set tensors aside; with *parameters* they count as parameters of the model."""
        for t in tensors:
            self.left.pop(t.name, None)
            self.found.beside.append(Beside(kind, (t.name,), (t,), t.count if parameters else 0))

    def _masked(self, name: str) -> None:
        """Weights that the model multiplies with a mask, under all names that libraries give the two."""
        weight, (head, dot, leaf) = self.left[name], name.rpartition(".")
        module = head + dot
        if leaf.endswith("_orig"):
            true = module + leaf.removesuffix("_orig")
            # Spectral norm: one scale for the whole matrix, and no mask.
            if f"{true}_u" in self.left and f"{true}_mask" not in self.left and weight.dtype in BITS_OF:
                self.put(SCALES, *[t for n in ("_u", "_v") if (t := self.get(true + n))])
                self.arrays.append(replace(plain(weight), name=true))
                self.left.pop(name)
            else:
                self._pair(true, weight, self.get(f"{true}_mask"), needed=True)
        elif leaf == "original" and ".parametrizations." in f".{name}":  # torch.ao.pruning
            owner, _, true = head.rpartition(".")
            true = f"{owner.removesuffix('parametrizations')}{true}"
            self._pair(true, weight, self.get(f"{head}.0.mask"), needed=False)
        elif (leaf == "weight_v" and f"{module}weight_g" in self.left) or (
                leaf == "original1" and f"{module}original0" in self.left):  # weight norm: a scale a row
            self.put(SCALES, *[t for n in ("weight_g", "original0") if (t := self.get(module + n))])
        elif leaf == "weight" and (scores := self.get(f"{module}mask_scores", f"{name}_mask_scores")):
            self.blind(SCORED, (weight, scores), weight.count)
        elif not _MASK.search(name):
            names = [f"{name}_mask", f"{name}.mask", f"{module}_{leaf}_mask", f"{module}__{leaf}_mma_mask",
                     f"{module}{leaf}_mma_mask"] + [f"{module}mask"] * (leaf == "weight")
            self._pair(name, weight, self.get(*names), needed=False)

    def _pair(self, name: str, weight: Tensor, mask: Tensor | None, *, needed: bool) -> None:
        """*weight* times *mask* as the array *name*. A weight that *needed* one and has none that fits is not read."""
        fits = mask is not None and mask.shape == weight.shape and mask.dtype in (*BITS_OF, *INTEGERS)
        if mask is not None and fits and weight.dtype in BITS_OF:
            self.arrays.append(masked(name, weight, mask))
            self.put(MASKS, mask)
            self.left.pop(weight.name)
        elif needed:
            self.blind("weights without the mask that belongs to them", (weight,), weight.count)

    def _notes(self) -> None:
        for name, t in list(self.left.items()):
            if t.dtype == "BOOL" or _MASK.search(name):
                self.put(MASKS, t)
            elif _SCALE.search(name) or t.dtype == "F8_E8M0":
                self.put(SCALES, t)
                self.notes.setdefault(name.rpartition(".")[0], []).append(t)

    def _numbers(self) -> None:
        """What is left: floats and codes of 8 bits are arrays, other whole numbers are packed, or no weights."""
        for t in list(self.left.values()):
            if t.dtype in BITS_OF:
                self.arrays.append(plain(t))
            elif t.dtype in INTEGERS and (len(t.shape) < 2 or t.dtype in ("I64", "U64", "I16", "U16") or not t.count):
                self.put(WHOLE, t)
            elif t.dtype in ("I8", "U8"):
                self._codes(t)
            else:
                self._packed(t)
        layouts = Layouts(self.arrays, self.config)
        for array in self.arrays:
            sources = layouts.sources(array)
            self.found.sources += sources
            if not sources:
                kind = EMBEDDINGS if place_of(array.name) == "embeddings" else OTHER
                held = (self.left[array.name],) if array.name in self.left else ()
                self.found.beside.append(Beside(kind, (array.name,), held, array.count))

    def _codes(self, t: Tensor) -> None:
        """Whole numbers of 8 bits, where a scale or a zero point beside them says that each is one weight."""
        beside = [*self.notes.get(t.name, ()), *self.notes.get(t.name.rpartition(".")[0], ())]
        zero = next((n for n in beside if "zero" in n.name.rpartition(".")[2]), None)
        scale = next((n for n in beside if n is not zero), None)
        if not beside or (t.dtype == "U8" and zero is None) or self.said.get("quant_method") in SHUFFLED:
            self._packed(t)
            return
        try:
            points = None if zero is None else _points(zero, t.shape)
        except packed.Unfit:
            self.blind("codes of 8 bits with a zero point that does not fit", (t,), t.count)
            return
        across = scale.shape[1] if scale is not None and len(scale.shape) == 2 else 1
        chunk = t.shape[-1] // across if across > 1 and t.shape[-1] % across == 0 else 0
        self.left.pop(t.name)
        self.arrays.append(replace(codes(t, points, chunk, t.size), name=t.name.removesuffix("._data")))

    def _packed(self, t: Tensor) -> None:
        method, bits = self.said.get("quant_method"), packed.bits_said(self.config)
        kind = f"packed ({method})" if isinstance(method, str) and 0 < len(method) < 40 else \
            "whole numbers, perhaps packed" if t.dtype in INTEGERS else f"of type {t.dtype[:20]}"
        many = 8 * SIZES[t.dtype] // bits if t.dtype in INTEGERS and bits in (1, 2, 4, 8) else None
        self.blind(kind, (t,), t.count * many if many else None if t.dtype in INTEGERS else t.count)


def _points(zero: Tensor, shape: tuple[int, ...]) -> Any:
    """Zero points `[out or 1, chunks]`; None where all are 0. Raises Unfit where they fit no matrix of *shape*."""
    packed.fit(zero.dtype in INTEGERS and zero.count > 0 and len(shape) == 2)
    sides = zero.shape if len(zero.shape) == 2 else (zero.count, 1)
    packed.fit(sides[0] in (1, shape[0]) and shape[1] % sides[1] == 0)
    points = integers(zero).reshape(sides).astype("int32")
    return points if points.any() else None


def _bitmask(s: _Sorter, base: str) -> None:
    shape, marks, kept = s.get(f"{base}.shape"), s.left[f"{base}.bitmask"], s.get(f"{base}.compressed")
    if shape is None or kept is None:
        s.blind("bitmask, a part of it missing", [marks, *(t for t in (shape, kept) if t is not None)], None)
        return
    offsets = s.get(f"{base}.row_offsets")
    s.judge((kept, marks, shape, offsets), "bitmask", lambda: [packed.bitmask(base, shape, marks, kept)])


def _weight_packed(s: _Sorter, base: str) -> None:
    words, shape = s.left[f"{base}.weight_packed"], s.get(f"{base}.weight_shape")
    scale, meta = s.get(f"{base}.weight_scale"), s.get(f"{base}.meta", f"{base}.weight_meta")
    if meta is not None:
        s.judge((words, meta, s.get(f"{base}.scale_packed")), MARLIN, lambda: [marlin(base, words, meta)])
    elif words.dtype == "U8":
        s.judge((words,), "FP4", lambda: [packed.fp4(base, words)])
    else:
        zero, order = s.get(f"{base}.weight_zero_point"), s.get(f"{base}.weight_g_idx")
        chunks = scale.shape[1] if scale is not None and len(scale.shape) == 2 else 1
        s.judge((words, shape, zero, order), "packed", lambda: [packed.packed_words(
            base, words, shape if shape is not None else _unread(), zero, order, packed.bits_said(s.config), chunks)])


def _marlin(s: _Sorter, base: str) -> None:
    """The kernel's own names: `B_24`, `B_meta`, `s`; `B` and `s` where it is not sparse."""
    words, meta, scale = s.get(f"{base}.B_24", f"{base}.B"), s.get(f"{base}.B_meta"), s.get(f"{base}.s")
    if words is not None and meta is not None:
        s.judge((words, meta, scale), MARLIN, lambda: [marlin(base, words, meta)])
    elif words is not None and scale is not None and words.dtype == "I32":
        s.blind("packed for the Marlin kernel", (words, scale), None)


def _unread() -> Any:
    raise packed.Unfit


def _qweight(s: _Sorter, base: str) -> None:
    words, zeros, order = s.left[f"{base}.qweight"], s.get(f"{base}.qzeros"), s.get(f"{base}.g_idx")
    method = s.said.get("quant_method")
    awq = method == "awq" or (method != "gptq" and order is None and zeros is not None
                              and len(zeros.shape) == 2 == len(words.shape) and zeros.shape[1] == words.shape[1])
    # GPTQ's first format writes a zero point less one.
    gain = 0 if awq or s.said.get("checkpoint_format") == "gptq_v2" else 1
    s.judge((words, zeros, order), "AWQ" if awq else "GPTQ", lambda: [packed.words_by_input(
        base, words, zeros if zeros is not None else _unread(), None if awq else order, gain, awq=awq)])


def _blocks(s: _Sorter, base: str) -> None:
    """Experts in MXFP4: `[experts, out, chunks, bytes]`, every expert one matrix."""
    blocks, scales = s.left[f"{base}_blocks"], s.get(f"{base}_scales")
    if scales is None or blocks.dtype != "U8":
        return
    def made() -> list[Source]:
        packed.fit(len(blocks.shape) == 4 and blocks.count > 0)
        count, out, chunks, each = blocks.shape
        size = blocks.size // count
        parts = [replace(blocks, shape=(out, chunks * each), start=blocks.start + k * size, size=size)
                 for k in range(count)]
        return [packed.fp4(f"{base}[{k}]", part) for k, part in enumerate(parts)]
    s.judge((blocks, scales), "MXFP4", made)


def _bitsandbytes(s: _Sorter, base: str) -> None:
    """`base` is a weight of 4 bits, two a byte, its scale beside it: their values lie in a table."""
    weight = s.get(base)
    if weight is not None and weight.dtype == "U8":
        s.blind("bitsandbytes, 4 bits", (weight,), 2 * weight.count)


def _half_quadratic(s: _Sorter, base: str) -> None:
    s.blind("packed (hqq)", (s.left[f"{base}W_q"],), None)


def _kept(s: _Sorter, base: str) -> None:
    """What stays of a matrix, with its places in a tensor beside it, in an order that no format known here has."""
    if f"{base}bitmask" in s.left and base.endswith("."):  # compressed-tensors: its own marks lead to it
        return
    weight = s.get(*[base + end for end in KEPT])
    places = s.get(*[base + end for end in ("meta", "metadata", "indices", "bitmask")])
    if weight is not None and places is not None:
        s.blind("what stays, its places beside it", (weight, places), None)


def _rows_of_indices(s: _Sorter, base: str) -> None:
    parts = [t for n in ("values", "crow_indices", "col_indices") if (t := s.get(f"{base}.{n}"))]
    if len(parts) == 3:
        s.blind("sparse rows (CSR)", parts, None)


def _before(mark: str) -> Callable[[_Sorter, str], None]:
    return lambda s, base: _kept(s, base + mark)


KEPT = ("packed", "values", "compressed")
SUFFIXES: dict[str, Callable[[_Sorter, str], None]] = {  # the tensor that gives a format away -> who takes it
    ".bitmask": _bitmask, ".weight_packed": _weight_packed, ".qweight": _qweight, "_blocks": _blocks,
    ".B_24": _marlin, ".B": _marlin, ".absmax": _bitsandbytes, "W_q": _half_quadratic,
    ".crow_indices": _rows_of_indices} | {mark + end: _before(mark) for mark in "._" for end in KEPT}
