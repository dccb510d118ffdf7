"""Runs side by side: which are chosen, which settings differ, and the matrices, against plain loops."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from core.errors import InputError
from core.runs.store import Run, Store
from core.views.compare import choice, differences, same_matrix
from core.views.drawing import maps, style
from core.views.drawing.view import View
from tests.damage import flip_bit
from tests.makers import empty_store, make_dense, make_run
from tests.making import dense_weights
from tests.planting import logits_of, plant

QUERY = "bert.encoder.layer.0.attention.self.query"
WIDE = "bert.encoder.layer.0.intermediate.dense"
HALF_MEGABYTE = 500_000


def opened(store: Store, *runs: dict[str, object], **parent: object) -> list[Run]:
    """Pruned runs of one dense parent, opened; the parent first when *runs* asks for it with `method="dense"`."""
    dense = make_dense(store.recorded, **parent)
    return [store.open(dense if fields.get("method") == "dense" else
                       make_run(store.recorded, parent=dense, snapshots=0, **{**parent, **fields})) for fields in runs]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return empty_store(tmp_path)


@pytest.fixture
def three(store: Store) -> list[Run]:
    return opened(store, {"method": "magnitude", "epochs": 0.0}, {"method": "asp"}, {"method": "admm"})


def heatmaps(view: View, axis: str) -> list[go.Heatmap]:
    """The heatmaps of one panel ("x", "x2", ...), in drawing order."""
    assert view.figure is not None
    return [t for t in view.figure.data if t.type == "heatmap" and (t.xaxis or "x") == axis]


# -- which runs --------------------------------------------------------------------------------------------------

def test_a_link_is_cut_into_ids_once_each_and_never_read_without_end() -> None:
    assert choice.parse(" a,b,,a , c") == ["a", "b", "c"]
    assert choice.parse("") == []
    assert len("".join(choice.parse("x," + "y" * 10**6))) < 2001


def test_the_runs_that_tell_most_keep_most_and_share_task_and_pattern(store: Store) -> None:
    for task in ("agreement", "mrpc"):
        dense = make_dense(store.recorded, task=task)
        for method in ("magnitude", "asp", "admm", "wanda"):
            for pattern in ("2:4", "1:4"):
                level = "full" if task == "mrpc" else "summary"
                make_run(store.recorded, task=task, method=method, pattern=pattern, parent=dense, record=level)
        make_run(store.recorded, task=task, method="admm", parent=dense, record="summary", seed=7)
    records = store.records()
    by_id = {r.id: r for r in records}
    told = [by_id[i].spec for i in choice.telling(records)]
    assert [(s.task, s.method, s.pattern, s.record) for s in told] == [
        ("mrpc", m, "2:4", "full") for m in ("magnitude", "asp", "admm")]
    wanda = next(r for r in records if r.spec.method == "wanda" and r.spec.task == "agreement"
                 and r.spec.pattern == "1:4")
    around = [by_id[i].spec for i in choice.telling(records, wanda)]
    assert [(s.task, s.method, s.pattern) for s in around] == [
        ("agreement", m, "1:4") for m in ("magnitude", "asp", "admm", "wanda")]
    dense_run = next(r for r in records if r.spec.method == "dense" and r.spec.task == "agreement")
    assert choice.telling(records, dense_run)[0] == dense_run.id
    assert choice.telling([]) == []
    assert len(choice.telling([dense_run, wanda])) == 2


def test_a_run_that_has_ended_is_compared_with_the_last_one_and_its_dense_parent(store: Store) -> None:
    dense = make_dense(store.recorded)
    first = make_run(store.live, parent=dense, method="asp")
    second = make_run(store.live, parent=dense, method="admm")
    failed = make_run(store.live, parent=dense, method="wanda", status="failed")
    records = store.records()
    assert choice.mates(records, second) == ([first, second, dense],
                                                     "Compare with the last run and its dense parent")
    assert choice.mates(records, first) == ([dense, first], "Compare with its dense parent")
    assert choice.mates(records, failed)[0] == choice.mates(records, "nobody")[0] == []
    assert choice.mates([r for r in records if r.id != dense], second)[0] == [first, second]


def test_names_are_unique_and_name_what_is_not_shared(three: list[Run]) -> None:
    records = [r.record for r in three]
    assert [t[:4] for t in choice.titles([records[2], records[2], records[2]])] == ["A · ", "B · ", "C · "]
    assert len(set(choice.titles([records[2]] * 4))) == 4
    assert "tiny" not in " ".join(choice.titles(records))
    words = choice.listed(records, records[0].spec.task, records[0].spec.model)
    assert set(words) == {r.id for r in records}
    assert len(set(words.values())) == 3


# -- what differs in the settings --------------------------------------------------------------------------------

def test_exactly_the_settings_that_differ_have_a_row(store: Store) -> None:
    runs = opened(store, {"method": "admm", "lr": 1e-3}, {"method": "admm", "lr": 2e-3, "seed": 3, "batch_size": 16})
    rows = differences.rows([r.record for r in runs])
    assert {name: values for name, values, _ in rows} == {
        "seed": ["0", "3"], "lr": ["0.001", "0.002"], "batch size": ["32", "16"]}
    assert all(meaning and "`" not in meaning for _, _, meaning in rows)
    table = differences.differing(runs).table
    assert list(table.columns)[1:3] == choice.titles([r.record for r in runs])
    assert list(table["setting"])[3:] == ["score", "score against A", "sparsity", "zeros", "bits per weight", "seconds"]


def test_a_knob_of_one_method_alone_is_a_dash_in_the_others(store: Store) -> None:
    runs = opened(store, {"method": "magnitude"}, {"method": "admm", "knobs": {"rho_end": 0.7}})
    found = {name: (values, meaning) for name, values, meaning in differences.rows([r.record for r in runs])}
    assert found["rho end"][0] == ["–", "0.7"]
    assert "Penalty" in found["rho end"][1]
    assert found["method"][0] == ["magnitude", "admm"]


def test_scores_are_differences_in_points_with_their_paired_interval(store: Store) -> None:
    """20 of 400 examples are lost and 8 won: the mean of 400 values of -1, 0 and 1, whose error is known."""
    n, labels = 400, np.arange(400) % 2
    before, after = np.arange(n) < 320, (np.arange(n) >= 20) & (np.arange(n) < 328)
    runs = [store.open(plant(store.recorded, logits_of(right, labels), labels, method=method, task="sst2"))
            for method, right in (("asp", before), ("admm", after))]
    said = differences.against(runs[0], runs[1])
    found = re.fullmatch(r"\u22123.0 \[\u2212([\d.]+), \u2212([\d.]+)\] points", said)
    half = 196 * math.sqrt((28 / n - 0.03 ** 2) / n)
    assert found and [float(v) for v in found.groups()] == pytest.approx([3 + half, 3 - half], abs=0.2)
    assert f"B {said}" in differences.differing(runs).claim


def test_without_answers_a_difference_has_no_interval(store: Store) -> None:
    runs = opened(store, {"method": "asp", "scores": {"final": 0.8}, "answers": False},
                  {"method": "admm", "scores": {"final": 0.775}, "answers": False})
    assert differences.against(*runs) == "\u22122.5 points"


def test_scores_of_other_tasks_and_other_examples_are_not_compared(store: Store) -> None:
    one = store.open(make_run(store.recorded, method="asp"))
    other = store.open(make_run(store.recorded, method="asp", task="mrpc"))
    fewer = store.open(make_run(store.recorded, method="admm", scores={"n_eval": 500}))
    dead = store.open(make_run(store.recorded, method="wanda", status="failed"))
    view = differences.differing([one, other, fewer, dead])
    row = view.table.set_index("setting").loc["score against A"].tolist()
    assert row[:4] == ["the reference", "another task: not compared", "other examples: not compared", "no score"]
    assert "Scores of different tasks are not compared" in view.claim


# -- the same matrix ---------------------------------------------------------------------------------------------

def test_every_panel_shows_its_own_weights_in_the_range_of_the_dense_ones(three: list[Run]) -> None:
    view = same_matrix.panels(three, QUERY)
    truth = np.sort(np.abs(dense_weights("agreement/tiny/0", 2, 64, 256)[QUERY]).reshape(-1))
    top = truth[round(0.995 * (len(truth) - 1))]
    for run, axis in zip(three, ("x", "x2", "x3"), strict=True):
        grey, shown = heatmaps(view, axis)
        mask, weight = run.mask(QUERY), run.weight(QUERY)
        assert mask is not None and weight is not None
        assert np.array_equal(grey.z, 1 - mask)
        assert np.array_equal(np.isnan(shown.z), mask == 0)
        assert np.allclose(shown.z[mask == 1], weight[mask == 1])
        assert shown.zmax == -shown.zmin == pytest.approx(top, rel=0.03)
    zmax = {h.zmax for axis in ("x", "x2", "x3") for h in heatmaps(view, axis)[1:]}
    assert len(zmax) == 1


def test_kept_energy_is_a_plain_sum(three: list[Run]) -> None:
    view = same_matrix.panels(three, QUERY)
    table = view.table
    a, *others = table["kept energy"]
    far = max(range(2), key=lambda i: abs(others[i] - a))
    assert view.heading == f"Layer 1 · query: {'BC'[far]} keeps {style.percent(others[far] / a)} of A's energy (Σw²)."
    for run, said in zip(three, table["kept energy"], strict=True):
        assert run.parent is not None
        dense, mask = run.parent.weight(QUERY), run.mask(QUERY)
        assert dense is not None and mask is not None
        pairs = list(zip(dense.reshape(-1), mask.reshape(-1), strict=True))
        assert said == pytest.approx(sum(float(w)**2 for w, m in pairs if m) / sum(float(w)**2 for w, _ in pairs))


def test_the_four_kinds_are_counted_as_a_loop_counts_them(store: Store) -> None:
    runs = opened(store, {"method": "magnitude"}, {"method": "asp", "record": "masks"}, {"method": "admm"})
    flip_bit(runs[1].path, QUERY, 5, 9)  # magnitude's mask but for one weight
    view = same_matrix.differences(runs, QUERY)
    first = runs[0].mask(QUERY)
    (own,) = heatmaps(view, "x")
    assert first is not None and np.array_equal(own.z, np.where(first, 3, 0)) and (own.zmin, own.zmax) == (0, 3)
    assert [a.text for a in view.figure.layout.annotations][1] == "A, the reference"
    assert view.alt.startswith("2 maps of layer 1 · query against A · ") and "what that run keeps" in view.alt
    for i, (run, axis) in enumerate(zip(runs[1:], ("x2", "x3"), strict=True)):
        mask = run.mask(QUERY)
        assert mask is not None and first is not None
        held = {"both": 0, "this": 0, "reference": 0, "neither": 0}
        for now, was in zip(mask.reshape(-1), first.reshape(-1), strict=True):
            held[("both" if was else "this") if now else ("reference" if was else "neither")] += 1
        row = view.table.iloc[i]
        assert [row["kept by both"], row["kept only by this run"], row["kept only by the reference"],
                row["kept by neither"]] == list(held.values())
        (drawn,) = heatmaps(view, axis)
        assert np.bincount(drawn.z.astype(int).reshape(-1), minlength=4).tolist() == list(held.values())[::-1]
        assert style.percent(held["both"] / (held["both"] + held["reference"])) in view.claim
    assert view.table.iloc[0]["kept only by this run"] + view.table.iloc[0]["kept only by the reference"] == 1
    assert [t.name for t in view.figure.data if t.type == "scatter"] == list(same_matrix.KINDS[::-1])


def test_every_kind_has_its_own_tone() -> None:
    def tone(value: float) -> str:
        share = value / (len(same_matrix.KINDS) - 1)
        return [colour for edge, colour in same_matrix.STEPS if edge <= share][-1]

    assert [tone(k) for k in range(4)] == list(same_matrix.TONES)
    assert len(set(same_matrix.TONES)) == 4


def test_weights_against_the_reference_are_a_subtraction(three: list[Run]) -> None:
    view = same_matrix.differences(three, QUERY, "weights")
    a, c = three[0].weight(QUERY), three[2].weight(QUERY)
    assert a is not None and c is not None
    (_, own), (_, drawn) = heatmaps(view, "x"), heatmaps(view, "x3")
    assert np.allclose(np.nan_to_num(own.z), a, atol=1e-6) and (own.zmin, own.zmax) == (drawn.zmin, drawn.zmax)
    assert "A, the reference" in [note.text for note in view.figure.layout.annotations]
    gone = (a == 0) & (c == 0)
    assert np.allclose(np.nan_to_num(drawn.z), np.where(gone, 0, c - a), atol=1e-6)
    far = float(np.sqrt(((c - a)**2).sum() / (a**2).sum()))
    assert view.table["distance, relative"][1] == pytest.approx(far, rel=1e-5)
    assert view.table["distance, relative"].max() == view.table["distance, relative"][1]
    assert view.heading == f"C lies {style.percent(far)} of A's size away from A."


def test_a_dense_run_keeps_everything(store: Store) -> None:
    runs = opened(store, {"method": "dense"}, {"method": "admm"})
    table = same_matrix.differences(runs, QUERY).table
    assert table["kept only by this run"][0] == 0
    assert table["kept by both"][0] == table["kept only by the reference"][0] == 64 * 64 // 2
    assert same_matrix.panels(runs, QUERY).table["zeros"].tolist() == [0.0, 0.5]


def test_what_a_run_did_not_keep_is_said_and_the_rest_is_shown(store: Store) -> None:
    runs = opened(store, {"method": "admm"}, {"method": "asp", "record": "masks"},
                  {"method": "wanda", "record": "summary"}, {"method": "sparsegpt", "status": "failed"})
    view = same_matrix.panels(runs, QUERY)
    said = view.table["shown"].tolist()
    assert [s.split(":")[0] for s in said] == [
        "its weights", "the dense weights under its mask", "the mean of |w| over blocks", "This run lists no matrices."]
    (means,) = heatmaps(view, "x3")
    kept = runs[2].array(f"thumbnail/{QUERY}")
    assert kept is not None
    block = 64 // kept.shape[0], 64 // kept.shape[1]
    assert all(means.z[i, j] == kept[i // block[0], j // block[1]] for i in range(0, 64, 7) for j in range(0, 64, 5))
    assert heatmaps(view, "x4") == []
    against = same_matrix.differences(runs, QUERY, "weights")
    assert against.figure is None and "were not kept" in against.claim
    assert [len(heatmaps(same_matrix.differences(runs, QUERY), axis)) for axis in ("x2", "x3", "x4")] == [1, 0, 0]


def test_another_shape_and_damaged_arrays_become_words(store: Store) -> None:
    runs = opened(store, {"method": "admm"}, {"method": "asp"})
    other = store.open(make_run(store.recorded, method="asp", task="mrpc", hidden=32, ffn=64, heads=2))
    file = runs[1].path / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    damaged = store.open(runs[1].record.id)
    view = same_matrix.panels([runs[0], other, damaged], QUERY)
    notes = " ".join(a.text for a in view.figure.layout.annotations).replace("<br>", " ")
    assert "32 × 32 weights: another model" in notes
    assert "cannot be read" in notes


def test_a_large_matrix_is_drawn_in_blocks_or_as_a_window(store: Store) -> None:
    runs = opened(store, {"method": "magnitude"}, {"method": "admm"}, {"method": "asp", "pattern": "1:8"}, hidden=192,
                  ffn=768, layers=1)
    view = same_matrix.panels(runs, WIDE)
    weight = runs[1].weight(WIDE)
    assert weight is not None
    (drawn,) = heatmaps(view, "x2")
    rows, cols = maps.block_size((768, 192), 8)
    assert drawn.z.shape == (768 // rows, 192 // cols) and cols % 8 == 0
    assert drawn.z[3, 5] == pytest.approx(float(np.abs(weight[3 * rows:4 * rows, 5 * cols:6 * cols]).mean()), rel=1e-5)
    share = heatmaps(same_matrix.differences(runs, WIDE), "x2")[0]
    a, b = runs[0].mask(WIDE), runs[1].mask(WIDE)
    assert a is not None and b is not None
    assert share.z[2, 1] == pytest.approx(float((a != b)[2 * rows:3 * rows, cols:2 * cols].mean()))
    assert (share.zmin, share.zmax) == (0, 0.5)
    near = heatmaps(same_matrix.panels(runs, WIDE, True, 100, 50), "x2")[1]
    assert near.z.shape == (96, 96)
    assert (near.x0, near.y0) == (48, 100)  # on whole groups of 8
    assert np.allclose(np.nan_to_num(near.z), weight[100:196, 48:144])


def test_figures_stay_small_and_name_their_range(store: Store) -> None:
    runs = opened(store, {"method": "magnitude"}, {"method": "asp"}, {"method": "admm"}, {"method": "wanda"})
    for view in (same_matrix.panels(runs[:3], WIDE), same_matrix.panels(runs, WIDE),
                 same_matrix.panels(runs, WIDE, True), same_matrix.differences(runs[:3], WIDE),
                 same_matrix.differences(runs, WIDE, "weights", True)):
        assert view.figure is not None
        assert len(view.figure.to_json()) <= HALF_MEGABYTE
        assert all(h.zmin is not None and h.zmax is not None for h in view.figure.data if h.type == "heatmap")
        assert view.claim in view.alt and view.try_this


def test_what_is_not_there_is_an_error_in_words(three: list[Run]) -> None:
    with pytest.raises(InputError, match="Unknown matrix 'nowhere'"):
        same_matrix.panels(three, "nowhere")
    with pytest.raises(InputError, match="Unknown comparison 'colours'"):
        same_matrix.differences(three, QUERY, "colours")


def test_names_of_runs_are_text_not_markup(store: Store) -> None:
    odd = make_run(store.recorded, task="<b>bold</b>", id="odd", method="asp")
    runs = [store.open(make_run(store.recorded)), store.open(odd)]
    assert "<b>" in choice.titles([r.record for r in runs])[1]
    notes = [[a.text for a in view.figure.layout.annotations]
             for view in (same_matrix.panels(runs, QUERY), same_matrix.differences(runs, QUERY))]
    assert any("&lt;b&gt;bold" in text for text in notes[0])
    assert not any("<b>" in text for text in [*notes[0], *notes[1]])
