"""The ADMM trace, the scores along the way, and the drop at the hard prune."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest

from core.runs.store import TRACE, Run, Store
from core.views.drawing import style
from core.views.scores import stages, trace_curves
from tests import makers


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def opened(store: Store, **which: str) -> Run:
    return store.open(makers.run_named(store, **which))


def body(view) -> dict:
    return json.loads(view.figure.to_json())


def with_rows(run: Run, rows: list[dict], folder: Path) -> Run:
    """The same run with another trace, written into *folder*."""
    (folder / TRACE).write_text("".join(json.dumps(r) + "\n" for r in rows))
    return Run(run.record, folder, True)


def test_every_logged_figure_has_its_curve_on_one_axis(shared_store: Store) -> None:
    run = opened(shared_store)
    figure = body(trace_curves.timeline(run))
    curves = {t["name"].split(" ")[0]: t for t in figure["data"]}
    assert len(figure["data"]) == 7  # primal, dual, rho, flips, moved, loss, score
    assert {t["xaxis"] for t in figure["data"]} == {"x"}  # one cursor
    rows = [r for r in run.trace if "primal" in r]
    assert curves["primal"]["x"] == [r["step"] for r in rows]
    assert curves["primal"]["y"] == [r["primal"] for r in rows]
    assert figure["layout"]["yaxis"]["type"] == "log" and figure["layout"]["yaxis3"]["type"] == "linear"
    assert figure["layout"]["hoversubplots"] == "axis"


def test_the_phases_are_shaded_where_they_were(shared_store: Store) -> None:
    run = opened(shared_store)
    first = next(r["step"] for r in run.trace if r["phase"] == "refine")
    assert trace_curves.spans(run.trace) == [("admm", 0, first), ("refine", first, run.trace[-1]["step"])]
    texts = [a["text"] for a in body(trace_curves.timeline(run))["layout"]["annotations"]]
    assert "ADMM" in texts and "refinement under the mask" in texts


@pytest.mark.parametrize(("last", "side"), [(0.02, "left"), (0.03, "left"), (0.2, "right"), (0.001, "right")])
def test_the_words_of_a_line_stand_away_from_a_curve_that_ends_on_it(shared_store: Store, tmp_path: Path, last: float,
                                                                     side: str) -> None:
    rows = [{"step": k, "phase": "layer-wise", "primal": 0.4 * (last / 0.4) ** (k / 9), "dual": 0.1} for k in range(10)]
    figure = body(trace_curves.timeline(with_rows(opened(shared_store), rows, tmp_path)))
    words = next(a for a in figure["layout"]["annotations"] if "reached the pattern" in a["text"])
    assert (words["xanchor"], words["x"]) == (side, 0 if side == "left" else 1)


@pytest.mark.parametrize("last", [0.03, 0.02, 0.017, 0.012, 0.008, 0.005, 0.002])
@pytest.mark.parametrize("until", [10, 13, 30])
def test_the_line_of_the_pattern_runs_through_no_name(shared_store: Store, tmp_path: Path, last: float,
                                                      until: int) -> None:
    """Boxes of 16 pixels of height over a scale of 56 pixels for all values of the panel."""
    rows = [{"step": k, "phase": "admm", "primal": 0.8 * (last / 0.8) ** (k / 9), "dual": 1e-5 * 20 ** (k / 9)}
            for k in range(10)]
    rows += [{"step": k, "phase": "refine", "loss": 0.1} for k in range(10, until)]
    figure = body(trace_curves.timeline(with_rows(opened(shared_store), rows, tmp_path)))
    scale = 56 / math.log10(0.8 / 1e-5)
    boxes = {}
    for note in figure["layout"]["annotations"]:
        if note["text"] in ("primal", "dual") or "reached the pattern" in note["text"]:
            foot = note["y"] * scale + note.get("yshift", 0) - (16 if note["yanchor"] == "top" else 0)
            boxes[note["text"]] = (foot, foot + 16)
    line = math.log10(0.02) * scale
    assert not any(low < line < high for name, (low, high) in boxes.items() if name in ("primal", "dual"))
    assert boxes["dual"][1] <= boxes["primal"][0] + 1


def test_the_claim_reads_the_last_residual_before_the_hard_prune(shared_store: Store, tmp_path: Path) -> None:
    run = opened(shared_store)
    assert trace_curves.timeline(run).claim.startswith("At the hard prune the primal residual was 0.01: W had all but")
    rows = [r | ({"primal": 0.3, "flips": 7} if "primal" in r else {}) for r in run.trace]
    size = sum(m.shape[0] * m.shape[1] for m in run.record.matrices)
    moved = 100 * sum(m.moved * m.shape[0] * m.shape[1] for m in run.record.matrices) / size
    assert trace_curves.timeline(with_rows(run, rows, tmp_path)).claim.replace(style.SPACE, " ") == (
        "At the hard prune the primal residual was 0.3: W was still on its way to the pattern. "
        f"In the end {moved:.3g} % of the mask differs from plain magnitude's.")


def test_a_run_on_its_way_has_not_come_to_its_hard_prune(shared_store: Store, tmp_path: Path) -> None:
    run = opened(shared_store)
    made = with_rows(run, [r for r in run.trace if r["phase"] != "refine"], tmp_path)
    assert trace_curves.timeline(made).heading.startswith("At the hard prune W was")  # its header says that it ended
    live = msgspec.structs.replace(run.record, status="running")
    going = trace_curves.timeline(Run(live, made.path, False))
    assert going.heading.startswith("At the last look W was") and going.claim.startswith("At the last look the primal")
    made = with_rows(run, run.trace, tmp_path)
    refining = trace_curves.timeline(Run(live, made.path, False))
    assert refining.heading.startswith("At the hard prune")


def test_no_admm_is_said_and_the_rest_is_shown(shared_store: Store) -> None:
    run = opened(shared_store, method="asp")
    assert not trace_curves.has_admm(run)
    view = trace_curves.timeline(run)
    assert "has no ADMM phase" in view.claim
    assert [t["name"] for t in body(view)["data"]] == ["training loss", "evaluation score"]


def test_a_run_that_logged_nothing_says_so(shared_store: Store) -> None:
    view = trace_curves.timeline(opened(shared_store, method="magnitude"))
    assert view.figure is None and "logged no steps" in view.claim


def test_layer_wise_iterations_are_called_iterations(shared_store: Store, tmp_path: Path) -> None:
    run = opened(shared_store, method="admm-layer")
    rows = [{"step": k, "phase": "layer-wise", "rho": 2.0**k, "primal": 0.5**k} for k in range(1, 9)]
    view = trace_curves.timeline(with_rows(run, rows, tmp_path))
    assert body(view)["layout"]["xaxis"]["title"]["text"] == "iterations"


def test_rows_with_holes_zeros_and_nonsense_are_drawn_as_far_as_they_go(shared_store: Store, tmp_path: Path) -> None:
    run = opened(shared_store)
    rows = [{"step": 0, "phase": "admm", "primal": 0.0, "loss": None}, {"phase": "admm", "primal": "x"},
            {"step": 2, "phase": "admm", "primal": 0.1, "loss": float("nan")}, {"step": 1, "loss": 0.5}]
    view = trace_curves.timeline(with_rows(run, rows, tmp_path))
    curves = {t["name"].split(" ")[0]: t for t in body(view)["data"]}
    assert curves["primal"]["y"] == [0.1] and curves["training"]["y"] == [0.5]
    assert curves["primal"]["x"] == [1]  # the rows' order: the steps run backwards; a row without one is none


def test_a_long_trace_is_thinned_and_says_so(shared_store: Store, tmp_path: Path) -> None:
    run = opened(shared_store)
    rows = [{"step": k, "phase": "admm", "primal": 1 / (k + 1), "dual": 0.1, "rho": 1.0, "flips": k % 7, "moved": 0.1,
             "loss": 0.5} for k in range(10_000)]
    view = trace_curves.timeline(with_rows(run, rows, tmp_path))
    assert len(view.figure.to_json()) < 500_000 and len(view.table) == 10_000
    assert "Every 9. row is drawn" in view.try_this


def test_the_way_of_the_scores(shared_store: Store) -> None:
    run = opened(shared_store)
    view = stages.waterfall(run)
    figure = body(view)
    assert figure["data"][0]["y"] == [0.9, 0.872, 0.862, 0.862, 0.882]  # dense, W, Z, hard-pruned, final
    assert figure["data"][1]["y"] == [0.72]  # one-shot magnitude, apart
    texts = [a["text"] for a in figure["layout"]["annotations"]]
    assert "<b>0.872</b><br>−0.028" in texts and "<b>0.882</b><br>+0.020" in texts
    assert view.claim == "ADMM in training ends at 0.882, −0.018 to dense and +0.162 to one-shot magnitude."
    assert list(view.table["score"]) == [0.9, 0.72, 0.872, 0.862, 0.862, 0.882]


@pytest.mark.parametrize(("scores", "said"), [
    ((0.8, 0.7, 0.75), "took 0.100 of score: 0.800 in W, 0.700 under the mask; the run ends at 0.750."),
    ((0.8, 0.8, 0.8), "took nothing from the score: 0.800 in W, 0.800 under the mask."),
    ((0.7, 0.72, 0.72), "gave 0.020 of score"),
])
def test_the_drop_in_words(tmp_path: Path, scores: tuple[float, ...], said: str) -> None:
    store = makers.empty_store(tmp_path)
    named = dict(zip(("admm_w", "hard_pruned", "final"), scores, strict=True))
    run_id = makers.make_run(store.recorded, scores=named)
    assert said in stages.drop(store.records(), run_id).claim


def test_the_drop_stands_beside_those_of_the_same_task_and_pattern(shared_store: Store) -> None:
    run = opened(shared_store)
    view = stages.drop(shared_store.records(), run.record.id)
    assert view.figure.layout.height == stages.waterfall(run).figure.layout.height  # they stand side by side
    assert len(view.table) == 4 and set(view.table["before is"]) == {"W after ADMM", "Dense"}
    own = view.table[view.table["run"] == run.record.id].iloc[0]
    assert own["change"] == pytest.approx(-0.01)
    wide = [t for t in body(view)["data"] if t["line"]["width"] == 5]
    assert [t["x"] for t in wide] == [[0.872, 0.862]]


def test_runs_that_ended_early_say_what_is_missing(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    run_id = makers.make_run(store.recorded, status="failed")
    run = store.open(run_id)
    assert trace_curves.timeline(run).figure is not None
    assert stages.waterfall(run).figure is None and "no scores" in stages.waterfall(run).claim
    assert stages.drop(store.records(), run_id).figure is None
    assert "plain magnitude" not in trace_curves.timeline(run).claim  # no matrix, no mask


def test_a_fixed_mask_has_no_admm_stretch_even_if_its_first_row_says_so(shared_store: Store) -> None:
    rows = [{"step": 0, "phase": "admm", "score": 0.9}, {"step": 10, "phase": "refine", "loss": 0.1}]
    assert trace_curves.spans(rows) == [("refine", 0, 10)]


def test_drops_on_other_examples_do_not_stand_beside(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    own = makers.make_run(store.recorded)
    makers.make_run(store.recorded, method="asp", scores={"split": "held out of train"})
    assert list(stages.drop(store.records(), own).table["run"]) == [own]


def test_drops_on_a_grid_do_not_stand_beside_those_without(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    own = makers.make_run(store.recorded)
    makers.make_run(store.recorded, method="asp", bits=4)
    assert list(stages.drop(store.records(), own).table["run"]) == [own]


def test_a_mask_that_moves_in_training_is_said_to(shared_store: Store, tmp_path: Path) -> None:
    run = opened(shared_store, method="asp")
    rows = [{"step": k, "phase": "moving", "flips": 12_000 // (k + 1), "loss": 0.5, "score": 0.8} for k in range(4)]
    view = trace_curves.timeline(with_rows(run, rows, tmp_path))
    assert f"at every step: {style.count(3000)} entries flipped between the last two logged" in view.claim
    assert f"{style.count(12000)} when most did" in view.claim
    assert trace_curves.spans(rows) == [("moving", 0, 3)]
    assert "training, the mask moves" in [a["text"] for a in body(view)["layout"]["annotations"]]


@pytest.mark.parametrize(("last", "ticks"), [(0.19, None), (0.05, "D2"), (0.0004, 1)])
def test_the_labels_of_a_log_axis_keep_apart(shared_store: Store, tmp_path: Path, last: float, ticks: object) -> None:
    rows = [{"step": k, "phase": "admm", "primal": value} for k, value in enumerate((0.2, last), 1)]
    axis = body(trace_curves.timeline(with_rows(opened(shared_store), rows, tmp_path)))["layout"]["yaxis"]
    assert axis["type"] == "log" and axis.get("dtick") == ticks
