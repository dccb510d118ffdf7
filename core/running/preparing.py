"""Loading: the data, the dense model and its tokenised examples, checked against the pattern before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.methods.straight_through import holding
from core.models.encoding import Encoded, encode
from core.models.loading import load_model
from core.models.prunable import prunable, prunable_words
from core.running.devices import accelerator
from core.running.rehearsing import rehearse
from core.running.shared import Shared, state_of
from core.running.training import predict
from core.runs import gridded
from core.runs.levels import holds
from core.runs.records import RunSpec
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern, parse_pattern
from core.surgery import quiet, quietly, units
from core.tasks import TaskData
from core.tasks.loading import load_task
from core.tasks.metrics import score
from core.tasks.parts import scored_on
from core.tasks.probes import ProbeText, probes_of


@dataclass(frozen=True)
class Prepared:
    """What every later stage works on.

    The model is on its device and holds the weights it starts from; `layers` are its prunable ones, `dense` copies of
    their weights `[out, in]`, both by matrix. `train_set` is empty for a run without training. `pattern` has learned
    what it learns from the dense weights, and knows the model's units where it is of units. `shared` holds what other
    runs have worked out.
    """

    spec: RunSpec
    data: TaskData
    model: Any
    tokenizer: Any
    train_set: Encoded
    eval_set: Encoded
    layers: dict[str, nn.Linear]
    dense: dict[str, Tensor]
    pattern: Pattern
    grid: Grid | None
    shared: Shared
    heads: int  # of attention, in a layer
    of_model: tuple[str, ...] = ()  # what became of the model's own head and pooler, a sentence each
    left_out: str = ""  # which weights of the layers are not pruned, in a sentence; empty when all are
    unseen_set: Encoded | None = None  # for a last look; see `core.tasks.TaskData`

    @property
    def notes(self) -> list[str]:
        """What to know of the model and the texts before a score is believed, a sentence each."""
        cut = [f"{texts.cut} of {len(texts)} texts to {use} were cut at {texts.limit} tokens."
               for texts, use in ((self.train_set, "learn from"), (self.eval_set, "score on")) if texts.cut]
        return [*self.of_model, *cut]

    @property
    def pad(self) -> int:
        """The token that fills up batches."""
        return int(self.tokenizer.pad_token_id or 0)

    @property
    def probes(self) -> Sequence[ProbeText]:
        """The sentences whose inside this run keeps; below the level masks none."""
        return probes_of(self.spec.task) if holds(self.spec.record, "masks") else ()

    @property
    def other_weights(self) -> int:
        """Parameters of the model that are never pruned."""
        return sum(p.numel() for p in self.model.parameters()) - sum(w.numel() for w in self.dense.values())

    def answers(self) -> np.ndarray:
        """Logits `[examples, classes]` of the model as it is, on the evaluation split."""
        return self.answers_to(self.eval_set)

    def answers_to(self, texts: Encoded) -> np.ndarray:
        """The same for any *texts*. Not to be written to."""
        return self.shared.once(("answers", state_of(self.model), texts.digest, str(self.pad)),
                                lambda: predict(self.model, texts, self.pad))

    def score(self) -> float:
        """The main score of the model as it is."""
        return score(self.data.entry, self.answers(), self.eval_set.labels)["score"]

    def score_with(self, weights: Mapping[str, Tensor]) -> float:
        """The main score with *weights* in place of the prunable ones, and without the biases of units that they have
        no weight of; the model is left as it was."""
        with holding(self.layers, weights), quietly(self.pattern, self.layers, weights):
            return self.score()

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Copy *weights* into the model; with units that they have no weight of, their biases go."""
        for name, layer in self.layers.items():
            layer.weight.data.copy_(weights[name])
        quiet(self.pattern, self.layers, weights)


def data_of(spec: RunSpec, data_dir: Path | None) -> TaskData:
    """The data of a run, with the part that it is scored on. Raises InputError when they cannot be read."""
    return scored_on(load_task(spec.task, data_dir=data_dir, train_examples=spec.train_examples,
                               dev_examples=spec.dev_examples, unseen_examples=spec.unseen_examples),
                     spec.eval_examples)


def prepare(spec: RunSpec, checkpoint: Path | None, data_dir: Path | None, shared: Shared) -> Prepared:
    """Load what *spec* names; *checkpoint*: the weights to start from, None for the model's own.

    Raises InputError when something cannot be loaded, a matrix does not fit the pattern or the grid, or the model fails
    at the rehearsal.
    """
    data = data_of(spec, data_dir)
    torch.manual_seed(spec.seed)
    loaded = load_model(spec.model, labels=data.entry.outputs, seed=spec.seed, checkpoint=checkpoint,
                        classes=data.entry.labels, own_head=spec.method == "dense" and not spec.epochs)
    model, tokenizer = loaded.model.to(accelerator().device), loaded.tokenizer
    # Without training only calibration reads the training text, and takes its own part of it.
    needed = data.train if spec.epochs else data.train.take(np.arange(0))
    train_set = encode(tokenizer, needed, spec.max_length)
    eval_set = encode(tokenizer, data.evaluation, spec.max_length)
    unseen_set = None if data.unseen is None else encode(tokenizer, data.unseen, spec.max_length)
    layers = prunable(model)
    pattern, grid = parse_pattern(spec.pattern), gridded.grid_of(spec)
    for name, layer in layers.items():
        shape = (layer.weight.shape[0], layer.weight.shape[1])
        pattern.fits(name, shape)
        if grid is not None:
            grid.fits(name, shape)
    dense = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    pattern = pattern.bound({name: w.cpu().numpy() for name, w in dense.items()})
    if pattern.coupled:
        pattern = pattern.joined(units(model))
    seen = rehearse(model, eval_set, int(tokenizer.pad_token_id), data.entry.outputs)
    said = (loaded.note, drawn_words(loaded.drawn, spec.seed))
    return Prepared(spec, data, model, tokenizer, train_set, eval_set, layers, dense, pattern, grid, shared, seen.heads,
                    tuple(note for note in said if note), prunable_words(model, layers), unseen_set)


def drawn_words(modules: Sequence[str], seed: int) -> str:
    """Which *modules* of a model had no weights of their own, in a sentence; "" for none."""
    return f"Drawn anew from seed {seed}: {', '.join(modules)}." if modules else ""
