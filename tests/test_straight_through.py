"""Weights that only a forward and a backward pass see: against plain autograd through the projected weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.methods.straight_through import StraightThrough, holding


def pair() -> dict[str, nn.Linear]:
    torch.manual_seed(3)
    return {"a": nn.Linear(8, 6), "b": nn.Linear(6, 4)}


def forward(layers: dict[str, nn.Linear], x: torch.Tensor) -> torch.Tensor:
    return layers["b"](torch.tanh(layers["a"](x))).square().sum()


def test_the_gradient_is_that_of_the_projected_weights() -> None:
    layers, x = pair(), torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    projected = {name: (layer.weight.detach() * 4).round() / 4 for name, layer in layers.items()}
    free = {name: value.clone().requires_grad_() for name, value in projected.items()}
    h = torch.tanh(x @ free["a"].T + layers["a"].bias.detach())
    expected = (h @ free["b"].T + layers["b"].bias.detach()).square().sum()
    wanted = torch.autograd.grad(expected, list(free.values()))

    latent = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    storage = {name: layer.weight.data_ptr() for name, layer in layers.items()}
    through = StraightThrough(layers)
    through.enter(projected)
    loss = forward(layers, x)
    loss.backward()
    through.leave()
    assert torch.allclose(loss, expected)
    for name, gradient in zip(layers, wanted, strict=True):
        assert torch.allclose(layers[name].weight.grad, gradient, atol=1e-6)  # type: ignore[arg-type]
        assert torch.equal(layers[name].weight, latent[name])
        assert layers[name].weight.data_ptr() == storage[name]  # views of the latent weights elsewhere stay true


def test_a_matrix_that_is_not_named_stays() -> None:
    layers = pair()
    before = layers["b"].weight.detach().clone()
    with holding(layers, {"a": torch.zeros(6, 8)}):
        assert not layers["a"].weight.any()
        assert torch.equal(layers["b"].weight, before)
    assert layers["a"].weight.any()
    with holding(layers, None):
        assert layers["a"].weight.any()


def test_an_error_inside_leaves_the_latent_weights() -> None:
    layers = pair()
    with pytest.raises(RuntimeError, match="evaluation"), holding(layers, {"a": torch.zeros(6, 8)}):
        raise RuntimeError("evaluation")
    assert layers["a"].weight.any()


def test_entering_twice_or_with_the_wrong_shape_changes_nothing() -> None:
    layers = pair()
    through = StraightThrough(layers)
    with pytest.raises(ValueError, match=r"a is \(6, 8\)"):
        through.enter({"b": torch.zeros(4, 6), "a": torch.zeros(8, 6)})
    assert layers["b"].weight.any()
    through.leave()
    through.enter({"a": torch.zeros(6, 8)})
    with pytest.raises(ValueError, match="without leave"):
        through.enter({"a": torch.ones(6, 8)})
    through.leave()
    through.leave()
    assert layers["a"].weight.any()
