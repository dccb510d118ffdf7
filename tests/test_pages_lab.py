"""The Layer lab over a lab run, an empty store, runs without Gram matrices and damaged ones: words, links, figures."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs import arrays as enc
from core.runs.store import ARRAYS, Store
from tests import damage, makers
from tests.films import films, header, text
from tests.opening import open_page, said

QUERY = "bert.encoder.layer.0.attention.self.query"
DOWN = "bert.encoder.layer.1.output.dense"


@pytest.fixture
def store(empty_store: Store) -> Store:
    """A dense run, a run at level lab, and one without Gram matrices."""
    parent = makers.make_dense(empty_store.recorded)
    makers.make_run(empty_store.recorded, parent=parent, method="admm-layer", record="lab", id="lab-run")
    makers.make_run(empty_store.recorded, parent=parent, method="magnitude", id="plain-run")
    return empty_store


def test_the_lab_opens_with_its_answer_as_a_film(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab")
    words, answer = said(app), text(app, "say")
    assert answer.startswith("The answer loses") and "Best of the others: " in answer
    assert "rounded to 8 bits a row" in words and "256 calibration tokens" in words
    assert not app.get("plotly_chart") and header(app)["default"] == len(header(app)["moments"]) - 1
    assert len(app.get("bidi_component")[0].proto.bytes) <= 1_500_000
    assert dict(app.query_params) == {"run": "lab-run", "matrix": QUERY}
    assert not app.error


def test_every_choice_comes_from_the_link(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    query = {"matrix": DOWN, "pattern": "1:4", "setting": "quick", "rho_end": "3", "iterations": "10", "damping": "0.1",
             "ramp": "5", "settle": "2", "k": "3", "pin": "pattern=1:4,method=wanda"}
    app = open_page(monkeypatch, store, "lab", **query)
    assert "After round 4 of 10" in text(app, "say", 3) and "the pinned one" in text(app, "say")
    assert "quick (damping 0.1, iterations 10, ramp 5, rho_end 3, settle 2)" in header(app)["alt"]
    assert not app.error
    assert dict(app.query_params) == {"run": "lab-run", **query}
    assert {s.label: s.value for s in app.select_slider}["Iterations"] == "10"


def test_a_knob_writes_the_link_and_moves_the_picture(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab")
    before = text(app, "say")
    next(s for s in app.select_slider if s.label == "rho at the end").set_value("100").run()
    assert not app.exception and app.query_params["rho_end"] == "100"
    assert text(app, "say") != before and "(rho_end 100)" in header(app)["alt"]


def test_one_method_after_the_other_and_reset(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", rho_end="3")
    for method, title in (("wanda", "Wanda"), ("sparsegpt", "SparseGPT"), ("magnitude", "Magnitude, one-shot")):
        next(s for s in app.selectbox if s.label == "Method").set_value(method).run()
        assert not app.exception and app.query_params["method"] == method and "rho_end" not in app.query_params
        assert f"{title} goes over the layer once" in header(app)["panels"]["time"]["alt"]
        assert header(app)["moments"] == ["the answer"]
    next(b for b in app.button if b.label == "Reset").click().run()
    assert "method" not in app.query_params and len(header(app)["moments"]) == 25


def test_pin_and_unpin(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", setting="fixed")
    next(b for b in app.button if b.label == "Pin").click().run()
    assert app.query_params["pin"] == "pattern=2:4,setting=fixed"
    assert "pinned" in header(app)["panels"] and "the pinned one" in text(app, "say")
    next(s for s in app.selectbox if s.label == "Setting").set_value("ours").run()
    assert app.query_params["pin"] == "pattern=2:4,setting=fixed" and "setting" not in app.query_params
    next(b for b in app.button if b.label == "Unpin").click().run()
    assert "pin" not in app.query_params and "pinned" not in header(app)["panels"]
    assert not app.exception


def test_a_moment_of_the_link_and_a_part_of_a_wide_layer(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", k="0", matrix=DOWN, row="0", column="50")
    assert app.query_params["k"] == "0" and "After round 1 of 24" in text(app, "say", 0)
    assert header(app)["panels"]["w"]["start"] == [0, 48]
    app = open_page(monkeypatch, store, "lab", k="99")
    assert "no moment 99" in said(app) and "k" not in app.query_params


@pytest.mark.parametrize(("query", "words"), [
    ({"matrix": "nothing"}, "Unknown matrix"), ({"rho_end": "0"}, "rho_end=0 is out of range"),
    ({"rho_start": "-1"}, "rho_start=-1 is out of range"), ({"pin": "rho_end=1"}, "is no setting"),
    ({"pin": "pattern=2:5"}, "a width divisible by 5"), ({"k": "soon"}, "is no whole number"),
    ({"setting": "theirs"}, "Unknown setting"), ({"run": "no-such-run"}, "Unknown run")])
def test_a_bad_choice_gets_a_red_box_and_the_page_lives(query: dict[str, str], words: str,
                                                        monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", **query)
    assert words in app.error[0].value
    assert len(films(app)) == 1


def test_a_pattern_that_does_not_fit_is_said_and_can_be_changed(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", pattern="2:5")
    assert "a width divisible by 5" in app.error[0].value and not films(app)
    next(s for s in app.selectbox if s.label == "Pattern").set_value("4:8").run()
    assert not app.error and len(films(app)) == 1 and "exactly 4 of 8" in header(app)["alt"]


def test_a_run_without_gram_matrices_is_named_and_another_shown(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", run="plain-run")
    assert "plain-run keeps no Gram matrices" in app.info[0].value
    assert app.query_params["run"] == "lab-run" and len(films(app)) == 1 and not app.error


def test_a_store_without_lab_runs_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, good_store: Store) -> None:
    app = open_page(monkeypatch, good_store, "lab")
    assert "No run here keeps Gram matrices" in app.info[0].value
    assert "--record lab" in app.code[0].value and not films(app)


def test_an_empty_store_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "lab")
    assert "--record lab" in app.code[0].value


def test_a_damaged_run_gets_a_red_box_and_the_knobs_stay(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    file = store.recorded / "lab-run" / ARRAYS
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    app = open_page(monkeypatch, store, "lab")
    assert "cannot be read" in app.error[0].value
    assert not films(app) and [s.label for s in app.selectbox][:2] == ["Run", "Matrix"]


def test_a_dense_parent_without_weights_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.recorded, record="masks")
    makers.make_run(empty_store.recorded, parent=parent, method="admm-layer", record="lab")
    app = open_page(monkeypatch, empty_store, "lab")
    assert "keeps no weights" in app.error[0].value


def test_a_gram_matrix_that_cannot_be_factorised_is_said(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    bad = np.eye(64, dtype=np.float32)
    bad[0, 1] = bad[1, 0] = 5  # no inputs have such a Gram matrix
    damage.replace_arrays(store.recorded / "lab-run", {f"gram/{QUERY}": enc.upper_triangle(bad)})
    app = open_page(monkeypatch, store, "lab")
    assert "cannot be factorised" in app.error[0].value
