"""The Compare page over empty, good, mixed and damaged stores, and links that mean harm."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.runs.answers import LABELS, LOGITS
from core.runs.store import Store
from tests.damage import replace_arrays
from tests.makers import make_dense, make_run
from tests.opening import charts, open_page, said


def runs_of(app: AppTest) -> list[str]:
    return app.query_params["runs"].split(",")


def table(app: AppTest) -> dict[str, list[str]]:
    """Rows of the table of settings by their name, which are there once they are unfolded."""
    app.session_state["settings.numbers"] = True
    frame = next(f.value for f in app.run().dataframe if "setting" in f.value)
    return {row[0]: row[1:-1] for row in frame.to_numpy().tolist()}


def answer(store: Store, run: str, seed: int, labels: np.ndarray) -> str:
    """Give *run* recorded answers; *labels* are of two classes."""
    logits = np.random.default_rng(seed).normal(0, 1, (len(labels), 2)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += 1
    replace_arrays(store.recorded / run, {LOGITS: logits, LABELS: labels.astype(np.int16)})
    return run


@pytest.fixture
def trio(empty_store: Store) -> list[str]:
    """Magnitude, ASP and ADMM of one dense parent, with answers."""
    dense = make_dense(empty_store.recorded)
    labels = np.random.default_rng(0).integers(0, 2, 50)
    return [answer(empty_store, make_run(empty_store.recorded, method=m, parent=dense, snapshots=0,
                                         scores={"n_eval": 50}), i, labels)
            for i, m in enumerate(("magnitude", "asp", "admm"))]


def test_the_page_opens_on_runs_that_teach(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                           trio: list[str]) -> None:
    app = open_page(monkeypatch, empty_store, "compare")
    assert runs_of(app) == trio
    assert charts(app) == 4
    assert sum(len(c.proto.spec) for c in app.get("plotly_chart")) < 1_500_000
    assert table(app)["method"] == ["magnitude", "asp", "admm"]
    words = said(app)
    assert "Of the weights that A keeps" in words and "Of 50 examples, against A" in words
    assert len(app.dataframe) == 1  # of the settings alone: the others are folded
    assert not app.error and not app.warning


def test_pinning_makes_another_run_the_reference_in_the_link(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                             trio: list[str]) -> None:
    app = open_page(monkeypatch, empty_store, "compare", by="weights")
    app.button(key="compare.pin.C").click().run()
    assert not app.exception
    assert runs_of(app) == [trio[2], trio[0], trio[1]]
    assert table(app)["method"] == ["admm", "magnitude", "asp"]
    assert table(app)["score against A"][0] == "the reference"


def test_a_fifth_run_is_refused_plainly(monkeypatch: pytest.MonkeyPatch, empty_store: Store, trio: list[str]) -> None:
    more = [make_run(empty_store.recorded, method=m) for m in ("wanda", "sparsegpt")]
    app = open_page(monkeypatch, empty_store, "compare", runs=",".join([*trio, more[0]]))
    assert not app.warning
    app.multiselect[0].set_value([*trio, *more]).run()
    assert not app.exception
    assert "At most 4 runs" in app.warning[0].value and more[1] in app.warning[0].value
    assert runs_of(app) == [*trio, more[0]]
    again = open_page(monkeypatch, empty_store, "compare", runs=",".join([*trio, *more]))
    assert "At most 4 runs" in again.warning[0].value
    assert runs_of(again) == [*trio, more[0]]


def test_fewer_than_two_are_asked_for_more(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                           trio: list[str]) -> None:
    app = open_page(monkeypatch, empty_store, "compare", runs=trio[0])
    assert "two to four runs" in app.info[0].value
    app.multiselect[0].set_value(trio[:2]).run()
    assert runs_of(app) == trio[:2]
    assert charts(app) == 4
    app.multiselect[0].set_value([]).run()
    assert not app.exception
    assert charts(app) == 0


@pytest.mark.parametrize("link", ["../x,<b>", "no-such-run", "a" * 100_000, ",,,", "%00,../../etc/passwd"])
def test_a_link_that_means_harm_is_said_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                           trio: list[str], link: str) -> None:
    app = open_page(monkeypatch, empty_store, "compare", runs=f"{trio[2]},{link},{trio[0]}")
    if link.strip(","):
        assert "Left out of the comparison" in app.error[0].value
        assert len(app.error) == 1 and len(app.error[0].value) < 1000
        assert "<b>" not in app.error[0].value.replace("\\<b\\>", "")
    assert runs_of(app)[0] == trio[2]
    alone = open_page(monkeypatch, empty_store, "compare", runs=link)
    if link.strip(","):
        assert runs_of(alone) == trio
        assert alone.error


def test_bad_choices_get_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                      trio: list[str]) -> None:
    app = open_page(monkeypatch, empty_store, "compare", matrix="nowhere", by="colour", flips="time", against="nobody")
    assert len(app.error) == 4
    assert charts(app) == 4


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "compare")
    assert "No runs yet" in app.info[0].value
    assert charts(app) == 0


def test_damaged_runs_are_said_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    app = open_page(monkeypatch, damaged_store, "compare", runs="truncated-arrays,half-header,newer-schema")
    assert "half-header" in app.error[0].value
    assert runs_of(app) == ["truncated-arrays"]
    whole = next(e.id for e in damaged_store.entries() if e.record is not None and e.record.spec.method == "admm"
                 and e.id.startswith("agreement"))
    app = open_page(monkeypatch, damaged_store, "compare", runs=f"{whole},truncated-arrays")
    assert "cannot be read" in said(app)
    assert table(app) and charts(app) >= 1


def test_runs_of_all_levels_tasks_and_ends_stand_side_by_side(monkeypatch: pytest.MonkeyPatch,
                                                              empty_store: Store) -> None:
    dense = make_dense(empty_store.recorded)
    names = [make_run(empty_store.recorded, parent=dense, record="masks", method="asp"),
             make_run(empty_store.recorded, parent="lost", record="answers", method="wanda"),
             make_run(empty_store.live, parent=dense, status="failed"),
             make_run(empty_store.recorded, task="mrpc", method="magnitude", hidden=32, ffn=64, heads=2)]
    app = open_page(monkeypatch, empty_store, "compare", runs=",".join(names))
    assert not app.error
    assert "another task: not compared" in table(app)["score against A"]
    assert "no score" in table(app)["score against A"]
    dead = open_page(monkeypatch, empty_store, "compare", runs=f"{names[2]},{names[0]}")
    assert not dead.error


def test_large_matrices_offer_single_weights(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    size = {"hidden": 192, "ffn": 384, "layers": 1, "snapshots": 0}
    parent = make_dense(empty_store.recorded, hidden=192, ffn=384, layers=1)
    for method in ("magnitude", "admm"):
        make_run(empty_store.recorded, parent=parent, method=method, **size)
    app = open_page(monkeypatch, empty_store, "compare", zoom="on", row="48")
    assert not app.error
    app.slider[0].set_value(64).run()
    assert app.query_params["row"] == "64"
    assert "Each cell is the mean" in said(open_page(monkeypatch, empty_store, "compare"))
