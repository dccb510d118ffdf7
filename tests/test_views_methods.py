"""The methods as cards and as a comparison, the printed figures, and formulas in signs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.evidence.single import Versus
from core.methods import METHODS, load
from core.methods.cards import Line, text_of
from core.runs.store import Store
from core.views.catalogue import method_table
from core.views.catalogue.claims import CLAIMS, STAMP, claims
from tests import makers
from ui import formula


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def test_a_card_lists_exactly_the_runs_of_its_method(shared_store: Store) -> None:
    records = list(shared_store.records())
    card = method_table.card(records, Versus([]), "asp")
    assert {r.id for r in card.rows} == {r.id for r in records if r.spec.method == "asp"} and len(card.rows) == 4
    first = card.rows[0]
    assert (first.task, first.pattern, first.budget, first.score) == ("CoLA", "2:4", "4 epochs", "0.837")
    assert first.difference == "−6.3" and not first.within  # 0.9 x 0.93 against 0.9
    assert card.text == text_of("asp") and card.trace == first.id


def test_failed_runs_are_no_rows_and_a_method_without_runs_has_a_card(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.live, status="failed")
    card = method_table.card(list(store.records()), Versus([]), "admm")
    assert card.rows == () and card.trace is None and card.text.missing == []


def test_the_dense_card_lists_dense_runs_and_leads_nowhere_that_needs_a_pruned_one(shared_store: Store) -> None:
    card = method_table.card(list(shared_store.records()), Versus([]), "dense")
    assert [(r.task, r.score, r.difference) for r in card.rows] == [("CoLA", "0.900", "–"),
                                                                    ("Agreement (synthetic)", "0.900", "–")]
    assert card.trace is None and not card.lab and card.knobs == ()


def test_the_lab_is_offered_where_the_lab_offers_the_method() -> None:
    from core.lab import choices_layer as lab

    offered = set(lab.names(lab.LayerChoices("2:4"), "method"))
    assert {name for name in METHODS if method_table.card([], Versus([]), name).lab} == offered
    assert all(hasattr(load(name), "solve") for name in offered)


def test_what_differs_only_in_its_grid_is_told_apart_on_a_card(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    for bits in (0, 8):
        makers.make_run(store.recorded, method="asp", bits=bits)
    card = method_table.card(list(store.records()), Versus([]), "asp")
    assert [r.pattern for r in card.rows] == ["2:4", "2:4, 8 bits"]


def test_the_comparison_takes_a_real_task_and_one_plain_run_a_method(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    for method in ("magnitude", "asp", "admm", "sparsegpt"):
        makers.make_run(store.recorded, method=method)  # four methods, on a synthetic task
    plain = makers.make_run(store.recorded, task="cola", method="admm", scores={"final": 0.88})
    makers.make_run(store.recorded, task="cola", method="admm", knobs={"dual": False}, scores={"final": 0.99})
    makers.make_run(store.recorded, task="cola", method="admm", bits=8, scores={"final": 0.99})
    layer = makers.make_run(store.recorded, task="cola", method="admm-layer", scores={"final": 0.87})
    found = method_table.costs(list(store.records()), Versus([]))
    assert found is not None
    assert [c.row.id for c in found.rows] == [layer, plain]
    assert found.claim == "CoLA at 2:4: without training ADMM, layer by layer loses least, with it ADMM in training."
    assert [c.row.difference for c in found.rows] == ["−3.0", "−2.0"]
    assert "4 epochs where a method trains" in found.note and "a test's processor, 2 threads" in found.note
    (_, above), (_, below) = method_table.noted([found, None, found])
    assert f"{above} {method_table.COUNTED}" == below == found.note


def test_seconds_come_from_the_phases_of_the_run(tmp_path: Path) -> None:
    from core.runs.records import Timing

    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp", timing=Timing(total=99, phases={"solve": 0.02, "train": 51.6}))
    makers.make_run(store.recorded, method="wanda", timing=Timing(total=9, phases={"solve": 1.26}))
    found = method_table.costs(list(store.records()), Versus([]))
    assert found is not None
    space = "\N{NARROW NO-BREAK SPACE}"
    assert [(c.solving, c.training) for c in found.rows] == [(f"1.3{space}s", "–"),
                                                             (f"<{space}0.1{space}s", f"52{space}s")]
    assert "Wanda loses least, with it ASP" in found.claim


def test_nothing_to_compare_is_none(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_dense(store.recorded)
    assert method_table.costs(list(store.records()), Versus([])) is None


def test_only_dense_and_our_own_method_and_the_vendors_recipe_print_nothing() -> None:
    assert {name for name in METHODS if not claims(name)} == {"dense", "asp", "admm", "admm-lowrank", "dpp",
                                                                  "taylor"}
    assert all(c.method in METHODS and c.text and c.source and re.search(r"\d", c.figure) for c in CLAIMS)
    assert all(c.where.endswith("as quoted by others") == c.secondary for c in CLAIMS)
    assert "never mixed" in STAMP


def test_formulas_are_set_in_signs_and_escaped() -> None:
    assert formula.typeset("W <- (W0 A + rho (Z - U)) (A + rho I)^-1") == (
        "<i>W</i> ← (<i>W</i><sub>0</sub> <i>A</i> + ρ (<i>Z</i> − <i>U</i>)) (<i>A</i> + ρ <i>I</i>)<sup>−1</sup>")
    assert formula.typeset("W_ij rho_old M o W") == (
        "<i>W</i><sub><i>ij</i></sub> ρ<sub>old</sub> <i>M</i> ∘ <i>W</i>")
    assert formula.typeset("a <b> & `c<d`") == "<i>a</i> &lt;<i>b</i>&gt; &amp; <code>c&lt;d</code>"
    assert formula.typeset("N:M keeps a W", words=True) == "N:M keeps a <i>W</i>"
    assert formula.typeset("W'") == "<i>W</i><sup>′</sup>"
    assert formula.typeset("a layer's W * 2", words=True) == "a layer's <i>W</i> · 2"
    assert formula.typeset("fine-tuned by 5e-5") == "fine-tuned by 5e-5"


def test_a_block_keeps_depth_words_and_notes() -> None:
    html = formula.block([Line("for every i:", "", 0), Line("w <- v", "what <v> is", 1)])
    assert html.count('class="words"') == 1 and "padding-left:1.4em" in html and "what &lt;v&gt; is" in html


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_set_without_a_sign_left_over(name: str) -> None:
    html = formula.block(text_of(name).formula)
    assert "&lt;-" not in html and not re.search(r"[\^_`]", re.sub(r"<[^>]*>", "", html)), html


def test_every_method_is_in_one_family_by_what_it_prunes_and_when() -> None:
    found = method_table.families()
    assert sorted(name for names in found.values() for name in names) == sorted(METHODS)
    assert list(found) == ["Before any training", "In training", "Whole heads and neurons"]
    assert {"magnitude", "sparsegpt", "admm-layer"} <= set(found["Before any training"])
    assert {"dense", "asp", "admm"} <= set(found["In training"])
    assert {"taylor", "mlpruning"} <= set(found["Whole heads and neurons"])
