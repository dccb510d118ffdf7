"""Every page that shows a recorded run, with every two traits that a run that ships has together: no exception, no red
box. By the server."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.first_picture import served
from benchmarks.viewers import WALK, Session
from core.runs.records import RunRecord
from core.runs.store import Store

ROOT = Path(__file__).resolve().parents[1]


NOT_OF_A_RUN = ("overview", "runs", "accuracy", "methods")  # they show the same whatever run the link names


def traits(record: RunRecord) -> tuple[object, ...]:
    """What decides which pictures a run can have."""
    spec = record.spec
    return spec.model, spec.method, spec.pattern, spec.bits, spec.record, bool(record.moments), bool(record.snapshots)


def pairs(one: tuple[object, ...]) -> set[tuple[object, ...]]:
    """Any two traits of a run, each by its place."""
    return set(combinations(enumerate(one), 2))


def covering(runs: dict[str, tuple[object, ...]]) -> list[str]:
    """Few of *runs*, each with its traits, that show every two traits together that any of them has together: a page
    that breaks does so by one or two of them. Each time the one with most that is new."""
    left, chosen = set().union(*map(pairs, runs.values())), []
    while left:
        chosen.append(max(runs, key=lambda run: len(pairs(runs[run]) & left)))
        left -= pairs(runs[chosen[-1]])
    return chosen


def test_every_two_traits_together_are_in_few_runs() -> None:
    made = {f"{a}{b}{c}": (a, b, c, "same") for a in "xyz" for b in "pq" for c in "uvw"}
    few = covering(made)
    for i, j in combinations(range(4), 2):
        assert {(made[r][i], made[r][j]) for r in few} == {(t[i], t[j]) for t in made.values()}
    assert 9 <= len(few) <= 11 < len(made) == 18


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_kind_of_recorded_run_breaks_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Path(os.environ.get("SPARSESCOPE_CACHED", ROOT / "cached_runs"))
    runs = covering({record.id: traits(record) for record in Store(recorded, recorded).records()})
    assert len(runs) > 50
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path))
    of_a_run = [page for page in WALK if page not in (*NOT_OF_A_RUN, "lab")]
    links = [(page, runs[0]) for page in NOT_OF_A_RUN] + [(page, run) for run in runs for page in of_a_run]
    with served("app.py", ROOT) as address:
        tab = Session(address)
        errors = [f"{page} {run}: {words}" for page, run in links for words in tab.open(page, run=run)]
        tab.close()
    assert not errors, "\n".join(errors)
