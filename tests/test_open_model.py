"""The model of a finished run, opened from its checkpoint: the right weights, the right outputs, or a plain refusal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from core.errors import InputError
from core.models.checkpoints import find_checkpoint, open_model
from core.models.loading import load_model, save_checkpoint
from core.runs import store as st
from core.runs.records import RunRecord
from core.runs.store import Store
from tests import makers


def with_checkpoint(store: Store, outputs: int, **fields: object) -> RunRecord:
    """A made run with the weights of a `tiny` that has *outputs* outputs, drawn from a seed that is not the run's."""
    run_id = makers.make_run(store.live, **fields)  # type: ignore[arg-type]
    loaded = load_model("tiny", labels=outputs, seed=77)
    save_checkpoint(loaded.model, loaded.tokenizer, store.live / run_id / st.CHECKPOINT)
    return store.open(run_id).record


@pytest.mark.parametrize(("task", "outputs"), [("agreement", 2), ("entailment", 3)])
def test_the_model_is_the_checkpoints(task: str, outputs: int, empty_store: Store) -> None:
    record = with_checkpoint(empty_store, outputs, task=task)
    loaded = open_model(record, empty_store)
    assert not loaded.model.training
    held = load_file(empty_store.live / record.id / st.CHECKPOINT / "model.safetensors")
    state = loaded.model.state_dict()
    assert held and all(torch.equal(state[name], values) for name, values in held.items())
    with torch.no_grad():
        logits = loaded.model(**loaded.tokenizer("the dogs sleep", return_tensors="pt")).logits
    assert logits.shape == (1, outputs)


def test_without_classes_the_model_has_one_output(empty_store: Store) -> None:
    record = with_checkpoint(empty_store, 1, task="stsb")
    record = msgspec.structs.replace(record, labels=[])
    assert open_model(record, empty_store).model.config.num_labels == 1


def test_a_checkpoint_with_other_outputs_is_refused(empty_store: Store) -> None:
    with pytest.raises(InputError, match="lacks"):
        open_model(with_checkpoint(empty_store, 3, task="agreement"), empty_store)


def test_no_checkpoint_at_hand_names_the_command_that_makes_it(empty_store: Store) -> None:
    record = empty_store.open(makers.make_run(empty_store.recorded)).record
    with pytest.raises(InputError, match="no checkpoint") as caught:
        open_model(record, empty_store)
    assert caught.value.args and str(caught.value).rstrip(".").endswith(record.command)


def test_where_the_run_lies_here_without_its_weights_the_command_says_again(empty_store: Store) -> None:
    record = empty_store.open(makers.make_run(empty_store.live)).record
    with pytest.raises(InputError, match="--again"):
        open_model(record, empty_store)


def test_half_a_checkpoint_of_a_run_that_did_not_succeed_is_none(empty_store: Store, tmp_path: Path) -> None:
    record = with_checkpoint(empty_store, 2, status="failed")
    assert find_checkpoint(record.spec, empty_store) is None
    with pytest.raises(InputError, match="no checkpoint"):
        open_model(record, empty_store)
