"""The run that the first page shows tells the story: from ragged to a spike, in many steps, at no cost that shows."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs.featured import FEATURED
from core.runs.filmed import filmed
from core.runs.store import REPOSITORY, Run, Store


@pytest.fixture(scope="module")
def featured() -> Run:
    return Store(recorded=REPOSITORY / "cached_runs", live=REPOSITORY / "no-such-folder").open(FEATURED)


def exact(weights: np.ndarray) -> int:
    """How many groups of four hold exactly two of the larger half of the matrix, counted by hand."""
    order = np.argsort(-np.abs(weights).ravel(), kind="stable")
    large = np.zeros(weights.size, bool)
    large[order[: weights.size // 2]] = True
    return int((large.reshape(-1, 4).sum(1) == 2).sum())


def test_exact_groups_rise_from_a_third_to_all_over_many_moments(featured: Run) -> None:
    films = [filmed(featured, m.name) for m in featured.record.matrices]
    assert featured.record.spec.pattern == "2:4" and all(film.whole for film in films)
    groups = sum(film.shape[0] * film.shape[1] // 4 for film in films)
    moments = list(zip(*(film.frames for film in films), strict=True))
    shares = [sum(exact(frame.w) for frame in frames) / groups for frames in moments]
    assert [f[0].phase for f in moments] == ["dense", *["admm"] * 24, "hard-pruned", "final"]
    assert shares[0] < 0.4
    last = moments[-1]
    assert all(frame.mask is not None and (frame.mask.reshape(-1, 4).sum(1) == 2).all() for frame in last)
    rising = [k for k in range(1, 25) if shares[k] > shares[k - 1]]
    assert len(rising) >= 12 and shares[24] > 0.97
    shown = [float(sum(f.occupancy[2] for f in frames)) / groups for frames in moments]
    assert shown == pytest.approx(shares, abs=0.01) and shown[-1] == shown[-2] == 1.0


def test_w_and_z_have_met_before_the_hard_prune(featured: Run) -> None:
    assert featured.record.snapshots[-1].primal <= 0.02
    gaps = [s.primal for s in featured.record.snapshots]
    assert max(gaps) > 0.5 and gaps[0] > 0.3  # they begin apart, and drift further apart before they meet


def test_the_score_is_within_its_paired_interval_of_dense(featured: Run) -> None:
    """A bootstrap over the examples that both models answered, by hand."""
    assert featured.parent is not None and featured.record.results is not None
    right = []
    for run in (featured, featured.parent):
        logits, labels = run.array("answers/logits"), run.array("answers/labels")
        assert logits is not None and labels is not None
        right.append((logits.argmax(1) == labels).astype(float))
    assert right[0].mean() == pytest.approx(featured.record.results.final)
    gap = right[0] - right[1]
    rng = np.random.default_rng(0)
    means = gap[rng.integers(0, len(gap), (2000, len(gap)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert low <= 0 <= high and abs(gap.mean()) < 0.03
    assert featured.record.results.one_shot is not None
    assert featured.record.results.one_shot < right[1].mean() - 0.1  # what magnitude loses without training
