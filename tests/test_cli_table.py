"""`table`: the figures of the page in a terminal, for programs and as Markdown."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.cli.table import markdown
from core.evidence.cells import cells
from core.evidence.grid import core_grid
from core.evidence.tables import table
from core.runs.store import Store
from tests.commands import refused
from tests.planting import logits_of, plant, store_of


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def store(planted: Store, cli: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The command's store, which no test of this file writes to."""
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(planted.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(planted.live))
    return planted


def test_a_table_in_words(cli: Any, store: Store) -> None:
    asked = ("--task", "mrpc", "--model", "tiny", "--pattern", "1:4", "--against", "asp")
    lines = cli("table", *asked).stdout.splitlines()
    assert lines[0] == ("mrpc, tiny, 1:4: score, and the difference from asp; a constant answer reaches 0.500")
    row = next(line for line in lines if line.startswith("ADMM in training"))
    assert "+30.0 [+" in row and row.split()[-1] == "200" and "0,1" in row
    assert any(line.startswith("ASP *") for line in lines)  # right on half: as a constant answer


def test_a_table_for_programs_is_the_evidence(cli: Any, store: Store) -> None:
    said = json.loads(cli("table", "--task", "mrpc", "--model", "tiny", "--quantity", "kl", "--json").stdout)
    made = table(cells(store.entries()), ("mrpc",), "tiny", "2:4", "kl")
    assert said["quantity"] == "kl" and said["constant"] == made.constant
    assert [row["value"] for row in said["rows"]] == [
        [r.value.interval.value, r.value.interval.low, r.value.interval.high] for r in made.rows]
    assert said["rows"][0]["name"] == "dense" and said["rows"][0]["difference"] is None
    assert all(len(row["runs"]) == len(row["seeds"]) == 2 for row in said["rows"])


def test_the_core_table_is_every_glue_task_and_its_gaps(cli: Any, store: Store) -> None:
    text = cli("table", "--model", "tiny", "--pattern", "2:4").stdout
    head, rule, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert head == "| 2:4, tiny | SST-2 | MRPC | STS-B | average |" and set(rule) <= set("| -")
    assert {row.count("|") for row in rows} == {head.count("|")}
    assert any(row.startswith("| a constant answer") for row in rows)
    grid = core_grid(cells(store.entries()), "tiny", "2:4")
    assert text.strip() == markdown(grid)
    said = json.loads(cli("table", "--model", "tiny", "--pattern", "2:4", "--json").stdout)
    assert said["rows"]["admm"]["mrpc"]["seeds"] == [0, 1] and said["rows"]["admm"]["stsb"] is None
    assert said["rows"]["asp"]["average"]["value"][0] == pytest.approx(grid.rows["asp"][-1].interval.value)  # type: ignore[union-attr]


@pytest.mark.parametrize(("words", "says"), [
    (("--task", "mrcp"), "Did you mean 'mrpc'"), (("--task", "mrpc", "--pattern", "3:4"), "No method has runs at 3:4"),
    (("--task", "mrpc", "--model", "none"), "No method has runs"),
    (("--pattern", "7:8"), "No GLUE task has runs at 7:8"),
    (("--task", "mrpc", "--model", "tiny", "--against", "adm"), "Did you mean")])
def test_what_cannot_be_shown_is_refused(cli: Any, store: Store, words: tuple[str, ...], says: str) -> None:
    assert says in refused(cli("table", *words))


def test_the_list_says_how_far_a_run_is_from_dense(cli: Any, store: Store) -> None:
    said = {o["id"]: o for o in json.loads(cli("list", "--intervals", "--json").stdout)}
    lines = {line.split()[0]: line for line in cli("list", "--intervals").stdout.splitlines()}
    assert "points against dense" in lines["id"] and "points against dense" not in cli("list").stdout
    pruned = [cell for cell in cells(store.entries()) if cell.record.spec.method != "dense"]
    assert len(pruned) > 2
    for cell in pruned:
        value, low, high = said[cell.record.id]["against_dense"]
        right = [np.argmax(c.answers.logits, axis=1) == c.answers.labels for c in (cell, cell.dense)]
        assert low <= value <= high
        if cell.metric == "accuracy":
            assert value == pytest.approx(right[0].mean() - right[1].mean())
        assert f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]".replace("-", "−") in lines[cell.record.id]
    assert {"against_dense" in said[r.id] for r in store.records() if r.spec.method == "dense"} == {False}


def test_what_is_kept_of_dense_knows_only_the_seeds_that_both_have(empty_store: Store) -> None:
    labels = np.arange(200) % 2

    def run(share: float, **fields: Any) -> str:
        right = np.arange(200) < round(200 * share)
        usual = {"pattern": "2:4", "epochs": 2.0}
        return plant(empty_store.recorded, logits_of(right, labels), labels, **(usual | fields))

    for task, share in (("mrpc", 0.9), ("sst2", 0.8)):
        dense = run(share, method="dense", pattern="dense", task=task)
        run(0.7, method="asp", task=task, parent=dense)
        run(0.6, method="admm", task=task, parent=dense)
    assert core_grid(cells(empty_store.entries()), "tiny", "2:4").of_dense == {"admm": pytest.approx(1.2 / 1.7)}
    # Another dense model of MRPC, far worse, from which ADMM was not run.
    dense = run(0.55, method="dense", pattern="dense", task="mrpc", seed=1)
    run(0.55, method="asp", task="mrpc", seed=1, parent=dense)
    grid = core_grid(cells(empty_store.entries()), "tiny", "2:4")
    assert grid.rows["dense"][1].seeds == (0, 1)  # type: ignore[union-attr]
    assert grid.of_dense == {"admm": pytest.approx(1.2 / 1.7)}
