"""Heads, neurons and modules as units over several matrices: found by names, chosen, masked, judged. Oracles are loops
over units written down here, and planted faults."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.runs.anatomy import anatomy_of
from core.sparsity.occupancy import distance_all
from core.sparsity.patterns import parse_pattern
from core.sparsity.select import select_all
from core.sparsity.storage import storage_of
from core.sparsity.units import Anatomy
from core.sparsity.verify import ALL, verify_all

D, HEADS, FFN, LAYERS = 8, 4, 6, 3
SIZE = D // HEADS
BERT = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
        "intermediate.dense", "output.dense")
DISTIL = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2")


def shapes_of(prefix: str = "bert.encoder.layer", names: tuple[str, ...] = BERT) -> dict[str, tuple[int, int]]:
    sides = [(D, D)] * 4 + [(FFN, D), (D, FFN)]
    return {f"{prefix}.{i}.{name}": side for i in range(LAYERS) for name, side in zip(names, sides, strict=True)}


def name(layer: int, part: int) -> str:
    return f"bert.encoder.layer.{layer}.{BERT[part]}"


def parts(arrays: dict[str, np.ndarray], layer: int, unit: int, head: bool) -> list[np.ndarray]:
    """What belongs to one unit, written down."""
    if head:
        rows = slice(unit * SIZE, unit * SIZE + SIZE)
        return [*(arrays[name(layer, p)][rows] for p in range(3)), arrays[name(layer, 3)][:, rows]]
    return [arrays[name(layer, 4)][unit:unit + 1], arrays[name(layer, 5)][:, unit:unit + 1]]


UNITS = [(layer, unit, head) for layer in range(LAYERS)
         for head, count in ((True, HEADS), (False, FFN)) for unit in range(count)]
WEIGHT = {True: 4 * SIZE * D, False: 2 * D}


@pytest.fixture
def anatomy() -> Anatomy:
    return anatomy_of(shapes_of(), HEADS)


@pytest.fixture
def scores() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    # Layers of very different sizes, so that a choice over the model is not one a layer.
    return {key: (rng.random(shape) * (1 + 5 * (i // 6))).astype(np.float32)
            for i, (key, shape) in enumerate(shapes_of().items())}


def chosen(text: str, anatomy: Anatomy, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    pattern = parse_pattern(text).joined(anatomy)
    masks = select_all(pattern, {key: torch.from_numpy(s) for key, s in scores.items()})
    return {key: mask.numpy() for key, mask in masks.items()}


def stays(masks: dict[str, np.ndarray]) -> set[tuple[int, int, bool]]:
    """The units that are whole; every other one must be gone from everywhere."""
    whole = set()
    for unit in UNITS:
        found = parts(masks, *unit)
        assert all(p.all() for p in found) or not any(p.any() for p in found), unit
        if found[0].all():
            whole.add(unit)
    return whole


def sums(scores: dict[str, np.ndarray]) -> dict[tuple[int, int, bool], float]:
    return {unit: math.fsum(float(v) for p in parts(scores, *unit) for v in p.ravel()) for unit in UNITS}


@pytest.mark.parametrize(("text", "head"), [("heads:0.5", True), ("neurons:0.7", False), ("heads:0.75", True)])
def test_the_best_of_the_model_stay_and_one_in_every_layer(text: str, head: bool, anatomy: Anatomy,
                                                           scores: dict[str, np.ndarray]) -> None:
    found, worth = stays(chosen(text, anatomy, scores)), sums(scores)
    mine = sorted((u for u in UNITS if u[2] == head), key=lambda u: -worth[u])
    number = math.floor((1 - float(text.split(":")[1])) * len(mine) + 0.5)
    expected = {max((u for u in mine if u[0] == layer), key=lambda u: worth[u]) for layer in range(LAYERS)}
    for unit in mine:
        if len(expected) < number:
            expected.add(unit)
    assert {u for u in found if u[2] == head} == expected
    assert {u for u in found if u[2] != head} == {u for u in UNITS if u[2] != head}


def test_modules_go_whole_by_the_mean_of_their_weights(anatomy: Anatomy, scores: dict[str, np.ndarray]) -> None:
    worth = sums(scores)
    modules = {(layer, head): sum(v for u, v in worth.items() if (u[0], u[2]) == (layer, head))
               / sum(WEIGHT[head] for u in UNITS if (u[0], u[2]) == (layer, head))
               for layer in range(LAYERS) for head in (True, False)}
    expected = sorted(modules, key=lambda m: -modules[m])[:4]  # of 6, a third goes
    found = stays(chosen("modules:0.3333", anatomy, scores))
    assert {(u[0], u[2]) for u in found} == set(expected)
    assert found == {u for u in UNITS if (u[0], u[2]) in set(expected)}


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.93])
def test_units_fill_the_weights_that_may_stay(share: float, anatomy: Anatomy, scores: dict[str, np.ndarray]) -> None:
    worth, room, expected = sums(scores), math.floor((1 - share) * anatomy.weights + 0.5), set()
    for unit in sorted(UNITS, key=lambda u: -worth[u] / WEIGHT[u[2]]):
        if WEIGHT[unit[2]] <= room:
            expected.add(unit)
            room -= WEIGHT[unit[2]]
    assert stays(chosen(f"units:{share}", anatomy, scores)) == expected


@pytest.mark.parametrize("text", ["heads:0.5", "neurons:0.7", "modules:0.5", "units:0.6"])
def test_what_is_chosen_is_verified_counted_and_stored(text: str, anatomy: Anatomy,
                                                       scores: dict[str, np.ndarray]) -> None:
    pattern, masks = parse_pattern(text).joined(anatomy), chosen(text, anatomy, scores)
    verdict = verify_all(masks, pattern)[ALL]
    assert verdict.ok and verdict.short == 0
    left = sum(WEIGHT[u[2]] for u in stays(masks))
    assert anatomy.left(anatomy.kept(masks)) == left == sum(int(m.sum()) for m in masks.values())
    assert left <= pattern.budget.kept(anatomy.weights)
    kept = [int(mask.sum()) for mask in masks.values()]
    stored = storage_of(pattern, None, list(shapes_of().values()), kept)
    assert (stored.values, stored.indices) == (32 * left, 0)
    # The least energy that must go is that of the units of least energy.
    squares = {key: s**2 for key, s in scores.items()}
    gone = chosen(text, anatomy, squares)
    found = distance_all(scores, pattern)
    lost = sum(float(squares[key][~gone[key]].sum()) for key in squares)
    assert sum(found[key].share * float(squares[key].sum()) for key in squares) == pytest.approx(lost, rel=1e-5)


def broken(text: str, masks: dict[str, np.ndarray], anatomy: Anatomy) -> list[str]:
    return [str(e) for e in verify_all(masks, parse_pattern(text).joined(anatomy))[ALL].examples]


def test_planted_faults_are_found_where_they_are(anatomy: Anatomy, scores: dict[str, np.ndarray]) -> None:
    whole = {key: np.ones(shape, dtype=bool) for key, shape in shapes_of().items()}
    assert "12 of 12 heads are left, allowed 6" in broken("heads:0.5", whole, anatomy)[0]
    masks = chosen("heads:0.5", anatomy, scores)
    layer, unit, _ = next(u for u in UNITS if u[2] and not parts(masks, *u)[0].any())
    masks[name(layer, 1)][unit * SIZE, 3] = True  # one weight of one key row
    first = broken("heads:0.5", masks, anatomy)[0]
    assert first.startswith(f"{ALL}: head {unit + 1} of layer {layer + 1} is half removed: gone from "
                            f"{name(layer, 0)}, {name(layer, 2)}, {name(layer, 3)}, but 1 of its weights")
    empty = dict(whole)
    for part in range(4):
        empty[name(1, part)] = np.zeros_like(whole[name(1, part)])
    # 8 of 12 are left, fewer than may be, and yet:
    assert broken("heads:0.25", empty, anatomy) == [
        f"{ALL}: layer 2 has no head left, and heads:0.25 leaves one to every layer"]
    assert broken("units:0.1", empty, anatomy) == broken("modules:0.1", empty, anatomy) == []


def test_a_kept_unit_with_zeros_of_its_own_is_short_and_no_fault(anatomy: Anatomy,
                                                                 scores: dict[str, np.ndarray]) -> None:
    masks = chosen("neurons:0.5", anatomy, scores)
    layer, unit, _ = next(u for u in UNITS if not u[2] and parts(masks, *u)[0].any())
    masks[name(layer, 4)][unit, :3] = False
    verdict = verify_all(masks, parse_pattern("neurons:0.5").joined(anatomy))[ALL]
    assert verdict.ok and verdict.short == 1


def test_the_anatomy_is_told_by_names_of_other_families_too(anatomy: Anatomy) -> None:
    other = anatomy_of(shapes_of("distilbert.transformer.layer", DISTIL), HEADS)
    assert [(m.layer, m.noun, m.units, m.size) for m in other.modules] == \
        [(m.layer, m.noun, m.units, m.size) for m in anatomy.modules] == \
        [(i, *rest) for i in (1, 2, 3) for rest in (("head", 4, 2), ("neuron", 6, 1))]
    assert other.modules[0].columns == "distilbert.transformer.layer.0.attention.out_lin"
    gated = {**{f"m.layers.{i}.self_attn.{p}_proj": (D, D) for i in range(2) for p in "qkvo"},
             **{f"m.layers.{i}.mlp.{p}_proj": (FFN, D) for i in range(2) for p in ("gate", "up")},
             **{f"m.layers.{i}.mlp.down_proj": (D, FFN) for i in range(2)}}
    assert anatomy_of(gated, HEADS).modules[1].rows == ("m.layers.0.mlp.up_proj", "m.layers.0.mlp.gate_proj")
    assert anatomy_of({**shapes_of(), "bert.encoder.layer.0.extra": (3, 5)}, HEADS).others == 15


@pytest.mark.parametrize(("change", "heads", "words"), [
    ({"bert.encoder.layer.1.attention.self.key": None}, HEADS, "layer 2 has no matrix known as key, only"),
    ({"bert.encoder.layer.1.attention.self.key": (4, D)}, HEADS, "query, key, value and output of layer 2 are of diff"),
    ({}, 3, "the 8 rows of layer 1's query are not 3 equal heads"),
    ({"bert.encoder.layer.2.output.dense": (D, 5)}, HEADS, "the matrices of layer 3's FFN are of different sizes")])
def test_a_model_whose_units_cannot_be_found_is_refused(change: dict, heads: int, words: str) -> None:
    shapes = {key: side for key, side in {**shapes_of(), **change}.items() if side is not None}
    with pytest.raises(InputError, match=f"The heads and neurons of a model cannot be found: {words}"):
        anatomy_of(shapes, heads, "a model")


@pytest.mark.parametrize(("text", "words"), [
    ("heads:0.8", "leaves 2 of 12 heads to 3 layers. Expected one head or more in every layer: .* at most 0.75"),
    ("neurons:0.9", "leaves 2 of 18 neurons to 3 layers. .* a share of at most 0.833333"),
    ("modules:0.95", "leaves nothing of the model's layers"), ("units:0.99", "leaves nothing of the model's layers"),
    ("heads:1", "out of range"), ("heads:half", "no number where its sparsity should be"),
    ("heads:50%", "no number where its sparsity should be")])
def test_a_share_that_cannot_be_is_said_in_one_sentence(text: str, words: str, anatomy: Anatomy) -> None:
    with pytest.raises(InputError, match=words):
        parse_pattern(text).joined(anatomy)


def test_the_largest_share_that_is_named_is_taken(anatomy: Anatomy) -> None:
    assert parse_pattern("heads:0.75").joined(anatomy) and parse_pattern("neurons:0.833333").joined(anatomy)


def test_a_pattern_of_units_asks_for_its_model(scores: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match="does not know the model's heads and neurons"):
        select_all(parse_pattern("heads:0.5"), {key: torch.from_numpy(s) for key, s in scores.items()})
    with pytest.raises(InputError, match="has no units over several matrices"):
        parse_pattern("2:4").known()


def test_a_worth_that_is_no_number_is_refused(anatomy: Anatomy) -> None:
    worth = tuple(np.full(m.units, np.nan) for m in anatomy.modules)
    with pytest.raises(InputError, match="not a finite number"):
        parse_pattern("units:0.5").joined(anatomy).choose(worth)
