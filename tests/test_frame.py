"""The frame of every page: the list of pages, the bar, the link, the errors, the colours and the numbers."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.methods import METHODS
from core.runs.store import Store
from core.tasks import HELD_OUT
from core.views.drawing import style
from tests import makers
from tests.damage import truncated_arrays
from tests.opening import open_page
from ui import links
from ui.pages import PAGES, ROOT

SPACE = "\N{NARROW NO-BREAK SPACE}"


def bar(at: AppTest, label: str) -> Any:
    return next(box for box in at.selectbox if box.label == label)


def test_every_page_of_the_list_exists_and_every_file_is_listed() -> None:
    files = {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert files == {entry.file for entry in PAGES.values()}
    assert all(entry.question.endswith("?") and entry.note for entry in PAGES.values())
    assert {entry.group for entry in PAGES.values()} <= {"See", "Touch", "Run"}


def test_the_app_opens_on_the_overview(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(good_store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(good_store.live))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90).run()
    assert not at.exception and at.title[0].value == "Overview"
    assert at.get("image")


def test_the_default_run_is_the_one_that_teaches_most(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, good_store, "trace")
    assert bar(at, "Run").value == makers.run_named(good_store)  # that of cola was made on this machine
    assert at.query_params["run"] in (bar(at, "Run").value, [bar(at, "Run").value])  # the link says it


@pytest.mark.parametrize("page", ["weights", "occupancy", "patterns", "activations", "watch", "trace"])
def test_a_run_that_keeps_its_answers_alone_is_offered_only_where_it_can_be_shown(
    empty_store: Store, monkeypatch: pytest.MonkeyPatch, page: str,
) -> None:
    parent = makers.make_dense(empty_store.recorded)
    drawn = makers.make_run(empty_store.recorded, parent=parent)
    alone = makers.make_run(empty_store.recorded, parent=parent, method="asp", record="answers")
    at = open_page(monkeypatch, empty_store, page, run=alone)
    shown = page == "trace"
    assert bar(at, "Run").value == (alone if shown else drawn) and not at.error
    assert ("see it on Accuracy and Compare" in " ".join(i.value for i in at.info)) == (not shown)


def test_making_a_recorded_run_again_changes_no_page_s_default(
    good_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = makers.run_named(good_store)
    shutil.copytree(good_store.recorded / name, good_store.live / name)
    assert bar(open_page(monkeypatch, good_store, "trace"), "Run").value == name


def test_the_link_chooses_the_run_and_a_click_writes_the_link(
    good_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = makers.run_named(good_store, method="asp", pattern="1:4")
    at = open_page(monkeypatch, good_store, "trace", run=asked)
    assert bar(at, "Run").value == asked and bar(at, "Task").value == "agreement"
    other = makers.run_named(good_store, method="admm", pattern="1:4")
    bar(at, "Run").set_value(other).run()
    assert not at.exception and bar(at, "Run").value == other and at.query_params["run"] in (other, [other])


def test_another_task_keeps_method_and_pattern(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, good_store, "trace", run=makers.run_named(good_store, method="asp", pattern="1:4"))
    bar(at, "Task").set_value("cola").run()
    assert bar(at, "Run").value == makers.run_named(good_store, task="cola", method="asp", pattern="1:4")


@pytest.mark.parametrize(("asked", "words"), [
    ("../secrets", "has characters that no run id has"),
    ("no-such-run", "There is no run 'no-such-run'"),
    ("newer-schema", "has schema 99"),
    ("link-out", "a link out of the store"),
])
def test_a_bad_link_gets_a_red_box_and_the_page_lives(
    damaged_store: Store, monkeypatch: pytest.MonkeyPatch, asked: str, words: str,
) -> None:
    at = open_page(monkeypatch, damaged_store, "trace", run=asked)
    assert not at.exception
    assert any(words in box.value for box in at.error)
    assert bar(at, "Run").value and at.header


def test_a_dense_run_is_no_error_on_a_page_of_pruned_ones(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, good_store, "trace", run=makers.run_named(good_store, method="dense"))
    assert not at.exception and not at.error
    assert "is a dense run" in at.info[0].value


def test_a_run_that_failed_is_said(damaged_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, damaged_store, "trace", run="half-trace")
    assert not at.exception and "has failed" in at.warning[0].value and "NaN at step 12" in at.warning[0].value


def test_an_unknown_filter_suggests_the_nearest(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, good_store, "runs", task="colla")
    assert not at.exception and "Unknown task 'colla'" in at.error[0].value and "'cola'" in at.error[0].value


def test_cut_arrays_do_not_stop_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = makers.empty_store(tmp_path)
    truncated_arrays(store.recorded)
    at = open_page(monkeypatch, store, "overview")
    assert not at.exception and "cannot be read" in at.error[0].value
    assert at.metric  # the numbers are there all the same


@pytest.mark.parametrize("text", ["a_b*c*", "[x](http://a)", "$x$", "<b>", "`code`", "\\", "~~x~~", "# x", "| a |"])
def test_text_is_shown_as_it_is_written(text: str) -> None:
    shown = links.plain(text)
    assert shown.replace("\\", "") == text.replace("\\", "")
    for mark in "`*[]<>$~|#":
        assert shown.count(f"\\{mark}") == text.count(mark)


# -- colours, pictures, numbers ----------------------------------------------------------------------------------


def test_one_colour_a_method() -> None:
    colours = [style.colour(name) for name in METHODS]
    assert len(set(colours)) == len(METHODS)
    assert style.colour("a method from the future") == style.GREY


def test_a_png_holds_exactly_the_palette_colours_nearest_neighbour() -> None:
    codes = np.array([[0, 127, 254], [255, 10, 200]], dtype=np.uint8)
    palette = style.diverging_palette()
    image = np.asarray(Image.open(io.BytesIO(style.to_png(codes, palette, 7))).convert("RGBA"))
    assert image.shape == (14, 21, 4)
    for r in range(14):
        for c in range(21):
            assert tuple(image[r, c]) == palette[codes[r // 7, c // 7]]


def test_zero_is_transparent_and_pruned_is_its_own_colour() -> None:
    palette = style.diverging_palette()
    codes = style.diverging_codes(np.array([[-9.0, 0.0, 0.5, 9.0]]), 1.0, np.array([[1, 1, 1, 0]], dtype=np.uint8))
    assert list(codes[0]) == [0, style.ZERO_CODE, 190, style.PRUNED_CODE]
    assert palette[style.ZERO_CODE][3] == 0 and palette[style.PRUNED_CODE] == style.PRUNED
    assert style.PRUNED not in palette[:-1]


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8), (1, 1), (4, 4)])
def test_the_tones_of_occupancy_are_ordered_about_the_accent(n: int, m: int) -> None:
    tones = style.occupancy_palette(n, m)
    assert len(tones) == m + 1 and len(set(tones)) == m + 1
    assert style.rgba(tones[n]) == style.faded(style.ACCENT, 1)
    assert [t[3] for t in tones[:n]] == sorted(t[3] for t in tones[:n])
    assert [t[3] for t in tones[n + 1:]] == sorted(t[3] for t in tones[n + 1:])


@pytest.mark.parametrize(("share", "text"), [
    (0.5, f"50{SPACE}%"), (1.0, f"100{SPACE}%"), (0.0, f"0{SPACE}%"), (0.1234, f"12.3{SPACE}%"),
    (0.99996, f">{SPACE}99.9{SPACE}%"), (0.00001, f"<{SPACE}0.01{SPACE}%"), (-0.05, f"−5{SPACE}%"), (None, "–"),
    (float("nan"), "–"), (1.234, f"123{SPACE}%"), (12.5, f"1250{SPACE}%"),
])
def test_percent(share: float | None, text: str) -> None:
    assert style.percent(share) == text


def test_scores_changes_and_counts() -> None:
    assert (style.score(0.26649), style.score(-0.1), style.score(None)) == ("0.266", "−0.100", "–")
    assert (style.change(0.0123), style.change(-0.5)) == ("+0.012", "−0.500")
    assert style.count(147456) == f"147{SPACE}456"


def test_matrices_in_words() -> None:
    assert style.matrix_words("bert.encoder.layer.0.attention.self.query") == "layer 1 · query"
    assert style.matrix_words("bert.encoder.layer.11.output.dense") == "layer 12 · FFN out"
    assert style.matrix_words("head.proj") == "head.proj"


@pytest.mark.parametrize("page", ["overview", "runs", "run", "weights"])
def test_a_place_that_is_no_folder_of_runs_is_a_red_box_on_a_living_page(good_store: Store, tmp_path: Path, page: str,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path / "file"))
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(good_store.recorded))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90).run()
    if page != "overview":
        app.switch_page(PAGES[page].file).run()
    assert not app.exception and "SPARSESCOPE" in app.error[0].value and len(app.main) > 2


def test_a_run_whose_layers_are_pruned_in_part_says_so_in_sight(empty_store: Store,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    part, note = "6 of the 9 weights of the layers are prunable; left out: *.experts.", "The checkpoint has no head."
    for given, shown in (({"left_out": part, "notes": [note]}, [part, note]), ({"seed": 1}, [])):
        run = makers.make_run(empty_store.recorded, **given)
        texts = [caption.value for caption in open_page(monkeypatch, empty_store, "occupancy", run=run).caption]
        assert [text for text in (part, note) if links.plain(text) in texts] == shown


def test_a_score_on_held_out_examples_is_called_one(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, split in enumerate((HELD_OUT, "validation")):
        run = makers.make_run(empty_store.recorded, seed=seed, scores={"split": split})
        about = " ".join(text.value for text in open_page(monkeypatch, empty_store, "occupancy", run=run).markdown)
        assert (f" examples {HELD_OUT}." in about) is (split == HELD_OUT)
