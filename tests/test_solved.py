"""Which matrices are solved already: written while it happens, read whatever state the file is in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.runs import solved
from core.tasks.loading import load_task
from core.tasks.parts import scored_on

NAMES = [f"layer.{k}.query" for k in range(3)]


def test_what_is_solved_is_read_in_the_order_of_solving(tmp_path: Path) -> None:
    assert solved.read(tmp_path) == ([], [])
    solved.begin(tmp_path, NAMES)
    assert solved.read(tmp_path) == (NAMES, [])
    solved.add(tmp_path, NAMES[2], 0.5, 0.9)
    solved.add(tmp_path, NAMES[0], 0.25, 0.7)
    names, found = solved.read(tmp_path)
    assert names == NAMES and [(s.name, s.density, s.kept_energy) for s in found] == \
        [(NAMES[2], 0.5, 0.9), (NAMES[0], 0.25, 0.7)]
    solved.begin(tmp_path, NAMES[:1])  # the run starts over
    assert solved.read(tmp_path) == (NAMES[:1], [])


@pytest.mark.parametrize("tail", [b'{"name": "layer.1.qu', b"[1, 2]\n", b"\xff\xfe\n", b"[" * 100_000,
                                  b'{"name": "another", "density": 1, "kept_energy": 1}\n',
                                  b'{"name": "layer.1.query", "density": "much", "kept_energy": 1}\n'])
def test_half_a_line_or_a_foreign_one_is_left_out(tmp_path: Path, tail: bytes) -> None:
    solved.begin(tmp_path, NAMES)
    solved.add(tmp_path, NAMES[0], 0.5, 0.9)
    with (tmp_path / solved.FOLDER / solved.FILE).open("ab") as stream:
        stream.write(tail)
    assert [s.name for s in solved.read(tmp_path)[1]] == NAMES[:1]


def test_no_link_is_followed(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
    solved.begin(other, NAMES)
    (mine / solved.FOLDER).symlink_to(other / solved.FOLDER)
    assert solved.read(mine) == ([], [])
    (mine / solved.FOLDER).unlink()
    (mine / solved.FOLDER).mkdir()
    (mine / solved.FOLDER / solved.FILE).symlink_to(other / solved.FOLDER / solved.FILE)
    assert solved.read(mine) == ([], [])


@pytest.mark.parametrize("most", [1, 7, 128, 999, 1000, 5000, 0])
def test_a_part_of_the_evaluation_is_evenly_spaced_and_in_order(most: int) -> None:
    data = load_task("agreement")
    n = len(data.evaluation)
    whole = replace(data, evaluation=replace(data.evaluation, text=[str(k) for k in range(n)],
                                             labels=np.arange(n, dtype=np.int64)))
    part = scored_on(whole, most).evaluation
    took = [int(text) for text in part.text]
    assert took == part.labels.tolist() and len(took) == (min(most, n) or n)
    gaps = np.diff([*took, n])
    assert took[0] == 0 and gaps.min() >= 1 and gaps.max() <= np.ceil(n / len(took))
    assert scored_on(whole, most).train is whole.train
