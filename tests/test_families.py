"""Models of other families: where their embeddings are, and what their layers are called on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.calibration import calibrate
from core.inside.sequential import solve_in_order
from core.inside.statistics import LayerStats
from core.inside.watching import Place, Watch, look
from core.models.library import quiet_transformers
from core.models.loading import load_model
from core.models.prunable import embedding_part, prunable, repeated_layers
from core.models.tiny import tiny_tokenizer
from core.running.training import freeze_embeddings

SMALL = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "max_position_embeddings": 40, "pad_token_id": 0, "num_labels": 2}
DEBERTA = {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
XLNET = {"vocab_size": 60, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "num_labels": 2}
OPT = {**SMALL, "word_embed_proj_dim": 16, "ffn_dim": 32}
# By family: its configuration, and what of its parameters turns token ids into vectors.
FAMILIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "bert": (SMALL, ("bert.embeddings.",)),
    "roberta": (SMALL, ("roberta.embeddings.",)),
    "electra": ({**SMALL, "embedding_size": 8}, ("electra.embeddings.",)),
    "deberta-v2": (DEBERTA, ("deberta.embeddings.",)),
    "xlnet": (XLNET, ("transformer.word_embedding.",)),
    "opt": (OPT, ("model.decoder.embed_tokens.",)),
}


def made(family: str, config: dict[str, Any]) -> Any:
    transformers = quiet_transformers()
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(
        transformers.AutoConfig.for_model(family, **config)).eval()


def test_a_model_with_a_decoder_is_refused_before_any_work(tmp_path: Path) -> None:
    """Its outputs hold no hidden states: a run would only end at the last stage."""
    made("bart", {"vocab_size": 400, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32,
                  "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "num_labels": 2,
                  "max_position_embeddings": 64}).save_pretrained(tmp_path / "both")
    tiny_tokenizer().save_pretrained(tmp_path / "both")
    with pytest.raises(InputError, match=r"'both' has a decoder.*an encoder such as BERT"):
        load_model(str(tmp_path / "both"), labels=2, seed=0)


def batches() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [{"input_ids": torch.randint(3, 60, shape, generator=generator),
             "attention_mask": torch.ones(shape, dtype=torch.long)} for shape in ((3, 9), (2, 6))]


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_are_the_embeddings_and_nothing_else(family: str) -> None:
    config, embeddings = FAMILIES[family]
    model = made(family, config)
    freeze_embeddings(model)
    names = {name for name, _ in model.named_parameters()}
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {name for name in names if name.startswith(embeddings)} != set()


def test_a_model_that_does_not_tell_its_embeddings_is_refused() -> None:
    class Bare(nn.Module):
        base_model_prefix = ""

        def get_input_embeddings(self) -> nn.Module:
            raise NotImplementedError

    with pytest.raises(InputError, match=r"Bare does not tell its token embeddings.*--train-embeddings"):
        embedding_part(Bare())


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"xlnet"}))
def test_every_family_is_solved_in_order_on_what_its_matrices_read(family: str) -> None:
    """With nothing pruned each matrix reads what it reads in a whole pass, and the model says the same afterwards."""
    model = made(family, FAMILIES[family][0])
    layers = prunable(model)
    read: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    handles = [m.register_forward_pre_hook(
        lambda _, args, name=name: read[name].append(args[0].detach().reshape(-1, args[0].shape[-1]).double().numpy()))
        for name, m in layers.items()]
    with torch.no_grad():
        before = [model(**batch).logits for batch in batches()]
    for handle in handles:
        handle.remove()
    seen: dict[str, LayerStats] = {}

    def solve(name: str, weight: Tensor, stats: LayerStats) -> Tensor:
        seen[name] = stats
        return weight

    solve_in_order(model, list(repeated_layers(model)[1]), layers, batches(), solve)
    for name, rows in read.items():
        x = np.concatenate(rows)
        gram = seen[name].gram
        assert gram is not None and seen[name].tokens == len(x)
        np.testing.assert_allclose(gram.numpy(), x.T @ x, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        for wanted, batch in zip(before, batches(), strict=True):
            torch.testing.assert_close(model(**batch).logits, wanted, atol=1e-4, rtol=0)


def test_layers_that_are_used_more_than_once_are_refused_and_left_alone() -> None:
    model = made("albert", {**SMALL, "embedding_size": 8})
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=r"AlbertForSequenceClassification.*used 2 times.*--knob inputs=dense"):
        solve_in_order(model, list(repeated_layers(model)[1]), prunable(model), batches(), lambda _, w, __: w * 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_pre_hooks for m in model.modules())


class Block(nn.Module):
    """Two matrices; *named*: the inner ones are called by name."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.first, self.second, self.named = nn.Linear(6, 6), nn.Linear(6, 6), named

    def forward(self, states: Any, scale: float = 1.0) -> Tensor:
        if isinstance(states, dict):
            states = states["states"]
        inner = torch.tanh(self.first(input=states) if self.named else self.first(states)) * scale
        return states + (self.second(input=inner) if self.named else self.second(inner))


class Toy(nn.Module):
    """Blocks that are called by position, by name, or with their states inside of something else."""

    def __init__(self, call: str) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.table, self.call = nn.Embedding(60, 6), call
        self.blocks = nn.ModuleList(Block(call == "name") for _ in range(3))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        h = self.table(input_ids)
        for block in self.blocks:
            h = {"position": lambda b, h: b(h, scale=0.5), "name": lambda b, h: b(scale=0.5, states=h),
                 "inside": lambda b, h: b({"states": h}, 0.5)}[self.call](block, h)
        return h


def matrices(model: nn.Module) -> dict[str, nn.Linear]:
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}


def solved(call: str) -> dict[str, tuple[Tensor, LayerStats]]:
    model = Toy(call)
    found: dict[str, tuple[Tensor, LayerStats]] = {}

    def solve(name: str, weight: Tensor, stats: LayerStats) -> Tensor:
        found[name] = (weight.clone(), stats)
        return weight * (weight.abs() > 0.2)

    solve_in_order(model, list(model.blocks), matrices(model), batches(), solve)
    return found


def test_states_given_by_name_are_seen_as_those_given_by_position() -> None:
    one, other = solved("position"), solved("name")
    assert list(one) == list(other) and len(one) == 6
    for name, (weight, stats) in one.items():
        assert torch.equal(weight, other[name][0]) and torch.equal(stats.gram, other[name][1].gram)  # type: ignore[arg-type]
    by_position, by_name = (calibrate(m, matrices(m), batches()) for m in (Toy("position"), Toy("name")))
    for name, stats in by_position.items():
        assert torch.equal(stats.gram, by_name[name].gram)  # type: ignore[arg-type]


def test_states_inside_of_something_else_are_refused() -> None:
    with pytest.raises(InputError, match=r"Block is called without a tensor as its first argument \('states'\)"):
        solved("inside")


def test_maps_given_by_name_are_watched_as_those_given_by_position() -> None:
    seen = []
    for call in ("position", "name"):
        model = Toy(call)
        places = [Place(k, f"blocks.{k - 1}", b, b.first, b.second, ()) for k, b in enumerate(model.blocks, 1)]
        seen.append([maps for maps, _ in look(model, Watch(places, ("attention", "ffn", "block")), batches())])
    for one, other in zip(*seen, strict=True):
        for kind in ("attention", "ffn", "block"):
            assert list(one[kind]) == list(other[kind]) == [1, 2, 3]
            assert all(torch.equal(one[kind][k], other[kind][k]) for k in (1, 2, 3))
