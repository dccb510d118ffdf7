"""The pictures that announce the acts of a lesson: read back from their SVG, held against what they draw."""

from __future__ import annotations

import base64
import io
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from core.lab.plane import quadratic
from core.lab.results_plane import PlaneChoices
from core.lessons import LESSONS
from core.lessons.admm import FILM, LAYER, MATRIX
from core.lessons.base import Lesson
from core.runs.store import Run, Store
from core.views.drawing import style
from core.views.touch import announcing
from tests.sources import ROOT

NAME = "{http://www.w3.org/2000/svg}"


def recorded(run_id: str) -> Run:
    return Store(recorded=ROOT / "cached_runs", live=ROOT / "none").open(run_id)


def read(small: announcing.Small, tag: str) -> list[dict[str, str]]:
    return [each.attrib for each in ElementTree.fromstring(small.svg).iter(NAME + tag)]


def codes(small: announcing.Small) -> list[np.ndarray]:
    """The cells of every image: places in the palette."""
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one["href"].partition(",")[2]))))
            for one in read(small, "image")]


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=list(LESSONS))
def test_every_step_is_in_one_act_and_an_act_stays_on_its_page(lesson: Lesson) -> None:
    places = [place for _, part in lesson.parts() for place in part]
    assert places == list(range(len(lesson.steps)))
    pages = [{lesson.steps[place].page for place in part} - {"lesson"} for _, part in lesson.parts()]
    assert all(len(page) == 1 for page in pages) and len({*map(tuple, pages)}) == len(pages)
    assert [act.picture for act in lesson.acts] == list(announcing.PICTURES)


@pytest.mark.parametrize("choices", [PlaneChoices(), PlaneChoices(tilt=35, curvature=3, m1=-10, m2=4)])
def test_a_ring_joins_points_of_equal_loss(choices: PlaneChoices) -> None:
    small = announcing.two_weights(choices)
    root = ElementTree.fromstring(small.svg)
    turned = next(g.attrib["transform"] for g in root.iter(NAME + "g") if "transform" in g.attrib)
    found = re.fullmatch(r"translate\((\S+) (\S+)\) rotate\((\S+)\)", turned)
    cross = re.match(r"M0 (\S+)H\d+M(\S+) 0V", read(small, "path")[0]["d"])
    assert found is not None and cross is not None
    x, y, turn = (float(part) for part in found.groups())
    y0, x0 = float(cross[1]), float(cross[2])
    minimum = np.array([x - x0, y0 - y]) / announcing.UNIT
    assert minimum == pytest.approx(choices.minimum, abs=0.01)
    a = quadratic(choices.tilt, choices.curvature)
    for ring, loss in zip(read(small, "ellipse"), announcing.LOSSES, strict=True):
        for angle in np.linspace(0, 2 * math.pi, 12):
            along, across = float(ring["rx"]) * math.cos(angle), float(ring["ry"]) * math.sin(angle)
            c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
            # On the screen y points down.
            w = np.array([x + along * c - across * s - x0, y0 - (y + along * s + across * c)]) / announcing.UNIT
            assert 0.5 * (w - minimum) @ a @ (w - minimum) == pytest.approx(loss, rel=0.05, abs=0.01)


def test_of_a_group_the_largest_stay_and_heights_are_sizes() -> None:
    small = announcing.group((0.7, -0.6, 1.0, -0.8), 2)
    bars = read(small, "rect")
    heights = np.array([float(bar["height"]) for bar in bars])
    assert heights / heights.max() == pytest.approx([0.7, 0.6, 1.0, 0.8], abs=0.01)
    assert [float(bar["fill-opacity"]) for bar in bars] == [announcing.GONE, announcing.GONE, 1, 1]
    assert small.alt == "One group of 4 weights by size: 0.7 goes, 0.6 goes, 1 stays, 0.8 stays."
    blank = announcing.group((0.0, 0.0), 1)
    assert [float(bar["height"]) for bar in read(blank, "rect")] == [0, 0] and "nan" not in blank.svg


def test_a_layer_is_shown_dense_and_under_its_mask() -> None:
    run, n = recorded(LAYER), announcing.EDGE
    small = announcing.layer(run, MATRIX)
    dense, pruned = codes(small)
    mask = run.mask(MATRIX)
    assert mask is not None and not (dense == style.PRUNED_CODE).any()
    assert np.array_equal(pruned != style.PRUNED_CODE, mask[:n, :n] != 0)
    assert run.parent is not None
    whole = run.parent.weight(MATRIX)
    assert whole is not None
    assert np.array_equal(np.sign(dense.astype(int) - style.ZERO_CODE)[np.abs(whole[:n, :n]) > 0.01],
                          np.sign(whole[:n, :n])[np.abs(whole[:n, :n]) > 0.01])
    assert small.alt.endswith(f"dense and pruned to 2:4: {style.percent(0.5)} are gone.")


def test_a_network_is_all_its_matrices_as_they_ended() -> None:
    run = recorded(FILM)
    small = announcing.network(run)
    shown = codes(small)
    assert len(shown) == len(run.record.matrices)
    for each, picture in zip(run.record.matrices, shown, strict=True):
        mask = run.mask(each.name)
        assert mask is not None and picture.shape == (announcing.DOWN, announcing.ACROSS)
        assert np.array_equal(picture != style.PRUNED_CODE, mask[:announcing.DOWN, :announcing.ACROSS] != 0)
    boxes = {tuple(float(one[key]) for key in ("x", "y", "width", "height")) for one in read(small, "image")}
    assert len(boxes) == len(shown)
    assert all(x + w <= announcing.WIDE + 0.2 and y + h <= announcing.HIGH + 0.2 for x, y, w, h in boxes)
