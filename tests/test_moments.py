"""What a run keeps of its feature maps over time, and the check of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from core.inside.capture import capture
from core.models.encoding import collate, encode
from core.models.loading import load_model
from core.running.moments import SAMPLE, Moments, Subject
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.checks.moment_check import moments_wrong
from core.runs.keeping import keep
from core.runs.records import RunSpec
from core.runs.regions import EDGES, MAPS, QUIET, REGION
from core.runs.store import Run, Store, read_header
from core.tasks.loading import load_task
from core.tasks.probes import PROBES


def spec(method: str, **given: Any) -> RunSpec:
    values = {"task": "agreement", "model": "tiny", "train_examples": 320, "dev_examples": 50, "dense_epochs": 1,
              "epochs": 2, "calibration": 80, "method": method, "pattern": "2:4"}
    return resolve(values | given)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("moments")
    (root / "cached_runs").mkdir()
    return Store(recorded=root / "cached_runs", live=root / "runs")


@pytest.fixture(scope="module")
def opened(store: Store) -> Run:
    return store.open(run(spec("pattern-admm", knobs={"strength": 5.0, "maps": "ffn"}), store=store).id)


def test_moments_run_from_the_dense_model_to_the_final_one(opened: Run) -> None:
    moments = opened.record.moments
    assert [m.k for m in moments] == list(range(9))
    assert [m.phase for m in moments] == ["dense", "start", *["admm"] * 5, "hard-pruned", "final"]
    steps = [m.step for m in moments]
    assert steps[0] == steps[1] == 0 and steps == sorted(steps) and 2 * steps[7] == steps[8]
    gaps = np.diff(steps[1:8])
    assert gaps.max() - gaps.min() <= 1  # evenly spaced
    report = check(opened)
    assert not report.problems and "9 moments of 3 feature maps: shares and regions agree" in report.verified


def test_probe_regions_are_those_of_the_recorded_activations(opened: Run) -> None:
    """The block's regions at the first and last moment against the activations that another module kept (int8)."""
    assert opened.parent is not None
    for k, source in ((0, opened.parent), (8, opened)):
        for probe in opened.record.probes:
            for layer in (1, 2):
                values = source.activation(probe.id, layer)
                norms = opened.region(k, "block", probe.id, layer)
                assert values is not None and norms is not None
                loop = [[np.linalg.norm(token[i : i + REGION]) for i in range(0, len(token), REGION)]
                        for token in values]
                assert np.allclose(norms, loop, atol=np.abs(values).max() / 127 * 4 / 2)  # half a code, sqrt(16) of it
    assert opened.region(99, "block", "p0", 1) is None


def test_dense_shares_and_distributions_equal_a_naive_pass(opened: Run, store: Store) -> None:
    """The sample is taken by hand, one sentence at a time, through the dense model's own hidden states."""
    dense = opened.parent
    assert dense is not None
    loaded = load_model("tiny", labels=2, seed=0, checkpoint=dense.path / "checkpoint")
    data = encode(loaded.tokenizer, load_task("agreement", data_dir=None, train_examples=320, dev_examples=50).train,
                  opened.record.spec.max_length)
    order = np.random.default_rng([0, 1]).permutation(320)[:80].tolist()
    order.sort(key=lambda i: len(data.ids[i]))
    sample = [order[int(80 / SAMPLE * k)] for k in range(SAMPLE)]
    states: list[np.ndarray] = []
    with torch.no_grad():
        for i in sample:
            out = loaded.model(**collate(data, [i], 0), output_hidden_states=True)
            states.append(out.hidden_states[2][0].numpy())
    values = np.concatenate(states)
    norms = np.sqrt((values.reshape(len(values), -1, REGION) ** 2).sum(-1))
    first = opened.record.moments[0]
    assert first.median["block"][1] == pytest.approx(float(np.median(norms)), rel=1e-4)
    assert first.quiet["block"][1] == pytest.approx(float((norms < QUIET * np.median(norms)).mean()), abs=1e-5)
    assert first.loudness["block"][1] == pytest.approx(float(np.sqrt((norms**2).mean())), rel=1e-4)
    counts = opened.array("distribution/0/block/2")
    assert counts is not None
    inner, _ = np.histogram(np.abs(values), [0, *EDGES, np.inf])
    assert np.abs(counts - inner).sum() <= 4  # batching moves a value across an edge at most here and there
    assert counts.sum() == values.size
    assert opened.array("distribution/3/block/2") is None and opened.array("distribution/8/ffn/1") is not None


def test_shares_at_one_level_are_those_of_rescaled_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that only shrank to a tenth is quiet, and at the dense model's level it is what it was."""
    moments = Moments(tmp_path)
    dense = np.random.default_rng(0).gamma(2.0, size=400).astype(np.float32)
    spread = np.where(np.arange(400) < 40, dense * 10, dense / 10).astype(np.float32)
    norms = iter([dense, dense / 10, spread])
    moments.subject = Subject(nn.Linear(1, 1), [], [], {})

    def sample(self: Moments, of: object, counted: bool) -> Any:
        return {"ffn": {1: now}}, {}

    monkeypatch.setattr(Moments, "_sample", sample)
    monkeypatch.setattr(Moments, "_probes", lambda self, of: {})
    for phase in ("dense", "start", "final"):
        now = next(norms)
        moments.look(phase, 0)
    first, shrunk, gathered = moments.taken
    limit = QUIET * sorted(dense.tolist())[199:201][0]
    assert first.quiet == first.level and 0.02 < first.quiet["ffn"][0] < 0.2
    assert shrunk.quiet["ffn"][0] > 0.9 and shrunk.level["ffn"][0] == pytest.approx(first.quiet["ffn"][0], abs=0.01)
    rms = [float(np.sqrt((v.astype(float) ** 2).mean())) for v in (dense, spread)]
    assert gathered.level["ffn"][0] == pytest.approx(float((spread * rms[0] / rms[1] < limit).mean()), abs=0.01)
    assert gathered.level["ffn"][0] > 0.8


def test_strength_is_seen_in_the_shares_and_in_the_trace(opened: Run) -> None:
    moments = opened.record.moments
    for shares in ("quiet", "level"):
        first, last = (np.mean(getattr(m, shares)["ffn"]) for m in (moments[0], moments[-1]))
        assert last > 2 * first + 0.02
    rows = [row for row in opened.trace if row["step"]]
    assert all(0.0 <= row["quiet"] <= 1.0 for row in rows) and rows[-1]["quiet"] > rows[0]["quiet"]


def test_looking_changes_nothing(store: Store, opened: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run by someone who never looks ends with the same weights."""
    monkeypatch.setattr(Moments, "look", lambda *args, **more: False)
    blind = Store(recorded=store.live, live=tmp_path)
    other = run(opened.record.spec, store=Store(store.recorded, tmp_path / "runs"))
    assert other.moments == [] and blind.recorded.exists()
    seen = blind.open(opened.record.id)
    again = Store(store.recorded, tmp_path / "runs").open(other.id)
    for m in seen.record.matrices:
        assert np.array_equal(seen.array(f"weight/{m.name}"), again.array(f"weight/{m.name}"))
    assert other.results == seen.record.results


@pytest.mark.parametrize("at", ["admm", "hard-pruned", "final"])
def test_a_run_that_was_stopped_keeps_its_moments(store: Store, opened: Run, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Stopped while it looked: with what it had written, resumed it ends as if nothing had happened."""
    own = Store(store.recorded, tmp_path / "runs")
    original: Callable[..., bool] = Moments.look

    def stop(self: Moments, phase: str, step: int, *more: Any) -> bool:
        if phase == at and len(self.taken) > 2:
            raise KeyboardInterrupt
        return original(self, phase, step, *more)

    monkeypatch.setattr(Moments, "look", stop)
    monkeypatch.setattr("core.running.training.Loop.checkpoint_every", 5)
    with pytest.raises(KeyboardInterrupt):
        run(opened.record.spec, store=own)
    monkeypatch.setattr(Moments, "look", original)
    record = run(opened.record.spec, store=own, resume=True)
    assert record.moments == opened.record.moments
    again = own.open(record.id)
    held = opened.arrays()
    assert {k: v.tobytes() for k, v in again.arrays().items()} == {k: v.tobytes() for k, v in held.items()}


@pytest.mark.parametrize(("method", "given", "phases"), [
    ("magnitude", {"epochs": 0}, ["dense", "final"]),
    ("admm-layer", {"epochs": 1}, ["dense", "hard-pruned", "final"]),
    ("nxm-admm", {"epochs": 1}, ["dense", "start", *["admm"] * 5, "final"])])
def test_other_methods_have_the_moments_they_have(store: Store, method: str, given: dict[str, Any],
                                                  phases: list[str]) -> None:
    record = run(spec(method, **given), store=store)
    assert [m.phase for m in record.moments] == phases
    assert not check(store.open(record.id)).problems


def test_levels_keep_regions_from_masks_on_and_the_shares_always(store: Store, opened: Run) -> None:
    for level, held in (("summary", False), ("masks", True)):
        keep(store, opened.record.id, level)  # type: ignore[arg-type]
        kept = Store(store.recorded, store.live.parent / "none").open(opened.record.id)
        assert kept.record.moments == opened.record.moments
        assert any(k.startswith("region/") for k in kept.keys) == held
        assert any(k.startswith("distribution/") for k in kept.keys) == held
        assert not check(replace(kept, parent=opened.parent, _cache={})).problems


def test_a_dense_run_keeps_none(opened: Run) -> None:
    assert opened.parent is not None
    assert opened.parent.record.moments == [] and not [k for k in opened.parent.keys if k.startswith("region/")]


def test_a_model_whose_maps_cannot_be_told_has_no_moments(tmp_path: Path) -> None:
    class Bare(torch.nn.Module):
        base_model_prefix = ""

        @property
        def base_model(self) -> torch.nn.Module:
            return self

    moments = Moments(tmp_path)
    moments.begin(Bare(), None, [], (), 8)
    assert moments.taken == [] and moments.arrays() == {} and not moments.look("final", 3)


DAMAGE: list[tuple[str, Callable[[Any, dict[str, np.ndarray]], None], str]] = [
    ("a region map is gone", lambda r, a: a.pop("region/4/ffn/p0/1"), "moment 4: no regions ffn/p0/1"),
    ("a token too many", lambda r, a: a.update({"region/4/ffn/p0/1": np.zeros((99, 16), np.float16)}), "99, 16"),
    ("a negative norm", lambda r, a: a["region/2/block/p1/2"].__setitem__((0, 0), -1), "negative"),
    ("a count is lost", lambda r, a: a["distribution/8/ffn/1"].__isub__(1), "counts"),
    ("other numbers of values", lambda r, a: a["distribution/8/ffn/1"].__iadd__(1), "different numbers"),
    ("a share over one", lambda r, a: r.moments[3].quiet["ffn"].__setitem__(0, 1.5), "moment 3, ffn"),
    ("a map is unknown", lambda r, a: r.moments[3].quiet.pop("ffn"), "moment 3"),
    ("a level is no share", lambda r, a: r.moments[2].level["block"].__setitem__(1, -0.1), "moment 2, block"),
    ("loudness is gone", lambda r, a: r.moments[2].loudness.clear(), "moment 2"),
    ("medians are gone", lambda r, a: r.moments[0].median.clear(), "moment 0, ffn"),
    ("no dense moment", lambda r, a: r.moments.pop(0), "first moment"),
    ("no final moment", lambda r, a: r.moments.pop(), "last moment"),
    ("the order is wrong", lambda r, a: setattr(r.moments[5], "step", 0), "order"),
    ("moments were dropped", lambda r, a: r.moments.clear(), "belongs to no moment"),
]


@pytest.mark.parametrize(("what", "harm", "words"), DAMAGE, ids=[d[0] for d in DAMAGE])
def test_damage_is_named(opened: Run, what: str, harm: Callable[[Any, dict[str, np.ndarray]], None],
                         words: str) -> None:
    record = msgspec.convert(msgspec.to_builtins(read_header(opened.path)), type(opened.record))
    arrays = {k: v.copy() for k, v in opened.arrays().items()}
    assert moments_wrong(record, arrays) == []
    harm(record, arrays)
    assert any(words in line for line in moments_wrong(record, arrays))


def test_the_probes_are_read_as_the_pictures_read_them(opened: Run) -> None:
    """Same tokens as `capture` sees: one row of regions for each."""
    assert opened.parent is not None
    loaded = load_model("tiny", labels=2, seed=0, checkpoint=opened.parent.path / "checkpoint")
    captured = capture(loaded.model, loaded.tokenizer, PROBES["agreement"], opened.record.spec.max_length)
    for probe in captured.probes:
        for kind in MAPS:
            norms = opened.region(0, kind, probe.id, 1)
            assert norms is not None and len(norms) == len(probe.tokens)
