"""What is taken away: names of files, and pages that stand alone."""

from __future__ import annotations

import base64
import json
import re

import pandas as pd
import plotly.graph_objects as go
from hypothesis import given
from hypothesis import strategies as st

from core.exports import colours
from core.exports.html import Screen, page
from core.exports.names import LONGEST, file_name, source
from core.views.drawing.view import View
from core.views.film import panels
from core.views.film.reel import Reel, column, row

RUN = "cola-minilm-l6-admm-2of4-e4-s0-0123abcd"
WORDS = st.dictionaries(st.sampled_from(["run", "runs", "matrix", "pattern", "k", "present"]), st.text(), max_size=4)


def test_a_file_is_called_by_page_picture_run_and_choices() -> None:
    query = {"pattern": "2:4", "run": RUN, "present": "1", "show": ""}
    assert file_name("weights", "maps", query, "svg") == f"weights-maps-{RUN}-pattern-2of4.svg"
    assert file_name("watch", "watch", {}, "html") == "watch.html"
    several = file_name("compare", "flips", {"runs": f"{RUN},b,c"}, "csv")
    assert re.fullmatch(rf"compare-flips-{RUN}-and-2-more-[0-9a-f]{{8}}\.csv", several)
    assert several != file_name("compare", "flips", {"runs": f"{RUN},b,d"}, "csv")


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
    assert base64.b64decode(read(text, second["film"])) == film.packed(key="", default=0, autoplay=False, grows="")
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
