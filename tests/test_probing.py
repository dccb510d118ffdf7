"""The measurement of this machine: kept by what it depends on, used where no run was timed here."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from core.errors import InputError
from core.live import estimates, probing, workers
from core.runs.records import RunSpec
from core.runs.store import Store, read_header, write_header
from core.specs.resolving import resolve
from tests.makers import make_run
from tests.opening import open_page, said
from ui.run_words import expectation

SPEC = resolve({"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4", "epochs": 4})


def clock(step: float) -> object:
    """A stopwatch that has measured *step* seconds."""
    return lambda spec: json.dumps({"step": step, "steps": 9, "weights_mb": 10.0, "peak_mb": 400.0}).encode()


@pytest.fixture(autouse=True)
def no_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)


def timed(store: Store, root: Path) -> tuple[float, int]:
    """A run in *root* whose training took 30 s: the seconds of all its phases, the steps of its trace."""
    made = make_run(root, epochs=4.0)
    record = read_header(root / made)
    record.timing.phases = {"load": 2.0, "train": 30.0, "evaluate": 8.0}
    write_header(root / made, record)
    return 40.0, store.open(made).trace[-1]["step"]


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_recorded_run_is_scaled_by_the_ratio_of_a_step(empty_store: Store, factor: float) -> None:
    total, steps = timed(empty_store, empty_store.recorded)
    before = estimates.estimate(empty_store, SPEC)
    assert before.seconds == pytest.approx(total) and not before.here and before.memory_mb is None
    probing.measure(empty_store, SPEC, clock(factor * 30.0 / steps))  # type: ignore[arg-type]
    after = estimates.estimate(empty_store, SPEC)
    assert after.seconds == pytest.approx(factor * total) and after.here
    assert after.memory_mb == pytest.approx(400 + 3 * 10)  # the peak, and W0, Z and U
    assert f"{factor:.2g} times as long" in expectation(after) and "or more" in expectation(after)


def test_a_run_made_here_needs_no_scaling(empty_store: Store) -> None:
    timed(empty_store, empty_store.live)
    plain = estimates.estimate(empty_store, SPEC)
    probing.measure(empty_store, SPEC, clock(5.0))  # type: ignore[arg-type]
    assert estimates.estimate(empty_store, SPEC).seconds == plain.seconds == 40.0 and plain.here


def test_without_any_run_the_step_is_said_and_no_time_invented(empty_store: Store) -> None:
    probing.measure(empty_store, SPEC, clock(0.25))  # type: ignore[arg-type]
    found = estimates.estimate(empty_store, SPEC)
    assert found.seconds is None and "a training step takes 0.25 s" in expectation(found)


@pytest.mark.parametrize("change", [{"model": "minilm-l6"}, {"batch_size": 8}, {"task": "entailment"}])
def test_it_is_kept_for_what_it_depends_on(empty_store: Store, change: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    probing.measure(empty_store, SPEC, clock(0.25))  # type: ignore[arg-type]
    found = probing.read(empty_store, SPEC)
    assert found is not None and (found.step, found.model) == (0.25, "tiny")
    assert probing.read(empty_store, msgspec.structs.replace(SPEC, seed=5)) is not None
    assert probing.read(empty_store, msgspec.structs.replace(SPEC, **change)) is None
    monkeypatch.setattr(workers, "threads", lambda: 999)
    assert probing.read(empty_store, SPEC) is None


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"step": -1, "steps": 1, "weights_mb": 1, "peak_mb": 1}',
                                  b'{"step": 1e999, "steps": 1, "weights_mb": 1, "peak_mb": 1}'])
def test_a_damaged_file_counts_as_no_measurement(empty_store: Store, text: bytes) -> None:
    probing.measure(empty_store, SPEC, clock(0.25))  # type: ignore[arg-type]
    probing.file_of(empty_store, SPEC).write_bytes(text)
    assert probing.read(empty_store, SPEC) is None
    assert estimates.estimate(empty_store, SPEC).seconds is None


@pytest.mark.parametrize(("name", "low", "high"), [("step", 1e-9, 999_999.5), ("weights_mb", 0.0, 999_999_999.5),
                                                   ("peak_mb", 0.0, 999_999_999.5)])
def test_a_figure_that_no_machine_has_counts_as_no_measurement(empty_store: Store, name: str, low: float,
                                                               high: float) -> None:
    good = {"step": 0.25, "steps": 9, "weights_mb": 10.0, "peak_mb": 400.0}
    probing.measure(empty_store, SPEC, clock(0.25))  # type: ignore[arg-type]
    file = probing.file_of(empty_store, SPEC)
    for value, taken in ((low, True), (0.25, True), (high, True), (high + 0.5, False), (-1e-9, False), (-0.5, False),
                         (-1.0, False), (-1e300, False), (0.0, name != "step")):
        file.write_bytes(json.dumps(good | {name: value}).encode())
        assert (probing.read(empty_store, SPEC) is not None) is taken, value


@pytest.mark.parametrize(("task", "longest", "tokens"), [
    ("cola", 128, 16), ("agreement", 48, 16), ("sst2", 8, 8), ("mrpc", 128, 48), ("entailment", 48, 48),
    ("mrpc", 47, 47)])
def test_a_typical_text_is_one_sentence_or_two_and_never_longer_than_the_run_reads(task: str, longest: int,
                                                                                   tokens: int) -> None:
    assert probing.tokens_of(resolve({"task": task, "model": "tiny", "max_length": longest})) == tokens


def test_warnings_around_the_figures_are_not_them(empty_store: Store) -> None:
    figures = clock(0.5)(SPEC)  # type: ignore[operator]
    found = probing.measure(empty_store, SPEC, lambda spec: b"Warning: slow\n" + figures + b"\n[W] leaked\n")
    assert found.step == 0.5


def test_a_measurement_that_fails_says_so(empty_store: Store) -> None:
    with pytest.raises(InputError, match=r"gave no figures.*Try again"):
        probing.measure(empty_store, SPEC, lambda spec: b"")
    assert probing.read(empty_store, SPEC) is None


def test_the_page_measures_when_asked_only(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    asked: list[RunSpec] = []
    real = probing.measure
    monkeypatch.setattr(probing, "measure", lambda store, spec: (
        asked.append(spec), real(store, spec, clock(0.25)))[1])  # type: ignore[arg-type]
    app = open_page(monkeypatch, empty_store, "run")
    assert not asked
    next(b for b in app.button if b.label == "Measure this machine").click().run()
    assert not app.exception and len(asked) == 1
    assert "a training step takes 0.25 s on this machine" in said(app)
    assert not [b for b in app.button if b.label == "Measure this machine"]


@pytest.mark.slow
def test_a_real_measurement_of_tiny(empty_store: Store) -> None:
    found = probing.measure(empty_store, SPEC)
    assert 1e-4 < found.step < 60 and found.steps >= 1
    assert 50 < found.peak_mb < 4000 and 0.1 < found.weights_mb < 5  # about 120 000 weights of 4 bytes
    assert probing.read(empty_store, SPEC) == found
