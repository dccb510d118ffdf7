"""Inspect: a checkpoint at hand, one that is typed, none, a damaged one, and a demonstration where nothing is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.runs.store import Store
from tests.checkpoints import LAYER, QUERY, nm, noise, write
from tests.makers import make_dense, make_run, run_named
from tests.opening import charts, open_page, said
from tests.sources import ROOT

NAME = LAYER.format(0, QUERY)


@pytest.fixture
def store(empty_store: Store) -> Store:
    """A recorded dense run and a live pruned one, both with a checkpoint; a recorded one without."""
    dense = make_dense(empty_store.recorded)
    write(empty_store.recorded / dense / "checkpoint", {NAME: noise()})
    pruned = make_run(empty_store.live, parent=dense)
    write(empty_store.live / pruned / "checkpoint", {NAME: nm(2, 4)})
    make_run(empty_store.recorded, parent=dense, method="magnitude")
    return empty_store


def test_the_pruned_checkpoint_at_hand_is_shown(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "inspect", checkpoint=run_named(store))
    assert app.header[0].value == "The one matrix of the layers (all parameters) obeys 2:4."
    assert "50.0 %" in " ".join(c.value for c in app.caption)
    assert len(app.selectbox[0].options) == 2 and charts(app) == 1 and not app.error
    assert "Stored dense" in " ".join(c.value for c in app.caption)
    app.selectbox[0].set_value(next(r.id for r in store.records() if r.spec.method == "dense")).run()
    assert app.header[0].value.startswith("Not sparse")
    assert "checkpoint" in app.query_params


def test_a_typed_path_wins_and_stays_in_the_link(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path) -> None:
    broken = nm(2, 4)
    broken[3, 8:12] = 1
    folder = write(tmp_path / "mine", {NAME: broken}, {"auto_map": {"AutoModel": "x.Y"}})
    app = open_page(monkeypatch, store, "inspect", checkpoint=run_named(store))
    app.text_input[0].set_value(str(folder)).run()
    assert app.query_params["path"] in (str(folder), [str(folder)])
    assert "nearly obeys 2:4" in said(app)
    assert "row 3, inputs 8..11 keep 4, allowed 2" in app.warning[0].value
    assert "is ignored" in " ".join(i.value for i in app.info)
    app.text_input[0].set_value("").run()
    assert "obeys 2:4" in app.header[0].value and "path" not in app.query_params


def test_a_pattern_to_judge_by(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "inspect", judge="1:4")
    assert app.header[0].value.startswith("1:4 does not hold: 1 of 1 matrix")
    assert len(app.warning) == 20
    app = open_page(monkeypatch, store, "inspect", judge="5:4")
    assert "no larger than M" in app.error[0].value and charts(app) == 1


@pytest.mark.parametrize(("raw", "words"), [
    (None, "There is no"), (b"PK\x03\x04" + b"x" * 99, "is a pickle"), (b"", "ends inside"),
    (b"\x09" + b"\0" * 30, "ends inside|cannot be read")])
def test_what_cannot_be_opened_gets_a_red_box(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path,
                                              raw: bytes | None, words: str) -> None:
    path = tmp_path / "x.safetensors"
    if raw is not None:
        path.write_bytes(raw)
    app = open_page(monkeypatch, store, "inspect", path=str(path))
    assert any(part in app.error[0].value for part in words.split("|"))
    assert charts(app) == 0 and app.selectbox


def test_a_long_path_and_markup_in_names_do_no_harm(monkeypatch: pytest.MonkeyPatch, store: Store,
                                                    tmp_path: Path) -> None:
    assert "characters" in open_page(monkeypatch, store, "inspect", path="x" * 5000).error[0].value
    folder = write(tmp_path / "a", {"layer.0.<script>alert(1)</script>[x](y).weight": nm(2, 4)})
    app = open_page(monkeypatch, store, "inspect", path=str(folder))
    assert charts(app) == 1 and "<script>" not in app.get("plotly_chart")[0].proto.spec


def test_an_adapter_and_what_is_packed_are_named(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path) -> None:
    low = write(tmp_path / "low", {"layers.0.q.lora_A.weight": noise(4, 64), "layers.0.q.lora_B.weight": noise(64, 4)})
    app = open_page(monkeypatch, store, "inspect", path=str(low))
    assert app.header[0].value.startswith("An adapter: 2 tensors of low-rank updates.") and charts(app) == 0
    assert list(app.dataframe[0].value["what else there is"]) == ["low-rank updates"]
    packed = write(tmp_path / "packed", {NAME: nm(2, 4), "bert.encoder.layer.1.x.weight": np.ones((8, 8), np.int32)})
    app = open_page(monkeypatch, store, "inspect", path=str(packed))
    assert app.header[0].value.endswith("obeys 2:4; 1 more is not read.") and charts(app) == 1
    assert "whole numbers, perhaps packed" in app.info[0].value


def test_an_empty_store_still_opens_a_path(monkeypatch: pytest.MonkeyPatch, empty_store: Store, tmp_path: Path) -> None:
    assert "No runs yet" in open_page(monkeypatch, empty_store, "inspect").info[0].value
    folder = write(tmp_path / "a", {NAME: nm(2, 4)})
    assert charts(open_page(monkeypatch, empty_store, "inspect", path=str(folder))) == 1


def test_in_a_demonstration_no_path_is_opened(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    folder = write(tmp_path / "a", {NAME: nm(2, 4)})
    app = open_page(monkeypatch, store, "inspect", path=str(folder))
    assert not app.text_input and "cannot be opened in this demonstration" in app.error[0].value
    assert len(app.selectbox[0].options) == 1  # the recorded one alone
    assert app.header[0].value.startswith("Not sparse")
    live = next(r.id for r in store.records() if r.spec.method == "admm")
    assert "Unknown checkpoint" in open_page(monkeypatch, store, "inspect", checkpoint=live).error[0].value


def test_a_file_that_changed_is_read_anew(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {NAME: nm(2, 4)})
    app = open_page(monkeypatch, store, "inspect", path=str(folder))
    write(folder, {NAME: noise()})
    os.utime(folder / "model.safetensors", ns=(1, 1))
    app.run()
    assert app.header[0].value.startswith("Not sparse")


def test_it_needs_no_torch(store: Store) -> None:
    code = ("import sys\nfrom streamlit.testing.v1 import AppTest\n"
            "app = AppTest.from_file('pages/inspect.py', default_timeout=60).run()\n"
            "assert not app.exception and app.header\n"
            "print(sorted({'torch', 'transformers'} & set(sys.modules)))")
    roots = {"SPARSESCOPE_CACHED": str(store.recorded), "SPARSESCOPE_RUNS": str(store.live)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          check=True, env=os.environ | roots)
    assert done.stdout.splitlines()[-1] == "[]"
