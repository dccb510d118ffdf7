"""The Run page with a person's own table and model. Nothing is started."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.live import serving, tickets
from core.models.loading import load_model, save_checkpoint
from core.runs.store import Store
from core.tasks import own
from core.tasks.tables.files import LARGEST
from tests.opening import open_page, said

CSV = "id,review,verdict\n" + "".join(
    f'{k},"<script>alert({k})</script> the *film*, [was](x) $good$","{"praise" if k % 2 else "=1+1"}"\n'
    for k in range(30))


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_start", lambda *args: None)
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)


def uploaded(monkeypatch: pytest.MonkeyPatch, store: Store, data: bytes, name: str = "My Reviews.csv") -> AppTest:
    app = open_page(monkeypatch, store, "run")
    app.file_uploader(key="run.own.file").upload(name, data, "text/csv").run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def box(app: AppTest, what: str) -> object:
    return next(w for w in (*app.selectbox, *app.text_input) if (w.key or "").startswith(f"run.own.{what}."))


def test_a_table_is_shown_added_chosen_and_asked_for(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = uploaded(monkeypatch, empty_store, CSV.encode())
    assert not app.error
    assert [box(app, what).value for what in ("text", "pair", "label", "name")] == \
        ["review", "", "verdict", "my-reviews"]
    preview, counts = (frame.value for frame in app.dataframe[:2])
    assert list(preview.columns) == ["id", "review", "verdict"] and len(preview) == 5
    assert preview["review"][1].startswith("<script>alert(1)</script>")  # a cell of the grid, not markup
    assert counts["train"].sum() == 24 and counts["validation"].sum() == 6
    assert list(counts["class"]) == ["=1+1", "praise"]
    assert "the last 20% of a fixed permutation of My Reviews.csv" in said(app)
    assert "<script>" not in said(app) + " ".join(m.value for m in app.markdown)
    next(b for b in app.button if b.label == "Add task").click().run()
    assert not app.exception and not app.error
    task, = own.registered()
    assert app.query_params["task"] == task.full and f"--task {task.full}" in app.code[0].value
    assert app.selectbox(key="run.task").value == task.full
    assert any("is in the list of tasks now" in s.value for s in app.success)
    next(b for b in app.button if b.label == "Start").click().run()
    assert not app.exception and not app.error
    assert tickets.waiting(empty_store)[0][0].given["task"] == task.full


def test_a_task_is_removed_and_the_form_goes_on(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = uploaded(monkeypatch, empty_store, CSV.encode(), "*Films*.csv")
    next(b for b in app.button if b.label == "Add task").click().run()
    task, = own.registered()
    line = next(m.value for m in app.markdown if task.full in m.value)
    assert "30 rows" in line and "\\*Films\\*.csv" in line  # as it is written, not in italics
    next(b for b in app.button if b.label == "Remove").click().run()
    assert not app.exception and not app.error and not own.registered()
    assert "task" not in app.query_params and "--task agreement" in app.code[0].value
    assert any("is removed" in s.value for s in app.success)
    app = uploaded(monkeypatch, empty_store, CSV.encode())
    next(b for b in app.button if b.label == "Add task").click().run()
    app.selectbox(key="run.task").set_value("sentiment").run()
    remove = next(b for b in app.button if b.label == "Remove")
    own.remove("my-reviews")  # somebody else was quicker
    remove.click().run()
    assert not app.exception and "--task sentiment" in app.code[0].value
    assert any("my-reviews" in e.value for e in app.error)


def test_choosing_the_same_column_twice_or_a_bad_one_gets_a_red_box(monkeypatch: pytest.MonkeyPatch,
                                                                    empty_store: Store) -> None:
    app = uploaded(monkeypatch, empty_store, CSV.encode())
    box(app, "label").select("review").run()  # type: ignore[attr-defined]
    assert "a different column for each" in app.error[0].value
    box(app, "label").select("id").run()  # type: ignore[attr-defined]
    assert "holds 30 different labels" in app.error[0].value
    assert not [b for b in app.button if b.label == "Add task"]
    box(app, "label").select("verdict").run()  # type: ignore[attr-defined]
    box(app, "name").set_value("../x").run()  # type: ignore[attr-defined]
    assert "Task name '../x'" in app.error[0].value and "Queue and history" in said(app)
    assert own.registered() == []


def test_columns_that_cannot_be_chosen_are_told(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    lines = "".join(f'{{"text": "t{k}", "label": "{k % 2}", "*tags*": ["x"]}}\n' for k in range(12))
    app = uploaded(monkeypatch, empty_store, lines.encode(), "lines.jsonl")
    told, = [c.value for c in app.caption if c.value.startswith("Left out")]
    assert "\\*tags\\*' holds" in told and not app.error  # as it is written, not in italics
    assert "one value a row" in told
    only = "".join(f'{{"text": "t{k}", "label": ["x"]}}\n' for k in range(12))
    app = uploaded(monkeypatch, empty_store, only.encode(), "only.jsonl")
    assert "line 1: 'label' holds" in app.error[0].value
    assert not [b for b in app.button if b.label == "Add task"]


def test_amounts_or_classes_is_said_and_may_be_chosen(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    table = "".join(f",row {k},{k % 3}.0,\n" for k in range(30))
    data = gzip.compress(f",text,label,\n{table}".encode())
    app = uploaded(monkeypatch, empty_store, data, "floats.csv.gz")
    assert box(app, "name").value == "floats" and [box(app, w).value for w in ("text", "label")] == ["text", "label"]
    assert "Regression: the labels are numbers, from 0 to 2" in said(app) and len(app.dataframe) == 1
    assert any("**24** rows to learn from, **6** to score on, a regression." in m.value for m in app.markdown)
    assert list(app.dataframe[0].value.columns) == ["text", "label"]
    box(app, "kind").select("classes").run()  # type: ignore[attr-defined]
    assert not app.exception and "Regression" not in said(app)
    assert any("**6** to score on, 3 classes." in m.value for m in app.markdown)
    assert list(app.dataframe[1].value["class"]) == ["0", "1", "2"]
    next(b for b in app.button if b.label == "Add task").click().run()
    assert own.registered()[0].labels == ("0", "1", "2")


def test_a_validation_file_of_its_own(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = uploaded(monkeypatch, empty_store, CSV.encode())
    app.file_uploader(key="run.own.held").upload("held.csv", b"review,verdict\nfine,praise\n", "text/csv").run()
    assert not app.exception and not app.error
    assert "all of held.csv" in said(app) and app.dataframe[1].value["validation"].sum() == 1


@pytest.mark.parametrize(("name", "data", "words"), [
    ("a.csv", b"\xff\xfe\0", "is not UTF-8"), ("a.csv", b"a;b\n1;2", "has 1 rows"),
    ("a.csv", b"text,label\nx\n", "row 1 has 1 cells"), ("a.parquet", b"\x80\x04\x95" + b"c" * 90, "no parquet file"),
    ("a.jsonl", b"[1]", "line 1 holds"), ("a.csv", b"a,a\n1,2\n", "two columns named"),
    ("a.csv.gz", b"\x1f\x8b\x08", "a damaged gzip"), ("a.json", b"[{}", "not followed by a comma"),
    ("a.csv", b"", "is empty")])
def test_a_bad_file_gets_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store, name: str,
                                                      data: bytes, words: str) -> None:
    app = uploaded(monkeypatch, empty_store, data, name)
    assert words in app.error[0].value
    assert "Queue and history" in said(app) and app.code[0].value.startswith("python -m core run")


def test_a_demonstration_takes_no_table_and_looks_at_no_folder(monkeypatch: pytest.MonkeyPatch,
                                                               empty_store: Store, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    app = open_page(monkeypatch, empty_store, "run", model=str(tmp_path))
    assert not app.file_uploader and "config.json" not in app.error[0].value
    app = open_page(monkeypatch, empty_store, "run", task="own:mine")
    assert "Unknown task" in app.error[0].value


def test_a_folder_as_model_is_said_to_be_found_and_given_whole(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                               tmp_path: Path) -> None:
    loaded = load_model("tiny", labels=2, seed=0)
    save_checkpoint(loaded.model, loaded.tokenizer, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    app = open_page(monkeypatch, empty_store, "run", model="mine")
    assert not app.error and "Folder found: mine, kind bert." in said(app)
    assert f"--model {tmp_path / 'mine'}" in app.code[0].value
    app = open_page(monkeypatch, empty_store, "run", model="no such folder")
    assert "is no folder on this machine, and no hub id either" in app.error[0].value
    app = open_page(monkeypatch, empty_store, "run", model="someone/something")
    assert "hub" in said(app).lower() and "--model someone/something" in app.code[0].value


def test_the_server_refuses_uploads_beyond_the_limit() -> None:
    config = tomllib.loads((Path(__file__).parents[1] / ".streamlit" / "config.toml").read_text())
    assert config["server"]["maxUploadSize"] * 10**6 == LARGEST
