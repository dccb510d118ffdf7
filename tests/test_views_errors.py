"""Score over reconstruction error: planted records whose order is known."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import permutations

import msgspec
import numpy as np
import pytest

from core.evidence.cells import Cell
from core.evidence.single import Versus
from core.methods import METHODS
from core.runs.answers import Answers
from core.runs.records import Matrix, RunRecord, RunSpec, Scores
from core.runs.store import Store
from core.statistics.ranks import rank_correlation
from core.views.scores import error_and_score
from tests.opening import charts, open_page, said
from tests.planting import logits_of

ONE_SHOT = ("magnitude", "wanda", "sparsegpt", "admm-layer")
ZEROS = {"2:4": 0.5, "4:8": 0.5, "1:4": 0.75, "3:4": 0.25}


def record(method: str, pattern: str, error: float | Sequence[float | None] | None, score: float, **spec: object,
           ) -> RunRecord:
    """One finished run of `agreement`; *error*: of its two matrices."""
    pair = list(error) if isinstance(error, list | tuple) else [error, error]
    made = RunSpec(task="agreement", model="tiny", method=method, pattern=pattern,
                   **({"epochs": 0.0, "calibration": 128} | spec))  # type: ignore[arg-type]
    matrices = [Matrix(name=f"encoder.layer.{i}.output.dense", shape=(8, 8), density=1 - ZEROS[pattern],
                       mask_sha256="0", error=e) for i, e in enumerate(pair)]
    return RunRecord(schema=1, id=made.run_id, status="succeeded", created="2026-01-01T00:00:00+00:00", spec=made,
                     matrices=matrices, results=Scores(metric="accuracy", n_eval=1000, dense=0.9, final=score))


def planted() -> list[RunRecord]:
    """Three patterns by four methods; the lower the error, the better the score."""
    out = []
    for pattern, worst in (("4:8", 0.2), ("2:4", 0.3), ("1:4", 0.8)):
        for i, method in enumerate(ONE_SHOT):
            error = worst * 0.5**i
            out.append(record(method, pattern, error, 0.9 - 0.4 * error))
    return out


def naive_spearman(x: list[float], y: list[float]) -> float:
    """1 - 6 sum d^2 / (n (n^2 - 1)), for values without ties."""
    n = len(x)
    d = [sorted(x).index(a) - sorted(y).index(b) for a, b in zip(x, y, strict=True)]
    return 1 - 6 * sum(v * v for v in d) / (n * (n * n - 1))


def test_the_rank_correlation_equals_the_textbook_formula_on_every_order_of_five() -> None:
    x = [0.01, 0.02, 0.4, 0.5, 7.0]
    for order in permutations([1.0, 2.0, 3.0, 4.0, 9.0]):
        assert rank_correlation(x, order) == pytest.approx(naive_spearman(x, list(order)))


def test_equal_values_share_their_rank_and_nothing_to_order_is_said() -> None:
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None
    view = error_and_score.panel([record(m, "2:4", 0.1, 0.5 + i / 10) for i, m in enumerate(ONE_SHOT)],
                                 "agreement", "tiny")
    assert "nothing to order" in view.claim


def test_every_one_shot_run_is_a_mark_in_its_methods_colour_and_its_patterns_shape() -> None:
    records = planted()
    view = error_and_score.panel(records, "agreement", "tiny")
    assert view.figure is not None
    drawn = json.loads(view.figure.to_json())
    shapes: dict[str, set[str]] = {}
    seen = []
    for trace in drawn["data"]:
        if trace["mode"] != "markers" or trace["x"] == [None]:
            continue
        method = next(e for e in METHODS.values() if e.title == trace["name"])
        assert trace["marker"]["color"] == method.colour
        for x, y, symbol, words in zip(trace["x"], trace["y"], trace["marker"]["symbol"], trace["customdata"],
                                       strict=True):
            shapes.setdefault(words[0], set()).add(symbol)
            seen.append((method.name, words[0], round(x, 9), y))
    assert sorted(seen) == sorted(
        (r.spec.method, r.spec.pattern, round(r.matrices[0].error or 0, 9), r.results.final)
        for r in records if r.results is not None)
    assert all(len(s) == 1 for s in shapes.values()) and len(set.union(*shapes.values())) == 3
    legend = {t["name"]: t["marker"]["symbol"] for t in drawn["data"] if t["x"] == [None]}
    assert legend == {pattern: next(iter(s)) for pattern, s in shapes.items()}
    axis = drawn["layout"]["xaxis"]
    assert axis["type"] == "log"
    assert 10 ** axis["range"][0] < 0.025 and 10 ** axis["range"][1] > 0.8
    assert next(t["y"] for t in drawn["data"] if t["name"] == "Dense") == [0.9, 0.9]


def test_the_claim_is_the_order_that_was_planted() -> None:
    records = planted()
    claim = error_and_score.panel(records, "agreement", "tiny").claim
    assert "a lower error nearly always came with a better score (rank correlation −1.00 over 12 runs" in claim
    assert "in 3 of 3 patterns" in claim
    turned = [record(r.spec.method, r.spec.pattern, r.matrices[0].error, 0.5 + 0.4 * (r.matrices[0].error or 0))
              for r in records]
    claim = error_and_score.panel(turned, "agreement", "tiny").claim
    assert "came with a worse score (rank correlation +1.00" in claim and "in 0 of 3 patterns" in claim


def test_what_chance_can_do_is_called_so() -> None:
    """Four runs in perfect order: two standard errors of four are more than 1, so nothing is claimed."""
    four = planted()[:4]
    assert "cannot be told from chance here (rank correlation −1.00 over 4 runs" in error_and_score.panel(
        four, "agreement", "tiny").claim
    mixed = [record(m, p, 0.01 * (1 + i), s) for i, (m, p, s) in enumerate(zip(
        ONE_SHOT * 3, ["4:8"] * 4 + ["2:4"] * 4 + ["1:4"] * 4,
        [0.7, 0.5, 0.8, 0.6, 0.75, 0.55, 0.85, 0.65, 0.72, 0.52, 0.82, 0.62], strict=True))]
    assert "cannot be told from chance" in error_and_score.panel(mixed, "agreement", "tiny").claim


def test_a_confound_is_not_taken_for_an_effect() -> None:
    """Over all patterns the order is perfect enough, but inside every pattern the lowest error is the worst run."""
    runs = [record(method, pattern, base * (1 + 0.1 * i), score + 0.05 * i)
            for pattern, base, score in (("3:4", 0.01, 0.80), ("2:4", 0.1, 0.60), ("1:4", 0.6, 0.30))
            for i, method in enumerate(ONE_SHOT)]
    claim = error_and_score.panel(runs, "agreement", "tiny").claim
    assert "better score" in claim and "in 0 of 3 patterns" in claim
    close = [record(method, "2:4", 0.1 + 0.1 * i, 0.60 + 0.001 * i) for i, method in enumerate(ONE_SHOT)]
    # 0.003 is noise at n = 1000
    assert error_and_score.at_one_pattern(error_and_score.marks(close, "agreement", "tiny")) == (1, 1)


@pytest.mark.parametrize(("elsewhere", "level"), [(0, False), (150, True)])
def test_with_answers_two_runs_are_level_by_their_paired_difference(elsewhere: int, level: bool) -> None:
    """The least error is right on 888 of 1000, another run on 900, a difference that lies inside the band. Where the
    900 hold the 888, twelve examples against none decide; where each is right on 150 of its own, chance would do."""
    labels, right = np.zeros(1000, np.int16), np.arange(1000) < 900
    least = right.copy()
    least[888:900] = False
    least[:elsewhere] = False
    best = right.copy()
    best[150:150 + elsewhere] = False
    assert best.sum() - least.sum() == 12
    runs = [record("wanda", "2:4", 0.1, float(least.mean())), record("magnitude", "2:4", 0.2, float(best.mean()))]
    known = Versus(Cell(r, Answers(logits_of(said, labels), labels))
                   for r, said in zip(runs, (least, best), strict=True))
    found = error_and_score.marks(runs, "agreement", "tiny")
    assert error_and_score.at_one_pattern(found) == (1, 1)
    assert error_and_score.at_one_pattern(found, known) == (int(level), 1)


def test_what_has_no_error_or_was_trained_is_no_mark() -> None:
    records = planted()[:4]
    assert error_and_score.panels(records) == [("agreement", "tiny")]
    for other in (record("magnitude", "3:4", None, 0.8), record("magnitude", "3:4", [0.1, None], 0.8),
                  record("magnitude", "3:4", 0.0, 0.8), record("magnitude", "3:4", math.nan, 0.8),
                  record("admm-layer", "3:4", 0.1, 0.8, epochs=2.0)):
        assert len(error_and_score.marks([*records, other], "agreement", "tiny")) == 4
        assert error_and_score.panels([*records[:3], other]) == []
    failed = msgspec.structs.replace(record("wanda", "3:4", 0.1, 0.8), status="failed")
    assert error_and_score.panels([*records[:3], failed]) == []


def test_the_error_is_the_mean_over_matrices() -> None:
    assert error_and_score.mean_error(record("wanda", "2:4", [0.1, 0.4], 0.8)) == pytest.approx(0.25)


def test_the_best_constant_answer_is_a_line_that_is_never_off_the_picture() -> None:
    view = error_and_score.panel(planted(), "agreement", "tiny", 0.2)
    assert view.figure is not None
    line = next(t for t in view.figure.data if t.name == "constant answer")
    assert list(line.y) == [0.2, 0.2] and view.figure.layout.yaxis.range[0] < 0.2


def test_words_and_numbers_stand_beside_the_picture() -> None:
    records = planted()
    view = error_and_score.panel(records, "agreement", "tiny")
    assert list(view.table["reconstruction error"]) == sorted(view.table["reconstruction error"])
    assert set(view.table["run"]) == {r.id for r in records}
    assert "12 runs" in view.alt and "error 2.5\N{NARROW NO-BREAK SPACE}%" in view.alt and view.try_this
    words = error_and_score.small_print(records, "agreement", "tiny")
    assert "128 calibration examples" in words and "±0.60" in words
    assert f"{2 * math.sqrt(0.9 * 0.1 / 1000):.3f}" in words
    assert view.figure is not None and len(view.figure.to_json()) < 40_000


def test_the_page_asks_the_question_where_there_are_enough_runs(
    good_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = open_page(monkeypatch, good_store, "accuracy", task="cola", view="error")
    assert any("Over error" in str(group.options) for group in app.get("button_group"))
    assert charts(app) == 1 and error_and_score.QUESTION in said(app)
    assert "CoLA" in app.header[0].value and "4 runs without training" in said(app)


def test_the_page_does_not_ask_it_of_one_run(small_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, small_store, "accuracy")
    assert charts(app) == 2
    assert not any("Over error" in str(group.options) for group in app.get("button_group"))
