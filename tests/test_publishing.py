"""What leaves the house: the exported folder loads as others load it, its card says what is so, the hub gets it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import msgspec
import pytest
import torch
import transformers
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from core.cli.group import main
from core.publishing import card
from core.running import pipeline
from core.running.pipeline import resolve
from core.runs.answers import read
from core.runs.records import RunRecord
from core.runs.store import Run, Store, read_header, write_header
from tests.commands import refused
from tests.hub_server import TOKEN, Hub, serving

GIVEN = {"task": "entailment", "model": "tiny", "method": "wanda", "pattern": "2:4", "train_examples": 64,
         "dev_examples": 200, "dense_epochs": 1, "calibration": 32}
# Of the hub's library, which speaks to its own HTTP client as that no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(recorded=tmp_path_factory.mktemp("none"), live=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def run(store: Store) -> Run:
    return store.open(pipeline.run(resolve(GIVEN), store=store).id)


@pytest.fixture(scope="module")
def exported(run: Run, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.export(run.record.id, store=store, to=tmp_path_factory.mktemp("out") / "model")


@pytest.fixture
def command(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    from click.testing import CliRunner

    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    return lambda *words: CliRunner().invoke(main, ["export", *words], prog_name="python -m core")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub's own library, turned to a server on this machine."""
    with serving() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield served


def test_the_folder_loads_by_a_pipeline_and_answers_as_the_run_did(run: Run, exported: Path) -> None:
    classify = transformers.pipeline("text-classification", model=str(exported), top_k=None)
    probe = run.record.probes[0]
    said = {row["label"]: row["score"] for row in classify({"text": probe.text, "text_pair": probe.text_pair})}
    shares = torch.tensor(probe.logits).softmax(0).tolist()
    assert said == pytest.approx(dict(zip(run.record.labels, shares, strict=True)), abs=1e-5)


def test_the_card_has_metadata_that_the_hub_reads(run: Run, exported: Path) -> None:
    data = huggingface_hub.metadata_load(exported / "README.md")
    assert data["tags"] == ["sparsescope", "pruning", "sparsity", "wanda", "2:4"]
    assert (data["license"], data["library_name"], data["language"]) == ("apache-2.0", "transformers", "en")
    assert "base_model" not in data and "datasets" not in data  # our own model, a task of ours
    (result,) = huggingface_hub.ModelCard.load(exported / "README.md").data.eval_results
    assert (result.dataset_type, result.dataset_split, result.metric_type) == ("entailment", "held out of train",
                                                                              "accuracy")
    assert result.metric_value == pytest.approx(run.record.results.final, abs=1e-6)


def test_the_card_says_scores_with_the_interval_of_a_share_and_counts_the_zeros(run: Run, exported: Path) -> None:
    text = (exported / "README.md").read_text(encoding="utf-8")
    final, low, high = map(float, re.search(r"\| Final \| ([\d.]+) \[([\d.]+), ([\d.]+)\]", text).groups())
    n = run.record.results.n_eval
    assert final == pytest.approx(run.record.results.final, abs=6e-4)
    # The standard error of a share, which 2 000 resamples meet to some percent.
    assert (high - low) / 2 == pytest.approx(1.96 * (final * (1 - final) / n) ** 0.5, rel=0.08)
    right = [read(r).right for r in (run.parent, run)]
    apart = 100 * (right[1].mean() - right[0].mean())
    assert re.search(rf"against dense.*\| {re.escape(f'{apart:+.1f}'.replace('-', '−'))} \[", text)
    weights = load_file(exported / "model.safetensors")
    zeros = sum(int((weights[f"{m.name}.weight"] == 0).sum()) for m in run.record.matrices)
    assert f"{zeros:,} zeros; 0 violations" in text
    assert run.record.command in text
    assert f"core check {run.record.id}`, from the run's files at export: no problem." in text
    assert "synthetic" in text


def test_the_card_does_not_hide_a_broken_group_nor_a_changed_run(run: Run, exported: Path, tmp_path: Path) -> None:
    """The weights are counted themselves, and the run is checked when it is exported."""
    folder = tmp_path / "model"
    folder.mkdir()
    weights = load_file(exported / "model.safetensors")
    weights[f"{run.record.matrices[0].name}.weight"][0, :8] = 1.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    changed = tmp_path / "runs" / run.record.id
    shutil.copytree(run.path, changed)
    record = read_header(changed)
    record.results.final = 0.999
    write_header(changed, record)
    text = card.text(Store(recorded=tmp_path / "none", live=tmp_path / "runs").open(run.record.id), folder, False)
    assert "2 violations in" in text
    assert "at export: 2 problems.\n\n" in text  # its dense parent was left behind
    assert re.search(r"- problem: answers: they give accuracy [\d.]+, the header says 0.999", text)


def record_of(run: Run, **given: Any) -> RunRecord:
    spec = msgspec.structs.replace(run.record.spec, **given)
    return msgspec.structs.replace(run.record, spec=spec, id=run.record.id)


def test_the_card_names_what_is_known_of_base_and_data_and_no_folder_of_the_author(run: Run, exported: Path) -> None:
    path = "/".join(("", "home", "me", "secret", "my-bert"))  # in parts: no path of a machine stands in a file
    cases = [({"model": "minilm-l6", "task": "mrpc"}, {"base_model": "sentence-transformers/all-MiniLM-L6-v2",
                                                        "datasets": ["nyu-mll/glue"], "license": "apache-2.0"}),
             ({"model": "bert-base-uncased", "task": "cola"}, {"base_model": "bert-base-uncased",
                                                                 "datasets": ["nyu-mll/glue"]}),
             ({"model": f"{path}@0123abcd", "task": "own-mails-89abcdef"}, {}), ({"model": path}, {"language": "en"})]
    for given, known in cases:
        other = Run(record_of(run, **given), run.path, False, run.parent)
        text = card.text(other, exported, False)
        data = huggingface_hub.ModelCard(text).data.to_dict()
        assert {key: data.get(key) for key in ("base_model", "datasets", "license") if key in data} == \
            {key: value for key, value in known.items() if key != "language"}
        assert "secret" not in text
        assert ("language" in data) == ("own" not in given.get("task", ""))
    assert "my-bert" in text and "is a folder of the author's" in text


def test_a_push_makes_a_private_repository_with_the_very_files(hub: Hub, run: Run, exported: Path,
                                                                command: Callable[..., Any]) -> None:
    done = command(run.record.id, "--push", "me/small")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{run.record.id} is at {hub.url}/me/small, for you alone to see\n"
    assert hub.repos == {"me/small": True}
    held = hub.files["me/small"]
    assert held.keys() == {p.name for p in exported.iterdir()}
    assert held["model.safetensors"] == (exported / "model.safetensors").read_bytes()
    assert held["README.md"].startswith(b"---\n")
    assert hub.messages == [f"Add {run.record.id}"]

    assert "Add --update" in refused(command(run.record.id, "--push", "me/small"))
    assert command(run.record.id, "--push", "me/small", "--update").exit_code == 0
    assert command(run.record.id, "--push", "open", "--public").exit_code == 0
    assert hub.repos == {"me/small": True, "me/open": False}
    assert len(hub.messages) == 3


def test_what_keeps_a_push_from_the_hub_is_said_in_a_sentence(hub: Hub, run: Run, command: Callable[..., Any],
                                                               monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    push = (run.record.id, "--push")
    assert "owner/name" in refused(command(*push, "me/a/b"))
    assert "owner/name" in refused(command(*push, "me/-x y"))
    assert "may not write to 'others/x'" in refused(command(*push, "others/x"))
    hub.refusal = 400
    message = refused(command(*push, "me/taste"))
    assert "not to the hub's taste" in message and "again with --update" in message
    assert "Add --to FOLDER, or --push" in refused(command(run.record.id))
    assert "--public without --push" in refused(command(run.record.id, "--to", str(tmp_path / "a"), "--public"))
    with monkeypatch.context() as here:
        here.setenv("HF_TOKEN", "another")
        assert "does not know the token" in refused(command(*push, "me/x"))
    with monkeypatch.context() as here:
        here.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "kept off the network" in refused(command(*push, "me/x"))
    with monkeypatch.context() as here:
        here.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
        assert "cannot be reached" in refused(command(*push, "me/x"))
    with monkeypatch.context() as here:
        here.delenv("HF_TOKEN")
        here.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        assert "hf auth login" in refused(command(*push, "me/x"))
    assert hub.files == {}
