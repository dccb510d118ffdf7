"""Rounding onto a grid against an exhaustive search in float64, and against a naive loop. The closing descent against
brute force over all codes. None of the oracles shares code with what they judge."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.methods.levels import descend
from core.sparsity import rounding
from core.sparsity.grids import Grid
from core.sparsity.rounding import codes, nearest, put, spread

# Above the best possible squared error, as a share of it and of |v|^2. Chunks with at most 256 breakpoints are swept
# and so exact; the rest is tried. At 8 bits the second share is all that matters: the whole error is about 3e-5.
TOLERANCE = {2: (1e-6, 1e-7), 3: (1e-6, 1e-7), 4: (0.01, 1e-6), 8: (0.05, 1e-5)}


def chunks(length: int, count: int = 24, seed: int = 0) -> np.ndarray:
    """Gaussian, heavy-tailed, half-empty and lone-outlier chunks `[count, length]`, float64."""
    rng = np.random.default_rng(seed)
    v = rng.normal(size=(count, length))
    v[1::4] = rng.standard_t(3, size=v[1::4].shape)
    v[2::4] *= rng.random(v[2::4].shape) < 0.5
    v[3::4, 0] *= 20
    return v * 0.05


def best_error(v: np.ndarray, top: int) -> float:
    """The least error of one chunk over all scales: between any two breakpoints the codes stand still, so the middle
    of every gap shows all codes there are, and each set of codes is given its own best scale."""
    at = sorted({abs(x) / (k + 0.5) for x in v for k in range(top) if x}) or [1.0]
    points = [at[0] / 2, *((a + b) / 2 for a, b in itertools.pairwise(at)), at[-1] * 2]
    least = float((v * v).sum())
    for s in points:
        c = np.clip(np.rint(np.abs(v) / s), 0, top)
        if c.any():
            scale = (np.abs(v) * c).sum() / (c * c).sum()
            least = min(least, float(((np.abs(v) - scale * c) ** 2).sum()))
    return least


@pytest.mark.parametrize(("bits", "length"), [(2, 16), (2, 64), (3, 16), (3, 64), (4, 8), (4, 64), (8, 32), (8, 64)])
def test_scales_reach_the_exhaustive_optimum(bits: int, length: int) -> None:
    grid, v = Grid(bits, length), chunks(length, 24 if bits < 8 else 8)
    values, _ = nearest(grid, torch.from_numpy(v))
    found = ((values.numpy() - v) ** 2).sum(1)
    share, floor = TOLERANCE[bits]
    for error, row in zip(found, v, strict=True):
        least = best_error(row, grid.top)
        total = float((row * row).sum())
        assert least * (1 - 1e-9) - 1e-15 <= error <= least * (1 + share) + floor * total


def test_a_scale_by_the_largest_weight_is_worse_so_the_search_is_worth_it() -> None:
    """The oracle can tell: the usual scale, largest / top, misses the tolerance by far."""
    v, top = chunks(64), Grid(4, 64).top
    s = np.abs(v).max(1, keepdims=True) / top
    error = ((np.rint(v / s) * s - v) ** 2).sum(1)
    assert (error > 1.05 * np.array([best_error(row, top) for row in v])).mean() > 0.5


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("chunk", [0, 4, 16])
def test_every_value_is_the_nearest_level_by_a_naive_loop(bits: int, chunk: int) -> None:
    v = torch.from_numpy(chunks(32, 6)).float()
    mask = torch.rand(v.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    values, scale = nearest(Grid(bits, chunk), v, mask)
    top, length = 2 ** (bits - 1) - 1, chunk or 32
    assert scale.shape == (6, 32 // length)
    for i in range(6):
        for j in range(32):
            s = np.float32(scale[i, j // length].item())
            levels = [np.float32(c) * s for c in range(-top, top + 1)]
            want = min(abs(float(x) - float(v[i, j])) for x in levels)
            x = np.float32(values[i, j].item())
            assert x in levels and not (x == 0 and math.copysign(1, x) < 0)
            if mask[i, j]:
                assert abs(float(x) - float(v[i, j])) <= want + 1e-6 * float(s)
            else:
                assert x == 0


def test_pruned_weights_do_not_pull_the_scale() -> None:
    v = torch.tensor([[0.1, 0.2, 0.3, 100.0]])
    values, scale = nearest(Grid(3, 4), v, torch.tensor([[1, 1, 1, 0]]))
    assert values[0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.0]) and scale.item() == pytest.approx(0.1)


def test_a_chunk_of_zeros_has_scale_zero_and_a_warm_start_finds_its_way_back() -> None:
    grid, v = Grid(4, 4), torch.zeros(2, 8)
    v[1, 4:] = torch.tensor([0.1, -0.2, 0.3, 0.7])
    values, scale = nearest(grid, v)
    assert torch.equal(scale != 0, torch.tensor([[False, False], [False, True]])) and torch.isfinite(values).all()
    assert torch.equal(values[0], torch.zeros(8))
    again, _ = nearest(grid, v.flip(0), start=scale)
    assert torch.allclose(again, v.flip(0), atol=1e-6)


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("length", [8, 64])
def test_the_metric_decides_what_the_error_weighs(bits: int, length: int) -> None:
    """With the metric the weighed error is the lower one, without it the plain one."""
    v = torch.from_numpy(chunks(length, 16)).float()
    d = torch.logspace(-2, 2, length)
    plain, weighed = nearest(Grid(bits, length), v)[0], nearest(Grid(bits, length), v, metric=d)[0]
    assert ((weighed - v).square() * d).sum() < ((plain - v).square() * d).sum()
    assert (weighed - v).square().sum() > (plain - v).square().sum()


def test_a_metric_of_many_chunks_belongs_to_its_columns() -> None:
    """A wide matrix in pieces: every chunk sees its own part of the metric, as when it is put on the grid alone."""
    v = torch.from_numpy(chunks(96, 900)).float()
    d = torch.logspace(-1, 1, 96)
    whole, scale = nearest(Grid(4, 32), v, metric=d)
    for part in range(3):
        cut = slice(32 * part, 32 * part + 32)
        alone, own = nearest(Grid(4, 0), v[:, cut], metric=d[cut])
        assert torch.equal(whole[:, cut], alone) and torch.equal(scale[:, part:part + 1], own)


def test_a_warm_start_is_never_worse_than_its_own_scale_and_near_the_search() -> None:
    grid, v = Grid(4, 64), torch.from_numpy(chunks(64)).float()
    _, scale = nearest(grid, v)
    moved = v + 0.002 * torch.randn(v.shape, generator=torch.Generator().manual_seed(2))
    held = codes(grid, moved, spread(grid, scale, 64)) * spread(grid, scale, 64)
    warm, _ = nearest(grid, moved, start=scale)
    searched, _ = nearest(grid, moved)
    error = [float((x - moved).square().sum()) for x in (held, warm, searched)]
    assert error[1] <= error[0] * (1 + 1e-6) and error[1] <= 1.02 * error[2]


def test_every_turn_is_codes_for_the_scale_and_then_the_scale_for_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From scales a tenth too large: every turn against a loop over the weights, and each lowers the error."""
    grid, v = Grid(4, 64), torch.from_numpy(chunks(64, 12))
    d = torch.logspace(-1, 1, 64, dtype=torch.float64)
    begin = nearest(grid, v, metric=d)[1] * 1.1
    wanted, errors = begin.numpy()[:, 0].copy(), []
    for turns in range(4):
        monkeypatch.setattr(rounding, "TURNS", turns)
        values, scale = nearest(grid, v, metric=d, start=begin)
        assert scale.numpy()[:, 0] == pytest.approx(wanted, rel=1e-9)
        errors.append(float(((values - v).square() * d).sum()))
        for i, row in enumerate(v.tolist()):
            c = [min(round(abs(x) / wanted[i]), grid.top) for x in row]
            wanted[i] = (sum(w * abs(x) * k for w, x, k in zip(d.tolist(), row, c, strict=True))
                         / sum(w * k * k for w, k in zip(d.tolist(), c, strict=True)))
    assert errors[1] < 0.98 * errors[0] and errors[2] < errors[1] and errors[3] <= errors[2]
    monkeypatch.undo()
    assert float(((nearest(grid, v, metric=d, start=begin)[0] - v).square() * d).sum()) < errors[1]


@pytest.mark.parametrize(("bits", "lowest"), [(4, 0.2), (6, 0.8), (8, 0.8)])
def test_a_long_chunk_is_tried_at_scales_evenly_spaced_from_end_to_end(bits: int, lowest: float,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """With few of them, so that every single one matters, against a loop over the geometric series."""
    monkeypatch.setattr(rounding, "CANDIDATES", 5)
    monkeypatch.setattr(rounding, "TURNS", 0)
    v, top = chunks(64), Grid(bits).top
    found = nearest(Grid(bits, 64), torch.from_numpy(v))[1].numpy()[:, 0]
    chosen = set()
    for row, scale in zip(np.abs(v), found, strict=True):
        tried = []
        for factor in np.geomspace(lowest, 1.12, 5):
            c = np.minimum(np.rint(row / (factor * row.max() / top)), top)
            best = (row * c).sum() / (c * c).sum()
            tried.append((((row - best * c) ** 2).sum(), best))
        assert scale == pytest.approx(min(tried)[1], rel=1e-9)
        chosen.add(tried.index(min(tried)))
    assert chosen - {4}  # else the last one alone would do


def test_what_is_on_the_grid_stays_where_it_is() -> None:
    for bits in (2, 4, 8):
        grid = Grid(bits, 16)
        values, scale = nearest(grid, torch.from_numpy(chunks(32, 8)).float())
        again, _ = nearest(grid, values, start=scale)
        assert torch.allclose(values, again, rtol=1e-6, atol=0)


def test_a_chunk_that_does_not_divide_is_said_in_plain_words() -> None:
    with pytest.raises(InputError, match=r"is 30 wide.*divisible by chunks of 16.*Choose a chunk that divides it"):
        nearest(Grid(4, 16), torch.ones(2, 30))


def test_put_masks_and_rounds_a_whole_model() -> None:
    w = {"a": torch.tensor([[0.11, 0.2, -0.31, 5.0]])}
    m = {"a": torch.tensor([[1, 1, 1, 0]])}
    assert put(None, w, m)["a"].tolist() == [pytest.approx([0.11, 0.2, -0.31, 0.0])]
    assert len({round(abs(x) / 0.1) for x in put(Grid(3), w, m)["a"][0].tolist()}) == 4


def quadratic(seed: int, width: int = 6, rows: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(40, width, generator=generator, dtype=torch.float64) @ torch.randn(
        width, width, generator=generator, dtype=torch.float64)
    return x.T @ x / 40 + 0.01 * torch.eye(width), torch.randn(rows, width, generator=generator, dtype=torch.float64)


def loss_of(values: np.ndarray, w0: np.ndarray, a: np.ndarray) -> float:
    gap = values - w0
    return float(gap @ a @ gap)


@pytest.mark.parametrize("seed", range(3))
def test_descent_comes_near_the_best_codes_there_are_and_never_goes_up(seed: int) -> None:
    """Width 6, 2 bits, one scale a row: all 3^6 codes with their best scale are the bound."""
    a, w0 = quadratic(seed)
    grid, columns = Grid(2), torch.ones(6, dtype=torch.float64)
    values, scale = nearest(grid, w0)
    first = codes(grid, values, spread(grid, scale, 6))
    keep = torch.ones_like(w0, dtype=torch.bool)
    c, s = descend(grid, first, scale, keep, w0, a, columns, 4)
    assert set(c.unique().tolist()) <= {-1.0, 0.0, 1.0}
    best = ours = start = 0.0
    for i, row in enumerate(w0.numpy()):
        least = loss_of(np.zeros(6), row, a.numpy())
        for shape in itertools.product((-1, 0, 1), repeat=6):
            v = np.array(shape, dtype=float)
            if v.any() and (t := float(v @ a.numpy() @ row) / float(v @ a.numpy() @ v)) > 0:
                least = min(least, loss_of(t * v, row, a.numpy()))
        best += least
        ours += loss_of((c * s)[i].numpy(), row, a.numpy())
        start += loss_of(values[i].numpy(), row, a.numpy())
        assert loss_of((c * s)[i].numpy(), row, a.numpy()) <= loss_of(values[i].numpy(), row, a.numpy()) * (1 + 1e-9)
    assert best * (1 - 1e-9) <= ours < 0.95 * start
    assert ours <= 3 * best


@pytest.mark.parametrize("chunk", [0, 2, 3])
def test_after_descent_no_code_and_no_scale_can_be_bettered_alone(chunk: int) -> None:
    """The conditions of a coordinate-wise optimum, each checked by trying, in unscaled columns."""
    a, w0 = quadratic(7)
    columns = torch.tensor([0.5, 1.0, 2.0, 1.5, 0.7, 1.0], dtype=torch.float64)
    grid = Grid(3, chunk)
    mask = torch.rand(w0.shape, generator=torch.Generator().manual_seed(3)) < 0.7
    values, scale = nearest(grid, w0 / columns, mask)
    first = codes(grid, values, spread(grid, scale, 6))
    c, s = descend(grid, first, scale, mask, w0, a, columns, 60)
    assert not c[~mask].any()

    def loss(c_: torch.Tensor, s_: torch.Tensor, row: int) -> float:
        return loss_of((c_ * spread(grid, s_, 6) * columns)[row].numpy(), w0[row].numpy(), a.numpy())

    for i, j in itertools.product(range(len(w0)), range(6)):
        here = loss(c, s, i)
        for level in range(-3, 4) if mask[i, j] else ():
            other = c.clone()
            other[i, j] = level
            assert loss(other, s, i) >= here - 1e-9
    for i, k in itertools.product(range(len(w0)), range(s.shape[1])):
        for factor in (0.999, 1.001):
            other = s.clone()
            other[i, k] *= factor
            assert loss(c, other, i) >= loss(c, s, i) - 1e-9
