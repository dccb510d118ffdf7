"""The answers that flipped: planted logits whose flips are known one by one, and plain loops over random ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs.answers import LABELS, LOGITS
from core.runs.store import Run, Store
from core.views.compare import flip_dots, flips
from tests.damage import replace_arrays
from tests.makers import empty_store, make_dense, make_run

NAMES = ["entailment", "neutral", "contradiction"]
LABEL = [0, 0, 1, 1, 2, 2]
BEFORE = [[3, 0, 0], [2, 1, 0], [1, 0, 2], [0, 4, 1], [5, 0, 1], [0, 1, 3]]  # right, right, wrong, right, wrong, right
AFTER = [[1, 0, 0], [0, 3, 1], [0, 2, 1], [0, 4, 1], [0, 5, 1], [0, 1, 2]]  # -, broken, mended, -, still wrong, -


def answered(store: Store, method: str, logits: object, labels: object, **fields: object) -> str:
    """A run of the task entailment with recorded answers."""
    table = np.asarray(logits, np.float32)
    name = make_run(store.recorded, task=str(fields.pop("task", "entailment")), method=method, snapshots=0,
                    record="summary", scores={"n_eval": len(table)}, **fields)
    kind = np.float32 if table.shape[1] == 1 else np.int16
    replace_arrays(store.recorded / name, {LOGITS: table, LABELS: np.asarray(labels, kind)})
    return name


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return empty_store(tmp_path)


@pytest.fixture
def planted(store: Store) -> list[Run]:
    names = [answered(store, "magnitude", BEFORE, LABEL), answered(store, "admm", AFTER, LABEL)]
    return [store.open(n) for n in names]


def test_planted_flips_are_found_one_by_one(planted: list[Run]) -> None:
    found = flips.compared(planted)
    assert [flips.KINDS[k] for k in found.flips[0].kinds] == [
        "same answer", "broken", "mended", "same answer", "both wrong", "same answer"]
    assert found.notes == []
    view = flips.bars(planted)
    assert view.heading == "B mends 1 answer that A has wrong."
    assert view.figure is not None and [t.name for t in view.figure.data] == ["broken", "both wrong", "mended"]
    table = view.table
    assert table.iloc[0].tolist()[1:] == [1, 1, 1, 3]
    assert "Of 6 examples, against A: B mends 1 answer and breaks 1." in flips.bars(planted).claim.replace(
        "\N{NARROW NO-BREAK SPACE}", " ")


def test_the_list_names_answers_and_margins(planted: list[Run]) -> None:
    rows = flip_dots.listed(planted, planted[1].record.id).to_dict("records")
    assert {r["example"]: (r["right answer"], r["answer before"], r["answer after"], r["margin before"],
                           r["margin after"], r["kind"]) for r in rows} == {
        1: ("entailment", "entailment", "neutral", 1.0, -3.0, "broken"),
        2: ("neutral", "contradiction", "neutral", -2.0, 1.0, "mended"),
        4: ("contradiction", "entailment", "neutral", -4.0, -4.0, "both wrong")}
    assert [r["example"] for r in rows] == [1, 2, 4]  # the farthest moved first: 4, 3, 0
    words = flip_dots.listed_words(planted, planted[1].record.id)
    assert "validation split" in words and "texts are not stored" in words


def test_counts_and_margins_are_those_of_a_loop(store: Store) -> None:
    rng = np.random.default_rng(5)
    before, after = rng.normal(0, 1, (400, 3)), rng.normal(0, 1, (400, 3))
    labels = rng.integers(0, 3, 400)
    runs = [store.open(answered(store, m, z, labels)) for m, z in (("asp", before), ("admm", after))]
    held, dots = dict.fromkeys(flips.KINDS, 0), {}
    for i in range(400):
        was, now, right = (int(np.argmax(v)) for v in (before[i], after[i], np.eye(3)[labels[i]]))
        kind = "same answer" if was == now else "mended" if now == right else "broken" if was == right \
            else "both wrong"
        held[kind] += 1
        margin = [z[i][right] - max(z[i][c] for c in range(3) if c != right) for z in (before, after)]
        dots[i] = (kind, *margin)
    row = flips.bars(runs).table.iloc[0]
    assert {kind: row[kind] for kind in held} == held
    view = flip_dots.scatter(runs, runs[1].record.id)
    assert view.figure is not None
    drawn = {int(i): (t.name, float(x), float(y)) for t in view.figure.data
             for i, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    assert set(drawn) == set(range(400))
    for i, (kind, x, y) in drawn.items():
        assert kind == dots[i][0]
        assert (x, y) == pytest.approx(dots[i][1:], abs=1e-5)
        assert (y > 0) == (kind == "mended" or (kind == "same answer" and x > 0))  # the quadrants
    over = flip_dots.scatter(runs, runs[1].record.id, "index")
    assert all(np.array_equal(t.x, t.customdata) for t in over.figure.data)
    assert {a.text for a in view.figure.layout.annotations} == {"right in both", "wrong in both"}


def test_with_two_classes_the_legend_has_no_answer_from_one_wrong_to_another(store: Store) -> None:
    two = [answered(store, m, np.eye(2)[kinds], [0, 1, 1], task="agreement") for m, kinds in (
        ("asp", [0, 0, 1]), ("admm", [1, 1, 1]))]
    view = flips.bars([store.open(name) for name in two])
    assert view.figure is not None and [t.name for t in view.figure.data] == ["broken", "mended"]


def test_many_examples_keep_every_flip_and_few_bytes(store: Store) -> None:
    n = 40_000
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, n)
    before = np.eye(3)[labels] * 4 + rng.normal(0, 1, (n, 3))
    after = before.copy()
    after[::100] = after[::100][:, [1, 2, 0]]
    runs = [store.open(answered(store, m, z, labels)) for m, z in (("asp", before), ("admm", after))]
    flipped = int((before.argmax(1) != after.argmax(1)).sum())
    view = flip_dots.scatter(runs, runs[1].record.id)
    sizes = {t.name: len(t.x) for t in view.figure.data}
    assert sizes.pop(f"same answer (400 of {n - flipped})") == flip_dots.MOST_SAME == 400
    assert sum(sizes.values()) == flipped > flip_dots.MOST_ROWS
    assert len(view.figure.to_json()) < 500_000
    rows = flip_dots.listed(runs, runs[1].record.id)
    assert len(rows) == flip_dots.MOST_ROWS
    moved = (rows["margin after"] - rows["margin before"]).abs()
    assert list(moved) == sorted(moved, reverse=True)
    assert "the 200 of" in flip_dots.listed_words(runs, runs[1].record.id)


def test_a_run_without_answers_is_said_with_the_command_and_the_others_stay(store: Store) -> None:
    names = [answered(store, "magnitude", BEFORE, LABEL), answered(store, "admm", AFTER, LABEL),
             make_run(store.recorded, task="entailment", method="asp")]
    replace_arrays(store.recorded / names[2], {LOGITS: None, LABELS: None})
    runs = [store.open(n) for n in names]
    found = flips.compared(runs)
    assert [f.run for f in found.flips] == names[1:2]
    assert len(found.notes) == 1
    assert f"python -m core evaluate {names[2]} --record" in found.notes[0]
    assert "C · ASP 2:4 did not record its answers" in found.notes[0]
    turned = flips.compared(runs[::-1])
    assert turned.flips == []
    assert "is not known" in flips.bars(runs[::-1]).claim
    assert flip_dots.scatter(runs, names[2]).figure is None


def test_other_tasks_and_other_examples_are_not_set_against_each_other(store: Store) -> None:
    names = [answered(store, "magnitude", BEFORE, LABEL), answered(store, "asp", AFTER, LABEL[::-1]),
             answered(store, "wanda", AFTER[:4], LABEL[:4]),
             answered(store, "admm", np.asarray(AFTER)[:, :2], [0, 1, 0, 1, 0, 1], task="sentiment")]
    found = flips.compared([store.open(n) for n in names])
    assert found.flips == []
    assert ["scored on other examples" in n for n in found.notes] == [True, True, False]
    assert "another task" in found.notes[2]


def test_damaged_answers_become_words(store: Store) -> None:
    names = [answered(store, "magnitude", BEFORE, LABEL),
             answered(store, "asp", np.full((6, 3), np.nan), LABEL),
             answered(store, "admm", AFTER, [0, 0, 1, 1, 2, 9])]
    found = flips.compared([store.open(n) for n in names])
    assert found.flips == []
    assert len(found.notes) == 2 and all("cannot be used" in n for n in found.notes)


def test_a_regression_has_distances_and_no_flips(store: Store) -> None:
    labels = [1.0, 2.0, 3.0]
    names = []
    for method, logits in (("magnitude", [[1.5], [2.5], [3.5]]), ("admm", [[1.25], [2.0], [2.75]])):
        names.append(make_run(store.recorded, task="entailment", method=method, record="summary",
                              scores={"n_eval": 3}, labels=[]))
        replace_arrays(store.recorded / names[-1], {LOGITS: np.asarray(logits, np.float32),
                                                    LABELS: np.asarray(labels, np.float32)})
    runs = [store.open(n) for n in names]
    view = flips.bars(runs)
    assert view.figure is None
    assert "A 0.50; B 0.17" in view.claim


def test_unknown_choices_are_errors_in_words(planted: list[Run]) -> None:
    with pytest.raises(InputError, match="Unknown axis 'time'"):
        flip_dots.scatter(planted, planted[1].record.id, "time")
    with pytest.raises(InputError, match="Unknown run"):
        flip_dots.scatter(planted, planted[0].record.id)


def test_what_breaks_close_by_is_said(store: Store) -> None:
    make_dense(store.recorded, task="entailment")
    labels = [0] * 8
    before = [[5, 0, 0]] * 6 + [[1, 0, 0]] * 2
    after = [[5, 0, 0]] * 6 + [[0, 1, 0]] * 2
    runs = [store.open(answered(store, m, z, labels)) for m, z in (("asp", before), ("admm", after))]
    assert flip_dots.scatter(runs, runs[1].record.id).claim == (
        "Half of what B breaks had a margin under 1.00 in A; half of all that A has right is over 5.00.")
