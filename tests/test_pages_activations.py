"""The Activations page over good, empty and damaged stores: words and figures, and no exception."""

from __future__ import annotations

import re

import pytest

from core.runs.store import Store
from tests.damage import replace_arrays
from tests.films import header, text
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, said


@pytest.fixture
def plain_store(empty_store: Store) -> Store:
    """A dense run, and an ADMM run that kept no moments."""
    make_run(empty_store.recorded, parent=make_dense(empty_store.recorded, record="masks"), record="masks")
    return empty_store


@pytest.fixture
def watched_store(empty_store: Store) -> Store:
    """A dense run, and an ADMM run that watched its feature maps."""
    make_run(empty_store.recorded, parent=make_dense(empty_store.recorded, record="masks"), record="masks",
             watched=True)
    return empty_store


def test_the_default_run_opens_with_mask_activation_and_answer(monkeypatch: pytest.MonkeyPatch,
                                                               plain_store: Store) -> None:
    app = open_page(monkeypatch, plain_store, "activations")
    assert "Both models say" in app.header[0].value or "The answer flips" in app.header[0].value
    assert charts(app) == 2
    assert sum(len(c.proto.spec) for c in app.get("plotly_chart")) < 500_000


def test_an_older_run_says_what_is_missing_and_has_nothing_to_play(monkeypatch: pytest.MonkeyPatch,
                                                                   plain_store: Store) -> None:
    app = open_page(monkeypatch, plain_store, "activations", run=run_named(plain_store))
    assert "made before runs watched their feature maps" in said(app)
    assert "Block output, all layers, final: quiet regions" in said(app)
    assert not [b for b in app.button if b.label == "Play"]


def test_a_watched_run_plays_over_its_moments(monkeypatch: pytest.MonkeyPatch, watched_store: Store) -> None:
    app = open_page(monkeypatch, watched_store, "activations")
    assert charts(app) == 2
    for k in (0, -1):
        assert re.fullmatch(r"Block output, all layers: [\d.]+.% of the regions are quiet\.", text(app, "claim", k))
    assert text(app, "claim") != text(app, "claim", 0) and "final: quiet regions" in header(app)["alt"]
    assert (header(app)["default"], len(header(app)["moments"])) == (8, 9)
    assert "before runs watched" not in said(app)


@pytest.mark.parametrize(("name", "title"), [("attention", "Attention output"), ("ffn", "FFN intermediate"),
                                             ("block", "Block output")])
def test_map_moment_and_part_come_from_the_link(monkeypatch: pytest.MonkeyPatch, watched_store: Store, name: str,
                                                title: str) -> None:
    app = open_page(monkeypatch, watched_store, "activations", map=name, k="3")
    assert text(app, "claim", 3).startswith(f"{title}, all layers: ")
    assert f"{title}, all layers, final" in header(app)["alt"]
    assert f"{title} on the training sample" in said(app)
    app = open_page(monkeypatch, watched_store, "activations", map=name, part="sizes", layer="2")
    assert f"{title} of layer 2, training sample:" in said(app)
    app = open_page(monkeypatch, watched_store, "activations", map=name, part="layer", layer="2")
    assert ("Layer 2: the activations moved" if name == "block" else f"{title} of layer 2: the region norms moved") \
        in said(app)
    assert not app.error


def test_every_choice_comes_from_the_link(monkeypatch: pytest.MonkeyPatch, plain_store: Store) -> None:
    choices = {"run": run_named(plain_store), "sentence": "p1", "layer": "1"}
    app = open_page(monkeypatch, plain_store, "activations", part="attention", head="3", **choices)
    assert "Head 3 of layer 1" in said(app)
    app = open_page(monkeypatch, plain_store, "activations", part="layer", **choices)
    assert "Layer 1: the activations moved" in said(app)
    assert not app.error


def test_the_embeddings_have_no_heads_and_no_matrix(monkeypatch: pytest.MonkeyPatch, plain_store: Store) -> None:
    run = run_named(plain_store)
    assert "Embeddings: the activations moved" in said(open_page(monkeypatch, plain_store, "activations", run=run,
                                                                 layer="0", part="layer"))
    app = open_page(monkeypatch, plain_store, "activations", run=run, layer="0", part="attention")
    assert "The embeddings have no attention" in said(app)
    assert "The embeddings stay dense" in said(app)
    assert charts(app) == 1


@pytest.mark.parametrize("query", [{"sentence": "p99"}, {"part": "attention", "head": "9"}, {"layer": "44"},
                                   {"map": "gut"}, {"part": "nothing"}])
def test_bad_choices_get_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, plain_store: Store,
                                                      query: dict[str, str]) -> None:
    app = open_page(monkeypatch, plain_store, "activations", run=run_named(plain_store), **query)
    assert "Unknown" in app.error[0].value
    assert charts(app) == 2


def test_a_moment_that_is_no_number_gets_a_red_box(monkeypatch: pytest.MonkeyPatch, watched_store: Store) -> None:
    app = open_page(monkeypatch, watched_store, "activations", k="late")
    assert "is no whole number" in app.error[0].value
    assert charts(app) == 2 and header(app)["moments"]


def test_an_empty_store_is_said(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    assert "No runs yet" in open_page(monkeypatch, empty_store, "activations").info[0].value


def test_truncated_arrays_get_a_red_box(monkeypatch: pytest.MonkeyPatch, damaged_store: Store) -> None:
    app = open_page(monkeypatch, damaged_store, "activations", run="truncated-arrays")
    assert "cannot be read" in " ".join(e.value for e in app.error)


@pytest.mark.parametrize("part", ["layers", "layer", "sizes"])
def test_lost_regions_leave_the_block_output(monkeypatch: pytest.MonkeyPatch, watched_store: Store, part: str) -> None:
    run = watched_store.open(run_named(watched_store))
    replace_arrays(run.path, {k: None for k in run.keys if k.startswith(("region/", "distribution/"))})
    app = open_page(monkeypatch, watched_store, "activations", part=part)
    assert not app.error
    assert {"layers": "The regions of this sentence were not kept", "layer": "the activations moved",
            "sizes": "kept no distribution"}[part] in said(app)


def test_a_few_lost_regions_are_said_and_the_rest_is_drawn(monkeypatch: pytest.MonkeyPatch,
                                                           watched_store: Store) -> None:
    run = watched_store.open(run_named(watched_store))
    replace_arrays(run.path, {k: None for k in run.keys if k.startswith(("region/0/", "region/8/ffn/p0/2"))})
    app = open_page(monkeypatch, watched_store, "activations", map="ffn")
    assert not app.error
    assert charts(app) == 3


def test_regions_of_another_shape_get_a_red_box(monkeypatch: pytest.MonkeyPatch, watched_store: Store) -> None:
    run = watched_store.open(run_named(watched_store))
    key = "region/3/ffn/p0/1"
    replace_arrays(run.path, {key: run.array(key)[:2]})
    app = open_page(monkeypatch, watched_store, "activations", map="ffn")
    assert "has shape (2, 16)" in app.error[0].value


def test_a_summary_keeps_no_sentences(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.recorded, record="summary", parent=make_dense(empty_store.recorded), watched=True)
    app = open_page(monkeypatch, empty_store, "activations")
    assert "keeps no probe sentences" in " ".join(i.value for i in app.info)


def test_a_missing_parent_leaves_one_side(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.recorded, parent="lost")
    app = open_page(monkeypatch, empty_store, "activations")
    assert "what the other one says is not known" in app.header[0].value
    assert charts(app) == 2
