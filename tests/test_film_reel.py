"""A film as plain data: what was put in comes out again, and the colours are those of a naive loop."""

from __future__ import annotations

import json
import struct

import numpy as np
import pandas as pd
import pytest

from core.views.drawing import style
from core.views.film import panels, still
from core.views.film.reel import STEPS, Film, Reel, column, evenly, row
from core.views.film.timeline import Timeline

RNG = np.random.default_rng(5)


def bare(reel: Reel, *names: str) -> Film:
    return reel.film("claim", "alt", pd.DataFrame(), [row(*(column(name) for name in names))])


def test_numbers_come_back_within_half_a_step_and_counts_and_bits_exactly() -> None:
    reel = Reel(["a", "b", "c"])
    values = RNG.standard_t(3, (3, 5, 7)).astype(np.float32)
    counts = RNG.integers(0, 2**31 - 1, (3, 4))
    bits, one = RNG.integers(0, 2, (3, 3, 7)), RNG.integers(0, 256, (1, 3, 3)).astype(np.uint8)
    places = [reel.numbers(values), reel.bits(bits), reel.counts(counts), reel.codes(one), reel.numbers(values[:1])]
    found = bare(reel)
    assert np.abs(found.array(places[0]) - values).max() <= np.abs(values).max() / STEPS / 2 * 1.01
    assert np.array_equal(found.array(places[1]), bits)
    assert np.array_equal(found.array(places[2]), counts)
    assert np.array_equal(found.array(places[3]), one)
    assert found.array(places[4]).shape == (1, 5, 7)


def test_nothing_but_zeros_stays_zero() -> None:
    reel = Reel(["a"])
    place = reel.numbers(np.zeros((1, 2, 2), np.float32))
    assert not bare(reel).array(place).any()


def test_what_travels_is_a_length_a_header_and_the_arrays_at_places_where_numbers_may_begin() -> None:
    reel = Reel(["a", "b"])
    reel.bits(np.ones((2, 3)))
    reel.numbers(np.ones((2, 3), np.float32))
    found = bare(reel)
    packed = found.packed(key="k", default=1)
    size = struct.unpack("<I", packed[:4])[0]
    header = json.loads(packed[4:4 + size])
    assert (header["key"], header["default"], header["moments"]) == ("k", 1, ["a", "b"])
    assert packed[4 + size:] == found.payload
    assert [entry["at"] % 4 for entry in header["arrays"]] == [0, 0]
    assert found.last == 1


def test_the_mark_of_a_film_is_that_of_its_numbers() -> None:
    def mark(value: float, moment: str = "a") -> str:
        reel = Reel([moment])
        reel.counts(np.array([[value]]))
        return str(bare(reel).header["id"])

    assert mark(1) == mark(1)
    assert len({mark(1), mark(2), mark(1, "b")}) == 3


@pytest.mark.parametrize("scale", ["diverging", "sequential"])
def test_the_colours_are_those_of_a_naive_loop(scale: str) -> None:
    reel, limit = Reel(["a", "b"]), 0.3
    values = RNG.normal(0, 0.2, (2, 4, 6)).astype(np.float32)
    mask = RNG.integers(0, 2, (2, 4, 6))
    palette = reel.palette("p", style.diverging_palette())
    panel = panels.pixels("W", reel.numbers(values), palette=palette, limit=limit, mask=reel.bits(mask), lead=True,
                          scale=scale)  # type: ignore[arg-type]
    reel.add("w", panel)
    found = bare(reel, "w")
    for k in range(2):
        drawn = still.codes(found, panel, k)
        for r in range(4):
            for c in range(6):
                share = min(max(float(values[k, r, c]) / limit, -1 if scale == "diverging" else 0), 1)
                want = 127 + 127 * share if scale == "diverging" else 254 * share
                assert drawn[r, c] == 255 if not mask[k, r, c] else abs(float(drawn[r, c]) - want) <= 0.51


def test_the_still_picture_is_the_last_moment_in_whole_pixels() -> None:
    from io import BytesIO

    from PIL import Image

    reel = Reel(["a", "b"])
    codes = np.full((2, 8, 8), 127, np.uint8)
    codes[1, 0, 0] = 254
    palette = reel.palette("p", style.diverging_palette())
    for name in ("one", "two"):
        reel.add(name, panels.pixels(name, reel.codes(codes), palette=palette, scale="codes", lead=True))
    png = still.png(bare(reel, "one", "two"))
    assert png is not None
    picture = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))
    assert picture.shape[:2] == (256, 2 * 256 + still.GAP)
    blue = (picture[..., 2] > 150) & (picture[..., 3] == 255)
    assert blue.sum() == 2 * 32 * 32 and blue[:32, :32].all() and blue[:32, 256 + still.GAP:][:, :32].all()


def test_a_film_without_pictures_has_no_still_one() -> None:
    reel = Reel(["a"])
    reel.add("t", panels.words("", ["x"]))
    assert still.png(bare(reel, "t")) is None


def test_moments_are_taken_evenly_with_the_ends_and_what_must_be_kept() -> None:
    assert evenly(5, 8) == [0, 1, 2, 3, 4]
    chosen = evenly(100, 12, keep=[0, 97, 99])
    assert {0, 97, 99} <= set(chosen) and len(chosen) <= 12 and chosen == sorted(set(chosen))
    assert max(np.diff(chosen)) <= 14


def test_a_step_lies_between_the_moments_around_it() -> None:
    line = Timeline(("dense", "layer-wise", "layer-wise", "admm", "admm", "admm", "hard-pruned", "final"),
                    (0, 1, 24, 0, 10, 30, 30, 80))
    assert line.place("admm", 0, 80) == 3
    assert line.place("admm", 20, 80) == pytest.approx(4.5)
    assert line.place("layer-wise", 24, 80) == 2
    assert line.place("refine", 30, 80) == 6 and line.place("refine", 55, 80) == pytest.approx(6.5)
    assert line.place("refine", 80, 80) == 7
    assert line.place("nothing of ours", 3, 80) is None
    assert line.spans() == [("dense", 0, 0), ("layer by layer", 1, 2), ("ADMM", 3, 5), ("hard prune", 6, 6),
                            ("refined", 7, 7)]
    assert line.words()[:3] == ["dense", "layer by layer, round 1", "layer by layer, round 24"]


def test_a_silent_film_moves_as_before_and_says_nothing() -> None:
    reel = Reel(["a", "b"])
    place = reel.numbers(np.ones((2, 3, 3), np.float32))
    reel.add("w", panels.pixels("W", place, palette=reel.palette("p", [(0, 0, 0, 255)] * 2), limit=1.0, alt="W is one"))
    reel.add("said", panels.words("", ["the answer is a", "the answer is b"], large=True))
    reel.add("now", panels.words("", ["this is a", "this is b"], tells=False))
    line = panels.strip("loss", [("loss", [0, 1], [3.0, 1.0], (0, 0, 0))], low=0.0, high=3.0, level=(0.75, "the best"))
    reel.add("time", panels.curves("", [line], alt="falls to 1"))
    loud = bare(reel, "w", "said", "now", "time")
    quiet = loud.silent("Guess first.")
    assert (quiet.claim, quiet.table, quiet.alt) == ("", None, "Guess first.")
    assert b"answer" not in quiet.packed() and b"W is one" not in quiet.packed() and b"answer" in loud.packed()
    assert b"falls" not in quiet.packed() and b"the best" not in quiet.packed() and b"this is b" in quiet.packed()
    assert quiet.payload == loud.payload and quiet.last == loud.last
    assert quiet.header["id"] != loud.header["id"], "the player must take it for another film"
