"""PIP against a loop over single weights with gradients of its own, and against what its rounds must keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import methods, surgery
from core.errors import InputError
from core.methods.pip import Pip, left, two_views
from core.methods.unit_base import UnitContext
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.views.mechanisms import pictures
from core.views.mechanisms import two_views as drawn
from tests.test_units_run import SMALL, context
from tests.test_views_mechanisms import told as kept_by


def by_hand(told: UnitContext, eps: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """I_u and |sum of w g| / sqrt(|u|) of the units, by module: embeddings put in by hand, rows and columns one by one.
    Of neurons only every 37th."""
    model: Any = told.model
    table = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    found = [(np.zeros(m.units), np.zeros(m.units)) for m in told.pattern.known().modules]
    for i, batch in enumerate(told.batches):
        embedded = model.bert.embeddings(input_ids=batch["input_ids"]).detach()
        z = torch.randn(embedded.shape, generator=torch.Generator().manual_seed(1_000_003 * told.seed + i))
        views = []
        for view in (embedded, embedded + eps * embedded.std() * z):
            model.zero_grad()
            hidden = model.bert.encoder(view)[0]
            logits = model.classifier(model.bert.pooler(hidden))
            torch.nn.functional.cross_entropy(logits, LABELS[i]).backward()
            views.append({n: p.grad.clone() if p.grad is not None else table[n] for n, p in model.named_parameters()})
        for (score, plain), m in zip(found, told.pattern.known().modules, strict=True):
            for unit in range(m.units) if m.noun == "head" else range(0, m.units, 37):
                rows, products, size = range(unit * m.size, (unit + 1) * m.size), [0.0, 0.0], 0
                for name in (*m.rows, m.columns):
                    w, calm, shaken = told.layers[name].weight.detach(), *(v[f"{name}.weight"] for v in views)
                    for r in rows:
                        cut = (r, slice(None)) if name != m.columns else (slice(None), r)
                        size += w[cut].numel()
                        products[0] += float(w[cut] @ calm[cut]) - float(w[cut] @ shaken[cut])
                        products[1] += float(w[cut] @ calm[cut])
                score[unit] += abs(products[0]) / size**0.5 / len(told.batches)
                plain[unit] += abs(products[1]) / size**0.5 / len(told.batches)
    return found


def labels() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    for _ in range(3):
        torch.randint(3, 60, (4, 9), generator=generator)
    return [torch.randint(0, 3, (4,), generator=generator) for _ in range(3)]


LABELS = labels()  # those of `context`


def test_scores_are_those_of_a_loop_over_single_units() -> None:
    told = replace(context(), seed=4)
    found = two_views(told, told.pattern.known(), 0.1)
    for place, (score, plain) in enumerate(by_hand(told, 0.1)):
        looked = score > 0
        assert looked.sum() >= 4
        for mine, theirs in zip(found, (score, plain), strict=True):  # float32 gradients, differences of near numbers
            assert mine[place][looked] == pytest.approx(theirs[looked], rel=2e-3, abs=1e-6)


def test_scores_go_to_zero_in_proportion_to_the_noise_and_what_is_removed_has_none() -> None:
    told = context()
    told.model.double()
    anatomy = told.pattern.known()
    at = {eps: np.concatenate(two_views(told, anatomy, eps)[0]) for eps in (2e-4, 1e-4, 5e-5)}
    assert (at[1e-4] > 0).all()
    # The mean of absolute values is linear too, but for the square term of the expansion.
    assert at[1e-4] / at[2e-4] == pytest.approx(0.5, abs=0.01)
    assert at[5e-5] / at[1e-4] == pytest.approx(0.5, abs=0.01)
    kept = tuple(np.arange(m.units) % 2 == 0 for m in anatomy.modules)
    surgery.mask(told.model, anatomy, kept)
    after = two_views(told, anatomy, 1e-4)[0]
    assert all(not s[~k].any() and s[k].all() for s, k in zip(after, kept, strict=True))


@pytest.mark.parametrize(("pattern", "whole"), [("heads:0.5", 8), ("neurons:0.6", 512), ("units:0.7", 98304)])
def test_every_round_removes_an_equal_share_and_scores_the_model_that_is_left(pattern: str, whole: int) -> None:
    told = context(pattern)
    method = methods.build("pip", {"rounds": 4})
    assert isinstance(method, Pip)
    found = method.choose(told)
    anatomy, share = told.pattern.known(), float(pattern.partition(":")[2])
    kept, tops = method.told(), []
    for number in range(1, 5):
        stays = tuple(~((kept[f"gone/{m.noun}/{m.layer}"] > 0) & (kept[f"gone/{m.noun}/{m.layer}"] <= number))
                      for m in anatomy.modules)
        count = anatomy.left(stays) if whole > 1000 else sum(
            int(k.sum()) for m, k in zip(anatomy.modules, stays, strict=True) if pattern.startswith(m.noun))
        allowed = np.floor((1 - share * number / 4) * whole + 0.5)
        assert allowed - (127 if whole > 1000 else 0) <= count <= allowed  # a neuron has 128 weights
        tops.append(stays)
        if number == 2:  # scores of the second round: those of a model that has lost the first
            fresh = context(pattern)
            surgery.mask(fresh.model, anatomy, tops[0])
            scores = two_views(fresh, anatomy, 0.1)[0]
            for m, s, k in zip(anatomy.modules, scores, tops[0], strict=True):
                mine = kept[f"score/{m.noun}/{m.layer}"][1]
                assert mine[k] == pytest.approx(s[k] / s[k].mean(), rel=2e-3, abs=1e-3) and not mine[~k].any()
    assert [k.tolist() for k in tops[-1]] == [k.tolist() for k in found.kept]
    assert all(k.sum() >= (1 if m.noun == "head" else 26) for m, k in zip(anatomy.modules, found.kept, strict=True))


def test_a_layer_that_never_tells_the_views_apart_keeps_one_head_and_a_tenth_of_its_neurons() -> None:
    told = context("units:0.6")
    for name, layer in told.layers.items():  # the second layer is far louder, neuron by neuron
        if ".layer.0." in name:
            layer.weight.data *= 1e-3
    found = methods.build("pip", {"least": 0.25}).choose(told)
    anatomy = told.pattern.known()
    assert min(anatomy.counts(found.kept, "head")) >= 1 and min(anatomy.counts(found.kept, "neuron")) >= 64
    # With the scores planted: layer 1 below layer 2 throughout.
    planted = tuple(np.full(m.units, 0.1 if m.layer == 1 else 2.0) + np.arange(m.units) * 1e-4
                    for m in anatomy.modules)
    stays = left(told.pattern, planted, anatomy.everything(), [1, 64, 1, 64])
    assert [int(k.sum()) for k in stays[:2]] == [1, 64] and stays[0][3] and stays[1][192:].all()


@pytest.mark.parametrize(("pattern", "knobs", "words"), [
    ("neurons:0.95", {}, "Expected a share of at most 0.8984: a layer keeps one head and 10% of its neurons"),
    ("units:0.9", {"least": 0.5}, "Expected a share of at most 0.5833")])
def test_what_a_layer_must_keep_rules_out_is_said(pattern: str, knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        methods.build("pip", knobs).choose(context(pattern))


@pytest.mark.parametrize(("pattern", "epochs"), [("units:0.5", 1), ("heads:0.5", 0)])
def test_a_whole_run_keeps_its_rounds_and_passes_the_check(pattern: str, epochs: int, tmp_path: Path) -> None:
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    record = run(resolve({**SMALL, "method": "pip", "pattern": pattern, "epochs": epochs, "record": "answers",
                          "knobs": {"rounds": 3}}), store=store)
    opened = store.open(record.id)
    assert check(opened).problems == []
    gone = opened.array("method/gone/head/1")
    assert gone is not None and gone.max() <= 3
    assert record.units is not None and record.units.heads[0] == int((gone == 0).sum())
    assert len(pictures(opened)) == 2


# -- its pictures ---------------------------------------------------------------------------------------------------

def planted() -> dict[str, np.ndarray]:
    """Two layers of three heads and one of four neurons, two rounds."""
    return {"gone/head/1": np.array([0, 1, 2], np.uint8), "gone/head/2": np.array([0, 0, 1], np.uint8),
            "plain/head/1": np.array([0.1, 1, 1.9]), "plain/head/2": np.array([1, 1.5, 0.5]),
            "score/head/1": np.array([[1.5, 0.01, 0.9], [2, 0, 0.3]]),
            "score/head/2": np.array([[1, 1.9, 0.0], [1.2, 0.8, 0]]),
            "gone/neuron/1": np.array([1, 0, 0, 0], np.uint8), "plain/neuron/1": np.array([0.2, 1, 1, 2.0]),
            "score/neuron/1": np.array([[0.5, 1, 1, 1.5], [0, 1, 1, 1]])}


def test_lines_end_where_units_left_and_both_orders_are_compared(tmp_path: Path) -> None:
    first, second = pictures(kept_by(tmp_path, "pip", planted()))
    text = (first.heading + first.claim).replace("\u202f", " ")
    assert "3 of 6 attention heads leave, and 25 % of the neurons." in text
    stay, leave, ends = first.figure.to_dict()["data"][:3]
    assert list(leave["x"]) == [1, None, 1, 2, None, 1, None] and list(ends["x"]) == [1, 2, 1]
    assert list(leave["y"])[2:4] == pytest.approx([np.log10(0.9), np.log10(0.3)]) and leave["y"][5] == drawn.LOW
    assert list(ends["text"]) == ["head 2 of layer 1", "head 3 of layer 1", "head 3 of layer 2"]
    assert stay["y"][:2] == pytest.approx([np.log10(1.5), np.log10(2)])
    assert first.table["leave"].tolist() == [2, 1, 1, 0] and first.table["left"].tolist() == [4, 3, 3, 3]
    # The three of the lowest plain importance: head 1 of layer 1, head 3 and one of the two ties.
    assert "would have removed 66.7 % of the attention heads and 100 %" in second.claim.replace("\u202f", " ")
    assert "pure chance would be 50 % and 25 %" in second.claim.replace("\u202f", " ")
    for view in (first, second):
        assert view.figure.layout.yaxis.range == (drawn.LOW - 0.1, drawn.HIGH + 0.1) and view.alt and len(view.table)


@pytest.mark.parametrize("wrong", [{"gone/head/1": np.array([0, 3, 2], np.uint8)}, {"plain/head/2": np.ones(4)},
                                   {"score/head/2": np.ones((3, 3))}, {"score/neuron/1": np.full((2, 4), np.nan)}])
def test_scores_that_do_not_fit_are_refused(tmp_path: Path, wrong: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"do not fit together|no usable"):
        pictures(kept_by(tmp_path, "pip", planted() | wrong))
