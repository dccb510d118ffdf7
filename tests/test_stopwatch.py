"""The stopwatch on a clock that only the model moves: how long it measures, what it calls a step, what it counts."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from core.live import stopwatch
from core.models import loading

WORDS = 11
WEIGHTS = WORDS * 2  # of 4 bytes each


class Slow(torch.nn.Module):
    """A classifier whose k-th step takes the k-th of *seconds*, and the last of them from then on."""

    def __init__(self, seconds: list[float]) -> None:
        super().__init__()
        self.seconds, self.now, self.shapes = seconds, 100.0, list[tuple[int, ...]]()
        self.config = SimpleNamespace(vocab_size=WORDS)
        self.table = torch.nn.Parameter(torch.zeros(WORDS, 2))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        assert attention_mask.shape == input_ids.shape and bool((attention_mask == 1).all())
        self.now += self.seconds[min(len(self.shapes), len(self.seconds) - 1)]
        self.shapes.append(tuple(input_ids.shape))
        return SimpleNamespace(logits=self.table[input_ids].mean(1))


def timed(monkeypatch: pytest.MonkeyPatch, seconds: list[float], *more: str) -> tuple[Result, Slow]:
    """What the stopwatch prints of a model with steps of *seconds*, and that model."""
    net = Slow(seconds)
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: net.now))
    monkeypatch.setattr(loading, "load_model", lambda name, **how: SimpleNamespace(model=net))
    words = ["--model=any", f"--threads={torch.get_num_threads()}", "--batch-size=3", "--tokens=4", *more]
    return CliRunner().invoke(stopwatch.main, words), net


@pytest.mark.parametrize(("seconds", "median", "steps"), [
    ([9.0, 0.25, 0.5], 0.25, 1),  # one beside the first, however late it is
    ([0.1, 7.0], 7.0, 1),
    ([0.25, 0.5, 0.25, 0.375, 1.0, 9.0], 0.5, 4),  # until 1.5 s are over; the upper one of the two in the middle
    ([0.5, 0.5, 0.5], 0.5, 2),  # over to the very second
    ([1.0, 2**-10], 2**-10, 40)])  # or until there are enough
def test_it_measures_for_a_moment_and_leaves_out_the_first_step(monkeypatch: pytest.MonkeyPatch, seconds: list[float],
                                                                median: float, steps: int) -> None:
    result, net = timed(monkeypatch, seconds)
    said = json.loads(result.stdout)
    assert (said["step"], said["steps"]) == (pytest.approx(median), steps)
    assert net.shapes == [(3, 4)] * (steps + 1)
    assert said["weights_mb"] == pytest.approx(WEIGHTS * 4 / 1e6) and 10 < said["peak_mb"] < 1e5
    assert bool(net.training) and bool((net.table != 0).any())  # it was trained, not only asked


@pytest.mark.parametrize("word", ["--batch-size=0", "--tokens=3", "--tokens=8193", "--threads=0", "--batch-size=4097"])
def test_what_no_run_has_is_refused(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    result, net = timed(monkeypatch, [9.0], word)
    assert result.exit_code == 2 and "is not in the range" in result.stderr and not net.shapes


@pytest.mark.parametrize("shape", [(1, 4), (4096, 4), (1, 8192)])
def test_the_smallest_and_the_largest_batch_are_measured(monkeypatch: pytest.MonkeyPatch,
                                                         shape: tuple[int, int]) -> None:
    result, net = timed(monkeypatch, [9.0], f"--batch-size={shape[0]}", f"--tokens={shape[1]}")
    assert result.exit_code == 0 and net.shapes == [shape] * 2
