"""Solving layers one after the other: against passes of the whole model with hooks, and least squares in float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.inside.sequential import DAMPING, solve_in_order
from core.inside.statistics import LayerStats
from core.models.loading import load_model
from core.models.prunable import prunable, repeated_layers

ORDER = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "layer.0.output.dense")


def _batches() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    out = []
    for lengths in ((9, 7, 9), (5, 5)):
        width = max(lengths)
        mask = torch.tensor([[1] * n + [0] * (width - n) for n in lengths])
        ids = torch.randint(4, 60, mask.shape, generator=generator) * mask
        out.append({"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)})
    return out


@pytest.fixture()
def model() -> Iterator[nn.Module]:
    yield load_model("tiny", labels=2, seed=3).model


@torch.no_grad()
def _inputs(model: nn.Module, name: str) -> np.ndarray:
    """What matrix *name* reads in a whole pass, real tokens only, float64."""
    rows: list[np.ndarray] = []
    layer = prunable(model)[name]
    for batch in _batches():
        got: list[Tensor] = []
        handle = layer.register_forward_pre_hook(lambda _, x, got=got: got.append(x[0]))
        model(**batch)
        handle.remove()
        rows.append(got[0][batch["attention_mask"].bool()].double().numpy())
    return np.concatenate(rows)


def _solve(model: nn.Module, note: dict[str, Any]) -> None:
    def solve(name: str, weight: Tensor, stats: LayerStats) -> Tensor:
        note[name] = (weight.clone(), stats, copy.deepcopy(model.state_dict()))
        return weight * (torch.rand(weight.shape, generator=torch.Generator().manual_seed(len(note))) > 0.5)

    solve_in_order(model, list(repeated_layers(model)[1]), prunable(model), _batches(), solve)


def test_every_matrix_is_solved_on_what_reaches_it_for_what_the_dense_model_put_out(model: nn.Module) -> None:
    dense = copy.deepcopy(model)
    note: dict[str, Any] = {}
    _solve(model, note)
    assert set(note) == set(prunable(model))
    for name, (target, stats, state) in note.items():
        then = copy.deepcopy(dense)
        then.load_state_dict(state)  # the model as it was when this matrix was solved
        real, wanted = _inputs(then, name), _inputs(dense, name)
        weight = prunable(dense)[name].weight.detach().double().numpy()
        shift = DAMPING * np.mean(np.square(real).sum(0))
        # Least squares with rows that pull towards the dense weight: |X W0' - X^ W'|^2 + shift |W - W0|^2.
        a = np.vstack([real, np.sqrt(shift) * np.eye(real.shape[1])])
        b = np.vstack([wanted @ weight.T, np.sqrt(shift) * weight.T])
        best = np.linalg.lstsq(a, b, rcond=None)[0].T
        np.testing.assert_allclose(target.double().numpy(), best, atol=2e-3 * np.abs(best).max())
        np.testing.assert_allclose(stats.gram.double().numpy(), real.T @ real, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(stats.norms.numpy(), np.linalg.norm(real, axis=0), rtol=1e-3, atol=1e-3)
        assert stats.tokens == len(real)


def test_the_order_is_that_of_use_and_earlier_matrices_are_pruned_by_then(model: nn.Module) -> None:
    dense = {name: m.weight.detach().clone() for name, m in prunable(model).items()}
    note: dict[str, Any] = {}
    _solve(model, note)
    names = list(note)
    assert [next(i for i, n in enumerate(names) if end in n) for end in ORDER] == list(range(len(ORDER)))
    first, last = names[0], names[-1]
    assert torch.equal(note[first][2][f"{first}.weight"], dense[first])
    assert not torch.equal(note[last][2][f"{first}.weight"], dense[first])
    assert all((m.weight == 0).any() for m in prunable(model).values())


def test_nothing_pruned_changes_nothing(model: nn.Module) -> None:
    dense = {name: m.weight.detach().clone() for name, m in prunable(model).items()}
    solve_in_order(model, list(repeated_layers(model)[1]), prunable(model), _batches(), lambda _, w, __: w)
    for name, m in prunable(model).items():
        torch.testing.assert_close(m.weight, dense[name], atol=2e-4, rtol=0)


def test_a_matrix_outside_the_blocks_is_named_and_hooks_are_gone(model: nn.Module) -> None:
    layers = prunable(model) | {"stray": nn.Linear(4, 4)}
    with pytest.raises(ValueError, match="stray"):
        solve_in_order(model, list(repeated_layers(model)[1]), layers, _batches(), lambda _, w, __: w)
    assert not any(m._forward_pre_hooks for m in model.modules())
