"""A run's film, as it is kept and as it is read: planted moments, real small runs, damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from core.errors import InputError
from core.methods import build
from core.methods.base import RoundState
from core.running import snapshots
from core.running.pipeline import resolve, run
from core.runs import filmed
from core.runs.checks.folder_check import check
from core.runs.keeping import keep
from core.runs.store import Run, Store, write_arrays, write_header

QUICK: dict[str, Any] = {"task": "agreement", "model": "tiny", "train_examples": 320, "dev_examples": 50,
                         "dense_epochs": 1, "epochs": 2, "calibration": 40, "method": "admm", "pattern": "2:4"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("films")
    (root / "cached_runs").mkdir()
    return Store(recorded=root / "cached_runs", live=root / "runs")


@pytest.fixture(scope="module")
def from_layers(store: Store) -> Run:
    return store.open(run(resolve(QUICK | {"film": 5}), store=store).id)


@pytest.fixture(scope="module")
def from_dense(store: Store) -> Run:
    given = QUICK | {"film": 5, "knobs": {"start": "dense", "rho_start": 1e-3}}
    return store.open(run(resolve(given), store=store).id)


@pytest.fixture(scope="module")
def corners(store: Store) -> Run:
    """The same run again, kept as a film of corners: its level holds no whole snapshots."""
    given = QUICK | {"film": 5, "record": "masks", "knobs": {"start": "dense", "rho_start": 1e-3, "rho_end": 0.31}}
    return store.open(run(resolve(given), store=store).id)


def phases(run: Run) -> list[str]:
    matrix = run.record.matrices[0].name
    return [frame.phase for frame in filmed.filmed(run, matrix).frames]


def test_a_film_from_layers_begins_dense_and_goes_through_the_rounds(from_layers: Run) -> None:
    rounds = snapshots.marks_of(24, snapshots.ROUNDS)
    assert phases(from_layers) == ["dense", *["layer-wise"] * len(rounds), *["admm"] * 5, "hard-pruned", "final"]
    steps = [s.step for s in from_layers.record.snapshots]
    assert steps[:len(rounds)] == rounds and (rounds[0], rounds[-1]) == (1, 24)
    assert np.diff(steps[len(rounds):]).min() > 0
    assert not check(from_layers).problems


def test_a_film_from_dense_weights_has_no_rounds_and_begins_with_them(from_dense: Run) -> None:
    assert phases(from_dense) == ["dense", *["admm"] * 5, "hard-pruned", "final"]
    assert from_dense.parent is not None
    name = from_dense.record.matrices[0].name
    first = from_dense.snapshot(0, "w", name)
    dense = from_dense.parent.weight(name)
    assert first is not None and dense is not None and np.array_equal(first, dense)
    assert not np.any(from_dense.snapshot(0, "u", name))
    assert not check(from_dense).problems


@pytest.mark.parametrize("metric", ["none", "norms"])
def test_a_start_from_dense_weights_projects_them_and_forgets_what_that_left(metric: str) -> None:
    from types import SimpleNamespace

    from core.methods.base import Context
    from core.sparsity.patterns import parse_pattern

    weight = torch.tensor([[4.0, -3.0, 2.0, 1.0], [1.0, 1.5, -2.0, 0.5]])
    norms = torch.tensor([1.0, 1.0, 10.0, 1.0])
    layer = torch.nn.Linear(4, 2, bias=False)
    layer.weight.data.copy_(weight)
    method = build("admm", {"start": "dense", "metric": metric})
    assert method.start is None
    stats: Any = {"a": SimpleNamespace(norms=norms, gram=None, tokens=1)}
    method.prepare({"a": layer}, Context(pattern=parse_pattern("2:4"), total_steps=10, dense={"a": weight.clone()},
                                         stats=stats, solution={}, lr=lambda step: 0.1))
    kept = {"none": [[1, 1, 0, 0], [0, 1, 1, 0]], "norms": [[1, 0, 1, 0], [0, 1, 1, 0]]}[metric]
    mask = torch.tensor(kept).bool()
    assert torch.equal(method.support["a"], mask)
    assert torch.equal(method.feasible()["a"], weight * mask) and torch.equal(layer.weight.data, weight)
    assert not method.u[0].any()
    assert method.measures()["primal"] == pytest.approx(float((weight * ~mask).norm() / weight.norm()))


def test_rounds_are_seen_in_the_unit_of_the_weights_and_change_nothing() -> None:
    from types import SimpleNamespace

    from core.sparsity.patterns import parse_pattern

    generator = torch.Generator().manual_seed(5)
    x = torch.randn(80, 12, generator=generator) * torch.logspace(-1, 1, 12)
    weight, gram = torch.randn(6, 12, generator=generator), x.T @ x
    stats: Any = SimpleNamespace(norms=gram.diagonal().sqrt(), gram=gram, tokens=80)
    method, seen = build("admm-layer", {"iterations": 7}), list[tuple[int, torch.Tensor, torch.Tensor, float]]()
    assert method.rounds == 7 and build("magnitude").rounds == 0

    def note(at: RoundState) -> None:
        seen.append((at.number, at.w.clone(), at.mask.clone(), at.primal))

    watched = method.solve_watched(weight, stats, parse_pattern("2:4"), note)
    alone = method.solve(weight, stats, parse_pattern("2:4"))
    assert torch.equal(watched.weight, alone.weight) and [n for n, *_ in seen] == list(range(1, 8))
    assert torch.allclose(seen[-1][1], alone.w) and torch.equal(seen[-1][2], alone.mask)
    assert [p for *_, p in seen] == [row["primal"] for row in alone.trace]


def test_a_corner_film_counts_the_whole_matrix_and_shows_its_corner(corners: Run) -> None:
    assert not corners.record.snapshots and phases(corners) == ["dense", *["admm"] * 5, "hard-pruned", "final"]
    report = check(corners)
    assert not report.problems and any(line.startswith("film of 8 moments") for line in report.verified)
    for entry in corners.record.matrices:
        film = filmed.filmed(corners, entry.name)
        mask, size = corners.mask(entry.name), entry.shape[0] * entry.shape[1]
        assert not film.whole and film.shape == entry.shape and mask is not None
        for frame in film.frames:
            assert frame.w.shape == (64, 64) and frame.kept.sum() + frame.gone.sum() == size
            assert frame.occupancy.sum() == size // 4
        last = film.frames[-1]
        assert last.mask is not None and np.array_equal(last.mask, mask[:64, :64])
        assert last.occupancy.tolist() == [0, 0, size // 4, 0, 0]
        assert not np.any(last.w[last.mask == 0])


def test_whole_and_corner_films_read_alike(store: Store, from_dense: Run) -> None:
    """The recorded moments of the whole film, kept again as corners by hand, give the frames of the whole one."""
    name = next(m.name for m in from_dense.record.matrices if m.shape == (64, 64))
    for frame in filmed.filmed(from_dense, name).frames:
        if frame.mask is None or frame.phase in filmed.PRUNED:
            continue
        loop = np.zeros((2, filmed.BINS), int)
        limit = filmed.filmed(from_dense, name).limit
        for value, inside in zip(frame.w.ravel().tolist(), frame.mask.ravel().tolist(), strict=True):
            place = min(max(int(np.floor((value + limit) / (2 * limit) * filmed.BINS)), 0), filmed.BINS - 1)
            loop[0 if inside else 1, place] += 1
        # A weight on the edge of two bins may fall to either side of it.
        assert np.abs(loop - [frame.kept, frame.gone]).sum() <= 4
        ranked = np.zeros(frame.w.size, bool)
        ranked[np.argsort(-np.abs(frame.w).ravel(), kind="stable")[: frame.w.size // 2]] = True
        groups = ranked.reshape(-1, 4).sum(1)
        assert frame.occupancy.tolist() == [int((groups == n).sum()) for n in range(5)]


def test_without_moments_the_two_ends_are_left(store: Store) -> None:
    spec = resolve(QUICK | {"method": "magnitude", "epochs": 0, "record": "full"})
    opened = store.open(run(spec, store=store).id)
    assert phases(opened) == ["dense", "final"] and not filmed.has_film(opened.record)


def test_bad_arrays_of_a_film_are_said(tmp_path: Path, corners: Run, from_dense: Run) -> None:
    name = corners.record.matrices[0].name
    with pytest.raises(InputError, match="has no matrix 'nope'"):
        filmed.filmed(corners, "nope")
    other = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    for source, key, words in ((corners, f"film/3/histogram/{name}", "is not whole"),
                               (corners, f"film/2/w/{name}", "is not whole"),
                               (from_dense, f"snapshot/2/u/{name}", "lacks W, U or the mask")):
        folder = tmp_path / "runs" / source.record.id
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder, {k: v for k, v in source.arrays().items() if k != key})
        write_header(folder, source.record)
        with pytest.raises(InputError, match=words):
            filmed.filmed(other.open(source.record.id), name)
        problems = check(other.open(source.record.id)).problems
        assert any("missing" in text or "does not count" in text for text in problems)


def test_the_check_sees_moments_out_of_order_and_counts_that_are_not_the_masks(tmp_path: Path, corners: Run) -> None:
    other = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    folder = tmp_path / "runs" / corners.record.id
    folder.mkdir(parents=True)
    name, arrays = corners.record.matrices[0].name, corners.arrays()
    film = corners.record.film
    swapped = [*film[:2], msgspec.structs.replace(film[2], step=0), *film[3:]]

    def problems(record: Any, held: dict[str, np.ndarray]) -> str:
        write_arrays(folder, held)
        write_header(folder, record)
        return "\n".join(check(other.open(corners.record.id)).problems)

    assert "does not come after" in problems(msgspec.structs.replace(corners.record, film=swapped), arrays)
    wrong = arrays[f"film/7/occupancy/{name}"].copy()
    wrong[1:3] += [1, -1]
    assert "are not those of the final mask" in problems(corners.record, arrays | {f"film/7/occupancy/{name}": wrong})
    flipped = arrays[f"film/7/mask/{name}"].copy()
    flipped[0, 0] ^= 0xC0
    assert "does not end with the final mask" in problems(corners.record, arrays | {f"film/7/mask/{name}": flipped})


def test_below_the_level_masks_a_film_is_not_kept(corners: Run, store: Store) -> None:
    assert corners.record.parent is not None
    keep(store, corners.record.parent)
    keep(store, corners.record.id, level="summary")
    kept = Store(recorded=store.recorded, live=store.recorded / "none").open(corners.record.id)
    assert not kept.record.film and not [key for key in kept.keys if key.startswith("film/")]
    assert not check(kept).problems
    with pytest.raises(InputError, match="record level summary"):
        resolve(QUICK | {"film": 5, "record": "summary"})


def test_a_killed_run_keeps_the_film_of_an_uninterrupted_one(
        store: Store, from_layers: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from core.running.training import Loop, Trainer

    there = Store(recorded=store.recorded, live=tmp_path / "runs")
    shutil.copytree(from_layers.parent.path, there.live / from_layers.parent.record.id)  # type: ignore[union-attr]
    before = Trainer._step
    monkeypatch.setattr(Loop, "checkpoint_every", 3)

    def killed(self: Any, index: Any) -> Any:
        if self.position == 7:
            raise KeyboardInterrupt
        return before(self, index)

    monkeypatch.setattr(Trainer, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(from_layers.record.spec, store=there)
    monkeypatch.setattr(Trainer, "_step", before)
    again = there.open(run(from_layers.record.spec, store=there, resume=True).id)
    assert again.record.snapshots == from_layers.record.snapshots
    one, two = again.arrays(), from_layers.arrays()
    assert one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize(("last", "most"), [(1, 8), (2, 8), (24, 8), (24, 1), (300, 8), (7, 20)])
def test_the_rounds_that_are_kept_hold_both_ends(last: int, most: int) -> None:
    marks = snapshots.marks_of(last, most)
    assert marks[0] == 1 and marks == sorted(set(marks)) and len(marks) <= most
    assert marks[-1] == (last if most > 1 else 1)
