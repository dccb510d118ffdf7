"""One method against the other trained ones at every pattern: what is in the table, and that it is the forest's."""

from __future__ import annotations

import re
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.evidence.across import MINE, OTHERS, across, largest
from core.evidence.cells import Cell, cells
from core.evidence.tables import table
from core.evidence.words import signed_interval
from core.runs.store import Store
from core.views.scores import across as view
from core.views.scores.forest import forest
from tests import makers
from tests.opening import open_page
from tests.planting import logits_of, plant
from tests.sources import ROOT

N = 300
WAYS = ("asp", "sr-ste", "admm-layer", "admm")
SHARES = {  # of examples answered rightly: ASP, SR-STE, masked, ADMM
    "2:4": (0.80, 0.81, 0.82, 0.82), "1:4": (0.50, 0.62, 0.82, 0.80), "unstructured:0.75": (0.70, 0.71, 0.90, 0.72)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """MRPC and SST-2 at three patterns, RTE at one, CoLA without one of the others; two seeds of MRPC."""
    made = makers.empty_store(tmp_path_factory.mktemp("across"))
    labels = np.arange(N) % 2
    for task, seeds, patterns in (("mrpc", (0, 1), SHARES), ("sst2", (0,), SHARES), ("rte", (0,), ["2:4"]),
                                  ("cola", (0,), ["2:4"])):
        for seed in seeds:
            rng = np.random.default_rng(10 * seed + len(task))

            def right(share: float, rng: np.random.Generator = rng) -> np.ndarray:
                return np.isin(np.arange(N), rng.permutation(N)[:round(share * N)])

            fields: dict[str, Any] = {"task": task, "seed": seed}
            dense = plant(made.recorded, logits_of(right(0.9), labels), labels, method="dense", pattern="dense",
                          **fields)
            for pattern in patterns:
                for method, share in zip(WAYS, SHARES[pattern], strict=True):
                    if (task, method) != ("cola", "sr-ste"):
                        plant(made.recorded, logits_of(right(share), labels), labels, parent=dense, method=method,
                              pattern=pattern, epochs=2.0, **fields)
    return made


@pytest.fixture(scope="module")
def found(store: Store) -> list[Cell]:
    return cells(store.entries())


def share_right(store: Store, task: str, method: str, pattern: str, seed: int = 0) -> float:
    """Counted from the kept arrays, past all of the evidence."""
    for entry in store.entries():
        spec = entry.record.spec  # type: ignore[union-attr]
        if (spec.task, spec.method, spec.pattern, spec.seed) == (task, method, pattern, seed):
            arrays = store.open(entry.id).arrays()
            return float((arrays["answers/logits"].argmax(1) == arrays["answers/labels"]).mean())
    raise AssertionError((task, method, pattern))


def test_the_table_with_most_patterns_is_found_as_all_tables_tried_find_it() -> None:
    rng = np.random.default_rng(1)
    names, patterns = ["a", "b", "c", "d"], ["p", "q", "r", "s", "t"]
    for _ in range(60):
        has = rng.random((4, 5)) < rng.uniform(0.1, 0.9)
        best = {True: (0, 0), False: (0, 0)}  # patterns and tasks, of tables with several tasks and with one
        for rows in chain.from_iterable(combinations(range(4), k) for k in range(1, 5)):
            for columns in chain.from_iterable(combinations(range(5), k) for k in range(1, 6)):
                if has[np.ix_(rows, columns)].all():
                    best[len(rows) > 1] = max(best[len(rows) > 1], (len(columns), len(rows)))
        tasks, shared = largest({name: [p for p, there in zip(patterns, row, strict=True) if there]
                                 for name, row in zip(names, has, strict=True)})
        assert (len(shared), len(tasks)) == (best[True] if best[True][0] else best[False])
        assert all(has[names.index(task), patterns.index(pattern)] for task in tasks for pattern in shared)


def test_several_tasks_come_before_one_with_more_patterns() -> None:
    assert largest({"a": ["p", "q"], "b": ["p"]}) == (("a", "b"), ["p"])
    assert largest({"a": ["p", "q"], "b": ["r"]}) == (("a",), ["p", "q"])
    assert largest({"a": [], "b": []}) == ((), []) and largest({}) == ((), [])


def test_rows_are_of_the_same_tasks_fewest_zeros_first(found: list[Cell]) -> None:
    made = across(found, ("cola", "mrpc", "rte", "sst2"), "tiny")
    assert made.tasks == ("mrpc", "sst2") and list(made.rows) == ["2:4", "1:4", "unstructured:0.75"]
    assert across(found, ("rte",), "tiny").tasks == ("rte",)
    with pytest.raises(InputError, match="share no pattern on cola"):
        across(found, ("cola",), "tiny")


def test_every_gap_is_the_mean_over_tasks_of_that_over_seeds(store: Store, found: list[Cell]) -> None:
    made = across(found, ("mrpc", "sst2"), "tiny")
    for pattern, row in made.rows.items():
        for other, gap in zip(("asp", "sr-ste", "admm-layer"), row, strict=True):
            mrpc = [share_right(store, "mrpc", "admm", pattern, seed) - share_right(store, "mrpc", other, pattern, seed)
                    for seed in (0, 1)]
            sst2 = share_right(store, "sst2", "admm", pattern) - share_right(store, "sst2", other, pattern)
            assert gap.apart.interval.value == pytest.approx((sum(mrpc) / 2 + sst2) / 2)


def test_every_gap_has_the_interval_of_the_forest_and_a_p_for_so_many(found: list[Cell]) -> None:
    made = across(found, ("mrpc", "sst2"), "tiny")
    for pattern, row in made.rows.items():
        for other, gap in zip(OTHERS, row, strict=True):
            rows = table(found, ("mrpc", "sst2"), "tiny", pattern, reference=other).rows
            assert next(r for r in rows if r.method == MINE).versus == gap.apart
    ps = sorted(gap.p for gap in made.gaps)
    assert len(ps) == 9 and ps[0] < 0.001 and ps[-1] == 1
    level = across(found, ("mrpc", "sst2"), "tiny", others=("asp",))
    assert all(few.p <= many.p for few, many in zip(level.gaps, made.of("asp"), strict=True))


def test_the_picture_says_where_it_is_ahead_behind_and_level(found: list[Cell]) -> None:
    drawn = view.drawn(found, ("mrpc", "sst2"), "tiny")
    assert drawn.figure is not None
    spec = drawn.figure.to_plotly_json()
    marks = spec["data"][:3]
    assert [t["name"] for t in marks] == ["over ASP", "over SR-STE", "over ADMM, layer by layer, then trained"]
    assert marks[0]["x"][1] == pytest.approx(30, abs=0.5) and marks[2]["x"][2] == pytest.approx(-18, abs=0.5)
    assert list(spec["layout"]["yaxis"]["ticktext"]) == ["2:4, 50 % zeros", "1:4, 75 % zeros",
                                                         "unstructured, 75 % zeros"]
    assert all(round(y) == k for t in marks for k, y in enumerate(t["y"]))  # a mark lies in its own row
    low, high = spec["layout"]["xaxis"]["range"]
    assert all(low < x - minus and x + plus < high for t in marks for x, plus, minus in zip(
        t["x"], t["error_x"]["array"], t["error_x"]["arrayminus"], strict=True))
    assert drawn.heading.startswith("MRPC, SST-2: ADMM in training does best against ASP at 1:4, where it gains 30.0 "
                                    "points (")
    assert "ASP: ahead at 1:4." in drawn.claim
    assert "ADMM, layer by layer, then trained: behind at unstructured:0.75." in drawn.claim
    assert "SR-STE: ahead at 1:4." in drawn.claim and "Rows rest" not in drawn.claim
    assert "1:4: +30.0 [" in drawn.alt and len(drawn.table) == 9
    assert next(iter(drawn.table["seeds"])) == "mrpc 0, 1; sst2 0"


def test_where_less_is_better_ahead_is_below(found: list[Cell]) -> None:
    by_score, by_loss = (view.drawn(found, ("mrpc", "sst2"), "tiny", quantity) for quantity in ("score", "loss"))
    ahead = by_score.claim.partition("ASP: ")[2].partition(".")[0]
    assert ahead == by_loss.claim.partition("ASP: ")[2].partition(".")[0] == "ahead at 1:4"
    assert "less loss" in by_loss.heading and by_loss.figure is not None and by_score.figure is not None
    assert by_loss.figure.layout.xaxis.title.text == "Loss: ADMM in training less the other (left is better)"
    assert by_score.figure.layout.xaxis.title.text == "points gained by ADMM in training"


def test_a_pattern_at_which_it_is_no_better_than_a_constant_answer_has_a_cross(tmp_path: Path) -> None:
    made, labels = makers.empty_store(tmp_path), np.arange(N) % 2
    dense = plant(made.recorded, logits_of(np.arange(N) < 0.9 * N, labels), labels, method="dense", pattern="dense",
                  task="rte")
    for method in WAYS:
        plant(made.recorded, logits_of(np.arange(N) < 0.5 * N, labels), labels, parent=dense, method=method,
              pattern="1:4", epochs=2.0, task="rte")
    drawn = view.drawn(cells(made.entries()), ("rte",), "tiny")
    assert drawn.figure is not None
    assert drawn.figure.layout.yaxis.ticktext[0].endswith("\N{MULTIPLICATION X}")
    assert drawn.figure.data[-1].name == "not above constant answer"
    assert drawn.claim.count("level everywhere") == 3
    assert drawn.heading.startswith("RTE: ADMM in training is nowhere clearly ahead of ASP; best at 1:4: it ")


def test_ways_of_unlike_seeds_are_each_held_against_their_own_dense_models(tmp_path: Path) -> None:
    made, labels = makers.empty_store(tmp_path), np.arange(N) % 2
    dense = {seed: plant(made.recorded, logits_of(np.arange(N) < (0.9 - seed / 100) * N, labels), labels,
                         method="dense", pattern="dense", task="rte", seed=seed) for seed in (3, 4)}
    for seed, method, share in ((3, "wanda", 0.6), (3, "magnitude", 0.5), (4, "admm", 0.8)):
        plant(made.recorded, logits_of(np.arange(N) < share * N, labels), labels, parent=dense[seed], method=method,
              pattern="1:4", epochs=2.0 if method == "admm" else 0.0, task="rte", seed=seed)
    rows = {row.method: row for row in table(cells(made.entries()), ("rte",), "tiny", "1:4").rows}
    assert rows["dense"].value.seeds == (3, 4) and rows["dense"].value.interval.value == pytest.approx(0.865)
    for method, apart in (("wanda", 0.6 - 0.87), ("magnitude", 0.5 - 0.87), ("admm", 0.8 - 0.86)):
        versus = rows[method].versus
        assert versus is not None and versus.interval.value == pytest.approx(apart)


def test_the_page_has_the_panel_where_there_are_such_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for task, there in (("mrpc", True), ("cola", False)):
        at = open_page(monkeypatch, store, "accuracy", task=task)
        assert not at.exception and not at.error
        assert any("does best against ASP" in header.value for header in at.header) == there


def test_without_such_runs_there_are_words(found: list[Cell]) -> None:
    drawn = view.drawn(found, ("cola",), "tiny")
    assert drawn.figure is None and "share no pattern" in drawn.claim
    assert forest(found, ("cola",), "tiny", "2:4").figure is not None


@pytest.fixture(scope="module")
def recorded() -> list[Cell]:
    return cells(Store(ROOT / "cached_runs", ROOT / "none").entries(), model="minilm-l6")


STEEP = {"1:4", "2:8", "unstructured:0.75"}


def test_the_decision_quotes_the_recorded_answers(recorded: list[Cell]) -> None:
    text = (ROOT / "docs/decisions/0014-where-it-matters-how-one-trains.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- across: (\S+), (\S+) -->(.*?)<!-- end -->", text, re.DOTALL)
    assert [block[:2] for block in blocks] == [("cola+mrpc+rte", "score"), ("cola+mrpc+rte", "agreement"),
                                               ("rte", "agreement")] and text.count("| pattern |") == 3
    for names, quantity, said in blocks:
        lines = [[part.strip() for part in line.strip("|").split("|")] for line in said.splitlines() if "[" in line]
        assert [line[0] for line in lines] == ["2:4", "4:8", "1:4", "2:8", "unstructured:0.75"]
        for pattern, _, *gaps in lines:
            for other, gap in zip(OTHERS, gaps, strict=True):
                rows = table(recorded, tuple(names.split("+")), "minilm-l6", pattern, quantity, other).rows
                versus = next(r for r in rows if r.method == MINE).versus
                assert versus is not None and gap.strip("*") == signed_interval(quantity, versus.interval)
                assert versus.interval.clear or not gap.startswith("**")
                is_clear, masked = gap.startswith("**"), other == OTHERS[2]
                if masked:  # as the text says
                    assert not is_clear
                elif names == "rte":
                    assert versus.interval.value > 0.05
                else:
                    assert is_clear == (quantity == "agreement" or pattern in STEEP), (pattern, other)


@pytest.mark.parametrize(("tasks", "least", "most"), [
    (("cola", "mrpc", "rte"), 4.5, 6.5), (("cola", "mrpc"), 6.5, 10.5)])
def test_its_words_name_the_points_that_are_gained(recorded: list[Cell], tasks: tuple[str, ...], least: float,
                                                   most: float) -> None:
    made = across(recorded, tasks, "minilm-l6")
    assert made.tasks == tasks and set(made.rows) >= STEEP
    gained = [100 * made.gain(gap) for other in OTHERS[:2] for gap in made.of(other) if gap.pattern in STEEP]
    assert least <= min(gained) and max(gained) <= most
    assert not any(gap.clear for gap in across(recorded, ("rte",), "minilm-l6").gaps)
