"""From what a person gave to a full, checked `RunSpec`, and from a spec to the spec of its dense parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Meta

from core import methods, tasks
from core.errors import InputError, unknown
from core.methods.knobs import knobs_to_spec, make_knobs
from core.models import MODELS
from core.models.identity import settled
from core.runs.levels import holds
from core.runs.records import LATER, MODEL_DEFAULTS, MOST_EXAMPLES, RunSpec
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern
from core.specs.settings import read
from core.tasks.loading import entry_of


def resolve(given: Mapping[str, Any]) -> RunSpec:
    """Fill in what *given* leaves out and check every name and range. Raises InputError.

    The defaults depend on the model (`MODEL_DEFAULTS`) and on the method: one-shot methods train for 0 epochs, and a
    dense run is named by its own training settings alone. No method's code is loaded: it needs torch.
    """
    asked = {k: v for k, v in given.items() if v is not None}
    if "task" not in asked:
        raise InputError("No task was given", f"one of {', '.join(tasks.TASKS)}", "Add --task NAME.")
    for name in asked:
        if name not in RunSpec.__struct_fields__:
            raise unknown("setting", name, RunSpec.__struct_fields__)
    entry = methods.entry_of(read("method", asked.get("method", "admm")))
    # Whatever decides nothing for this method has to be in its range all the same: it was typed for some reason.
    asked = {name: read(name, value, _limits(name, entry)) for name, value in asked.items()}
    asked["task"] = entry_of(asked["task"]).name  # of an own task, the name with the digest of its data
    if "model" in asked:
        asked["model"] = settled(asked["model"])  # of a folder, its whole path with the digest of its content
    own = MODEL_DEFAULTS.get(asked.get("model", ""), {})
    values = {**own, **asked}
    if entry.name == "dense":
        values = {**values, "pattern": "dense", "dense_epochs": 0.0, "dense_lr": 0.0, "calibration": 0, "distill": 0.0,
                  "knobs": {}, "film": 0, **LATER, "unseen_examples": values.get("unseen_examples", 0)}
        for name in ("lr", "epochs"):
            if name not in asked and f"dense_{name}" in own:
                values[name] = own[f"dense_{name}"]
        if _is_none(values, "epochs"):
            _refuse_headless(values, "epochs")
            values["lr"] = 1e-4  # without training it decides nothing
    else:
        pattern = parse_pattern(values.get("pattern", entry.pattern))
        methods.check_pattern(entry, pattern)
        if values.get("bits"):
            if not entry.grids:
                able = [e.name for e in methods.METHODS.values() if e.grids]
                raise InputError(f"{entry.name} with {values['bits']} bits", "a method that can put weights on a grid",
                                 f"Choose one of {', '.join(able)}.")
            Grid(int(values["bits"]), int(values.get("chunk", LATER["chunk"])))
        else:
            values["chunk"] = LATER["chunk"]  # without a grid it decides nothing
            if pattern.density >= 1.0:
                raise InputError(f"Pattern {pattern.name!r} keeps every weight", "a pattern that prunes, or a grid",
                                 "Choose 2:4, add --bits 8, or take --method dense.")
        values["pattern"] = pattern.name
        knobs = make_knobs(entry.knobs, values.get("knobs", {}))
        knobs.fit_pattern(pattern)
        values["knobs"] = knobs_to_spec(knobs)
        if entry.training == "never":
            if asked.get("epochs"):
                raise InputError(f"{entry.name} with {asked['epochs']:g} epochs", "0 epochs: it is one-shot",
                                 "Use asp to train under the magnitude mask.")
            values["epochs"] = 0.0
        elif entry.training == "optional":
            values["epochs"] = asked.get("epochs", 0.0)
        if _is_none(values, "dense_epochs"):
            _refuse_headless(values, "dense-epochs")
            values["dense_lr"] = 1e-4
        elif values.get("dense_lr") == 0:
            raise InputError("dense_lr = 0.0", "between 0 and 1", "Change --dense-lr, or take --dense-epochs 0.")
        if not values.get("epochs", 4.0):
            values["lr"], values["distill"] = 1e-4, 0.0  # without training they decide nothing
            values["distill_hidden"] = values["distill_attention"] = 0.0
    level = values.get("record", "masks")
    if values.get("film") and not holds(level, "masks"):
        raise InputError(f"A film of {values['film']} moments at the record level {level}", "masks, full or lab",
                         "Change --record, or leave --film out.")
    return msgspec.convert(values, RunSpec, strict=False)


def _is_none(values: Mapping[str, Any], name: str) -> bool:
    return values.get(name) == 0


def _refuse_headless(values: Mapping[str, Any], option: str) -> None:
    """No dense epochs: the model is used as it is, so it needs a head of its own. Those of the list have none."""
    model = values.get("model", RunSpec(task="").model)
    if model in MODELS:
        raise InputError(f"0 dense epochs with the model {model}, which has no head of its own",
                         "a fine-tuned model, as a folder or a hub id", f"Train a head: --{option} 2.")


def _limits(name: str, entry: methods.Entry) -> Meta | None:
    """What *entry* asks more of a setting than its range; None for nothing."""
    if name == "epochs" and entry.training == "always" and entry.name != "dense":
        return Meta(gt=0, le=1000)
    if name == "calibration" and entry.name != "dense":
        return Meta(ge=1, le=MOST_EXAMPLES)
    return None


def dense_spec(spec: RunSpec) -> RunSpec:
    """The spec of the dense run that *spec* starts from: same task, model, seed, data."""
    return RunSpec(task=spec.task, model=spec.model, method="dense", pattern="dense", seed=spec.seed,
                   epochs=spec.dense_epochs, dense_epochs=0.0, lr=spec.dense_lr, dense_lr=0.0,
                   batch_size=spec.batch_size, max_length=spec.max_length, train_examples=spec.train_examples,
                   dev_examples=spec.dev_examples, unseen_examples=spec.unseen_examples, calibration=0,
                   dropout=spec.dropout, freeze_embeddings=spec.freeze_embeddings, record="full")
