"""What is taken away: names of files, and pages that stand alone."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cli.deck import deck_command
from core.cli.figure import figure_command
from core.errors import InputError
from core.exports import colours, pictures, printing
from core.exports.asked import Asked
from core.exports.html import Screen, page
from core.exports.names import LONGEST, file_name, source
from core.runs.filmed import filmed
from core.runs.store import Store
from core.views.drawing.view import View
from core.views.film import panels
from core.views.film.reel import Film, Reel, column, row
from tests.makers import make_store
from tests.sources import ROOT
from ui.pages import PAGES

RUN = "cola-minilm-l6-admm-2of4-e4-s0-0123abcd"
WORDS = st.dictionaries(st.sampled_from(["run", "runs", "matrix", "pattern", "k", "present"]), st.text(), max_size=4)


def test_a_file_is_called_by_page_picture_run_and_choices() -> None:
    query = {"pattern": "2:4", "run": RUN, "present": "1", "show": ""}
    assert file_name("weights", "maps", query, "svg") == f"weights-maps-{RUN}-pattern-2of4.svg"
    assert file_name("watch", "watch", {}, "html") == "watch.html"
    several = file_name("compare", "flips", {"runs": f"{RUN},b,c"}, "csv")
    assert re.fullmatch(rf"compare-flips-{RUN}-and-2-more-[0-9a-f]{{8}}\.csv", several)
    assert several != file_name("compare", "flips", {"runs": f"{RUN},b,d"}, "csv")


@settings(max_examples=40)
@given(WORDS, st.text(max_size=300))
def test_a_name_is_safe_on_every_system(query: dict[str, str], picture: str) -> None:
    name = file_name("weights", picture, query, "png")
    assert re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.png", name) and len(name) <= LONGEST + 4


def test_names_that_were_cut_differ() -> None:
    long = "layer." * 40
    names = {file_name("weights", "maps", {"matrix": f"{long}{k}"}, "png") for k in range(20)}
    assert len(names) == 20 and {len(name) for name in names} == {LONGEST + 4}


def test_the_source_names_program_page_and_run_first() -> None:
    said = source("Weights", {"matrix": "layer.0", "run": RUN, "lesson": "admm"})
    assert re.fullmatch(rf"SparseScope [\d.]+ · Weights · run {RUN} · matrix layer.0", said)


def view(claim: str) -> View:
    figure = go.Figure({"data": [{"type": "bar", "x": ["</script><script>alert(1)</script>"], "y": [3]}],
                        "layout": {"height": 300, "template": "plotly"}})
    return View(f"{claim} Said at length.", figure, None, "three bars", pd.DataFrame({"a": [1]}), "", claim)


def read(text: str, mark: str) -> str:
    return re.search(rf'<script type="[a-z/]+" id="{mark}">(.*?)</script>', text, re.DOTALL)[1]  # type: ignore[index]


def test_a_page_holds_its_data_and_asks_for_nothing() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    reel = Reel(["first", "last"])
    reel.add("time", panels.words("", ["a", "b"]))
    film = reel.film("A film.", "what it shows", None, [row(column("time"), height=60)])
    text = page([Screen("", view("Half stays."), notes=evil, source="here"), Screen("Watch.", film)], "A <deck>")
    first, second = json.loads(read(text, "screens"))
    assert (first["claim"], first["alt"], first["notes"]) == ("Half stays.", "three bars", evil)
    assert first["figure"]["data"][0]["y"] == [3] and "template" not in first["figure"]["layout"]
    for moment, default in ((None, 1), (0, 0), (99, 1)):  # its own, the last one, where none is asked for
        deck = page([Screen("", view("Half stays.")), Screen("Watch.", film, moment=moment)])
        staged = film.staged(True).packed(key="", default=default, autoplay=False, grows="")
        assert base64.b64decode(read(deck, second["film"])) == staged
    assert evil not in text and "<script>alert(1)" not in text and "<title>A &lt;deck&gt;</title>" in text
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", text.split("<body>")[0]) == []
    assert re.findall(r"<script(?! type=\"(?:application/json|text/plain)\")[^>]+>", text) == []
    assert text.count("plotly.js v") == 1


def test_a_page_of_films_carries_no_plotly_and_says_no_claim_twice() -> None:
    reel = Reel(["first"])
    reel.add("claim", panels.words("", ["It says so."], large=True))
    film = reel.film("It says so.", "alt", None, [row(column("claim"), height=60)])
    text = page([Screen("", film)])
    assert len(text) < 200_000
    assert json.loads(read(text, "screens"))[0]["claim"] == ""


def test_the_colours_of_a_page_are_the_apps() -> None:
    assert colours.themes()["dark"]["back"] != colours.themes()["light"]["back"]
    for theme in colours.THEMES:
        assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours.themes()[theme].values())
        assert colours.themes()[theme]["back"] in colours.css()


def test_a_figure_for_paper_is_laid_out_so_that_its_smallest_letter_is_seven_points() -> None:
    figure = go.Figure({"data": [{"type": "bar", "x": ["a"], "y": [1], "textfont": {"size": 12}}], "layout": {
        "height": 300, "font": {"size": 15}, "margin": {"r": 200, "l": 60},
        "annotations": [{"text": "n", "font": {"size": 14, "color": "rgb(128, 132, 149)"}}]}})
    shown = View("Claim.", figure, None, "alt", pd.DataFrame(), "")
    for name, inches in printing.COLUMNS.items():
        drawn, wide = printing.dressed(shown, name)
        points = 12 * (inches * 72) / drawn["layout"]["width"]  # the smallest letter, once it is as wide as the column
        assert 6.99 <= points <= 7.05 and wide == inches * 96
        assert drawn["layout"]["annotations"][0]["font"]["color"] == colours.themes()["light"]["text"]
        assert drawn["layout"]["margin"] == {"r": 240, "l": 60}
    assert figure.layout.margin.r == 200  # the view of the pages is shared: nothing of it may change


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("store"))


def test_every_picture_of_the_list_is_one_of_a_page_and_can_be_drawn_or_says_why_not(store: Store) -> None:
    asked = Asked(store, {})
    for name, picture in pictures.PICTURES.items():
        assert name == f"{picture.page}.{picture.key}" and picture.page in PAGES and picture.title
        source_of_page = (ROOT / PAGES[picture.page].file).read_text() + (ROOT / "ui" / "first_screen.py").read_text()
        assert f'"{picture.key}"' in source_of_page, name
        try:
            shown = pictures.made(picture, asked)
        except InputError as error:
            assert str(error).endswith(".")
        else:
            assert isinstance(shown, View | Film) and shown.claim


def test_a_picture_that_nobody_knows_is_refused_with_the_closest() -> None:
    assert pictures.of_page("weights").key == "maps" and pictures.of_page("watch", "wall").name == "watch.wall"
    with pytest.raises(InputError, match=r"Unknown picture of weights 'mapps'.*Did you mean 'maps'"):
        pictures.of_page("weights", "mapps")
    with pytest.raises(InputError, match="Unknown page"):
        pictures.of_page("methods")
    with pytest.raises(InputError, match=r"Did you mean 'trace\.timeline'"):
        pictures.called("trace.timelin")


def test_paper_shows_the_moment_and_the_copy_that_a_film_stands_at(store: Store) -> None:
    run = store.open(next(r.id for r in store.records() if r.spec.method == "admm"))
    matrix = run.record.matrices[0].name
    frames = filmed(run, matrix).frames

    def middle(**query: str) -> Any:
        view = pictures.still(pictures.called("weights.maps"), Asked(store, {"run": run.record.id, **query}))
        return np.nan_to_num(next(t.z for t in view.figure.data  # type: ignore[union-attr]
                                  if t.type == "heatmap" and t.xaxis == "x2" and t.hoverinfo != "skip"))

    assert np.allclose(middle(k="1"), frames[1].w, atol=1e-6)
    assert np.allclose(middle(), frames[-1].w, atol=1e-6) and np.array_equal(middle(k="99999"), middle())
    assert not np.allclose(middle(k="1"), middle(), atol=1e-6)
    assert np.count_nonzero(middle(k="1", show="z")) == np.count_nonzero(frames[1].mask)


def test_figure_writes_a_page_and_says_what_a_person_got_wrong(
        store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    run = next(r.id for r in store.records() if r.spec.method == "admm")
    call = CliRunner().invoke
    done = call(figure_command, [run, "trace.timeline", "--to", str(tmp_path / "a.html")])
    assert done.exit_code == 0 and "Caption: " in done.output
    assert json.loads(read((tmp_path / "a.html").read_text(), "screens"))[0]["source"].endswith(f"run {run}")
    for arguments, said in (([run, "trace.timelin", "--to", "a.svg"], "Did you mean 'trace.timeline'"),
                            ([run, "trace.timeline", "x", "--to", "a.svg"], "3 names"),
                            ([run, "trace.timeline"], "No file was named"),
                            (["trace.timeline", "--to", "a.svg"], "asked for of no run"),
                            ([run, "trace.timeline", "--to", str(tmp_path / "a.gif")], "ends in '.gif'"),
                            ([run, "watch.watch", "--to", "a.svg"], "is a film"),
                            ([run, "trace.timeline", "--to", "a.svg", "--set", "x"], "KEY=VALUE")):
        assert said in str(call(figure_command, arguments).exception), arguments
    monkeypatch.setattr("shutil.which", lambda name: None)
    refused = call(figure_command, [run, "trace.timeline", "--to", str(tmp_path / "a.svg")])
    assert "no Chromium" in str(refused.exception)
    assert not (tmp_path / "a.svg").exists()


def test_a_deck_is_a_screen_a_slide_with_its_words_notes_and_moment(store: Store, tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(r.id for r in store.records() if r.spec.method == "admm")
    (tmp_path / "talk.toml").write_text(f"""title = "A talk"
[[slide]]
link = "trace?run={run}&look=waterfall"
notes = "Say <this>."
[[slide]]
link = "plane?case=small&k=3"
says = "They never agree"
[[slide]]
link = "methods"
says = "All methods"
""")
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    call, to = CliRunner().invoke, tmp_path / "talk.html"
    done = call(deck_command, [str(tmp_path / "talk.toml"), "--to", str(to)])
    assert done.exit_code == 0 and "3 slides" in done.output
    one, two, three = json.loads(read(to.read_text(), "screens"))
    assert one["notes"] == "Say <this>." and one["figure"]["data"] and run in one["source"]
    film = base64.b64decode(read(to.read_text(), two["film"]))
    header = json.loads(film[4:4 + int.from_bytes(film[:4], "little")])
    assert two["claim"] == "They never agree" and header["default"] == 3
    assert (three["claim"], three["words"]) == ("All methods", "In the dashboard: methods")
    bad = (tmp_path / "talk.toml").read_text().replace(run, "no-run").replace("Say", "Bad").replace("talk", "x")
    (tmp_path / "bad.toml").write_text(bad)
    for arguments, said in (([str(tmp_path / "bad.toml"), "--to", str(to)], "Slide 1: There is no run"),
                            (["no-such-deck", "--to", str(to)], "Unknown deck"),
                            ([str(tmp_path / "none.toml"), "--to", str(to)], "There is no file"),
                            (["admm"], "--to is not given")):
        assert said in str(call(deck_command, arguments).exception)
