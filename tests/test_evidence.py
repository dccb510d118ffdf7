"""Evidence: cells, groups, paired differences, tables, lines: from planted answers, and from the recorded ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, variance

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import stats as scipy_stats

from core.errors import InputError
from core.evidence import words
from core.evidence.cells import Cell, cells, drawn_together
from core.evidence.estimates import Estimate, constant, dense_of, estimate, idle, judged
from core.evidence.grid import core_grid
from core.evidence.groups import Group, groups, turned, usual
from core.evidence.lines import kind_of, kinds, lines
from core.evidence.places import AVERAGE, averaged, first, places, richest
from core.evidence.tables import opening_pattern, patterns, table
from core.evidence.ways import key_of
from core.runs.store import Store
from core.statistics.interval import Interval
from core.statistics.resampling import resamples
from core.statistics.scoring import weighted_scores, weighted_scores_of_all
from tests import makers
from tests.planting import logits_of, plant
from tests.sources import ROOT

N = 400
LABELS = np.arange(N) % 2


def rights(share: float, seed: int = 0) -> np.ndarray:
    """Which of N examples are right: exactly *share* of them, anywhere."""
    order = np.random.default_rng(seed).permutation(N)
    return np.isin(np.arange(N), order[:round(share * N)])


def planted(store: Store, seeds: Sequence[int] = (0,), task: str = "agreement") -> dict[int, str]:
    """A dense run a seed, right on 0.9; returns their ids."""
    return {seed: plant(store.recorded, logits_of(rights(0.9, seed), LABELS), LABELS, method="dense", pattern="dense",
                        seed=seed, task=task) for seed in seeds}


def add(store: Store, dense: dict[int, str], share: float, *, salt: int = 7, task: str = "agreement",
        method: str = "asp", **fields: object) -> list[str]:
    """A run a seed of *dense*, right on *share*."""
    return [plant(store.recorded, logits_of(rights(share, seed + salt), LABELS), LABELS, parent=parent, seed=seed,
                  method=method, task=task, **fields) for seed, parent in dense.items()]  # type: ignore[arg-type]


def against(found: list[Group]) -> Estimate | None:
    """The difference of scores to dense."""
    return apart(found, [dense_of(g) for g in found])


def apart(found: list[Group], others: list[Group]) -> Estimate | None:
    """The difference of scores of two ways."""
    return judged([tuple(found)], [others], "score")[0].versus


def read(store: Store) -> list[Cell]:
    return cells(store.entries())


def test_a_cell_has_the_header_s_score_for_every_recorded_run() -> None:
    """All metrics of the store: accuracy, its mean with F1, Matthews, Pearson with Spearman."""
    found = cells(Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder").entries())
    assert len(found) >= 290 and len({c.metric for c in found}) == 4
    wrong = [c.record.id for c in found if c.record.results is None or c.record.results.final is None
             or abs(c.value("score") - c.record.results.final) > 1e-6]
    assert wrong == []


def test_a_run_without_answers_or_without_its_dense_parent_s_is_no_cell(empty_store: Store) -> None:
    dense = planted(empty_store)
    (whole,) = add(empty_store, dense, 0.8)
    plant(empty_store.recorded, logits_of(rights(0.8), LABELS), LABELS, parent="lost", method="wanda")
    makers.make_run(empty_store.recorded, parent=dense[0], method="magnitude", answers=False)
    plant(empty_store.recorded, logits_of(rights(0.8), LABELS), 1 - LABELS, parent=dense[0], method="sr-ste")
    assert sorted(c.record.id for c in read(empty_store)) == sorted([dense[0], whole])


def test_cells_that_are_drawn_together_have_each_its_own_scores(empty_store: Store) -> None:
    dense = planted(empty_store, (0, 1))
    add(empty_store, dense, 0.7)
    other = planted(empty_store, (2,), task="sentiment")
    add(empty_store, other, 0.6, task="sentiment")
    found = read(empty_store)
    some = [next(c for c in found if c.record.spec.task == task) for task in ("agreement", "sentiment")]
    drawn_together([*some, *some], "score")
    assert [c for c in found if c._draws] == some
    rest = [c for c in found if c not in some]
    rest[0].draws("score")
    assert {c.record.spec.task for c in rest if c._draws} == {rest[0].record.spec.task}  # its mates, no other task
    for cell in found:
        alone = weighted_scores(cell.metric, cell.answers.logits, cell.answers.labels, resamples(N))
        assert np.array_equal(cell.draws("score"), alone)
    assert len({cell.draws("score").tobytes() for cell in found}) == len(found)


def test_a_difference_is_paired_example_by_example(empty_store: Store) -> None:
    """Two models that fail on the same examples differ by far less than two that fail on others."""
    dense = planted(empty_store)
    near = rights(0.9).copy()
    near[np.flatnonzero(near)[:8]] = False
    plant(empty_store.recorded, logits_of(near, LABELS), LABELS, parent=dense[0], method="asp")
    plant(empty_store.recorded, logits_of(rights(0.88, 5), LABELS), LABELS, parent=dense[0], method="magnitude")
    by = {g.spec.method: g for g in groups(read(empty_store))}
    same, other = (against([by[name]]) for name in ("asp", "magnitude"))
    assert same is not None and other is not None
    assert same.interval.value == pytest.approx(-0.02) and other.interval.value == pytest.approx(-0.02)
    spread = np.sqrt(0.02 - 0.02 ** 2) / np.sqrt(N)  # of a mean of 8 losses of 1 among N
    assert (same.interval.high - same.interval.low) / 2 == pytest.approx(1.96 * spread, rel=0.2)
    assert other.interval.high - other.interval.low > 2.5 * (same.interval.high - same.interval.low)
    assert same.interval.clear and not other.interval.clear


def test_only_seeds_that_both_have_are_compared(empty_store: Store) -> None:
    dense = planted(empty_store, (0, 1, 2))
    add(empty_store, {s: dense[s] for s in (0, 1)}, 0.8, method="asp")
    add(empty_store, {s: dense[s] for s in (1, 2)}, 0.7, method="magnitude")
    add(empty_store, {2: dense[2]}, 0.7, method="wanda")
    by = {g.spec.method: g for g in groups(read(empty_store))}
    found = apart([by["asp"]], [by["magnitude"]])
    assert found is not None and found.seeds == (1,) and found.interval.value == pytest.approx(0.1)
    assert apart([by["asp"]], [by["wanda"]]) is None
    versus = against([by["asp"]])
    assert versus is not None and versus.seeds == (0, 1) and versus.interval.value == pytest.approx(-0.1)


def test_an_interval_over_seeds_is_wider_when_the_seeds_disagree(empty_store: Store) -> None:
    dense = planted(empty_store, (0, 1, 2))
    add(empty_store, dense, 0.8, method="asp")
    for seed, share in zip((0, 1, 2), (0.7, 0.8, 0.9), strict=True):
        add(empty_store, {seed: dense[seed]}, share, method="magnitude")
    by = {g.spec.method: g for g in groups(read(empty_store))}
    calm, wild = (estimate([by[name]], "score") for name in ("asp", "magnitude"))
    assert calm is not None and wild is not None
    assert calm.interval.value == pytest.approx(0.8) and wild.interval.value == pytest.approx(0.8)
    assert wild.interval.high - wild.interval.low > 3 * (calm.interval.high - calm.interval.low)


@pytest.mark.parametrize(("share", "says"), [(0.5, True), (0.4975, True), (0.5025, False)])
def test_a_run_that_does_not_beat_the_constant_answer_is_marked(empty_store: Store, share: float, says: bool) -> None:
    dense = planted(empty_store)
    add(empty_store, dense, share)
    made = table(read(empty_store), ("agreement",), "tiny", "2:4")
    assert made.constant == pytest.approx(0.5)  # half of the labels are 1
    assert {r.method: r.idle for r in made.rows} == {"dense": False, "asp": says}


@pytest.mark.parametrize(("shares", "says"), [((0.8, 0.4), False), ((0.45, 0.4), True)])
def test_over_several_tasks_the_average_is_held_against_the_constant_answers(empty_store: Store,
                                                                            shares: tuple[float, float],
                                                                            says: bool) -> None:
    tasks = ("cola", "sst2")
    for task, share in zip(tasks, shares, strict=True):
        add(empty_store, planted(empty_store, task=task), share, task=task)
    found = read(empty_store)
    by = {row.method: row for row in table(found, tasks, "tiny", "2:4").rows}
    values = [c.value("score") for g in by["asp"].groups for c in g.cells]
    floors = [0.5, 0.5]  # accuracy, half of the labels are 1
    assert by["asp"].idle is says is (sum(values) <= sum(floors))
    assert {r.method: r.idle for r in table(found, ("sst2",), "tiny", "2:4").rows} == {"dense": False, "asp": True}


def test_the_constant_of_every_quantity_is_that_of_a_planted_constant_answer(empty_store: Store) -> None:
    """A run that gives the best constant answer to every example has exactly the constant's value."""
    labels = (np.arange(N) % 4 == 0).astype(int)
    dense_logits = logits_of(rights(0.9), labels, 1.3)
    dense = plant(empty_store.recorded, dense_logits, labels, method="dense", pattern="dense")
    odds = np.exp(dense_logits - dense_logits.max(1, keepdims=True))
    mean = (odds / odds.sum(1, keepdims=True)).mean(0)
    for method, flat in (("asp", np.log(mean)), ("magnitude", np.log([0.75, 0.25]))):
        plant(empty_store.recorded, np.tile(flat, (N, 1)).astype(np.float32), labels, parent=dense, method=method)
    by = {g.spec.method: g for g in groups(read(empty_store))}
    for quantity in ("score", "agreement", "kl"):
        assert by["asp"].cells[0].value(quantity) == pytest.approx(constant(by["asp"], quantity), abs=1e-6), quantity
    assert by["magnitude"].cells[0].value("loss") == pytest.approx(constant(by["asp"], "loss"), abs=1e-6)
    assert by["asp"].cells[0].value("loss") > constant(by["asp"], "loss") and idle([by["asp"]])


def test_of_two_ways_of_a_method_the_one_that_turns_fewest_knobs_is_drawn(empty_store: Store) -> None:
    dense = planted(empty_store)
    add(empty_store, dense, 0.8, method="sr-ste", knobs={"decay": 2e-4, "form": "weights"})
    add(empty_store, dense, 0.6, method="sr-ste", knobs={"decay": 2e-4, "form": "gradient"})
    found = [g for g in groups(read(empty_store)) if g.spec.method != "dense"]
    assert sorted(turned(g.spec) for g in found) == [0, 1]
    (drawn,) = usual(found)
    assert drawn.spec.knobs["form"] == "gradient"


def test_a_line_goes_through_the_smaller_groups_of_one_ratio(empty_store: Store) -> None:
    dense = planted(empty_store)
    for pattern, share in (("4:8", 0.85), ("2:4", 0.8), ("1:4", 0.7), ("unstructured:0.5", 0.88)):
        add(empty_store, dense, share, pattern=pattern)
    found = read(empty_store)
    assert kinds(found, ("agreement",), "tiny") == ["nm", "unstructured"]
    (line,) = lines(found, ("agreement",), "tiny", "score")
    assert [(s.pattern, round(s.value.interval.value, 3)) for s in line.spots] == [("2:4", 0.8), ("1:4", 0.7)]
    (free,) = lines(found, ("agreement",), "tiny", "score", "unstructured")
    assert [s.pattern for s in free.spots] == ["unstructured:0.5"]
    assert patterns(found, ("agreement",), "tiny") == ["2:4", "4:8", "unstructured:0.5", "1:4"]
    assert kind_of("16:32") == "nm" and kind_of("block:4x4:0.5") == "block"


def test_the_average_needs_every_task_and_is_the_mean_of_the_tasks(empty_store: Store) -> None:
    for task, share in (("mrpc", 0.8), ("sst2", 0.7)):
        dense = planted(empty_store, task=task)
        add(empty_store, dense, share, task=task)
        if task == "mrpc":
            add(empty_store, dense, 0.6, task=task, method="wanda")
    found = read(empty_store)
    assert averaged(found, "tiny") == ("sst2", "mrpc")
    assert set(places(found)) == {("mrpc", "tiny"), ("sst2", "tiny")} and richest(found) == ("mrpc", "tiny")
    assert first(found, ["asp"]) == first(found, ["asp", "admm"]) == (AVERAGE, "tiny") and first([], ["asp"]) is None
    assert first(found, ["asp", "wanda"]) == ("mrpc", "tiny")  # of which the average could not tell
    made = table(found, ("mrpc", "sst2"), "tiny", "2:4")
    assert [key_of(r.groups[0]) for r in made.rows] == ["dense", "asp"]
    assert made.rows[1].value.interval.value == pytest.approx(0.75)
    one = [estimate([g], "score") for g in made.rows[1].groups]
    halves = [e.interval.high - e.interval.low for e in one if e is not None]
    both = made.rows[1].value.interval
    assert both.high - both.low == pytest.approx(np.hypot(*halves) / 2, rel=0.05)  # tasks are independent
    grid = core_grid(found, "tiny", "2:4")
    assert grid.tasks == ("sst2", "mrpc") and list(grid.rows) == ["dense", "wanda", "asp"]
    assert [e is None for e in grid.rows["wanda"]] == [True, False, True]


def test_what_cannot_be_made_is_refused_in_words(empty_store: Store) -> None:
    dense = planted(empty_store)
    add(empty_store, dense, 0.8)
    found = read(empty_store)
    with pytest.raises(InputError, match="No method has runs at 1:4"):
        table(found, ("agreement",), "tiny", "1:4")
    with pytest.raises(InputError, match="Did you mean 'asp'"):
        table(found, ("agreement",), "tiny", "2:4", reference="aps")
    with pytest.raises(InputError, match="Did you mean 'score'"):
        table(found, ("agreement",), "tiny", "2:4", quantity="scores")
    with pytest.raises(InputError, match="No GLUE task"):
        core_grid(found, "tiny", "2:4")


@pytest.mark.parametrize(("value", "low", "high", "said"), [
    (-0.043, -0.107, 0.016, "loses 4.3 points (10.7 lost to 1.6 gained)"),
    (0.154, 0.08, 0.21, "gains 15.4 points (8.0 to 21.0 gained)"),
    (-0.05, -0.08, -0.012, "loses 5.0 points (8.0 to 1.2 lost)")])
def test_a_difference_is_said_with_its_interval(value: float, low: float, high: float, said: str) -> None:
    assert words.changed("score", Interval(value, low, high)) == said


# -- a page counted again from the files, in another way -----------------------------------------------------------

STORE = ROOT / "cached_runs"


def raw(run: str) -> tuple[np.ndarray, np.ndarray]:
    held = load_file(STORE / run / "arrays.safetensors")
    return held["answers/logits"].argmax(1), held["answers/labels"]


def accuracy_and_f1(said: np.ndarray, labels: np.ndarray) -> float:
    hits = int(((said == 1) & (labels == 1)).sum())
    return fmean([float((said == labels).mean()), 2 * hits / (int((said == 1).sum()) + int((labels == 1).sum()))])


def test_the_forest_of_mrpc_at_2_4_counted_again_from_the_raw_answers() -> None:
    """Its own pairing, its own resampling (an index at a time), its own analysis of variance over seeds."""
    found = cells(Store(recorded=STORE, live=ROOT / "no-such-folder").entries(), "mrpc", "minilm-l6")
    made = table(found, ("mrpc",), "minilm-l6", "2:4")
    rng, n = np.random.default_rng(11), 408
    samples = [rng.integers(0, n, n) for _ in range(900)]
    per_row = {}
    for row in made.rows[1:]:
        values, resampled = [], []
        for cell in row.groups[0].cells:
            (said, labels), (before, _) = raw(cell.record.id), raw(str(cell.record.parent))
            values.append(accuracy_and_f1(said, labels) - accuracy_and_f1(before, labels))
            resampled.append([accuracy_and_f1(said[i], labels[i]) - accuracy_and_f1(before[i], labels[i])
                              for i in samples])
        per_row[key_of(row.groups[0])] = values, resampled
    seeds, freedom = {False: 0.0, True: 0.0}, {False: 0, True: 0}
    trained = {key_of(row.groups[0]): row.trained for row in made.rows[1:]}
    for key, (values, resampled) in per_row.items():
        if (s := len(values)) > 1:
            both = variance([fmean(column) for column in zip(*resampled, strict=True)])
            own = max(fmean(map(variance, resampled)) - both, 0) * s / (s - 1)
            seeds[trained[key]] += (s - 1) * (variance(values) - own)
            freedom[trained[key]] += s - 1
    assert min(freedom.values()) >= 3
    for row in made.rows[1:]:
        assert row.versus is not None
        values, resampled = per_row[key_of(row.groups[0])]
        assert row.versus.interval.value == pytest.approx(fmean(values), abs=1e-9), row.method
        examples = variance([fmean(column) for column in zip(*resampled, strict=True)])
        kind = freedom[row.trained]
        part = max(seeds[row.trained] / kind, 0) / len(values) if len(values) > 1 else 0.0
        half = np.sqrt(1.96 ** 2 * examples + scipy_stats.t.ppf(0.975, kind) ** 2 * part)
        assert row.versus.interval.half == pytest.approx(half, rel=0.16), row.method
    assert {r.value.seeds for r in made.rows} >= {(0,), (0, 1)}


def test_groups_are_seeds_of_the_same_settings_and_nothing_else() -> None:
    found = groups(cells(Store(recorded=STORE, live=ROOT / "no-such-folder").entries(), "cola", "minilm-l6"))
    for group in found:
        assert len(set(group.seeds)) == len(group.seeds)
    several = [g for g in found if len(g.cells) > 1]
    assert several and all(isinstance(g, Group) for g in several)
    paths = {c.record.id for g in found for c in g.cells}
    assert all((Path(STORE) / run).is_dir() for run in paths)


def test_what_somebody_works_out_already_is_waited_for(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(empty_store, planted(empty_store), 0.8)
    found, calls = read(empty_store), []

    def slow(*args: object) -> object:
        calls.append(args)
        time.sleep(0.2)
        return weighted_scores_of_all(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("core.evidence.cells.weighted_scores_of_all", slow)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda cell: cell.draws("score"), [*found, *found]))
    assert len(calls) == 1 and len(found) == 2
    assert all(one is other for one, other in zip(drawn[:2], drawn[2:], strict=True))


@pytest.mark.parametrize(("there", "opens"), [
    (["7:8", "2:4", "1:4"], "2:4"), (["unstructured:0.125", "unstructured:0.5"], "unstructured:0.5"),
    (["block:4x4:0.5", "block:4x4:0.75"], "block:4x4:0.5")])
def test_a_table_opens_with_half_of_the_weights_where_it_can(there: list[str], opens: str) -> None:
    assert opening_pattern(there) == opens


@pytest.mark.parametrize(("kind", "opens"), [("nm", "2:4"), ("unstructured", "unstructured:0.5"), ("block", "2:4"),
                                             ("", "2:4")])
def test_a_table_opens_with_a_pattern_of_the_kind_that_is_looked_at(kind: str, opens: str) -> None:
    assert opening_pattern(["unstructured:0.125", "1:4", "2:4", "unstructured:0.5"], kind) == opens
