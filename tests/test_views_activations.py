"""Activations as pictures: planted arrays, shares by hand, answers that flip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs.records import Probe
from core.runs.store import Run, Store, read_header
from core.views.activations import all_layers, attention_map, chain, kept_sentence, one_layer, region_film, typed
from core.views.drawing import maps, style
from core.views.drawing.view import View
from tests.damage import change_header, replace_arrays
from tests.makers import empty_store, make_dense, make_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    store = empty_store(tmp_path)
    return store.open(make_run(store.recorded, parent=make_dense(store.recorded)))


def planted(run: Run, key: str, dense: np.ndarray, pruned: np.ndarray) -> Run:
    """Replace one activation (int8 codes at scale 1) in the run and its parent."""
    for one, values in ((run.parent, dense), (run, pruned)):
        replace_arrays(one.path, {key: values.astype(np.int8), f"{key}.scale": np.ones(1, np.float32)})
    return reopened(run)


def reopened(run: Run) -> Run:
    parent = run.parent and Run(read_header(run.parent.path), run.parent.path, True)
    return Run(read_header(run.path), run.path, True, parent)


def glanced(run: Run) -> View:
    return all_layers.glance(run, "p0", "block", 1)


def answered(run: Run) -> View:
    return chain.chain(run, "p0", "block", 1)


def with_logits(run: Run, dense: list[float], pruned: list[float], **header: object) -> Run:
    for one, logits in ((run.parent, dense), (run, pruned)):
        probe = {"id": "p0", "text": "a", "tokens": ["a"], "logits": logits}
        change_header(one.path, probes=[probe], **header)
    return reopened(run)


def test_the_features_state_the_quiet_share_and_the_change(run: Run) -> None:
    dense = np.full((9, 64), 10)
    pruned = dense.copy()
    pruned[0, :16] = 1
    view = one_layer.features(planted(run, "activation/p0/1", dense, pruned), "p0", 1)
    change = (16 * 9.0**2) ** 0.5 / (9 * 64 * 100.0) ** 0.5
    assert style.percent(change) in view.claim
    assert "0 % → 2.78 %" in view.claim.replace("\N{NARROW NO-BREAK SPACE}", " ")
    pictures = [t for t in view.figure.data if t.type == "heatmap"]
    assert len(pictures) == 3
    assert np.array_equal(pictures[2].z, (pruned - dense).astype(np.float32))
    for picture in pictures:
        assert (picture.zmin, picture.zmax) == (-10, 10)
        assert picture.z.dtype == np.float32
    assert list(view.figure.layout.yaxis.ticktext) == run.record.probes[0].tokens
    assert len(view.figure.to_json()) < 500_000
    assert "0.25 × the dense model's median region norm" in view.try_this


def test_an_older_run_shows_its_block_output_dense_and_final(run: Run) -> None:
    dense = np.full((9, 64), 10)
    pruned = dense.copy()
    pruned[:, :16] = 1  # a quarter of the regions
    run = planted(run, "activation/p0/2", dense, pruned)
    assert region_film.maps_of(run, "p0") == ["block"]
    assert region_film.last_moment(run, "p0", "block") == 0
    assert "before runs watched" in region_film.missing(run, "p0")
    view = all_layers.glance(run, "p0", "block", 2)
    assert view.table["layer"].tolist() == ["embeddings", "layer 1", "layer 2"]
    assert view.table["quiet, shown"].tolist()[2] == 0.25
    assert view.table["quiet, dense"].tolist()[2] == 0
    assert "largest change in layer 2" in view.claim


def test_an_answer_that_stays_tells_its_margin(run: Run) -> None:
    run = with_logits(run, [0.0, np.log(9.0)], [0.0, np.log(4.0)])
    claim = answered(run).claim
    assert "; both models say “acceptable” (80" in claim
    assert "from 80.0 to 60.0 percentage points" in claim


def test_an_answer_that_flips_is_called_a_flip(run: Run) -> None:
    run = with_logits(run, [0.0, np.log(9.0)], [np.log(4.0), 0.0])
    view = answered(run)
    assert "; the answer flips: dense says “acceptable” (90" in view.claim
    assert "from 80.0 to −60.0 percentage points" in view.claim
    bars = {t.name: t for t in view.figure.data if t.type == "bar"}
    assert np.allclose(bars["dense"].x, [0.1, 0.9])
    assert np.allclose(bars["pruned"].x, [0.8, 0.2])
    assert bars["dense"].marker.color != bars["pruned"].marker.color


def test_a_regression_shows_the_value(run: Run) -> None:
    view = answered(with_logits(run, [3.25], [2.5], labels=[]))
    assert view.claim.endswith("; the dense model says 3.25; the pruned model says 2.50.")
    assert [list(t.x) for t in view.figure.data if t.type == "bar"] == [[3.25], [2.5]]


def test_labels_that_do_not_fit_are_numbered(run: Run) -> None:
    view = answered(with_logits(run, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]))
    assert "class 2" in view.claim


def test_attention_counts_the_tokens_that_turned(run: Run) -> None:
    size, heads = 9, 4
    dense = np.zeros((heads, size, size), np.uint8)
    dense[:, :, 0] = 255
    pruned = dense.copy()
    pruned[1, :3, 0], pruned[1, :3, 5] = 0, 255
    for one, values in ((run.parent, dense), (run, pruned)):
        replace_arrays(one.path, {"attention/p0/2": values})
    run = reopened(run)
    view = attention_map.attention(run, "p0", 2, 2)
    assert "33.3" in view.claim
    assert "3 of 9 tokens now look mostly at another one" in view.claim
    assert "0 of 9 tokens" in attention_map.attention(run, "p0", 2, 1).claim
    left, right = (t for t in view.figure.data if t.type == "heatmap")
    assert np.array_equal(right.z, pruned[1] / np.float32(255))
    assert (left.zmin, left.zmax) == (0, attention_map.ATTENTION_TOP)
    assert list(view.figure.layout.xaxis.ticktext) == list(view.figure.layout.yaxis.ticktext)
    assert view.table["pruned looks most at"].tolist()[:4] == [run.record.probes[0].tokens[5]] * 3 + ["[CLS]"]


def test_no_axis_ever_has_more_than_32_tokens(run: Run) -> None:
    tokens = [f"t{i}" for i in range(50)]
    for one in (run.parent, run):
        change_header(one.path, probes=[{"id": "p0", "text": "a", "tokens": tokens, "logits": [0.0, 1.0]}])
        replace_arrays(one.path, {"activation/p0/1": np.ones((50, 64), np.int8), "attention/p0/1":
                                  np.ones((4, 50, 50), np.uint8)})
    run = reopened(run)
    features, attention = one_layer.features(run, "p0", 1), attention_map.attention(run, "p0", 1, 1)
    assert {t.z.shape for t in features.figure.data if t.type == "heatmap"} == {(32, 64)}
    assert {t.z.shape for t in attention.figure.data if t.type == "heatmap"} == {(32, 32)}
    assert len(attention.figure.layout.xaxis.ticktext) == 32


def test_tokens_are_text_and_never_markup(run: Run) -> None:
    for one in (run.parent, run):
        change_header(one.path, labels=["<b>x</b>", "y"], probes=[
            {"id": "p0", "text": "a", "tokens": ["<b>", "&"] + ["w"] * 7, "logits": [1.0, 0.0]}])
    run = reopened(run)
    assert list(one_layer.features(run, "p0", 1).figure.layout.yaxis.ticktext)[:2] == ["&lt;b&gt;", "&amp;"]
    bars = [t for t in answered(run).figure.data if t.type == "bar"]
    assert {bar.y[0] for bar in bars} == {"&lt;b&gt;x&lt;/b&gt;"}


def test_without_a_parent_only_the_pruned_model_speaks(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    run = store.open(make_run(store.recorded, parent="lost"))
    assert "what the other one says is not known" in answered(run).claim
    features = one_layer.features(run, "p0", 1)
    assert "the other model's activations are not known" in features.claim
    assert "the other model's are not known" in glanced(run).claim
    assert "only one of the two models' attention" in attention_map.attention(run, "p0", 1, 1).claim
    titles = " ".join(a.text.replace("<br>", " ") for a in features.figure.layout.annotations)
    assert "the dense run or its activations are not in the store" in titles


def test_what_was_not_kept_is_said(run: Run) -> None:
    for one in (run.parent, run):
        keys = [k for k in one.keys if k.startswith(("activation/", "attention/"))]
        replace_arrays(one.path, dict.fromkeys(keys))
    run = reopened(run)
    for view in (glanced(run), one_layer.features(run, "p0", 1),
                 attention_map.attention(run, "p0", 1, 1)):
        assert view.figure is None
        assert "kept" in view.claim
    assert "choose a layer from 1 on" in attention_map.attention(run, "p0", 0, 1).claim


def test_of_many_answers_the_likeliest_are_drawn_and_the_rest_is_summed(run: Run) -> None:
    """77 classes: four and a bar for the other 73. The table has them all."""
    draw = np.random.default_rng(0)
    logits = {side: draw.normal(0, 2, 77) for side in ("dense", "pruned")}
    chances = {side: np.exp(v) / np.exp(v).sum() for side, v in logits.items()}
    names = [f"intent {k:02d}" for k in range(77)]
    many = with_logits(run, logits["dense"].tolist(), logits["pruned"].tolist(), labels=names)
    order = sorted(range(77), key=lambda k: -max(chances["dense"][k], chances["pruned"][k]))[:4]
    for view in (typed.answer(many, "p0"), answered(many)):
        drawn = {bar.name: bar for bar in view.figure.data if bar.type == "bar" and bar.showlegend}
        for side, bar in drawn.items():
            assert list(bar.y) == [*(names[k] for k in order), "73 others"]
            assert np.allclose(bar.x, [*chances[side][order], 1 - chances[side][order].sum()])
        assert set(drawn) == {"dense", "pruned"}
        assert f"“{names[int(chances['dense'].argmax())]}”" in view.claim
    assert list(typed.answer(many, "p0").table["answer"]) == names
    assert typed.answer(many, "p0").figure.layout.height < 800
    few = typed.answer(with_logits(run, [1.0] * 5, [2.0] * 5, labels=names[:5]), "p0")
    assert list(few.figure.data[0].y) == names[:5]


def test_unknown_sentences_and_heads_are_errors(run: Run) -> None:
    with pytest.raises(InputError, match="Unknown sentence 'p9'"):
        chain.chain(run, "p9", "block", 1)
    with pytest.raises(InputError, match=r"There is no head 5\. Expected 1 to 4"):
        attention_map.attention(run, "p0", 1, 5)


def test_truncated_arrays_are_an_error(damaged_store: Store) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        glanced(damaged_store.open("truncated-arrays"))


def test_truncated_arrays_of_the_parent_count_as_missing(run: Run) -> None:
    file = run.parent.path / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    assert "are not known" in glanced(reopened(run)).claim


def test_a_sentence_pair_reads_as_one_line() -> None:
    assert kept_sentence.words_of(Probe(id="p", text="a", text_pair="b")) == "a / b"
    assert kept_sentence.words_of(Probe(id="p", text="a")) == "a"


def test_stacked_panels_do_not_overlap() -> None:
    spans = [y for _, y in maps._spans(3, True, 600)]
    assert spans[0][1] == 1 and spans[2][0] == pytest.approx(0, abs=1e-9)
    assert spans[0][0] > spans[1][1] and spans[1][0] > spans[2][1]
