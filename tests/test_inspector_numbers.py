"""Numbers in the inspector's sentences: nearly all is not all, and what stands in an early piece of a matrix counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.inspecting import numbers
from core.inspecting.looking import inspect
from core.inspecting.words import share
from tests.checkpoints import LAYER, QUERY, noise, write

NAME = LAYER.format(0, QUERY)


@pytest.mark.parametrize(("value", "said"), [
    (1.0, "100.0 %"), (0.9999, "> 99.9 %"), (0.9996, "> 99.9 %"), (0.9994, "99.9 %"), (0.5, "50.0 %"),
    (0.0006, "0.1 %"), (0.0004, "< 0.1 %"), (1e-9, "< 0.1 %"), (0.0, "0.0 %")])
def test_a_share_is_never_rounded_up_to_all_or_down_to_none(value: float, said: str) -> None:
    assert share(value) == said


def test_a_matrix_that_is_zero_but_for_one_weight_is_not_said_to_be_wholly_zero(tmp_path: Path) -> None:
    weights = np.zeros((64, 64), np.float32)
    weights[5, 7] = 1.0  # 4095 of 4096 are zero: 99.976 %
    report = inspect(write(tmp_path, {NAME: weights}))
    assert report.matrices[0].zeros == 4095
    said = " ".join(report.verdict)
    assert "> 99.9 % of its weights are zero" in said and "100.0 %" not in said


@pytest.mark.parametrize("row", [0, 17, 63])
def test_what_is_no_number_is_counted_in_whichever_piece_it_stands(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    monkeypatch.setattr(numbers, "PIECE", 5 * 64)  # five rows at a time, the last piece is of four
    weights = noise()
    weights[row, 3:6] = np.nan, np.inf, 0.0
    weights[40] = 0.0
    report = inspect(write(tmp_path, {NAME: weights}))
    (matrix,) = report.matrices
    assert (matrix.not_finite, matrix.zeros) == (2, 65)
    assert report.remarks == (f"{matrix.name} holds 2 values that cannot be: no finite number.",)


def test_zeros_of_what_is_not_looked_into_are_counted_over_all_pieces(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "PIECE", 100)
    table = noise(50, 30)
    table[:7] = 0.0
    table[49, 29] = 0.0
    report = inspect(write(tmp_path, {NAME: noise(), "bert.embeddings.word_embeddings.weight": table}))
    (rest,) = report.rest
    assert (rest.kind, rest.weights, rest.zeros) == ("embeddings", 1500, 7 * 30 + 1)
    assert "Embeddings: 14.1 % zeros" in " ".join(report.verdict)
