"""The page "Your sentence" over empty, good, bare and damaged stores; hostile texts; a demonstration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.models.loading import load_model
from core.runs.store import CHECKPOINT, REPOSITORY, Store
from tests import makers
from tests.opening import charts, open_page, said

DENSE = "agreement-tiny-dense-s0-62cf933b"
PAIR = "entailment-tiny-dense-s0-bf53fd76"
HERE = "pruned here by magnitude, not trained"


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Import what opens models before any page's own time runs: on a busy machine that alone takes half a minute."""
    load_model("tiny", labels=2, seed=0)


@pytest.fixture
def store(empty_store: Store) -> Store:
    """The two shipped dense models, a pruned run with weights of its own, and one that was only recorded."""
    for name in (DENSE, PAIR):
        shutil.copytree(REPOSITORY / "cached_runs" / name, empty_store.recorded / name)
    own = makers.make_run(empty_store.recorded, parent=DENSE, id=None, record="masks")
    shutil.copytree(empty_store.recorded / DENSE / CHECKPOINT, empty_store.recorded / own / CHECKPOINT)
    makers.make_run(empty_store.recorded, parent=DENSE, method="magnitude", pattern="1:4", record="masks")
    return empty_store


def named(store: Store, method: str) -> str:
    return next(p.name for p in store.recorded.iterdir() if f"-tiny-{method}-" in p.name)


def tokens(app: AppTest) -> str:
    """The chips, as HTML."""
    return next(h.proto.body for h in app.get("html") if 'class="tokens"' in h.proto.body)


def type_in(app: AppTest, text: str, box: int = 0) -> AppTest:
    app.text_input[box].set_value(text).run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def test_it_opens_with_a_run_that_is_at_hand_and_answers(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "sentence")
    assert app.query_params["run"] == named(store, "admm")
    assert app.header[0].value.startswith("Both models say")  # the checkpoint is the dense one's
    assert "lead moves by 0.0 points" in app.header[0].value and "stays at" in said(app)
    assert "from its checkpoint" in said(app) and HERE not in said(app)
    assert charts(app) == 2 and not app.error
    assert max(len(c.proto.spec) for c in app.get("plotly_chart")) < 500_000


def test_a_dense_run_is_pruned_on_the_spot_to_the_pattern_of_the_link(monkeypatch: pytest.MonkeyPatch,
                                                                      store: Store) -> None:
    app = open_page(monkeypatch, store, "sentence", run=PAIR, prune="1:4", part="attention", head="2", layer="1")
    assert f"{HERE}, to 1:4" in said(app) and "Head 2 of layer 1" in said(app)
    assert len(app.text_input) == 2 and charts(app) == 2 and not app.error
    for bad, words in (("2:5", "divisible by 5"), ("4:4", "keeps every weight")):
        app = open_page(monkeypatch, store, "sentence", run=PAIR, prune=bad)
        assert words in app.error[0].value


def test_what_is_typed_is_answered_and_stays_out_of_the_link(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = type_in(open_page(monkeypatch, store, "sentence", run=DENSE), "the cats near the secretword sleep")
    assert '>secretword</span>' in tokens(app)
    assert "One word (struck through) is unknown to this model" in said(app)
    assert "secretword" not in str(dict(app.query_params))
    assert all("secretword" not in c.proto.spec for c in app.get("plotly_chart"))
    written = [p for root in (store.live, store.recorded) for p in root.rglob("*") if p.is_file()]
    assert [p for p in written if b"secretword" in p.read_bytes()] == []
    app.run()  # it is still there
    assert app.text_input[0].value == "the cats near the secretword sleep"


def test_one_of_ours_fills_the_boxes(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "sentence", run=PAIR)
    before = app.header[0].value
    next(b for b in app.button if b.label.startswith("no animals")).click().run()
    assert [t.value for t in app.text_input] == ["no animals talk", "some cats whisper"]
    assert app.header[0].value != before and not app.error


@pytest.mark.parametrize(("text", "words"), [
    ("word " * 200_000, "has 1000000 characters"), ("   ", "is empty"), ("bell \x07", "U+0007")])
def test_a_hostile_text_gets_a_red_box_and_the_boxes_stay(monkeypatch: pytest.MonkeyPatch, store: Store, text: str,
                                                          words: str) -> None:
    app = type_in(open_page(monkeypatch, store, "sentence", run=DENSE), text)
    assert words in app.error[0].value and charts(app) == 0
    assert len(app.text_input[0].value) <= 2001
    assert not type_in(app, "the dog sleeps").error
    assert charts(app) == 2


def test_markup_is_shown_as_text(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = type_in(open_page(monkeypatch, store, "sentence", run=DENSE, part="attention"),
                  "<script>alert(1)</script> <img src=x onerror=alert(1)> **dog** :red[cat] $x$ [a](http://b)")
    chips = tokens(app)
    assert "&lt;" in chips and "<img" not in chips and "<script" not in chips
    assert chips.count("<span") == chips.count("</span>") == int(chips.count('title="'))
    assert all("<img" not in c.proto.spec and "<script" not in c.proto.spec for c in app.get("plotly_chart"))
    assert "onerror" not in said(app) and not app.error


def test_what_the_models_do_not_see_is_said(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = type_in(open_page(monkeypatch, store, "sentence", run=DENSE), "dog " * 100)
    assert "The last 54 tokens are cut: a run reads at most 48" in said(app)


def test_a_recorded_run_without_weights_says_so_and_can_be_made(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    run = named(store, "magnitude")
    asked: list[tuple[dict[str, object], str]] = []
    monkeypatch.setattr("core.live.asking.submit", lambda store, given, viewer, again: asked.append((given, viewer)))
    monkeypatch.setattr("core.live.serving.serve_once", lambda store: None)
    app = open_page(monkeypatch, store, "sentence", run=run)
    assert "are not on this machine" in app.info[0].value and f"{HERE}, to 1:4" in app.info[0].value
    assert charts(app) == 2
    next(b for b in app.button if b.label == "Make it here").click().run()
    assert not app.exception and len(asked) == 1
    assert (asked[0][0]["task"], asked[0][0]["method"], asked[0][0]["pattern"]) == ("agreement", "magnitude", "1:4")


def test_without_any_weights_it_says_so(monkeypatch: pytest.MonkeyPatch, small_store: Store) -> None:
    app = open_page(monkeypatch, small_store, "sentence")
    assert "are not on this machine" in app.info[0].value and charts(app) == 0
    assert not app.text_input and not app.error


def test_a_task_without_sentences_of_ours_waits_for_one(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    run = makers.make_run(store.recorded, parent=DENSE, task="own-mine-12345678", record="summary")
    app = open_page(monkeypatch, store, "sentence", run=run)
    assert "Type a sentence" in app.info[1].value and charts(app) == 0 and not app.error
    app = type_in(app, "the dog sleeps")
    assert charts(app) == 2 and not app.error
    assert "is empty" in type_in(app, "").error[0].value


def test_an_empty_store_says_how_to_make_a_run(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "sentence")
    assert "No runs yet" in app.info[0].value and "python -m core run" in app.code[0].value


@pytest.mark.parametrize("damage", [b"", b"\x80\x04\x95pickle", b"\xff" * 5000])
def test_a_damaged_checkpoint_gets_a_red_box_and_the_bar_stays(monkeypatch: pytest.MonkeyPatch, store: Store,
                                                               damage: bytes) -> None:
    run = named(store, "admm")
    (store.recorded / run / CHECKPOINT / "model.safetensors").write_bytes(damage)
    app = open_page(monkeypatch, store, "sentence", run=run)
    assert "cannot be loaded" in app.error[0].value and charts(app) == 0
    assert [s.label for s in app.selectbox][:2] == ["Task", "Run"] and len(app.text_input) == 1


@pytest.mark.parametrize(("run", "words"), [("../../etc", "characters that no run id has"), ("nothing-here", "no run")])
def test_a_run_that_is_none_gets_a_red_box_and_another_reads(monkeypatch: pytest.MonkeyPatch, store: Store, run: str,
                                                             words: str) -> None:
    app = open_page(monkeypatch, store, "sentence", run=run)
    assert words in app.error[0].value and charts(app) == 2


def test_damaged_folders_do_not_stop_it(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    shutil.copytree(REPOSITORY / "cached_runs" / DENSE, damaged_store.recorded / DENSE)
    app = open_page(monkeypatch, damaged_store, "sentence")
    assert charts(app) == 2 and not app.error


def test_a_demonstration_reads_short_texts_and_no_private_weights(monkeypatch: pytest.MonkeyPatch, store: Store,
                                                                  tmp_path: Path) -> None:
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    private = makers.make_run(store.live, parent=DENSE, model="minilm-l6")
    shutil.copytree(store.recorded / DENSE / CHECKPOINT, store.live / private / CHECKPOINT)
    app = open_page(monkeypatch, store, "sentence", run=private)
    assert "are not on this machine" in app.info[0].value
    app = type_in(open_page(monkeypatch, store, "sentence"), "dog " * 76)
    assert "at most 300" in app.error[0].value
