"""A pattern of one's own: one class and one line in the list, and everything takes it. And units that no pattern of
the list has yet: whole rows, whole columns, over one matrix or over all."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from core.sparsity.library import Library
from core.sparsity.occupancy import distance, distance_all, occupancy
from core.sparsity.patterns import PATTERNS, Budget, Grouping, Kind, Pattern, parse_pattern
from core.sparsity.select import select, select_all
from core.sparsity.storage import storage_of
from core.sparsity.verify import ALL, verify, verify_all
from tests.opening import charts, open_page, said


@dataclass(frozen=True)
class EverySecondColumn(Pattern):
    """Of every two columns the first stays: a library with a single support."""

    name = "alternate"
    title = "keep every second column"
    grouping = Grouping(group=(1, 2), noun="block")
    budget = Budget(number=1, ways=1)
    library = Library(1, 2, np.array([[True, False]]))


@pytest.fixture
def alternate(monkeypatch: pytest.MonkeyPatch) -> Pattern:
    """The pattern, in the list."""
    line = Kind("alternate", "alternate", "keep every second column", "alternate", lambda text: EverySecondColumn())
    monkeypatch.setitem(PATTERNS, line.name, line)
    return parse_pattern("alternate")


def striped(rows: int, columns: int) -> np.ndarray:
    """The mask that the pattern leaves, written down."""
    return np.tile(np.arange(columns) % 2 == 0, (rows, 1))


def test_it_is_selected_verified_counted_and_stored(alternate: Pattern) -> None:
    scores = torch.randn(6, 8, generator=torch.Generator().manual_seed(0)).abs()
    mask = select(alternate, scores).numpy()
    assert mask.tolist() == striped(6, 8).tolist()
    assert select_all(alternate, {"a": scores})["a"].numpy().tolist() == mask.tolist()
    assert verify(mask, alternate, "a").ok and verify(mask, alternate, "a").groups == 24
    mask[3, 4:6] = False, True  # one weight, but on no support
    broken = verify(mask, alternate, "a")
    assert broken.violations == 1 and "row 3, inputs 4..5 keep 1, allowed 1" in str(broken.examples[0])
    assert occupancy(striped(6, 8), alternate).histogram.tolist() == [0, 24, 0]
    assert alternate.density == 0.5
    stored = storage_of(alternate, None, [(6, 8)], [24])
    assert (stored.values, stored.indices, stored.library) == (24 * 32, 0, 2)


def test_the_distance_is_the_energy_of_the_other_columns(alternate: Pattern) -> None:
    weight = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    gone = sum(float(weight[i, j]) ** 2 for i in range(4) for j in (1, 3, 5))
    assert distance(weight, alternate).share == pytest.approx(gone / float((weight**2).sum()), rel=1e-5)


def test_the_command_line_and_a_page_take_it(alternate: Pattern, cli: Any, empty_store: Any,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    assert "keep every second column" in cli("patterns").stdout
    done = cli("run", "--task", "agreement", "--model", "tiny", "--method", "magnitude", "--pattern", "alternate",
               "--train-examples", "64", "--calibration", "16", "--eval-examples", "40", "--dense-epochs", "0.5",
               "--batch-size", "64", "--json")
    assert done.exit_code == 0, done.output
    run = json.loads(done.stdout)["id"]
    assert json.loads(cli("check", run, "--json").stdout)[0]["problems"] == []
    app = open_page(monkeypatch, empty_store, "occupancy", run=run)
    assert "0 violations" in said(app) and charts(app) == 3
    assert "block of 1 × 2" in said(app) or "blocks of 1 × 2" in said(app)


# -- units that reach over a whole matrix ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines(Pattern):
    """Whole rows or whole columns; half of them go."""

    rows: bool
    model: bool = False

    @property
    def name(self) -> str:
        return f"lines:{self.rows}:{self.model}"

    @property
    def title(self) -> str:
        return "half of the lines"

    @property
    def grouping(self) -> Grouping:
        return Grouping(unit=(1, None) if self.rows else (None, 1), noun="block",
                        scope="model" if self.model else "matrix")

    @property
    def budget(self) -> Budget:
        return Budget(share=0.5)


def sums_of(matrix: np.ndarray, rows: bool) -> list[float]:
    """The sum of every line, by a loop."""
    lines = matrix if rows else matrix.T
    return [math.fsum(float(v) for v in line) for line in lines]


@pytest.mark.parametrize("rows", [True, False])
def test_the_largest_half_of_the_lines_stays_whole(rows: bool) -> None:
    pattern = Lines(rows)
    scores = np.random.default_rng(1).random((5, 8)).astype(np.float32)
    sums = sums_of(scores, rows)
    stay = {i for i in range(len(sums)) if sorted(sums, reverse=True).index(sums[i]) < math.floor(len(sums) / 2 + 0.5)}
    expected = [[(i if rows else j) in stay for j in range(8)] for i in range(5)]
    mask = select(pattern, torch.from_numpy(scores)).numpy()
    assert mask.tolist() == expected
    assert verify(mask, pattern, "a").ok and verify(mask, pattern, "a").groups == len(sums)
    assert verify(np.ones((5, 8)), pattern, "a").violations == len(sums) - len(stay)
    gone = sum(float(v) ** 2 for v in scores[~mask])
    energy = sums_of(scores.astype(np.float64)**2, rows)
    least = sum(sorted(energy)[:len(sums) - len(stay)])
    assert distance(scores, pattern).share == pytest.approx(least / sum(energy), rel=1e-5)
    assert least <= gone + 1e-6
    assert storage_of(pattern, None, [(5, 8)], [int(mask.sum())]).indices == len(sums)


def test_lines_of_a_whole_model_are_one_choice() -> None:
    pattern = Lines(rows=True, model=True)
    rng = np.random.default_rng(2)
    scores = {"a": rng.random((4, 6)).astype(np.float32), "b": 3 * rng.random((2, 6)).astype(np.float32)}
    masks = {name: mask.numpy() for name, mask in
             select_all(pattern, {name: torch.from_numpy(score) for name, score in scores.items()}).items()}
    every = sorted(((total, name, i) for name, score in scores.items() for i, total in enumerate(sums_of(score, True))),
                   reverse=True)
    stay = {(name, i) for _, name, i in every[:3]}
    assert {(name, i) for name, mask in masks.items() for i in range(len(mask)) if mask[i].all()} == stay
    assert sum(int(mask.sum()) for mask in masks.values()) == 3 * 6
    assert distance_all(scores, pattern)["a"].map.shape == (4, 1)
    with pytest.raises(ValueError, match="verify_all"):
        verify(masks["a"], pattern, "a")
    with pytest.raises(AssertionError):
        assert verify_all({name: np.ones_like(mask) for name, mask in masks.items()}, pattern)[ALL].ok
    assert verify_all(masks, pattern)[ALL].ok
