"""What helps a method: planted searches with a known answer, and the recorded one, which never saw the validation set.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.evidence import search, words
from core.evidence.cells import cells
from core.evidence.words import signed_interval
from core.methods.cards import text_of
from core.runs.store import Store
from core.specs.resolving import resolve
from core.tasks import HELD_OUT
from core.views.drawing.style import GREY, colour
from core.views.scores import helps
from tests import makers
from tests.opening import charts, open_page
from tests.opening import said as said_by
from tests.planting import plant

N = 160
LABELS = np.arange(N) % 2
KNOBS = resolve({"task": "cola", "method": "admm"}).knobs


def said(far: float, seed: int) -> np.ndarray:
    """Answers whose margin is *far* from the dense model's 2.0, give or take a little."""
    out = np.zeros((N, 2), np.float32)
    out[np.arange(N), LABELS] = 2.0 - far + np.random.default_rng(seed).normal(0, 0.05, N)
    return out


# far from dense where it was chosen, and where it was not: one change helps on both, one only where it was chosen,
# one hurts, one does nothing.
CHANGES: dict[str, tuple[dict[str, Any], float, float]] = {
    "by itself": ({}, 1.0, 1.0), "helps": ({"knobs": {**KNOBS, "start": "dense"}}, 0.6, 0.6),
    "seems to": ({"distill_hidden": 1.0}, 0.7, 1.0), "hurts": ({"lr": 2e-4}, 2.6, 2.6),
    "nothing": ({"knobs": {**KNOBS, "dual": False}}, 1.0, 1.0)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = makers.empty_store(tmp_path_factory.mktemp("search"))
    for k, task in enumerate(("cola", "rte")):
        common = {"task": task, "dev_examples": N, "split": HELD_OUT, "epochs": 2.0}
        dense = plant(made.recorded, said(0.0, k), LABELS, method="dense", pattern="dense", unseen=said(0.0, k + 5),
                      **common)
        for i, (change, chose, unseen) in enumerate(CHANGES.values()):
            if task == "rte" and "lr" in change:
                continue  # not tried there
            plant(made.recorded, said(chose, 10 * k + i), LABELS, parent=dense, pattern="1:4", method="admm",
                  unseen=said(unseen, 100 + 10 * k + i), **common, **change)
        plant(made.recorded, said(1.2, 77 + k), LABELS, parent=dense, pattern="1:4", method="asp",
              unseen=said(1.2, 78 + k), **common)
    # A run judged on the validation set has no part in it, whatever it says.
    far = plant(made.recorded, said(0.0, 9), LABELS, method="dense", pattern="dense", task="cola", seed=7, epochs=2.0)
    plant(made.recorded, said(0.01, 9), LABELS, parent=far, pattern="1:4", method="admm", task="cola", seed=7,
          epochs=2.0, knobs={**KNOBS, "refine": "sr-ste"})
    return made


@pytest.fixture(scope="module")
def found(store: Store) -> search.Searched:
    return search.searched(store.entries())


def test_a_search_is_where_a_method_stands_beside_itself_changed(found: search.Searched) -> None:
    assert search.places(found, "admm") == [search.Place("tiny", "1:4", 2.0, ("cola", "rte"))]
    assert search.places(found, "asp") == [] == search.places(search.Searched((), ()), "admm")


def test_effects_are_the_paired_differences_counted_by_hand(found: search.Searched, store: Store) -> None:
    place, = search.places(found, "admm")
    rows = search.effects(found, place, ("cola",), "admm")
    assert [dict(row.changes) for row in rows] == [{"start": "dense"}, {"distill_hidden": "1"}, {"dual": "false"},
                                                   {}, {"lr": "0.0002"}]
    assert [row.key[0] for row in rows] == ["admm", "admm", "admm", "asp", "admm"]

    def kl(far: np.ndarray, dense: np.ndarray) -> float:
        p, q = (np.exp(x.astype(np.float64)) / np.exp(x.astype(np.float64)).sum(1, keepdims=True) for x in (dense, far))
        return float((p * np.log(p / q)).sum(1).mean())

    dense, base, best = said(0.0, 0), said(1.0, 0), said(0.6, 1)
    versus = rows[0].chose.versus
    assert versus is not None and versus.interval.value == pytest.approx(kl(best, dense) - kl(base, dense), abs=1e-6)
    unseen = rows[0].unseen
    assert unseen is not None and unseen.versus is not None
    assert unseen.versus.interval.value == pytest.approx(
        kl(said(0.6, 101), said(0.0, 5)) - kl(said(1.0, 100), said(0.0, 5)), abs=1e-6)


def test_what_would_be_chosen_is_clear_and_the_last_look_has_no_say(found: search.Searched) -> None:
    place, = search.places(found, "admm")
    chosen = [dict(row.changes) for row in search.choice(found, place, ("cola", "rte"), "admm")]
    assert chosen == [{"start": "dense"}, {"distill_hidden": "1"}]
    blind = search.Searched(found.chose, ())
    assert [dict(row.changes) for row in search.choice(blind, place, ("cola", "rte"), "admm")] == chosen


def test_of_several_tasks_a_change_needs_all(found: search.Searched) -> None:
    place, = search.places(found, "admm")
    rows = search.effects(found, place, ("cola", "rte"), "admm")
    assert {"lr": "0.0002"} not in [dict(row.changes) for row in rows] and len(rows) == 4
    assert rows[0].chose.value.examples == 2 * N
    with pytest.raises(InputError, match="mrpc"):
        search.effects(found, place, ("mrpc",), "admm")


def test_a_larger_loss_rules_a_change_out(found: search.Searched) -> None:
    place, = search.places(found, "admm")
    kl = search.effects(found, place, ("cola",), "admm")
    loss = search.effects(found, place, ("cola",), "admm", "loss")
    worse = next(row for row in loss if row.key == ("admm", (("lr", "0.0002"),)))
    assert worse.chose.versus is not None and worse.chose.versus.interval.low > 0
    as_if = [search.Effect(kl[0].key, worse.chose, None, worse.p)]
    assert search.helped(kl, as_if, "admm") == [row for row in search.helped(kl, loss, "admm") if row != kl[0]]
    best = search.helped(kl, loss, "admm")[0]
    blank = replace(best, chose=replace(best.chose, idle=True))  # no better than a constant answer
    assert search.helped([blank if row is best else row for row in kl], loss, "admm") == \
        search.helped(kl, loss, "admm")[1:]


def test_the_picture_says_both_and_draws_what_the_command_prints(found: search.Searched, store: Store, cli: Any,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    place, = search.places(found, "admm")
    view = helps.helps(found, place, ("cola", "rte"), "admm")
    assert "of 3 changes to ADMM in training, 2 come clearly nearer" in view.claim
    assert "1 of them still do" in view.claim
    assert view.heading.startswith("At 1:4, a dense start helps ADMM in training most: it has ")
    assert view.figure is not None
    dots, diamonds, *meanings = view.figure.data
    assert not dots.showlegend and not diamonds.showlegend
    assert [t.name for t in meanings] == [helps.CHOSE, helps.UNSEEN, helps.OTHERS, helps.CHOSEN]
    assert all(list(t.x) == [None] for t in meanings)
    assert [t.marker.color for t in meanings[:3]] == [colour("admm"), colour("admm"), GREY]
    bands = [shape for shape in view.figure.layout.shapes if shape.type == "rect"]
    rows = dict(zip(view.figure.layout.yaxis.ticktext, view.figure.layout.yaxis.tickvals, strict=True))
    assert {(s.y0, s.y1) for s in bands} == {(rows[name] - 0.5, rows[name] + 0.5)
                                             for name in ("a dense start", "teaching of hidden states")}
    assert list(dots.x) == sorted(dots.x, reverse=True) and len(dots.x) == len(diamonds.x) == 4
    assert all(d - u == pytest.approx(2 * helps.ASIDE) for d, u in zip(dots.y, diamonds.y, strict=True))
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    rows = json.loads(cli("helps", "--json").stdout)["rows"]
    assert [row["difference"][0] for row in rows] == view.table["difference"].tolist()
    assert [row["chosen"] for row in rows] == [True, True, False, False]
    printed = cli("helps", "admm", "--task", "cola").stdout
    assert "start = dense +" in printed and "learning rate = 0.0002 *" in printed and printed.count(" *") == 1
    lost = helps.helps(found, place, ("cola",), "admm")
    assert lost.claim.count(": learning rate 0.0002.") == 1 and "No better than a constant answer" not in view.claim
    assert lost.figure is not None
    assert lost.figure.data[-1].name == "not above constant answer"
    assert lost.figure.layout.yaxis.ticktext[0] == "learning rate 0.0002 \N{MULTIPLICATION X}"
    assert view.table["change"][0] == "start = dense"  # as a command asks for it


def test_the_page_shows_it_beside_the_other_views(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy", view="helps", task="average")
    assert not at.error and charts(at) == 1
    assert at.header[0].value.startswith("At 1:4, a dense start helps ADMM in training most")
    assert "The validation set has no part in it." in said_by(at)
    card = open_page(monkeypatch, store, "methods", method="admm")
    assert any(caption.value == "What helps it?" for caption in card.caption)  # a link, where there is navigation
    assert "What helps it?" not in said_by(open_page(monkeypatch, store, "methods", method="asp"))
    one = open_page(monkeypatch, store, "accuracy", view="helps", task="rte", show="loss")
    assert not one.error and "RTE" in said_by(one) and '"loss' in one.get("plotly_chart")[0].proto.spec.lower()


def test_a_dense_model_that_learnt_nothing_is_named(found: search.Searched, tmp_path: Path, cli: Any,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    place, = search.places(found, "admm")
    assert search.untaught(found, place, ("cola", "rte"), "admm") == []
    assert "the dense model itself" not in helps.helps(found, place, ("cola", "rte"), "admm").claim
    made = makers.empty_store(tmp_path)
    for task, far in (("cola", 0.0), ("rte", 2.0)):
        same = {"task": task, "dev_examples": N, "split": HELD_OUT, "epochs": 2.0}
        first = said(far, 3)
        first[:, 0] += 3.0 * (far > 0)  # one answer to everything
        dense = plant(made.recorded, first, LABELS, method="dense", pattern="dense", **same)
        for change in ({}, {"lr": 2e-4}):
            plant(made.recorded, first + 0.1, LABELS, parent=dense, pattern="1:4", method="admm", **same, **change)
    flat = search.searched(made.entries())
    place, = search.places(flat, "admm")
    assert search.untaught(flat, place, ("cola", "rte"), "admm") == ["rte"]
    assert helps.helps(flat, place, ("rte",), "admm").heading == helps.NOTHING
    assert helps.helps(flat, place, ("cola", "rte"), "admm").heading != helps.NOTHING
    assert helps.helps(flat, place, ("cola", "rte"), "admm").claim.endswith(
        "On RTE the dense model itself does not clearly beat a constant answer: there, to be near it says little.")
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(made.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(made.live))
    assert cli("helps").stdout.endswith("does not clearly beat a constant answer on rte.\n")


def test_a_change_without_words_of_its_own_keeps_its_name() -> None:
    assert words.effect_phrase("admm", (("share", "0.25"), ("dual", "false"))) == "ADMM for 0.25 of the steps, no dual"
    assert words.effect_phrase("admm", (("dual", "false"), ("rho_end", "2"))) == "dual = false, rho_end = 2"
    assert words.effect_phrase("asp", ()) == words.effect_name("asp", ()) == "ASP"


@pytest.mark.parametrize("asked", [("helps", "asp"), ("helps", "admm", "--pattern", "2:4"), ("helps", "nothing"),
                                   ("helps", "admm", "--task", "mrpc")])
def test_what_was_not_searched_is_said(cli: Any, store: Store, monkeypatch: pytest.MonkeyPatch,
                                       asked: tuple[str, ...]) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    said = cli(*asked)
    assert said.exit_code == 2 and said.stderr.startswith("Error: ")


RECORDED = Path(__file__).resolve().parents[1] / "cached_runs"


def test_no_validation_example_chose_a_knob() -> None:
    """Every recorded run of the search: what it is judged by was held out of train, and is not the validation set."""
    entries = Store(recorded=RECORDED, live=RECORDED / "none").entries()
    found = search.searched(entries)
    validation = {}
    for cell in cells(entries):
        assert cell.record.spec.dev_examples == 0
        validation[cell.record.spec.task] = cell.answers.labels
    assert len(found.chose) == len(found.unseen) > 20
    for cell in (*found.chose, *found.unseen):
        spec, results = cell.record.spec, cell.record.results
        assert results is not None and results.split == HELD_OUT and spec.dev_examples == results.n_eval > 0
        assert not np.array_equal(cell.answers.labels, validation[spec.task][:len(cell.answers)])
    apart = {c.record.id: c.answers for c in found.unseen}
    for cell in found.chose:
        if cell.record.id in apart:
            assert not cell.answers.same_examples(apart[cell.record.id])


def test_the_decision_quotes_the_recorded_search() -> None:
    found = search.searched(Store(recorded=RECORDED, live=RECORDED / "none").entries())
    text = (RECORDED.parent / "docs/decisions/0013-what-helps-admm.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- search: (\S+), (\S+) -->(.*?)<!-- end -->", text, re.DOTALL)
    assert len(blocks) == text.count("| change |") > 0
    for names, epochs, table in blocks:
        tasks = tuple(names.split("+"))
        place = next(p for p in search.places(found, "admm") if p.epochs == float(epochs) and {*tasks} <= {*p.tasks})
        rows = search.effects(found, place, tasks, "admm")
        lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows, strict=True):
            assert row.unseen is not None and row.chose.versus is not None and row.unseen.versus is not None
            cells_of = [part.strip(" *") for part in line.strip("|").split("|")]
            assert cells_of == [search.row_name(row, "admm"), signed_interval("kl", row.chose.versus.interval),
                                signed_interval("kl", row.unseen.versus.interval), f"{row.p:.3f}"]
            assert (" * |" in line) == row.chose.idle
        chosen = [search.row_name(row, "admm") for row in search.choice(found, place, tasks, "admm")]
        assert [line.split("**")[1] for line in lines if "**" in line] == chosen
    place = search.places(found, "admm")[0]
    rows = search.effects(found, place, ("cola",), "admm")
    assert sum(bool(row.changes) and row.key[0] == "admm" for row in rows) == 15
    assert "Of fifteen changes" in text_of("admm").differs
