"""The commands, one by one: what they print, what they refuse, how they end."""

from __future__ import annotations

import json
import shlex
import types
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.cli.output import printable
from core.cli.run import parse_knobs
from core.errors import InputError
from core.methods import METHODS
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Store
from tests import damage, makers
from tests.commands import refused

# Looking

def test_list_shows_every_run_and_every_damage(cli: Any, damaged_store: Store) -> None:
    result = cli("list")
    assert result.exit_code == 0
    for entry in damaged_store.entries():
        line = next(text for text in result.stdout.splitlines() if entry.id in text)
        assert line.startswith("damaged: ") == (entry.record is None)
        assert (entry.damage or "") in line


def test_list_gives_the_figures_that_one_looks_for(cli: Any, small_store: Store) -> None:
    lines = {line.split()[0]: line.split() for line in cli("list").stdout.splitlines()}
    run = makers.run_named(small_store, method="magnitude")
    assert lines["id"] == ["id", "task", "model", "method", "pattern", "final", "dense", "sparsity", "status", "from"]
    assert lines[run][1:] == ["agreement", "tiny", "magnitude", "2:4", "0.7200", "0.9000", "0.5000", "succeeded",
                              "recorded"]
    assert lines[makers.run_named(small_store)][-1] == "live"


def test_list_filters(cli: Any, good_store: Store) -> None:
    objects = json.loads(cli("list", "--task", "cola", "--method", "asp", "--json").stdout)
    assert {(o["spec"]["task"], o["spec"]["method"]) for o in objects} == {("cola", "asp")}
    assert len(objects) == 2
    assert cli("list", "--model", "other").stdout == "No runs match.\n"


def test_list_json_holds_the_whole_record_the_command_and_the_sparsity(cli: Any, damaged_store: Store) -> None:
    objects = {o["id"]: o for o in json.loads(cli("list", "--json").stdout)}
    assert set(objects) == {e.id for e in damaged_store.entries()}
    for record in damaged_store.records():
        found = objects[record.id]
        assert found["command"] == record.command
        assert found["sparsity"] == pytest.approx(record.sparsity)
        rest = {k: v for k, v in found.items() if k not in ("command", "sparsity", "recorded")}
        assert msgspec.convert(rest, RunRecord) == record
    assert objects["newer-schema"]["status"] == "damaged"
    assert "schema 99" in objects["newer-schema"]["reason"]


def test_an_empty_store_says_what_to_do(cli: Any, empty_store: Store) -> None:
    assert cli("list").stdout == "No runs yet. See `python -m core run --help`.\n"
    assert json.loads(cli("list", "--json").stdout) == []


def test_show_prints_accuracies_layers_arrays_and_the_command(cli: Any, small_store: Store) -> None:
    record = small_store.open(makers.run_named(small_store)).record
    text = cli("show", record.id).stdout
    assert record.results is not None
    for name in ("dense", "one_shot", "admm_w", "admm_z", "hard_pruned", "final"):
        assert f"{getattr(record.results, name):.4f}" in text
    assert f"again       {record.command}" in text
    assert "12 mask" in text and "12 weight" in text
    layer = next(line.split() for line in text.splitlines() if line.startswith("bert.encoder.layer.1"))
    assert layer[1:4] == ["6", str(4 * 64 * 64 + 2 * 64 * 256), "0.5000"]
    objects = json.loads(cli("show", record.id, "--json").stdout)
    assert objects["arrays"]["mask"] == 12
    assert objects["command"] == record.command


def test_show_says_when_the_arrays_are_damaged_and_shows_the_rest(cli: Any, damaged_store: Store) -> None:
    result = cli("show", "truncated-arrays")
    assert result.exit_code == 0
    assert "cannot be read" in result.stdout and "Hard-pruned" in result.stdout


@pytest.mark.parametrize("words", [("show",), ("export", "--to", "x"), ("check",)])
def test_a_bad_or_unknown_run_is_refused_with_a_remedy(words: tuple[str, ...], cli: Any, small_store: Store) -> None:
    command, *rest = words
    right = makers.run_named(small_store)
    assert f"Did you mean {right!r}?" in refused(cli(command, right[:-1] + "x", *rest))
    bad = cli(command, "../not-there", *rest)
    expected = "There is no folder '../not-there'" if command == "check" else \
        "Run id '../not-there' has characters that no run id has. Expected letters a-z"
    assert expected in refused(bad)
    assert len(refused(cli(command, "y" * 1_000_000, *rest))) < 500


def test_terminal_escapes_in_a_record_are_not_obeyed(cli: Any, empty_store: Store) -> None:
    makers.make_run(empty_store.live, id="evil", status="failed", error="\x1b[2J\x1b]0;owned\x07 \u202egone")
    for words in (("list",), ("show", "evil"), ("check", "evil")):
        assert "\x1b" not in cli(*words).stdout
    assert "\\x1b[2J" in cli("show", "evil").stdout
    assert printable("a\tb\nc é 漢") == "a\tb\nc é 漢"


# Checking

def test_check_passes_whole_runs_by_id_and_by_folder(cli: Any, small_store: Store, tmp_path: Path) -> None:
    ids = [r.id for r in small_store.records()]
    folders = [str(p) for p in (*small_store.recorded.iterdir(), *small_store.live.iterdir())]
    for names in (ids, folders, [f + "/" for f in folders]):
        result = cli("check", *names)
        assert result.exit_code == 0, result.stdout
        assert f"{len(names)} runs checked, no problem" in result.stdout
    assert "masks of 12 matrices, 24 576 groups at 2:4: exact" in result.stdout
    assert "masks were not kept" in result.stdout


def test_check_leaves_a_file_beside_the_runs_out(cli: Any, small_store: Store) -> None:
    note = small_store.recorded / "README.md"
    note.write_text("words")
    folders = [str(p) for p in small_store.recorded.iterdir()]
    result = cli("check", *folders)
    assert result.exit_code == 0 and "3 runs checked" in result.stdout
    assert "README.md' is a file. Expected a run id or a run folder" in refused(cli("check", str(note)))


def test_check_of_a_flipped_bit_exits_1_and_names_matrix_group_and_count(cli: Any, small_store: Store) -> None:
    run = small_store.open(makers.run_named(small_store, method="magnitude"))
    matrix = run.record.matrices[3].name
    mask = run.mask(matrix)
    assert mask is not None
    column = int(np.flatnonzero(mask[9] == 0)[0])
    damage.flip_bit(run.path, matrix, 9, column)
    start = column // 4 * 4
    named = f"{matrix}: 1 group breaks 2:4: row 9, inputs {start}..{start + 3} keep 3, allowed 2"
    result = cli("check", str(run.path))
    assert result.exit_code == 1
    assert named in result.stdout and "1 runs checked, 1 with problems" in result.stdout
    result = cli("check", run.record.id, makers.run_named(small_store), "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["run_id"], first["ok"]) == (run.record.id, False) and named in first["problems"]
    assert second["ok"] and second["problems"] == []


@pytest.mark.parametrize("name", [n for n, (_, reason) in damage.DAMAGES.items() if reason and n != "Bad Name"])
def test_check_of_a_damaged_folder_is_a_problem_by_id_and_by_path(name: str, cli: Any, empty_store: Store) -> None:
    make, reason = damage.DAMAGES[name]
    make(empty_store.live)
    for given in (name, str(empty_store.live / name)):
        result = cli("check", given)
        assert result.exit_code == 1, result.output
        assert reason in result.stdout


# Making

class Stand:
    """Stands in for `core.running.pipeline.run`: notes how it was called and gives a record."""

    def __init__(self, status: str = "succeeded", error: Exception | None = None) -> None:
        self.status, self.error, self.calls = status, error, []

    def __call__(self, spec: RunSpec, **options: Any) -> RunRecord:
        self.calls.append((spec, options))
        options["report"](types.SimpleNamespace(phase="train", done=1, total=2, note="loss 0.5"))
        if self.error:
            raise self.error
        return RunRecord(schema=1, id=spec.run_id, status=self.status, created="2026-01-01", spec=spec,  # type: ignore
                         error=None if self.status == "succeeded" else "the loss is NaN")


def stand(monkeypatch: pytest.MonkeyPatch, **kind: Any) -> Stand:
    from core.running import pipeline

    made = Stand(**kind)
    monkeypatch.setattr(pipeline, "run", made)
    return made


def test_run_gives_the_pipeline_what_was_typed_and_prints_the_record(cli: Any, empty_store: Store,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    made = stand(monkeypatch)
    result = cli(*shlex.split("run --task agreement --model tiny --method admm --pattern 1:4 --epochs 2 "
                              "--train-examples 64 --freeze-embeddings --knob rho_end=0.5 --knob dual=false "
                              f"--data-dir {empty_store.live} --resume --json"))
    assert result.exit_code == 0, result.output
    (spec, options), = made.calls
    given = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "1:4", "epochs": 2.0,
             "train_examples": 64, "freeze_embeddings": True, "knobs": {"rho_end": 0.5, "dual": False}}
    assert options["given"] == given
    assert (spec.pattern, spec.epochs, spec.freeze_embeddings) == ("1:4", 2.0, True)
    assert spec.knobs["rho_end"] == 0.5 and spec.knobs["dual"] is False
    assert (options["resume"], options["again"], options["data_dir"]) == (True, False, empty_store.live)
    assert options["store"] == empty_store
    printed = json.loads(result.stdout)
    assert printed["id"] == spec.run_id and printed["command"].startswith("python -m core run --task agreement")
    assert result.stderr == ""  # no bars where nobody watches


def test_run_says_what_to_do_next_and_a_failed_run_exits_1(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand(monkeypatch)
    result = cli("run", "--task", "cola")
    assert result.exit_code == 0 and "Next: python -m core check cola-minilm-l6-admm-2of4" in result.stdout
    stand(monkeypatch, status="failed")
    result = cli("run", "--task", "cola")
    assert result.exit_code == 1 and "Error: the loss is NaN" in result.stdout


@pytest.mark.parametrize(("words", "expected"), [
    ("--task colla", "Unknown task 'colla'. Expected one of 12 known tasks. Did you mean 'cola'?"),
    ("--task cola --method amdm",
     f"Unknown method 'amdm'. Expected one of {len(METHODS)} known methods. Did you mean 'admm'?"),
    ("--task cola --pattern 4:2", "Pattern '4:2' keeps 4 of every 2. Expected N no larger than M."),
    ("--task cola --pattern unstructed:0.5", "Did you mean 'unstructured'?"),
    ("--task cola --knob rho_edn=1", "known knobs. Did you mean 'rho_end'?"),
    ("--task cola --knob rho_end", "Knob 'rho_end'. Expected key=value. For example --knob rho=0.1."),
    ("--task cola --knob rho_end=1 --knob rho_end=2", "Knob 'rho_end' twice. Expected each knob once."),
    ("--task cola --knob rho_end=much", "rho_end = 'much'. Expected a number."),
    ("--task cola --lr -1", "lr = -1.0. Expected between 0 and 1. Change --lr."),
    ("--task cola --method magnitude --epochs 3", "magnitude with 3 epochs. Expected 0 epochs: it is one-shot."),
])
def test_what_cannot_be_run_is_refused(words: str, expected: str, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stand(monkeypatch)
    assert expected in refused(cli("run", *shlex.split(words)))
    assert made.calls == []


def test_an_unknown_model_is_refused_with_what_was_tried(cli: Any, empty_store: Store) -> None:
    message = refused(cli("run", "--task", "agreement", "--model", "minilm-l7"))
    assert "minilm-l7" in message and "minilm-l6" in message


@pytest.mark.parametrize("words", ["--epochs many --task cola", "--record everything --task cola", "--threads 0", ""])
def test_a_wrong_kind_of_option_is_a_usage_error(words: str, cli: Any) -> None:
    result = cli("run", *shlex.split(words))
    assert result.exit_code == 2 and "Error: " in result.stderr and "Traceback" not in result.output


def test_a_full_disk_is_said_without_a_traceback(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand(monkeypatch, error=OSError(28, "No space left on device", "trace.jsonl"))
    assert "No space left on device: trace.jsonl. Expected room on the disk. Free some space and try again." in \
        refused(cli("run", "--task", "cola"))


def test_our_own_fault_keeps_its_traceback(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand(monkeypatch, error=ZeroDivisionError("ours"))
    assert isinstance(cli("run", "--task", "cola").exception, ZeroDivisionError)


def test_knobs_are_read_as_the_closest_type() -> None:
    assert parse_knobs(("a=1", "b=0.5", "c=true", "d=False", "e=norms", "f=1e-3", " g = x=y ")) == {
        "a": 1, "b": 0.5, "c": True, "d": False, "e": "norms", "f": 0.001, "g": "x=y"}


SWEEP = """
[defaults]
task = "agreement"
model = "tiny"
epochs = 1

[[runs]]
method = ["asp", "admm"]
seed = [0, 1]
"""


def test_sweep_skips_continues_goes_on_after_a_failure_and_exits_1(cli: Any, empty_store: Store, tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    from core.specs.resolving import resolve

    file = tmp_path / "s.toml"
    file.write_text(SWEEP)
    ids = [resolve({"task": "agreement", "model": "tiny", "epochs": 1, "method": m, "seed": s}).run_id
           for m in ("asp", "admm") for s in (0, 1)]
    makers.make_run(empty_store.recorded, id=ids[0], record="summary")
    makers.make_run(empty_store.live, id=ids[1], status="failed")
    listed = json.loads(cli("sweep", str(file), "--dry-run", "--json").stdout)
    assert [(o["id"], o["state"]) for o in listed] == list(zip(ids, ["done", "unfinished", "new", "new"], strict=True))
    assert "skip: done" in cli("sweep", str(file), "--dry-run").stdout

    made = stand(monkeypatch)
    result = cli("sweep", str(file))
    assert result.exit_code == 0 and "3 made, 1 were there, 0 failed" in result.stdout
    assert [(spec.run_id, options["resume"]) for spec, options in made.calls] == [
        (ids[1], True), (ids[2], False), (ids[3], False)]

    made = stand(monkeypatch, error=InputError("Bad", "good", "Mend it."))
    result = cli("sweep", str(file), "--json")
    assert result.exit_code == 1 and len(made.calls) == 3
    objects = json.loads(result.stdout)
    assert [o.get("error") for o in objects] == [None, *["Bad. Expected good. Mend it."] * 3]
    assert result.stderr.count("Error: Bad. Expected good. Mend it.") == 3


def test_a_bad_sweep_file_is_refused_with_its_place(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[[runs]]\ntask = "agreement"\nmodl = "tiny"\n')
    assert "s.toml, [[runs]] number 1: 'modl'. Expected one of" in refused(cli("sweep", str(file)))


def test_export_writes_the_checkpoint_and_refuses_a_folder_that_holds_something(cli: Any, small_store: Store,
                                                                                tmp_path: Path) -> None:
    name, target = makers.run_named(small_store), tmp_path / "out"
    message = refused(cli("export", name, "--to", str(target)))
    assert f"The weights of {name} are not on this machine. Expected a run made here. Make it first: python" in message
    checkpoint = small_store.live / name / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    result = cli("export", name, "--to", str(target))
    assert result.exit_code == 0 and "from_pretrained" in result.stdout
    assert (target / "model.safetensors").read_bytes() == b"weights"
    assert "out is not empty. Expected an empty or new folder. Choose another --to." in \
        refused(cli("export", name, "--to", str(target)))
    assert "config.json is a file. Expected" in refused(cli("export", name, "--to", str(target / "config.json")))
