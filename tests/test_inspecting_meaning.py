"""Which matrices a checkpoint means: masks, layers stored the other way round, stacks, and what is no matrix at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.inspecting.levels import highest_code
from core.inspecting.looking import inspect
from core.sparsity.patterns import parse_pattern
from tests import packing
from tests.checkpoints import LAYER, QUERY, file_bytes, nm, noise, write
from tests.reading_back import MODULE, in_module, matrices_of, only

# -- masks -------------------------------------------------------------------------------------------------------

def test_what_torch_prunes_is_judged_by_weight_times_mask(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from torch.nn.utils import prune

    layer = torch.nn.Linear(64, 64)
    mask = torch.from_numpy(nm(2, 4) != 0)
    prune.custom_from_mask(layer, "weight", mask)
    prune.l1_unstructured(layer, "bias", 0.5)
    save_file({f"{MODULE}.{k}": v for k, v in layer.state_dict().items()}, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(matrices_of(tmp_path)[MODULE], layer.weight.detach().numpy())
    report = inspect(tmp_path)
    assert report.verdict[0] == "The one matrix of the layers (98.5 % of the parameters) obeys 2:4."
    assert report.verdict[1] == "50.0 % of its weights are zero." and report.parameters == 64 * 65
    assert "1 matrix is stored as weights with a mask, their product judged." in report.verdict


@pytest.mark.parametrize(("weight", "mask"), [
    ("weight", "weight_mask"), ("weight", "mask"), ("weight", "_weight_mask"), ("weight", "__weight_mma_mask"),
    ("parametrizations.weight.original", "parametrizations.weight.0.mask"), ("weight_orig", "weight_mask")])
@pytest.mark.parametrize("kind", [np.float32, np.bool_, np.uint8])
def test_masks_under_the_names_of_other_libraries(tmp_path: Path, weight: str, mask: str, kind: type) -> None:
    weights, keep = noise(), nm(1, 4) != 0
    only(write(tmp_path, in_module({weight: weights, mask: keep.astype(kind)})), weights * keep)


@pytest.mark.parametrize(("weight", "beside"), [
    ("weight_orig", {"weight_u": (64,), "weight_v": (64,)}), ("weight_v", {"weight_g": (64, 1)}),
    ("parametrizations.weight.original1", {"parametrizations.weight.original0": (64, 1)})])
def test_norms_of_weights_scale_them_and_leave_their_zeros(tmp_path: Path, weight: str,
                                                           beside: dict[str, tuple[int, ...]]) -> None:
    parts = {weight: nm(2, 4)} | {name: np.ones(shape, np.float32) for name, shape in beside.items()}
    report = inspect(write(tmp_path, in_module(parts)))
    assert report.verdict[0] == "The one matrix of the layers (all parameters) obeys 2:4."
    parts[weight] = np.ones((64, 64), np.bool_)
    assert not inspect(write(tmp_path, in_module(parts))).matrices


def test_a_mask_alone_and_a_weight_without_its_mask(tmp_path: Path) -> None:
    report = inspect(write(tmp_path / "a", in_module({"weight_mask": np.ones((64, 64), np.float32)})))
    assert not report.matrices and report.parameters == 0
    report = inspect(write(tmp_path / "b", in_module({"weight_orig": noise()})))
    assert report.verdict == ("Nothing can be said of its one matrix: it is not read (weights without the mask that "
                              "belongs to them).",)
    report = inspect(write(tmp_path / "c", in_module({"weight": noise(), "mask_scores": noise(seed=1)})))
    assert not report.matrices and "which of them stay is decided" in report.verdict[0]


# -- which way round, and how many -------------------------------------------------------------------------------

GPT2 = {"attn.c_attn": (192, 64), "attn.c_proj": (64, 64), "mlp.c_fc": (256, 64), "mlp.c_proj": (64, 256)}


@pytest.mark.parametrize("tells", ["config", "bias", "shapes"])
def test_conv1d_is_judged_along_its_inputs(tmp_path: Path, tells: str) -> None:
    planted = {f"h.0.{part}": nm(2, 4, *shape, seed=k) for k, (part, shape) in enumerate(GPT2.items())}
    tensors = {f"{n}.weight": np.ascontiguousarray(w.T) for n, w in planted.items()}
    if tells == "bias":
        tensors |= {f"{n}.bias": noise(1, len(w))[0] for n, w in planted.items()}
    folder = write(tmp_path, tensors, {"model_type": "gpt2"} if tells == "config" else {})
    for name, matrix in matrices_of(folder).items():
        np.testing.assert_array_equal(matrix, planted[name])
    assert {m.found.pattern for m in inspect(folder).matrices} == {"2:4"}


def test_layers_of_those_names_that_are_linear_stay_as_they_are(tmp_path: Path) -> None:
    planted = {f"transformer.h.0.{part}": nm(2, 4, *shape) for part, shape in GPT2.items() if part != "attn.c_attn"}
    folder = write(tmp_path, {f"{n}.weight": w for n, w in planted.items()}, {"model_type": "gpt_neo"})
    for name, matrix in matrices_of(folder).items():
        np.testing.assert_array_equal(matrix, planted[name])


def test_a_kernel_of_flax_lies_the_other_way_round(tmp_path: Path) -> None:
    planted = nm(2, 4, 96, 64)
    folder = write(tmp_path, {"layer.0.query.kernel": np.ascontiguousarray(planted.T)})
    (matrix,) = matrices_of(folder).values()
    np.testing.assert_array_equal(matrix, planted)


@pytest.mark.parametrize(("config", "turned"), [
    ({}, False), ({"model_type": "mixtral", "hidden_size": 64}, False), ({"model_type": "gpt_oss"}, True),
    ({"model_type": "new", "hidden_size": 64}, True), ({}, True)])
def test_a_stack_of_experts_is_many_matrices(tmp_path: Path, config: dict[str, Any], turned: bool) -> None:
    up = np.stack([nm(2, 4, 96, 64, seed=k) for k in range(3)])
    down = np.stack([nm(1, 4, 64, 48, seed=k) for k in range(3)])
    module = "model.layers.0.mlp.experts"
    stored = {f"{module}.gate_up_proj": up, f"{module}.down_proj": down}
    folder = write(tmp_path, {n: w.swapaxes(1, 2) if turned else w for n, w in stored.items()}, config)
    found = matrices_of(folder)
    assert len(found) == 6
    for k in range(3):
        np.testing.assert_array_equal(found[f"{module}.gate_up_proj[{k}]"], up[k])
        np.testing.assert_array_equal(found[f"{module}.down_proj[{k}]"], down[k])
    report = inspect(folder)
    assert report.verdict[0] == "Of 6 matrices of the layers (all parameters), 3 obey 1:4 and 3 obey 2:4."
    assert inspect(folder, "*down_proj[2]").matrices[0].found.pattern == "1:4"


def test_a_stack_under_any_name_is_no_convolution(tmp_path: Path) -> None:
    planted = np.stack([nm(2, 4, 16, 16, seed=k) for k in range(4)])
    found = matrices_of(write(tmp_path, {"layers.0.ffn.weight": planted}))
    np.testing.assert_array_equal(np.stack([found[f"layers.0.ffn[{k}]"] for k in range(4)]), planted)


def test_query_key_and_value_in_one_matrix_are_told_apart_where_they_differ(tmp_path: Path) -> None:
    fused = np.concatenate([nm(2, 4), noise(), nm(1, 4)])
    report = inspect(write(tmp_path, {"layers.0.attn.qkv.weight": fused, "layers.1.attn.qkv.weight": nm(2, 4, 192)}))
    assert report.remarks == (
        "layers.0.attn.qkv is three matrices in one: query obeys 2:4, key is dense, value obeys 1:4.",)


@pytest.mark.parametrize("inside", [True, False])
def test_what_config_promises_is_held_against_what_is_found(tmp_path: Path, inside: bool) -> None:
    said: dict[str, Any] = {"sparsity_config": {"format": "dense", "sparsity_structure": "2:4"}}
    config = {"quantization_config": said} if inside else said
    kept = {"layers.0.a.weight": nm(2, 4)}
    assert not inspect(write(tmp_path, kept, config)).remarks
    assert inspect(write(tmp_path, kept | {"layers.1.a.weight": noise()}, config)).remarks == (
        "config.json promises 2:4: 1 of 2 matrices of the layers are otherwise.",)


def test_convolutions_are_judged_along_their_input_channels(tmp_path: Path) -> None:
    planted = nm(2, 4, 16 * 9, 8).reshape(16, 3, 3, 8)
    point = nm(2, 4, 32, 16)
    folder = write(tmp_path, {"layers.0.conv.weight": planted.transpose(0, 3, 1, 2),
                              "layers.0.query.weight": point[:, :, None]})
    found = matrices_of(folder)
    np.testing.assert_array_equal(found["layers.0.conv"], planted.reshape(16, 72))
    np.testing.assert_array_equal(found["layers.0.query"], point)
    assert {m.found.pattern for m in inspect(folder).matrices} == {"2:4"}


def test_attention_of_xlnet_and_funnel_lies_in_three_dimensions(tmp_path: Path) -> None:
    query, output = nm(2, 4, 64, 32), nm(2, 4, 32, 64)
    found = matrices_of(write(tmp_path, {"transformer.layer.0.rel_attn.q": query.T.reshape(32, 4, 16),
                                         "transformer.layer.0.rel_attn.o": output.reshape(32, 4, 16),
                                         "funnel.encoder.blocks.0.0.attention.r_kernel": query.T.reshape(32, 4, 16),
                                         "transformer.layer.0.rel_attn.r_r_bias": noise(4, 16)}))
    np.testing.assert_array_equal(found["funnel.encoder.blocks.0.0.attention.r_kernel"], query)
    np.testing.assert_array_equal(found["transformer.layer.0.rel_attn.q"], query)
    np.testing.assert_array_equal(found["transformer.layer.0.rel_attn.o"], output)
    assert len(found) == 3


# -- what is not judged ------------------------------------------------------------------------------------------

def test_tables_that_no_input_is_multiplied_with_are_no_matrices(tmp_path: Path) -> None:
    report = inspect(write(tmp_path, {
        "h.0.mlp.fc.weight": noise(), "h.0.attn.bias": np.tril(np.ones((1, 1, 32, 32), np.float32)),
        "h.0.attn.mask": np.tril(np.ones((32, 32), np.bool_)), "h.0.mixer.A_log": noise(64, 16),
        "h.0.key.bias": noise(16, 1), "position_ids": np.arange(32)[None], "h.0.fc2.weight_scale": noise(64, 1)}))
    assert [m.name for m in report.matrices] == ["h.0.mlp.fc"]
    assert {r.kind: r.weights for r in report.rest} == {
        "masks": 0, "scales and notes of a format": 0, "whole numbers that are no weights": 0,
        "norms, biases and other": 1024 + 1024 + 16}


def test_low_rank_updates_are_said_to_be_that(tmp_path: Path) -> None:
    name = "base_model.model.bert.encoder.layer.0.attention.self.query"
    low = {f"{name}.lora_A.weight": noise(4, 64), f"{name}.lora_B.weight": np.zeros((64, 4), np.float32)}
    report = inspect(write(tmp_path / "a", low))
    assert report.verdict == ("An adapter: 2 tensors of low-rank updates. The model's own layers are not in it.",)
    report = inspect(write(tmp_path / "b", low | {f"{name}.base_layer.weight": nm(2, 4)}))
    assert [m.name for m in report.matrices] == [f"{name}.base_layer"]
    assert report.verdict[0] == "The one matrix of the layers (88.9 % of the parameters) obeys 2:4."
    assert report.remarks == ("Low-rank updates lie beside the weights: merged into them, they would fill their "
                              "zeros.",)


def test_small_layers_of_an_adapter_are_said_to_be_that(tmp_path: Path) -> None:
    name = "bert.encoder.layer.0.output.adapters.task"
    small = {f"{name}.adapter_down.0.weight": noise(8, 64), "classifier.weight": noise(2, 64)}
    report = inspect(write(tmp_path, small))
    assert report.verdict[0] == \
        "An adapter: 1 tensor of small layers of an adapter. The model's own layers are not in it."
    assert report.verdict[1] == "Not sparse: 0.0 % zeros in the 1 matrix (20.0 % of the parameters)."


@pytest.mark.parametrize(("kept", "places"), [("weight.packed", "weight.meta"), ("weight_values", "weight_indices"),
                                              ("weight_compressed", "weight_bitmask"), ("packed", "meta")])
def test_what_stays_without_its_zeros_is_not_taken_for_a_dense_matrix(tmp_path: Path, kept: str, places: str) -> None:
    report = inspect(write(tmp_path, in_module({kept: noise(64, 32), places: np.ones((64, 4), np.int16)})))
    assert report.verdict == (
        "Nothing can be said of its one matrix: it is not read (what stays, its places beside it).",)


def test_what_is_packed_and_not_read_is_named_and_never_called_dense(tmp_path: Path) -> None:
    packed = in_module({"weight": np.ones((2048, 1), np.uint8), "weight.absmax": np.ones(64, np.float32),
                        "weight.quant_map": np.ones(16, np.float32),
                        "weight.quant_state.bitsandbytes__nf4": np.ones(80, np.uint8)})
    report = inspect(write(tmp_path / "a", packed))
    assert report.verdict == ("Nothing can be said of its one matrix: it is not read (bitsandbytes, 4 bits).",)
    report = inspect(write(tmp_path / "b", packed | {"model.layers.0.mlp.gate.weight": noise(4, 64)}))
    assert report.verdict[0] == "Dense: 0.0 % zeros in the 1 matrix of the layers that could be read (5.9 % of the " \
        "parameters); 1 more is not read."
    for said in ({"quant_method": "eetq"}, {"quant_method": "new", "bits": 4}):
        report = inspect(write(tmp_path / "c", in_module({"weight": np.ones((64, 8), np.int32)}),
                               {"quantization_config": said}))
        assert f"packed ({said['quant_method']})" in report.verdict[0]


@pytest.mark.parametrize("parts", [
    packing.pack_quantized(np.zeros((64, 64), int), 4) | {"weight_shape": np.array([64, 72])},
    {"bitmask": np.zeros((8, 1), np.uint8), "shape": np.array([8, 9]), "compressed": np.zeros(0, np.float32)},
    {"bitmask": np.zeros((8, 1), np.uint8), "shape": np.array([8, 8])},
    {"qweight": np.zeros((8, 64), np.int32), "scales": noise(1, 64)},
    {"qweight": np.zeros((6, 64), np.int32), "qzeros": np.zeros((1, 6), np.int32)},  # 3 bits
    {"weight_packed": np.zeros((2, 64), np.int32), "meta": np.zeros((2, 64), np.int16)},
    {"weight": np.ones((64, 64), np.int8), "weight_zero_point": np.ones((3, 3), np.int8)}])
def test_parts_that_do_not_fit_together_are_not_read(tmp_path: Path, parts: dict[str, np.ndarray]) -> None:
    report = inspect(write(tmp_path, in_module(parts)))
    assert not report.matrices and report.verdict[0].startswith("Nothing can be said of its one matrix: it is not read")
    assert len(report.remarks) == 1


def test_a_pattern_asked_of_what_cannot_be_read_does_not_hold(tmp_path: Path) -> None:
    packed = in_module({"weight": np.ones((64, 8), np.int32)})
    for tensors in (packed, packed | {"model.layers.1.mlp.up_proj.weight": nm(2, 4)}):
        report = inspect(write(tmp_path, tensors), pattern=parse_pattern("2:4"))
        assert not report.ok
    assert report.verdict[0] == "2:4 holds in 1 matrix (88.9 % of the bytes); 1 more is not read."


def test_weights_that_are_nearly_zero_are_remarked_and_not_counted(tmp_path: Path) -> None:
    weights = np.where(nm(2, 4) == 0, np.float32(1e-12), noise())
    report = inspect(write(tmp_path, in_module({"weight": weights})))
    assert report.verdict[0].startswith("Not sparse: 0.0 %") and report.matrices[0].faint == 2048
    assert "holds 2 048 values that are nearly zero" in report.remarks[0]


# -- files -------------------------------------------------------------------------------------------------------

def test_numbered_shards_without_an_index_are_one_model(tmp_path: Path) -> None:
    for k in (1, 2):
        (tmp_path / f"model-0000{k}-of-00002.safetensors").write_bytes(
            file_bytes({f"layers.{k}.fc.weight": nm(2, 4, seed=k)}))
    report = inspect(tmp_path)
    assert report.files == 2 and report.verdict[0] == "All 2 matrices of the layers (all parameters) obey 2:4."
    report = inspect(tmp_path / "model-00001-of-00002.safetensors")
    assert "one of 2 files of a model" in report.remarks[0]
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(file_bytes({"layers.1.fc.weight": nm(2, 4)}))
    with pytest.raises(InputError, match="hold a tensor twice"):
        inspect(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").rename(tmp_path / "model-00001-of-00003.safetensors")
    (tmp_path / "model-00002-of-00002.safetensors").rename(tmp_path / "model-00002-of-00003.safetensors")
    with pytest.raises(InputError, match="holds 2 of 3 shards"):
        inspect(tmp_path)


def test_a_folder_of_checkpoints_names_one(tmp_path: Path) -> None:
    write(tmp_path / "checkpoint-500", {"layers.0.fc.weight": nm(2, 4)})
    with pytest.raises(InputError, match="for example checkpoint-500"):
        inspect(tmp_path)


@pytest.mark.parametrize("exponent", [0, -100, 1021, -1021])
def test_a_grid_is_found_at_either_end_of_what_float64_holds(exponent: int) -> None:
    """The codes 0, 3, 5 and 7, times a power of two: the least gap is 2, twice the step, at every size alike."""
    codes = np.random.default_rng(0).choice([0.0, 3.0, 5.0, -7.0], (8, 64))
    assert highest_code(np.ldexp(codes, exponent), 0, float(np.finfo(np.float64).eps)) == 7


@pytest.mark.parametrize("empty", ["embeddings.word.bias", "embeddings.word.weight", LAYER.format(1, QUERY),
                                   "classifier.weight"])
@pytest.mark.parametrize("shape", [(0, 64), (64, 0), (0,)])
def test_what_has_no_weights_is_no_part_of_the_verdict(tmp_path: Path, empty: str, shape: tuple[int, ...]) -> None:
    held = {LAYER.format(0, QUERY): noise(64, 64)}
    alone = inspect(write(tmp_path / "alone", held))
    beside = inspect(write(tmp_path / "beside", held | {empty: np.zeros(shape, np.float32)}))
    assert [text for text in beside.verdict if "NaN" in text or "nan" in text] == []
    assert beside.verdict[0].split(" (")[0] == alone.verdict[0].split(" (")[0]
