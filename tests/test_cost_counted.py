"""Operations against sums by hand and torch's own counter; medians against every way that chance can fall; times that
were planted."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from core.cost import summary
from core.cost.flops import dense_flops, sparse_flops
from core.cost.measuring import turned
from core.cost.records import Passes
from core.models.loading import load_model
from core.models.prunable import prunable
from core.runs.records import Matrix
from core.statistics.medians import median, quartiles, rank_of

LAYER = "bert.encoder.layer.0."
SMALL = [(LAYER + "attention.self.query", (6, 8)), (LAYER + "attention.self.key", (6, 8)),
         (LAYER + "attention.self.value", (4, 8)), (LAYER + "attention.output.dense", (8, 4)),
         (LAYER + "intermediate.dense", (10, 8)), (LAYER + "output.dense", (8, 10))]


def test_operations_of_a_layer_by_hand() -> None:
    """Three tokens, every multiplication in a loop: matrices, then queries with keys, then weights with values."""
    matrices = sum(1 for _, (out, into) in SMALL for _ in itertools.product(range(3), range(out), range(into)))
    scores = sum(1 for _ in itertools.product(range(3), range(3), range(6)))
    sums = sum(1 for _ in itertools.product(range(3), range(3), range(4)))
    found = dense_flops(SMALL, 3)
    assert (found.matrices, found.attention) == (2 * matrices, 2 * (scores + sums))
    half = [Matrix(name=name, shape=shape, density=0.5) for name, shape in SMALL]
    assert sparse_flops(half, 3).matrices == matrices and sparse_flops(half, 3).attention == found.attention


@pytest.mark.parametrize("length", [8, 32])
def test_operations_of_tiny_are_those_that_torch_counts(length: int) -> None:
    model = load_model("tiny", labels=3, seed=0).model
    model.set_attn_implementation("eager")  # the fused kernel of the CPU is not counted by torch
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=torch.full((1, length), 7))
    head = 2 * 64 * 64 + 2 * 64 * 3  # pooler and classifier, over the first token
    shapes = [(name, tuple(layer.weight.shape)) for name, layer in prunable(model).items()]
    assert dense_flops(shapes, length).total == counter.get_total_flops() - head


@pytest.mark.parametrize("n", range(1, 13))
def test_the_interval_of_a_median_covers_as_often_as_it_says(n: int) -> None:
    """Of all 2^n ways in which n values fall below or above the true median, count those whose interval covers it."""
    rank = rank_of(n)
    below = [sum(way) for way in itertools.product((0, 1), repeat=n)]

    def covered(k: int) -> float:
        return sum(k < b < n - k for b in below) / len(below)

    if rank is None:
        assert covered(0) < 0.95
    else:
        assert covered(rank) >= 0.95 > covered(rank + 1)
        assert median(range(n)).low == rank and median(range(n)).high == n - 1 - rank


def test_medians_and_quartiles_of_planted_times() -> None:
    assert rank_of(100) == 39 and rank_of(1000) == 468  # tables of the sign test
    assert quartiles([1, 2, 3, 4, 100]) == summary.Interval(3, 2, 4)
    assert math.isnan(median([1.0, 2.0]).low) and math.isnan(median([]).value)


def passes(dense: list[int], pruned: list[int]) -> Passes:
    return Passes(batch=1, length=32, micros={"dense": dense, "pruned": pruned})


def test_a_ratio_is_taken_pass_by_pass_so_that_a_slow_machine_cancels() -> None:
    slow = np.random.default_rng(0).integers(1, 50, 60)
    pruned = (1000 * slow).tolist()
    found = summary.timed(passes([2 * t for t in pruned], pruned), "pruned")
    assert found.times == summary.Interval(2, 2, 2) and found.what == "Time, 1 × 32 tokens"
    shuffled = summary.timed(passes([2 * t for t in reversed(pruned)], pruned), "pruned")
    assert shuffled.times.high - shuffled.times.low > 0.5


def test_every_model_is_first_equally_often() -> None:
    for names in (["a"], ["a", "b"], ["a", "b", "c"]):
        turns = [turned(names, k) for k in range(6)]
        assert all(sorted(turn) == names for turn in turns)
        assert {name: sum(turn[0] == name for turn in turns) for name in names} == dict.fromkeys(names, 6 // len(names))


def test_the_first_and_the_last_setting() -> None:
    settings = [SimpleNamespace(batch=b, length=n) for n in (32, 128) for b in (32, 1, 8)]
    assert [(p.batch, p.length) for p in summary.ends(settings)] == [(1, 32), (32, 128)]  # type: ignore[arg-type]
    assert summary.ends(settings[:1]) == settings[:1] and summary.ends([]) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "words"), [
    (summary.byte_words(999), "999 B"), (summary.byte_words(90_867_952), "90.9 MB"),
    (summary.byte_words(999_600), "1 MB"), (summary.flop_words(6_815_744), "6.82 MFLOP"),
    (summary.time_words(1), "1 µs"), (summary.time_words(2_500_000), "2.5 s"), (summary.time_words(4e9), "4000 s"),
    (summary.time_words(999.7e6), "1000 s"), (summary.time_words(976, 1070), "0.976 ms"),
    (summary.time_words(1070, 976), "1.07 ms"), (summary.time_words(1, 1e6), "1 µs"),
    (summary.count_words(10_616_832), "10.6 M")])
def test_amounts_in_words(text: str, words: str) -> None:
    assert text == words
