"""Hostile values under every key that a page takes from its link: the page lives, and shows no markup of theirs. And a
model folder that brings its own code: none of it runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.errors import InputError
from core.lab import choices_layer, plane
from core.models.loading import load_model, save_checkpoint
from core.runs.store import Store
from tests.opening import ROOT, open_page
from ui import known, run_form, run_list
from ui.pages import PAGES

MARK = "<img src=x onerror=alert(1)>"
VALUES = (MARK + "[x](javascript:alert(1))$\\frac{1}{0}$", "../../etc/passwd\x00", "x" * 100_000,
          "\u202eno\u2066t\u200b \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "-1e999")


def keys() -> list[str]:
    """Every key that the code reads from a link, found in its text; and those of the forms."""
    asked = re.compile(r"(?:choose|switch|slide|typed|shared\.get|OWN\.get|query_params\.get)\(\s*\"([a-z][\w.]*)\"")
    files = [*(ROOT / "ui").glob("*.py"), *(ROOT / "pages").glob("*.py")]
    found = {key for file in files for key in asked.findall(file.read_text())}
    return sorted(found | {"k", "step", "value"} | {*run_form.own().keys, *run_list.OWN.keys, *plane.KEYS,
                           *choices_layer.KEYS})


def test_the_keys_are_found() -> None:
    assert {"run", "matrix", "layer", "moment", "task", "path", "judge", "values", "lesson", "search"} <= set(keys())


def test_what_a_link_says_that_no_version_knows_is_said_once_and_the_rest_opens(
        small_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    forms = {key for key in keys() if key.startswith("knob.")}
    assert set(keys()) - forms <= known.NAMES
    run = next(r.id for r in small_store.records() if r.spec.method != "dense")
    app = open_page(monkeypatch, small_store, "trace", run=run, embed="true", lens="x", **{MARK: "1"})
    said = [c.value for c in app.caption if "Of this link" in c.value]
    assert len(said) == 1 and "lens" in said[0] and "embed" not in said[0] and app.query_params["run"] in (run, [run])
    assert len(app.get("plotly_chart")) and not app.error
    app = open_page(monkeypatch, small_store, "trace", run=run, **{f"a{k}": "" for k in range(9)})
    assert "a0, a1, a2 and 6 more is not known here" in " ".join(c.value for c in app.caption)


def test_no_key_is_a_number_on_one_page_and_a_word_on_another() -> None:
    """What was chosen last goes along from page to page: a word would be a mistake on the other's slider."""
    text = "".join(file.read_text() for folder in ("ui", "pages") for file in (ROOT / folder).glob("*.py"))
    numbers, words = (set(re.findall(rf'{kind}\(\s*"([a-z]\w*)"', text)) for kind in (r"slide", r"choose"))
    assert len(numbers) > 5 and len(words) > 10 and not numbers & words


@pytest.mark.parametrize("page", PAGES)
def test_a_page_lives_under_hostile_links(page: str, small_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = keys()
    for turn in (0, 2):  # every key gets two of the values, and its neighbours others
        query = {key: VALUES[(k + turn) % len(VALUES)] for k, key in enumerate(names)}
        app = open_page(monkeypatch, small_store, page, **query)
        assert app.title
        for element in (*app.markdown, *app.caption, *app.header, *app.error, *app.info, *app.warning):
            assert not re.search(r"(?<!\\)<img src=x", str(element.value)), element.value[:200]
            assert len(str(element.value)) < 20_000, "an error repeats a hundred thousand characters"


def test_a_model_folder_that_asks_for_its_own_code_runs_none(tmp_path: Path) -> None:
    folder, proof = tmp_path / "model", tmp_path / "executed"
    loaded = load_model("tiny", labels=2, seed=0)
    save_checkpoint(loaded.model, loaded.tokenizer, folder)
    for name in ("modeling_own", "tokenization_own", "__init__", "conftest"):
        (folder / f"{name}.py").write_text(f"open({str(proof)!r}, 'w')\nclass Own:\n    pass\n")
    config = json.loads((folder / "config.json").read_text())
    for kind in ("bert", "own-kind"):
        config |= {"model_type": kind, "auto_map": dict.fromkeys(
            ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification"), "modeling_own.Own")}
        (folder / "config.json").write_text(json.dumps(config))
        try:
            load_model(str(folder), labels=2, seed=0)
        except InputError as error:
            assert "cannot be loaded" in str(error) and error.remedy
        assert not proof.exists()
