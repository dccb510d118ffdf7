"""A method nobody has heard of: one file and one line of METHODS, with knobs one dataclass more. That is all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from core import methods
from core.errors import InputError
from core.evidence.single import Versus
from core.live import asking
from core.methods import METHODS, Entry
from core.methods.knobs import Knobs, knob
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.store import CHECKPOINT, Store
from core.views.catalogue.method_table import card
from tests.opening import open_page

RUN = {"task": "agreement", "model": "tiny", "train_examples": 64, "dev_examples": 32, "dense_epochs": 1,
       "calibration": 16, "method": "leftmost", "pattern": "1:4"}
FILE = '''"""Leftmost: keep the first weights of every group, and stretch them.

    W' = stretch M o W    M: the first of every group

Prunes: single weights, by their place. Every pattern of groups.
Source: a test.
Where we differ: nothing.
Cost: none.
"""

import torch

from core.methods.base import LayerMethod, LayerResult
from core.sparsity.select import select


class Leftmost(LayerMethod):
    def solve(self, weight, stats, pattern):
        places = torch.arange(weight.shape[1], 0, -1, dtype=weight.dtype).expand_as(weight)
        mask = select(pattern, places.contiguous())
        return LayerResult(weight * mask * getattr(self.knobs, "stretch", 1.0), mask)
'''


@dataclass(frozen=True)
class Stretch(Knobs):
    """The one dataclass of a method with a knob."""

    stretch: float = knob(1.0, "factor of what stays", 0.5, 4.0, "times")


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Add the method: its file where Python looks for methods, its line in the list."""
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "leftmost.py").write_text(FILE)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])

    def line(**more: Any) -> None:
        entry = Entry("leftmost", "Leftmost", "Keep the first.", "#123456", "leftmost:Leftmost", "never", **more)
        monkeypatch.setitem(METHODS, "leftmost", entry)

    return line


def test_a_method_is_one_file_and_one_line(add: Any, tmp_path: Path, cli: Any) -> None:
    """It is resolved, run, checked, described on the command line and on a card."""
    add()
    (tmp_path / "cached_runs").mkdir()
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    record = run(resolve(RUN), store=store)
    assert record.status == "succeeded" and record.id.startswith("agreement-tiny-leftmost-1of4-e0-s0-")
    opened = store.open(record.id)
    assert check(opened).problems == []
    weights = {name: load_file(store.live / str(name) / CHECKPOINT / "model.safetensors")
               for name in (record.id, record.parent)}
    for matrix in record.matrices:
        dense, pruned = (weights[name][f"{matrix.name}.weight"] for name in (record.parent, record.id))
        first = np.tile([1.0, 0.0, 0.0, 0.0], (dense.shape[0], dense.shape[1] // 4)).astype(np.float32)
        assert np.array_equal(pruned, dense * first)
    assert "Leftmost" in cli("methods").stdout and "It has no knobs." in cli("methods", "leftmost").stdout
    drawn = card([record], Versus([]), "leftmost")
    assert (drawn.text.prunes, drawn.knobs, len(drawn.rows)) == (
        "single weights, by their place. Every pattern of groups.", (), 1)
    with pytest.raises(InputError, match="no knobs"):
        resolve({**RUN, "knobs": {"stretch": 2}})


def test_its_knobs_are_one_dataclass_more(add: Any, cli: Any, monkeypatch: pytest.MonkeyPatch,
                                          empty_store: Store) -> None:
    """Named in its line: the form asks for it, the command line describes it, a run turns it."""
    import torch

    add(knobs=Stretch)
    assert json.loads(cli("methods", "leftmost", "--json").stdout)["knobs"] == [
        {"name": "stretch", "default": 1.0, "low": 0.5, "high": 4.0, "unit": "times", "help": "factor of what stays",
         "choices": []}]
    spec = asking.checked(asking.given_of({"task": "agreement", "model": "tiny", "method": "leftmost",
                                           "knob.stretch": "2"}))
    assert spec.knobs == {"stretch": 2.0}
    with pytest.raises(InputError, match=r"stretch = 5\.0. Expected factor of what stays, 0\.5 to 4\.0"):
        asking.given_of({"method": "leftmost", "knob.stretch": "5"})
    app = open_page(monkeypatch, empty_store, "run", method="leftmost", **{"knob.stretch": "2"})
    assert not app.exception and not app.error
    assert app.text_input(key="run.knob.stretch").value == "2" and "--knob stretch=2" in app.code[0].value
    from core.sparsity.patterns import parse_pattern

    solved = methods.build("leftmost", spec.knobs).solve(torch.ones(1, 8), None, parse_pattern("1:4"))
    assert solved.weight.tolist() == [[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]]
