"""Gram matrices of a run: recorded once an input, kept where they are worth it, read back, checked."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.inside.statistics import LayerStats
from core.running.recording import gram_owners, record_arrays, record_matrices
from core.runs import arrays as enc
from core.runs import grams
from core.runs.checks.folder_check import check
from core.runs.keeping import keep
from core.runs.records import Matrix
from core.runs.store import Store, read_header
from core.sparsity.patterns import parse_pattern
from core.sparsity.select import select
from tests import damage, makers

LAYER = "bert.encoder.layer.{}."
QUERY, KEY = (LAYER.format(0) + f"attention.self.{part}" for part in ("query", "key"))
DOWN = LAYER.format(1) + "output.dense"


@pytest.mark.parametrize("width", [1, 2, 7, 64])
def test_a_triangle_reads_back_as_the_matrix(width: int) -> None:
    x = np.random.default_rng(width).normal(size=(5, width))
    gram = (x.T @ x).astype(np.float32)
    kept = enc.upper_triangle(gram)
    by_hand = [gram[i, j] for i in range(width) for j in range(i, width)]
    assert kept.dtype == np.float32 and kept.tolist() == by_hand
    assert np.array_equal(enc.symmetric(kept, width), np.triu(gram) + np.triu(gram, 1).T)


def test_a_triangle_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="no triangle of a 4 x 4 matrix"):
        enc.symmetric(np.zeros(9, np.float32), 4)


def solved() -> tuple[dict[str, torch.Tensor], dict[str, LayerStats]]:
    """Two matrices on one input, one on another, one whose method asked for norms only."""
    torch.manual_seed(0)
    weights = {name: torch.randn(6, 8) for name in ("a.query", "a.key", "a.down", "a.last")}
    x, y = torch.randn(40, 8), torch.randn(30, 8)
    shared, own = x.T @ x, y.T @ y
    stats = {"a.query": LayerStats(shared.diagonal().sqrt(), 40, shared),
             "a.key": LayerStats(shared.diagonal().sqrt(), 40, shared),
             "a.down": LayerStats(own.diagonal().sqrt(), 30, own), "a.last": LayerStats(own.diagonal().sqrt(), 30)}
    return weights, stats


@pytest.mark.parametrize(("level", "kept"), [("full", []), ("lab", ["gram/a.query", "gram/a.down"])])
def test_matrices_that_share_an_input_share_one_gram_matrix(level: str, kept: list[str]) -> None:
    weights, stats = solved()
    pattern = parse_pattern("2:4")
    masks = {n: select(pattern, w.abs()) for n, w in weights.items()}
    final = {n: w * masks[n] for n, w in weights.items()}
    held = record_arrays(level, final, weights, masks, pattern, stats)  # type: ignore[arg-type]
    listed = record_matrices(level, final, weights, masks, masks, pattern, stats)  # type: ignore[arg-type]
    assert [k for k in held if k.startswith("gram/")] == kept
    names = {m.name: (m.gram, m.gram_tokens) for m in listed}
    assert names == (dict.fromkeys(weights, (None, None)) if level == "full" else
                     {"a.query": ("a.query", 40), "a.key": ("a.query", 40), "a.down": ("a.down", 30),
                      "a.last": (None, None)})
    for key in kept:
        gram = stats[key.removeprefix("gram/")].gram
        assert gram is not None and np.array_equal(enc.symmetric(held[key], 8), np.triu(gram) + np.triu(gram, 1).T)


def test_equal_gram_matrices_of_two_inputs_are_two() -> None:
    _, stats = solved()
    gram = stats["a.down"].gram
    assert gram is not None
    stats["a.last"] = LayerStats(stats["a.down"].norms, 30, gram.clone())
    assert gram_owners(stats) == {"a.query": "a.query", "a.key": "a.query", "a.down": "a.down", "a.last": "a.last"}


def test_a_record_without_the_field_still_loads(empty_store: Store) -> None:
    folder = empty_store.recorded / makers.make_run(empty_store.recorded, record="full")
    assert b'"gram"' not in (folder / "run.json").read_bytes()
    assert all(m.gram is None and m.gram_tokens is None for m in read_header(folder).matrices)


def matrices_of(layers: int, wide: int = 1536) -> list[Matrix]:
    out = []
    for k in range(layers):
        first = LAYER.format(k) + "attention.self.query"
        for part, width, owner in (("attention.self.query", 384, first), ("attention.self.key", 384, first),
                                   ("attention.output.dense", 384, None), ("output.dense", wide, None)):
            name = LAYER.format(k) + part
            out.append(Matrix(name=name, shape=(384, width), gram=owner or name))
    return out


@pytest.mark.parametrize(("layers", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (6, [0, 3, 5]),
                                                  (12, [0, 6, 11])])
def test_first_middle_and_last_layer_are_worth_keeping_and_wide_ones_never(layers: int, expected: list[int]) -> None:
    kept = grams.worth_keeping(matrices_of(layers))
    assert kept == {LAYER.format(k) + part for k in expected for part in ("attention.self.query",
                                                                           "attention.output.dense")}
    assert len(grams.worth_keeping(matrices_of(layers, wide=512))) == 3 * len(expected)


def test_worth_keeping_copes_with_nothing() -> None:
    assert grams.worth_keeping([]) == set()
    assert grams.worth_keeping([Matrix(name="head", shape=(4, 8))]) == set()
    assert grams.worth_keeping([Matrix(name="head", shape=(4, 8), gram="head")]) == {"head"}


@pytest.fixture
def lab_store(empty_store: Store) -> Store:
    """A live run of three layers at level lab; its FFN is 640 wide."""
    parent = makers.make_dense(empty_store.recorded, layers=4, ffn=640)
    makers.make_run(empty_store.live, parent=parent, method="admm-layer", layers=4, ffn=640, record="lab", id="planted")
    return empty_store


def test_keeping_at_level_lab_leaves_out_what_is_wide_or_between(lab_store: Store) -> None:
    before = lab_store.open("planted")
    assert check(before).problems == []
    keep(lab_store, "planted", "lab")
    after = Store(recorded=lab_store.recorded, live=lab_store.recorded / "none").open("planted")
    assert check(after).problems == []
    assert "Gram matrices of 9 inputs, read by 15 matrices" in " ".join(check(after).verified)
    held = {k for k in after.keys if k.startswith("gram/")}
    assert held == {f"gram/{LAYER.format(k)}{part}" for k in (0, 2, 3)
                    for part in ("attention.self.query", "attention.output.dense", "intermediate.dense")}
    assert {m.name for m in after.record.matrices if m.gram} == {
        m.name for m in before.record.matrices if m.shape[1] < 640 and ".1." not in m.name}


def test_keeping_at_a_lower_level_forgets_gram_matrices(lab_store: Store) -> None:
    keep(lab_store, "planted", "full")
    after = Store(recorded=lab_store.recorded, live=lab_store.recorded / "none").open("planted")
    assert not any(k.startswith("gram/") for k in after.keys)
    assert all(m.gram is None and m.gram_tokens is None for m in after.record.matrices)
    assert check(after).problems == []


def change_matrix(folder: Path, name: str, **fields: object) -> None:
    entries = [msgspec.to_builtins(m) for m in read_header(folder).matrices]
    damage.change_header(folder, matrices=[m | fields if m["name"] == name else m for m in entries])


SQUARE = enc.upper_triangle(np.eye(64))


@pytest.mark.parametrize(("value", "expected"), [
    (None, "the Gram matrix is missing"),
    (np.eye(64, dtype=np.float32), "the Gram matrix is float32 [64, 64], not the float32 [2080] of a triangle"),
    (SQUARE.astype(np.float64), "the Gram matrix is float64 [2080], not the float32 [2080] of a triangle"),
    (-SQUARE, "the Gram matrix has a negative square on its diagonal"),
    (np.where(np.arange(2080) == 5, 1.2, SQUARE).astype(np.float32),
     "the Gram matrix's entry (0, 5) is larger than the norms of inputs 0 and 5 allow"),
])
def test_a_wrong_gram_matrix_is_named(value: np.ndarray | None, expected: str, empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.recorded)
    makers.make_run(empty_store.recorded, parent=parent, record="lab", id="planted")
    damage.replace_arrays(empty_store.recorded / "planted", {f"gram/{QUERY}": value})
    assert check(empty_store.open("planted")).problems == [f"{QUERY}: {expected}"]


@pytest.mark.parametrize(("fields", "expected"), [
    ({"gram": "nowhere"}, "its Gram matrix should lie under 'nowhere', which has none of its own"),
    ({"gram": LAYER.format(1) + "attention.self.key"},
     f"its Gram matrix should lie under '{LAYER.format(1)}attention.self.key', which has none of its own"),
    ({"gram": DOWN}, f"it has 64 inputs, and shares the Gram matrix of {DOWN}, which has 256"),
])
def test_a_wrong_owner_is_named(fields: dict[str, str], expected: str, empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.recorded)
    makers.make_run(empty_store.recorded, parent=parent, record="lab", id="planted")
    change_matrix(empty_store.recorded / "planted", KEY, **fields)
    assert check(empty_store.open("planted")).problems == [f"{KEY}: {expected}"]


def test_a_lab_run_without_gram_matrices_says_so(empty_store: Store) -> None:
    makers.make_dense(empty_store.recorded, record="lab", id="dense-lab")
    found = check(empty_store.open("dense-lab"))
    assert found.ok and "no Gram matrices: the header names none" in found.verified
