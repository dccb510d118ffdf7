"""The list of runs and the comparison beside it, against stores whose contents are known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from core.runs.store import Store
from core.tasks import TASKS
from core.views.catalogue import beside, runs
from tests import makers


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks; the ADMM runs of cola were made here."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def test_a_row_says_what_its_run_is(store: Store) -> None:
    found = {row.id: row for row in runs.rows(store.entries())}
    assert set(found) == {r.id for r in store.records()}
    row = found[makers.run_named(store, task="cola", method="admm", pattern="1:4")]
    assert (row.task, row.method, row.pattern, row.made, row.standing) == ("cola", "admm", "1:4", "here", "made here")
    assert row.score == pytest.approx(0.8595) and row.dense == 0.9 and row.zeros == pytest.approx(0.75)
    assert row.moments == 5 and row.details == "4 epochs · seed 0"
    dense = found[makers.run_named(store, method="dense")]
    assert dense.zeros is None and dense.pattern == "" and dense.standing == "recorded"


def test_real_tasks_come_first_and_admm_stands_beside_its_baselines(store: Store) -> None:
    found = runs.rows(store.entries())
    assert [TASKS[row.task].kind for row in found] == ["glue"] * 9 + ["built-in"] * 9
    for half in (found[:9], found[9:]):
        assert [(row.method, row.pattern) for row in half] == [
            ("dense", ""), *((m, p) for p in ("2:4", "1:4") for m in ("magnitude", "asp", "admm-layer", "admm"))]


@pytest.mark.parametrize(("search", "wanted", "count"), [
    ("", {}, 18), ("ADMM 1:4 cola", {}, 2), ("synthetic 2:4 one-shot", {}, 1), ("made here", {}, 2),
    ("no such word", {}, 0), ("", {"task": "cola", "method": "asp"}, 2), ("2:4", {"method": "admm"}, 2),
    ("", {"made": "here", "pattern": "2:4"}, 1), ("", {"status": "succeeded", "model": "tiny"}, 18),
    ("tiny-asp-1of4", {}, 2)])  # a part of an id
def test_a_search_wants_every_word_and_a_filter_its_value(store: Store, search: str, wanted: dict[str, str],
                                                          count: int) -> None:
    assert len(runs.chosen(runs.rows(store.entries()), search, **wanted)) == count


def test_what_is_damaged_or_failed_is_listed_last_or_by_its_error(damaged_store: Store) -> None:
    found = runs.rows(damaged_store.entries())
    assert len(found) == len(damaged_store.entries())
    broken = {row.id: row for row in runs.chosen(found, status="damaged")}
    assert list(found[-len(broken):]) == list(broken.values())
    assert "schema 99" in broken["newer-schema"].details and "a link out of the store" in broken["link-out"].details
    failed = next(row for row in found if row.id == "half-trace")
    assert failed.standing.startswith("failed, ") and failed.details == "The loss became NaN at step 12"
    assert all(len(row.details) <= runs.LETTERS for row in found)


def test_the_table_holds_the_numbers_and_leaves_out_what_means_nothing(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    parent = makers.make_dense(store.recorded)
    makers.make_run(store.recorded, parent=parent, scores={"dense": 0.8, "final": 0.6})
    makers.make_run(store.recorded, parent=parent, method="asp", scores={"dense": 0.01, "final": 0.005})
    makers.make_run(store.live, parent=parent, method="magnitude", status="running")
    table = runs.table(runs.rows(store.entries())).set_index("method")
    assert table.loc["ADMM in training", "% of dense"] == pytest.approx(75)
    assert table.loc["ASP", "score"] == 0.005 and table["% of dense"].isna()["ASP"]  # a share of 0.01 says nothing
    assert table.loc["Magnitude, one-shot", "run"] == "running, made here"
    assert table["score"].isna()["Magnitude, one-shot"] and table["zeros"].isna()["Dense"]


def test_runs_that_would_look_alike_are_told_apart(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp", bits=8)
    for share in (0.5, 0.25):
        makers.make_run(store.recorded, knobs={"share": share, "dual": True})
    assert {(row.pattern, row.details) for row in runs.rows(store.entries())} == {
        ("2:4, 8 bits", "4 epochs · seed 0"), ("2:4", "4 epochs · seed 0 · ADMM for 50 %"),
        ("2:4", "4 epochs · seed 0 · ADMM for 25 %")}


def test_the_claim_counts_what_is_shown_and_whose_it_is(store: Store) -> None:
    found = runs.rows(store.entries())
    assert runs.claim(found, found) == "18 runs, 2 made here"
    assert runs.claim(runs.chosen(found, task="agreement"), found) == "9 of 18 runs"
    assert runs.claim(found[:1], found) == "1 of 18 runs"


def test_the_stamp_changes_with_the_list_and_its_order(store: Store) -> None:
    ids = [row.id for row in runs.rows(store.entries())]
    assert len({runs.stamp(ids), runs.stamp(ids[1:]), runs.stamp(ids[::-1]), runs.stamp([])}) == 4
    assert runs.stamp(list(ids)) == runs.stamp(ids)


# -- ADMM beside its baselines -----------------------------------------------------------------------------------


def test_a_line_holds_the_score_of_every_way(store: Store) -> None:
    found = beside.lines(store.records())
    assert [(line.task, line.pattern) for line in found] == [
        ("cola", "1:4"), ("cola", "2:4"), ("agreement", "1:4"), ("agreement", "2:4")]  # the steep pattern first
    table = beside.table(found)
    assert list(table)[3:] == ["Dense", "Magnitude, one-shot", "ASP", "ADMM, layer by layer", "ADMM in training"]
    for (_, row), line in zip(table.iterrows(), found, strict=True):
        for column, method in zip(list(table)[4:], ("magnitude", "asp", "admm-layer", "admm"), strict=True):
            record = store.open(makers.run_named(store, task=line.task, method=method, pattern=line.pattern)).record
            assert record.results is not None and row[column] == record.results.final
    assert found[0].ids == [makers.run_named(store, task="cola", method=m, pattern="1:4")
                            for m in ("magnitude", "asp", "admm-layer", "admm")]


def test_the_claim_counts_the_rows_within_noise(tmp_path: Path) -> None:
    """Dense has 0.9 over 1000 examples: two standard errors are 0.019."""
    store = makers.empty_store(tmp_path)
    assert math.isclose(2 * math.sqrt(0.9 * 0.1 / 1000), 0.019, abs_tol=2e-4)
    for pattern, admm in (("2:4", 0.885), ("1:4", 0.87)):
        for method, score in (("magnitude", 0.7), ("asp", 0.95), ("admm", admm)):
            makers.make_run(store.recorded, method=method, pattern=pattern, scores={"final": score})
    found = beside.lines(store.records())
    assert beside.claim(found) == "Of 2 rows, dense is not clearly better than: Magnitude, one-shot in 0, ASP in 2, " \
                                  "ADMM in training in 1."
    makers.make_run(store.recorded, task="sentiment", method="asp")  # no ADMM there: no row
    assert len(beside.lines(store.records())) == 2
    assert "No ADMM run" in beside.claim([])


def test_a_cell_is_the_plainest_recorded_run(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="magnitude")
    plain = makers.make_run(store.recorded, seed=3)
    own = [makers.make_run(store.live, seed=0), makers.make_run(store.recorded, seed=0, knobs={"share": 0.25})]
    line, = beside.lines(store.records(), own={own[0]})
    assert line.runs["admm", True].id == plain
    line, = beside.lines(store.records())
    assert line.runs["admm", True].id == own[0]
