"""The price of quiet: shares, scores and claims against means written out."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import InputError
from core.runs.records import SCHEMA, Moment, RunRecord, RunSpec, Scores
from core.statistics.interval import Interval
from core.views.activations import quiet_price


def record(method: str, final: float, quiet: list[float], **more: Any) -> RunRecord:
    spec = RunSpec(task="agreement", model="tiny", method=method, pattern=more.pop("pattern", "2:4"), epochs=4.0,
                   knobs=more.pop("knobs", {}), bits=more.pop("bits", 0))
    moments = [Moment(k=0, step=0, phase="dense", quiet={"ffn": [0.02, 0.04]}, level={"ffn": [0.02, 0.04]}),
               Moment(k=1, step=9, phase="final", quiet={"ffn": quiet}, level={"ffn": [q / 2 for q in quiet]})]
    return RunRecord(schema=SCHEMA, id=spec.run_id, status="succeeded", created="2026-01-01T00:00:00+00:00", spec=spec,
                     moments=more.pop("moments", moments),
                     results=Scores(metric="accuracy", n_eval=1000, dense=0.9, final=final))


PLAIN = record("admm", 0.898, [0.03, 0.05])
SOFT = record("pattern-admm", 0.895, [0.2, 0.4], knobs={"strength": 0.3, "maps": "ffn"})
HARD = record("pattern-admm", 0.85, [0.8, 0.9], knobs={"strength": 3.0, "maps": "ffn"})
OTHERS = [record("admm", 0.7, [0.9, 0.9], pattern="1:4"), record("admm", 0.7, [0.9, 0.9], bits=4),
          record("asp", 0.7, [0.9, 0.9], moments=[])]


def shown(*records: RunRecord, name: str = "ffn", versus: Any = None) -> Any:
    return quiet_price.trade(records, versus, "agreement", "tiny", "2:4", name, HARD.id)


def test_shares_are_means_over_layers_and_other_patterns_grids_and_old_runs_stay_out() -> None:
    table = shown(HARD, *OTHERS, PLAIN, SOFT).table
    assert table["run"].tolist() == [PLAIN.id, SOFT.id, HARD.id]  # quietest last
    assert table["quiet, final"].tolist() == pytest.approx([0.04, 0.3, 0.85])
    assert table["quiet, dense"].tolist() == pytest.approx([0.03] * 3)
    assert table["quiet, at one level"].tolist() == pytest.approx([0.02, 0.15, 0.425])
    assert table["against dense"].tolist() == pytest.approx([-0.002, -0.005, -0.05])


def test_the_claim_names_the_quietest_run_that_is_level_with_dense() -> None:
    claim = shown(PLAIN, SOFT, HARD).claim
    assert "λ = 0.3, ffn" in claim and "30" in claim and "0.5 points under dense" in claim
    far = shown(HARD).claim
    assert "no run here is level with dense" in far and "5.0 points under dense" in far
    assert "over dense" in shown(record("admm", 0.93, [0.1, 0.1])).claim


def test_points_lie_where_the_table_says_and_this_run_is_ringed() -> None:
    figure = shown(PLAIN, SOFT, HARD).figure
    by = {t.name: t for t in figure.data}
    assert list(by["dense"].x) == pytest.approx([0.03]) and list(by["dense"].y) == [0.9]
    assert list(by["Pattern ADMM"].x) == pytest.approx([0.3, 0.85]) and list(by["Pattern ADMM"].y) == [0.895, 0.85]
    assert list(by["this run"].x) == pytest.approx([0.85])
    line, band = figure.layout.shapes
    assert line.y0 == line.y1 == 0.9
    assert band.y1 - 0.9 == pytest.approx(2 * (0.9 * 0.1 / 1000) ** 0.5)
    low, high = figure.layout.yaxis.range
    assert low < 0.85 and high > band.y1


def test_runs_with_answers_are_judged_by_their_paired_intervals() -> None:
    """The same scores: a run far below is level if its interval reaches zero, a run close by is not if it does not."""
    known = {PLAIN.id: Interval(-0.002, -0.003, -0.001), SOFT.id: Interval(-0.005, -0.008, -0.002),
             HARD.id: Interval(-0.05, -0.11, 0.01)}
    view = shown(PLAIN, SOFT, HARD, versus=known.get)
    assert "that is level with dense is Pattern ADMM (λ = 3, ffn)" in view.claim
    assert "5.0 points under dense (11.0 lost to 1.0 gained)" in view.claim
    assert len(view.figure.layout.shapes) == 1 and "Grey band" not in view.try_this
    bars = next(t for t in view.figure.data if t.name == "Pattern ADMM")
    assert list(bars.error_y.array) == pytest.approx([0.003, 0.06])
    low, high = view.figure.layout.yaxis.range
    assert low < 0.79 and high > 0.91
    known[HARD.id] = Interval(-0.05, -0.06, -0.04)
    assert "no run here is level with dense" in shown(PLAIN, SOFT, HARD, versus=known.get).claim


def test_nothing_to_show_is_said_and_a_wrong_map_refused() -> None:
    assert shown(*OTHERS).figure is None and "2:4" in shown(*OTHERS).claim
    with pytest.raises(InputError, match="feature map"):
        shown(PLAIN, name="nose")
