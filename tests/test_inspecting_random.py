"""Any .safetensors file at all: every one ends in a report that holds together, or in a sentence for a person."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.cli.inspect import report_object, said
from core.errors import InputError
from core.inspecting.header import SIZES
from core.inspecting.looking import inspect
from core.inspecting.report import Report
from core.sparsity.patterns import parse_pattern
from core.views.patterns import inspected as views
from tests.checkpoints import with_header

# What formats call their tensors, with what such a tensor is mostly like; all of it is mixed up below.
LEAVES: dict[str, tuple[list[str], list[list[int]]]] = {
    "weight": (["F32", "F16", "BF16", "I8", "U8", "I32", "F8_E4M3", "F8_E5M2"],
               [[64, 32], [8, 8], [3, 8, 8], [8, 8, 3, 3]]),
    "weight_orig": (["F32", "F16"], [[64, 32], [8, 8]]), "weight_mask": (["F32", "BOOL", "U8"], [[64, 32], [8, 8]]),
    "bias": (["F32"], [[64], [32], [8]]), "mask": (["F32", "BOOL"], [[64, 32], [8, 8]]),
    "weight_scale": (["F32", "F8_E4M3", "U8"], [[64, 1], [64, 4], [1], []]),
    "weight_zero_point": (["I8", "I32", "U8"], [[64, 1], [64, 4], [8, 4], [1], [0]]), "SCB": (["F32"], [[64]]),
    "bitmask": (["U8", "I8"], [[64, 4], [8, 1]]), "shape": (["I64", "I32"], [[2], [2, 1], [3]]),
    "compressed": (["F32", "I8", "BF16"], [[64, 16], [0], [7]]), "row_offsets": (["I64"], [[64], [8]]),
    "weight_packed": (["I32", "U8"], [[64, 4], [64, 16], [2, 128], [8, 1]]), "weight_shape": (["I64"], [[2]]),
    "weight_g_idx": (["I32"], [[32]]), "meta": (["I16"], [[2, 128], [1, 128]]), "scale_packed": (["F16"], [[1, 64]]),
    "qweight": (["I32"], [[4, 64], [32, 8], [8, 8]]), "qzeros": (["I32"], [[1, 8], [2, 8], [0, 8]]),
    "scales": (["F16"], [[1, 64]]), "g_idx": (["I32", "I64"], [[32], [8]]), "B_24": (["I32"], [[2, 128]]),
    "B_meta": (["I16"], [[2, 128]]), "s": (["F16"], [[1, 64]]), "weight.absmax": (["F32"], [[8]]),
    "weight._data": (["I8"], [[64, 32]]), "weight._scale": (["F32"], [[64, 1]]), "mask_scores": (["F32"], [[64, 32]]),
    "gate_up_proj": (["F32"], [[3, 8, 16], [2, 32, 8]]), "down_proj": (["F32"], [[3, 8, 4], [3, 4, 8]]),
    "down_proj_blocks": (["U8"], [[2, 8, 1, 16]]), "down_proj_scales": (["U8"], [[2, 8, 1]]),
    "lora_A.weight": (["F32"], [[4, 32]]), "lora_B.weight": (["F32"], [[64, 4]]),
    "kernel": (["F32"], [[32, 64], [3, 3, 8, 8]]),
    "parametrizations.weight.original": (["F32"], [[64, 32]]),
    "parametrizations.weight.0.mask": (["F32"], [[64, 32]]),
    "rel_attn.q": (["F32"], [[32, 4, 8]]), "rel_attn.o": (["F32"], [[32, 4, 8]]), "weight_u": (["F32"], [[64]]),
    "values": (["F32"], [[9]]), "crow_indices": (["I64"], [[9]]), "col_indices": (["I64"], [[9]]),
    "packed": (["F32", "I8"], [[64, 16]]), "attn.qkv.weight": (["F32"], [[24, 8], [25, 8]]), "": (["F32"], [[8, 8]])}
FAMILIES = [["weight", "bias"], ["weight", "weight_scale", "weight_zero_point"], ["weight", "SCB"], ["weight", "mask"],
            ["weight_orig", "weight_mask"], ["weight_orig", "weight_u"], ["weight", "weight_mask"],
            ["bitmask", "shape", "compressed", "row_offsets"], ["weight_packed", "weight_shape", "weight_scale"],
            ["weight_packed", "weight_shape", "weight_zero_point", "weight_g_idx"], ["weight_packed", "meta"],
            ["weight_packed", "weight_scale"], ["qweight", "qzeros", "scales", "g_idx"],
            ["qweight", "qzeros", "scales"],
            ["B_24", "B_meta", "s"], ["weight", "weight.absmax"], ["weight._data", "weight._scale"],
            ["gate_up_proj", "down_proj"], ["down_proj_blocks", "down_proj_scales"], ["lora_A.weight", "lora_B.weight"],
            ["parametrizations.weight.original", "parametrizations.weight.0.mask"], ["rel_attn.q", "rel_attn.o"],
            ["values", "crow_indices", "col_indices"], ["kernel", ""], ["packed", "meta"],
            ["attn.qkv.weight", "bias"]]
MODULES = ["model.layers.0.mlp.fc", "h.1.attn.c_attn", "h.1.mlp.c_fc", "model.layers.10.mlp.experts", "embeddings.word",
           "classifier", "layers.0.conv", "a\x1b[31m<b>", ""]
SIDES = st.one_of(st.sampled_from([0, 1, 2, 3, 4, 8, 31, 32, 64]), st.integers(0, 40))
WORDS = st.one_of(st.none(), st.booleans(), st.integers(-3, 1 << 70), st.floats(), st.text(max_size=4),
                  st.sampled_from(["gptq", "awq", "gpt2", "gpt_oss", "eetq", "gptq_v2"]), st.just([]), st.just({}))
CONFIGS = st.one_of(st.none(), st.fixed_dictionaries({}, optional={
    "model_type": WORDS, "hidden_size": WORDS, "num_attention_heads": WORDS, "text_config": WORDS,
    "sparsity_config": st.one_of(WORDS, st.fixed_dictionaries({"sparsity_structure": st.sampled_from(["2:4", 3])})),
    "quantization_config": st.one_of(WORDS, st.fixed_dictionaries({}, optional={
        "quant_method": WORDS, "bits": WORDS, "checkpoint_format": WORDS,
        "config_groups": st.one_of(WORDS, st.dictionaries(st.text(max_size=2), st.one_of(
            WORDS, st.fixed_dictionaries({"weights": st.one_of(WORDS, st.fixed_dictionaries(
                {"num_bits": WORDS}))})), max_size=2))}))}))


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, tuple[str, list[int]]]:
    """Names, types and shapes: of some modules some leaves each, mostly as formats have them."""
    out = {}
    for module in draw(st.lists(st.sampled_from(MODULES), min_size=1, max_size=3, unique=True)):
        stray = draw(st.lists(st.sampled_from(sorted(LEAVES)), max_size=2))
        lost = draw(st.integers(0, 9))  # one of a family is missing, now and then
        for place, leaf in enumerate([*draw(st.sampled_from(FAMILIES)), *stray]):
            kinds, shapes = LEAVES[leaf]
            usual = draw(st.integers(0, 19))
            if place == lost:
                continue
            kind = (kinds[usual % 2 * (len(kinds) - 1)] if usual > 6 else draw(st.sampled_from(kinds)) if usual else
                    draw(st.sampled_from(sorted(SIZES))))
            shape = (shapes[0] if usual > 6 else draw(st.sampled_from(shapes)) if usual > 1 else
                     draw(st.lists(SIDES, max_size=4)))
            while np.prod([float(n) for n in shape]) > 1 << 13:
                shape = shape[1:]
            out[f"{module}.{leaf}".strip(".") or "x"] = (kind, shape)
    return out


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A whole file; some have a header that was tampered with, or break off."""
    chance = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}} if draw(st.booleans()) else {}
    body = b""
    for name, (kind, shape) in draw(tensors()).items():
        size = int(np.prod(shape, dtype=int)) * SIZES[kind]
        raw = chance.integers(0, 256, size, dtype=np.uint8) * (chance.random(size) < draw(st.sampled_from([0, 0.5, 1])))
        if name.endswith("shape") and kind == "I64" and size == 16 and draw(st.integers(0, 5)):
            raw = np.array(draw(st.sampled_from([[64, 32], [64, 32], [8, 8], [64, 30]])), "<i8").view(np.uint8)
        elif name.endswith("bitmask") and draw(st.integers(0, 3)):
            raw = np.full(size, 15, np.uint8)  # half of all: as many as `compressed` mostly holds
        elif name.endswith("mask") and kind != "F32":
            raw &= 1
        elif name.endswith("g_idx") and draw(st.booleans()):
            raw *= np.uint8(0)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + size]}
        body += raw.astype(np.uint8).tobytes()
    if draw(st.integers(0, 7)) == 0:
        entry = header[draw(st.sampled_from(sorted(header)))]
        entry[draw(st.sampled_from(["dtype", "shape", "data_offsets", "more"]))] = draw(st.one_of(
            WORDS, st.lists(st.integers(-2, 1 << 63), max_size=3), st.sampled_from(sorted(SIZES))))
    raw_file = with_header(json.dumps(header).encode(), body)
    if draw(st.integers(0, 7)) == 0:
        place = draw(st.integers(0, len(raw_file) - 1))
        raw_file = draw(st.sampled_from([raw_file[:place], raw_file[:place] + b"\xff" + raw_file[place + 1:]]))
    return raw_file


def look(raw: bytes, config: Any, pattern: str, names: str, *, page: bool) -> None:
    """Inspect a file as the command line (and the *page*) does. Whatever is no InputError escapes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.safetensors").write_bytes(raw)
        if config is not None:
            (Path(folder) / "config.json").write_text(json.dumps(config))
        try:
            report = inspect(Path(folder), names, parse_pattern(pattern) if pattern else None)
        except InputError as error:
            assert error.given and error.expected and error.remedy and len(str(error)) < 800
            return
        holds_together(report)
        if page:
            can_be_shown(report)


def holds_together(report: Report) -> None:
    assert report.verdict and all(report.verdict)
    assert "Not sparse" not in report.verdict[0] or not report.blind
    for m in report.matrices:
        assert 0 <= m.zeros <= m.shape[0] * m.shape[1] and 0 <= m.compact <= m.stored
    if report.parameters is not None:
        looked = sum(m.shape[0] * m.shape[1] for m in report.matrices) + sum(r.weights for r in report.rest)
        assert looked <= report.parameters
    assert said(report) and "\x1b" not in said(report)
    msgspec.json.encode(report_object(report))


def can_be_shown(report: Report) -> None:
    view = views.overview(report)
    assert view.claim and (view.figure is None or "<b>" not in view.figure.to_json())
    for m in report.matrices[:3]:
        assert views.certificate(report, m.name).heading
    assert not report.matrices or len(views.short(report)) == len(report.matrices)


PATTERNS = st.sampled_from(["", "", "2:4", "16:32", "block:4x4:0.5"])
NAMES = st.sampled_from(["", "", "", "*", "*fc*", "*[0]"])


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(files(), CONFIGS, PATTERNS, NAMES)
def test_every_file_ends_in_a_report_or_in_a_sentence(raw: bytes, config: Any, pattern: str, names: str) -> None:
    look(raw, config, pattern, names, page=False)


@pytest.mark.slow
@pytest.mark.timeout(400)
@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(files(), CONFIGS, PATTERNS, NAMES)
def test_very_many_files_do_on_the_page_too(raw: bytes, config: Any, pattern: str, names: str) -> None:
    look(raw, config, pattern, names, page=True)
