"""The calibration text of a run: which examples it holds follows from the seed, and from nothing else."""

from __future__ import annotations

import numpy as np
import torch

from core.inside.calibration import text_of
from core.models.loading import load_model
from core.runs.records import RunSpec
from core.tasks.loading import load_task

TRAIN = load_task("agreement", train_examples=300).train
TOKENIZER = load_model("tiny", labels=2, seed=0).tokenizer


def drawn(seed: int, calibration: int = 40, **fields: object) -> list[str]:
    """The sentences of the calibration text, in its order."""
    spec = RunSpec(task="agreement", model="tiny", seed=seed, calibration=calibration, max_length=48,
                   **fields)  # type: ignore[arg-type]
    out = []
    for batch in text_of(TRAIN, spec, TOKENIZER, 0):
        for ids, real in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            assert torch.equal(ids != 0, real.bool())
            out.append(TOKENIZER.decode(ids[real.bool()], skip_special_tokens=True))
    return out


def test_two_seeds_draw_two_texts_and_one_seed_the_same_one() -> None:
    first, second = drawn(0), drawn(1)
    assert len(first) == len(second) == 40
    assert sorted(first) != sorted(second)
    assert len(set(first) & set(second)) < 20  # of 300, forty are drawn: chance shares about five
    assert drawn(0) == first
    assert drawn(0, method="asp", pattern="1:4", lr=1e-5) == first


def test_the_draw_of_a_seed_is_the_recorded_one() -> None:
    """Runs name their seed alone: another draw for it would be another run. Written out: numpy's generator of
    [seed, 1], a permutation, its first forty."""
    for seed in (0, 7):
        order = np.random.default_rng([seed, 1]).permutation(300)
        assert sorted(drawn(seed)) == sorted(TRAIN.text[i] for i in order[:40])
    assert np.random.default_rng([0, 1]).permutation(300)[:5].tolist() == [132, 174, 102, 2, 7]


def test_more_text_holds_the_same_text_and_all_of_it_is_every_example_once() -> None:
    assert set(drawn(3, 20)) <= set(drawn(3, 60))
    assert sorted(drawn(3, 5000)) == sorted(TRAIN.text)


def test_batches_go_from_short_to_long() -> None:
    lengths = [len(text.split()) for text in drawn(5, 100)]
    assert lengths == sorted(lengths) and len(set(lengths)) > 2
