"""`inspect` on the command line: what it prints, how it ends, and that it loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoints import LAYER, QUERY, nm, noise, write
from tests.commands import refused
from tests.sources import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights = nm(2, 4)
    weights[17, 20:24] = 1
    return write(tmp_path / "model", {LAYER.format(0, QUERY): nm(2, 4), LAYER.format(1, QUERY): weights,
                                      "bert.embeddings.word_embeddings.weight": noise()})


def test_it_prints_the_verdict_a_row_a_matrix_and_what_breaks_the_pattern(cli: Any, folder: Path) -> None:
    result = cli("inspect", str(folder))
    assert result.exit_code == 0, result.output  # no pattern was asked for
    lines = result.stdout.splitlines()
    assert lines[:2] == [str(folder), "  Of 2 matrices of the layers (66.7 % of the parameters), 1 obeys 2:4 and 1 "
                         "nearly obeys 2:4 (1 violation in 1 024 groups)."]
    rows = [line.split() for line in lines if line.startswith("bert")]
    assert rows == [["bert.encoder.layer.0.attention.self.query", "F32", "64", "x", "64", "50.0", "%", "2:4", "0"],
                    ["bert.encoder.layer.1.attention.self.query", "F32", "64", "x", "64", "50.0", "%", "2:4", "1"]]
    assert "other: embeddings: 1 tensor, 4 096 weights, 0.0 % zeros, 16.4 kB" in lines
    assert lines[-1].endswith("layer.1.attention.self.query: row 17, inputs 20..23 keep 4, allowed 2")


@pytest.mark.parametrize(("words", "code"), [
    (["--pattern", "2:4"], 1), (["--pattern", "2:4", "--matrix", "*layer.0.*"], 0), (["--pattern", "dense"], 0),
    (["--pattern", "1:4"], 1), (["--matrix", "*embeddings*", "--pattern", "3:4"], 1), ([], 0)])
def test_the_exit_code_says_whether_the_pattern_holds(cli: Any, folder: Path, words: list[str], code: int) -> None:
    for more in ([], ["--json"]):
        assert cli("inspect", str(folder), *words, *more).exit_code == code


@pytest.mark.parametrize(("words", "text"), [
    (["--pattern", "5:4"], "no larger than M"), (["--matrix", "gone"], "finds it"), (["--pattern", "global:0.5"],
                                                                                      "every matrix")])
def test_a_person_s_mistake_is_said(cli: Any, folder: Path, words: list[str], text: str) -> None:
    assert text in refused(cli("inspect", str(folder), *words))
    assert "There is no" in refused(cli("inspect", str(folder / "gone")))


def test_json_holds_the_same(cli: Any, folder: Path) -> None:
    found = json.loads(cli("inspect", str(folder), "--json").stdout)
    assert found["ok"] and len(found["verdict"]) == 4
    assert [m["found"]["violations"] for m in found["matrices"]] == [0, 1]
    assert [m["sparsity"] for m in found["matrices"]] == [0.5, pytest.approx(0.5 - 2 / 4096)]
    judged = json.loads(cli("inspect", str(folder), "--json", "--pattern", "2:4").stdout)
    assert not judged["ok"] and judged["matrices"][1]["asked"]["violations"] == 1


def test_what_is_packed_is_named_and_passes_no_pattern(cli: Any, tmp_path: Path) -> None:
    write(tmp_path, {"layers.0.a.weight_orig": noise(), "layers.0.a.weight_mask": nm(2, 4) != 0,
                     "layers.0.b.weight": np.ones((64, 8), np.int32)})
    result = cli("inspect", str(tmp_path))
    assert result.exit_code == 0
    assert "  The one matrix of the layers that could be read (" in result.stdout
    assert [line.split()[-3:] for line in result.stdout.splitlines() if line.startswith("layers.0.a")] == [
        ["weight", "x", "mask"]]
    assert "other: masks: 1 tensor, 4.1 kB" in result.stdout
    assert "remark: 1 matrix (2.0 kB) is not read: whole numbers, perhaps packed." in result.stdout
    assert cli("inspect", str(tmp_path), "--pattern", "2:4").exit_code == 1
    assert "'layers.0.b' is not read" in refused(cli("inspect", str(tmp_path), "--matrix", "*.b"))


def test_many_violations_are_cut_short_and_names_are_not_obeyed(cli: Any, tmp_path: Path) -> None:
    write(tmp_path, {f"layer.{k}.\x1b[2J.weight": noise() for k in range(9)})
    text = cli("inspect", str(tmp_path), "--pattern", "2:4").stdout
    assert text.count("violation: ") == 12 and "More violations" in text
    assert "\x1b" not in text and "\\x1b[2J" in text


def test_it_needs_no_torch(folder: Path) -> None:
    code = ("import sys\nfrom core.cli.group import main\n"
            "try:\n    main(['inspect', sys.argv[1]])\nexcept SystemExit as end:\n    assert not end.code\n"
            "print(sorted({'torch', 'transformers', 'streamlit', 'pickle5'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
