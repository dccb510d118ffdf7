"""Sweep files: how they multiply out, what is refused, what is skipped, continued and reported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import InputError
from core.runs.records import RunRecord, RunSpec
from core.runs.store import REPOSITORY, Store
from core.specs.recipes import LARGEST, Planned, carry_out, plan, read_sweep
from tests import damage, makers

FILE = """
title = "Two tasks"

[defaults]
model = "tiny"
seed = 0
knobs = { rho_start = 0.01 }

[[runs]]
method = "dense"
task = ["agreement", "sentiment"]
knobs = {}

[[runs]]
task = "agreement"
method = ["asp", "admm"]
pattern = ["2:4", "1:4"]
seed = [0, 1]
epochs = 2

[[runs]]
task = "agreement"
[runs.knobs]
rho_end = [0.1, 1.0]
dual = true
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "a-sweep.toml"
    file.write_text(text, encoding="utf-8")
    return file


def simple(given: dict[str, Any]) -> RunSpec:
    """A resolver without models and methods: what is given, and the defaults of RunSpec."""
    return msgspec.convert(given, RunSpec)


def test_lists_multiply_out_in_the_order_of_the_file(tmp_path: Path) -> None:
    sweep = read_sweep(write(tmp_path, FILE))
    start = {"rho_start": 0.01}
    base = {"model": "tiny", "task": "agreement", "epochs": 2, "knobs": start}
    assert sweep.title == "Two tasks"
    assert sweep.runs == [
        {"model": "tiny", "seed": 0, "method": "dense", "task": "agreement", "knobs": start},
        {"model": "tiny", "seed": 0, "method": "dense", "task": "sentiment", "knobs": start},
        base | {"method": "asp", "pattern": "2:4", "seed": 0},
        base | {"method": "asp", "pattern": "2:4", "seed": 1},
        base | {"method": "asp", "pattern": "1:4", "seed": 0},
        base | {"method": "asp", "pattern": "1:4", "seed": 1},
        base | {"method": "admm", "pattern": "2:4", "seed": 0},
        base | {"method": "admm", "pattern": "2:4", "seed": 1},
        base | {"method": "admm", "pattern": "1:4", "seed": 0},
        base | {"method": "admm", "pattern": "1:4", "seed": 1},
        {"model": "tiny", "seed": 0, "task": "agreement", "knobs": start | {"rho_end": 0.1, "dual": True}},
        {"model": "tiny", "seed": 0, "task": "agreement", "knobs": start | {"rho_end": 1.0, "dual": True}},
    ]


def test_a_file_without_a_title_is_called_by_its_name(tmp_path: Path) -> None:
    assert read_sweep(write(tmp_path, '[[runs]]\ntask = "cola"')).title == "a-sweep"


@pytest.mark.parametrize(("text", "expected"), [
    ("[[runs]]\ntask = = 3", r"a-sweep.toml is not TOML: .*line 2.* Correct that line\."),
    ("[[run]]\ntask = 'cola'", r"Unknown key of a-sweep.toml 'run'.* Did you mean 'runs'\?"),
    ("[defaults]\nepocs = 2\n[[runs]]\ntask = 'cola'",
     r"Unknown setting in a-sweep.toml, \[\[runs\]\] number 1: 'epocs'.* Did you mean 'epochs'\?"),
    ("[[runs]]\ntask = 'cola'\n[[runs]]\ntask = 'cola'\npatern = '2:4'",
     r"\[\[runs\]\] number 2: 'patern'.* Did you mean 'pattern'\?"),
    ("title = 'x'", r"a-sweep.toml has no \[\[runs\]\]. Expected at least one"),
    ("[runs]\ntask = 'cola'", r"has no \[\[runs\]\].* Note the double brackets: \[\[runs\]\]\."),
    ("runs = []", r"has no \[\[runs\]\]"),
    ("title = 3\n[[runs]]\ntask = 'cola'", r"title or defaults of a-sweep.toml is of the wrong kind"),
    ("[[runs]]\ntask = 'cola'\nseed = []", r"seed in a-sweep.toml, \[\[runs\]\] number 1 is an empty list"),
    ("[[runs]]\ntask = 'cola'\nseed = [0, 'one']", r"seed = 'one' in .* is of the wrong kind \(Expected `int`"),
    ("[[runs]]\ntask = 'cola'\nrecord = 'everything'", r"record = 'everything' in .* is of the wrong kind"),
    ("[[runs]]\ntask = 'cola'\nknobs = 3", r"knobs in .* is no table"),
    ("[[runs]]\ntask = 'cola'\nknobs = { rho = [[1]] }", r"knobs\.rho = '\[1\]' in .* is of the wrong kind"),
    (f"[[runs]]\ntask = 'cola'\nseed = {list(range(101))}\ncalibration = {list(range(1, 101))}",
     rf"makes more than {LARGEST} runs"),
])
def test_what_is_wrong_in_a_file_is_said_with_its_place(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=expected):
        read_sweep(write(tmp_path, text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read .*none.toml \(No such file or directory\). Expected a sweep"):
        read_sweep(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"\(Is a directory\)"):
        read_sweep(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_sweep(tmp_path / "bytes.toml")


def test_the_plan_skips_what_succeeded_under_any_root(empty_store: Store, tmp_path: Path) -> None:
    sweep = read_sweep(write(tmp_path, '[[runs]]\ntask = "agreement"\nmodel = "tiny"\nseed = [0, 1, 2, 3, 4, 5]'))
    specs = [simple(given) for given in sweep.runs]
    fields = {"method": "admm", "record": "summary"}
    makers.make_run(empty_store.live, seed=0, **fields)
    makers.make_run(empty_store.recorded, seed=1, **fields)
    makers.make_run(empty_store.live, seed=2, status="failed", **fields)
    makers.make_run(empty_store.recorded, seed=3, **fields)  # recorded, and a failed attempt to make it again
    makers.make_run(empty_store.live, seed=3, status="failed", **fields)
    makers.make_run(empty_store.live, seed=4, **fields)
    damage.change_header(empty_store.live / specs[4].run_id, schema="broken")
    planned = plan(sweep, empty_store, simple)
    assert [p.spec.run_id for p in planned] == [s.run_id for s in specs]
    assert [p.state for p in planned] == ["done", "done", "unfinished", "done", "unfinished", "new"]


def test_a_run_that_is_listed_twice_is_planned_once(empty_store: Store, tmp_path: Path) -> None:
    text = '[[runs]]\ntask = "cola"\nseed = [0, 0]\n[[runs]]\ntask = "cola"\nseed = 0'
    assert len(plan(read_sweep(write(tmp_path, text)), empty_store, simple)) == 1


def test_every_run_is_resolved_before_any_is_made(empty_store: Store, tmp_path: Path) -> None:
    from core.specs.resolving import resolve

    text = '[[runs]]\ntask = ["cola", "colla"]'
    with pytest.raises(InputError, match="Unknown task 'colla'"):
        plan(read_sweep(write(tmp_path, text)), empty_store, resolve)


def planned(state: Any = "new") -> Planned:
    return Planned(RunSpec(task="cola"), {"task": "cola"}, state)


@pytest.mark.parametrize(("state", "resume"), [("new", False), ("unfinished", True)])
def test_an_unfinished_run_is_continued_with_what_the_file_gave(state: str, resume: bool) -> None:
    seen: dict[str, Any] = {}

    def run(spec: RunSpec, **options: Any) -> RunRecord:
        seen.update(options, spec=spec)
        return RunRecord(schema=1, id="x", status="succeeded", created="", spec=spec)

    outcome = carry_out(planned(state), run, store="the store", data_dir=None)
    assert outcome.error is None and outcome.record and outcome.record.id == "x"
    assert seen == {"spec": RunSpec(task="cola"), "resume": resume, "given": {"task": "cola"}, "store": "the store",
                    "data_dir": None}


def test_a_person_s_mistake_and_our_own_fault_become_outcomes() -> None:
    def mistaken(spec: RunSpec, **options: Any) -> RunRecord:
        raise InputError("A", "b", "C.")

    def broken(spec: RunSpec, **options: Any) -> RunRecord:
        raise ZeroDivisionError("by nothing")

    def failed(spec: RunSpec, **options: Any) -> RunRecord:
        return RunRecord(schema=1, id="x", status="failed", created="", spec=spec, error="the loss is NaN")

    assert carry_out(planned(), mistaken).error == "A. Expected b. C."
    assert carry_out(planned(), mistaken).fault is None
    assert (carry_out(planned(), broken).error or "").startswith(
        "A fault of SparseScope, not of what was given (ZeroDivisionError: by nothing). Please report it with the "
        "traceback and this command: python -m core run --task cola ")
    assert "in broken" in (carry_out(planned(), broken).fault or "")
    assert carry_out(planned(), failed).error == "the loss is NaN"


def test_stopping_the_sweep_stops_it() -> None:
    def stopped(spec: RunSpec, **options: Any) -> RunRecord:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(planned(), stopped)


def test_every_sweep_of_the_repository_reads_and_resolves(empty_store: Store) -> None:
    from core.specs.resolving import resolve

    files = sorted((REPOSITORY / "sweeps").glob("*.toml"))
    assert files
    for file in files:
        sweep = read_sweep(file)
        found = plan(sweep, empty_store, resolve)
        assert len(found) == len(sweep.runs), f"{file.name} lists a run twice"
        assert re.search(r"\w", sweep.title)
