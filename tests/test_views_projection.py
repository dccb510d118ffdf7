"""The figures of the projection page hold the numbers of the group, and their sentences are true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.lab import group
from core.lab.reading_group import DEFAULT
from core.lab.results_group import GroupPath
from core.sparsity.library import Library
from core.sparsity.patterns import NM
from core.views.drawing.view import View
from core.views.film.reel import Film
from core.views.touch import one_block, one_group, one_group_film, one_group_rounds

CLAIMS = (one_group.claim, lambda path, k: one_group_rounds.crossed(path), one_group_rounds.judged)


def nudge(weights: tuple[float, ...] = DEFAULT[:4], pattern: NM = NM(2, 4), coupling: float = 0.6,  # noqa: B008
          rounds: int = 20) -> GroupPath:
    return group.solve(weights, pattern, coupling, 1.0, rounds)


def sound(view: View) -> None:
    """What holds for every view with a picture."""
    assert view.claim.endswith(".") and view.claim in view.alt and view.try_this
    assert len(view.figure.to_json()) < 500_000
    for trace in view.figure.data:
        if trace.type == "heatmap":
            assert trace.zmin is not None and trace.zmax is not None and trace.z.dtype != bool


def panel(found: Film, name: str) -> dict[str, Any]:
    return found.header["panels"][name]


@pytest.mark.parametrize("pattern", [NM(1, 2), NM(2, 4), NM(4, 8), NM(8, 16), NM(3, 3), NM(1, 1)])
def test_every_film_is_light_and_says_something_at_every_iteration(pattern: NM) -> None:
    path = nudge(DEFAULT[:pattern.m], pattern)
    found = one_group_film.film(path, "1")
    assert len(found.packed()) < 60_000 and found.claim.endswith(".") and found.claim in found.alt
    assert found.last == path.last == len(found.table) - 1
    for name in ("claim", "arithmetic", "judged"):
        texts = panel(found, name)["texts"]
        assert len(texts) == path.last + 1 and all(text.endswith(".") for text in texts)


def test_the_bars_are_w_plus_u_with_the_line_between_what_stays_and_what_goes() -> None:
    path = nudge()
    found = one_group_film.film(path, "1")
    bars = panel(found, "bars")
    dense, now = (found.array(series["values"])[:, 0] for series in bars["series"])
    np.testing.assert_allclose(dense, [path.weights], atol=1e-4)
    np.testing.assert_allclose(now, path.v, atol=1e-4)
    mask = found.array(bars["mask"])[:, 0]
    np.testing.assert_array_equal(mask, path.mask)
    assert bars["line"] and bars["group"] == [1, 4] and bars["first"] == [0, 0]
    for k in range(path.last + 1):  # what the script draws its line between
        assert np.abs(now[k])[mask[k] == 0].max() < np.abs(now[k])[mask[k] == 1].min()
    assert not panel(one_group_film.film(nudge((1.0, 2.0), NM(2, 2)), "1"), "bars")["line"]


def test_the_numbers_under_the_bars_add_up() -> None:
    path = nudge()
    found = one_group_film.film(path, "1")
    cells = panel(found, "cells")
    assert cells["rows"] == ["W", "U", "W + U", "Z", "next U"] and cells["written"]
    values, shown = found.array(cells["values"]), found.array(cells["mask"])
    w, u, v, z, carried = values.transpose(1, 0, 2)
    np.testing.assert_allclose(w + u, v, atol=3e-4)
    np.testing.assert_allclose(v - z, carried, atol=3e-4)
    np.testing.assert_array_equal(shown[:, 3], path.mask)
    assert shown[:, [0, 1, 2, 4]].all() and np.abs(values).max() <= cells["limit"] * 1.0001


def test_the_claim_of_the_bars_says_who_stays_and_what_they_hold() -> None:
    claim = one_group.claim(nudge(), 0)
    assert "Iteration 0: entries 3 and 4 stay, the 2 largest of 4" in claim
    assert "65.9" in claim  # (1 + 0.64) / (0.49 + 0.36 + 1 + 0.64)
    assert "entry 3 stays, the largest of 4" in one_group.claim(nudge(pattern=NM(1, 4)), 0)


def test_ties_are_said() -> None:
    assert "Entries 1 and 3 tie: the lower index stays." in \
        one_group.claim(nudge((0.5, 0.9, -0.5, 0.1)), 0)


@pytest.mark.parametrize(("weights", "pattern", "words"), [
    ((0.0,) * 4, NM(2, 4), ["all tie at zero, the first 2 stay, and kept energy has no meaning", "all tie at zero",
                            "all weights are zero"]),
    ((1.0, 2.0), NM(2, 2), ["keeps everything: Z is W + U, and there is nothing to choose", "nothing to choose",
                            "everything stays"])])
def test_what_has_nothing_to_choose_is_said(weights: tuple[float, ...], pattern: NM, words: list[str]) -> None:
    found = nudge(weights, pattern)
    for claim, said in zip(CLAIMS, words, strict=True):
        assert said in claim(found, 3)
    assert one_group_film.film(found, "1").last == found.last


def test_one_entry_in_its_own_numbers() -> None:
    found = nudge((1.0, -2.0, 0.25, 0.5), coupling=0.0)
    assert one_group.arithmetic(found, 0, "2") == \
        "Entry 2: W + U = −2.00 + 0.00 = −2.00, above the line at 0.75: it stays, Z = −2.00, and its next U is 0.00."
    assert one_group.arithmetic(found, 0, "4") == \
        "Entry 4: W + U = 0.50 + 0.00 = 0.50, below the line at 0.75: it goes, Z = 0.00, and all of it becomes the " \
        "next U, 0.50."
    assert one_group.arithmetic(nudge((1.0, 2.0), NM(2, 2)), 0, "1").endswith("and Z = 1.00.")


def test_lines_are_thick_exactly_where_an_entry_stays() -> None:
    path = nudge(DEFAULT[:8], NM(4, 8))
    strip = one_group_rounds.crossings(path)
    assert [line["name"] for line in strip["lines"]] == [str(i + 1) for i in range(8)]
    for i, line in enumerate(strip["lines"]):
        np.testing.assert_allclose(line["y"], np.abs(path.v[:, i]), rtol=1e-3)
        assert line["wide"] == path.mask[:, i].astype(int).tolist() and line["x"] == list(range(path.last + 1))
        words, colour = one_group_rounds.ROLES[bool(path.mask[0, i]), bool(path.mask[-1, i])]
        assert line["colour"] == colour and [words, colour] in strip["key"]
    assert np.abs(path.v).max() < strip["high"]
    found = one_group_film.film(path, "1")
    bars = panel(found, "bars")
    assert bars["entries"] == [line["colour"] for line in strip["lines"]], "a bar has the colour of its line"
    assert bars["hollow"] == ["dense weight"] == [bars["series"][0]["name"]]
    assert found.silent("?").header["panels"]["bars"]["entries"] is None, "a colour would tell who comes back"


def test_the_crossing_is_told_with_its_iteration() -> None:
    assert one_group_rounds.crossed(nudge()) == \
        "Entry 1 was cut at first; the dual carries it across the line at iteration 6, and entry 4 goes."
    assert "No entry crosses the line in 20 iterations: entries 3 and 4 stay." in \
        one_group_rounds.crossed(nudge(coupling=0.0))


def test_a_choice_that_does_not_settle_is_told() -> None:
    found = nudge()
    mask = found.mask.copy()
    mask[-4::2] = found.mask[0]
    restless = GroupPath(found.n, found.weights, 0.6, 1.0, found.w, found.u, found.v, found.z, mask, found.error,
                     found.choices, found.ways)
    assert "has not come to rest by iteration 20" in one_group_rounds.crossed(restless)
    back = found.mask.copy()
    back[6:] = found.mask[0]
    back[3:5] = found.mask[-1]
    back = GroupPath(found.n, found.weights, 0.6, 1.0, found.w, found.u, found.v, found.z, back, found.error,
                 found.choices, found.ways)
    assert "changes 2 times, last at iteration 5, and ends where it began" in one_group_rounds.crossed(back)


def test_the_choice_is_judged_beside_all_others() -> None:
    path = nudge()
    strip = one_group_rounds.choice(path)
    assert path.choices is not None
    np.testing.assert_allclose(strip["lines"][0]["y"], path.error, rtol=1e-3)
    assert strip["lines"][0]["step"] and strip["level"] == [path.choices.errors.min(), "the best"]
    first = one_group_rounds.judged(path, 0)
    assert "keeps entries 3 and 4" in first and "place 4 of 6; with the best, entries 1 and 3," in first
    assert "the least of all 6 choices; with the largest, entries 3 and 4, it would be 17" in \
        one_group_rounds.judged(path, path.last)
    assert one_group_film.film(path, "1").table["place"].tolist() == [4] * 6 + [1] * 15


def test_too_many_choices_are_said() -> None:
    weights = tuple(float(v) for v in np.random.default_rng(0).standard_normal(18))
    path = group.solve(weights, NM(9, 18), 0.5, 1.0, 2)
    words = one_group_rounds.judged(path, 1)
    assert "48\N{NARROW NO-BREAK SPACE}620 choices" in words and "the best is not known" in words
    assert "place" not in one_group_film.film(path, "1").table and "level" not in one_group_rounds.choice(path)


# -- a block under a library -----------------------------------------------------------------------------------------

SUPPORTS = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]], bool)
LIBRARY = Library(2, 2, SUPPORTS)


def test_the_block_shows_the_winner_and_what_free_choice_would_do() -> None:
    weights = (0.1, 2.0, -2.5, 1.0)  # free choice keeps 2 and 3; energies 4.01, 7.25, 6.26
    view = one_block.block(LIBRARY, weights)
    sound(view)
    cells, cut = (t for t in view.figure.data if t.type == "heatmap")
    np.testing.assert_array_equal(cut.z, [[1, 1], [0, 0]])
    np.testing.assert_array_equal(cells.z[1], [-2.5, 1.0])
    assert np.isnan(cells.z[0]).all()
    [ring] = [t for t in view.figure.data if t.name == "free choice would differ"]
    assert sorted(zip(np.rint(ring.x - 0.36), np.rint(ring.y + 0.34), strict=True)) == [(1, 0), (1, 1)]
    total = sum(w * w for w in weights)
    assert view.claim.startswith("Pattern 2 of 3 wins")
    for share in (7.25, 10.25, 6.26):
        assert f"{100 * share / total:.3g}" in view.claim
    assert "the runner-up, pattern 3," in view.claim
    assert view.table["stays"].tolist() == [False, False, True, True]


def test_all_patterns_are_drawn_and_the_winner_framed() -> None:
    view = one_block.patterns(LIBRARY, (0.1, 2.0, -2.5, 1.0))
    sound(view)
    [sheet] = [t for t in view.figure.data if t.type == "heatmap"]
    for p, support in enumerate(SUPPORTS):
        np.testing.assert_array_equal(sheet.z[2:4, 3 * p:3 * p + 2], support.reshape(2, 2))
    winner, second = view.figure.layout.shapes
    assert winner.x0 < 3 < 4 < winner.x1 and second.x0 < 6 < 7 < second.x1
    assert view.table["keeps entries"].tolist() == ["1 2", "3 4", "1 3"]


@pytest.mark.parametrize("count", [1, 8, 16, 32])
def test_libraries_of_all_sizes_are_drawn(count: int) -> None:
    rng = np.random.default_rng(0)
    supports = np.unique(np.argsort(rng.random((200, 16)), axis=1) < 8, axis=0)[:count]
    library = Library(4, 4, supports)
    for make in (one_block.block, one_block.patterns):
        sound(make(library, rng.standard_normal(16)))
    sheet = one_block.patterns(library, rng.standard_normal(16)).figure.data[0].z
    assert int(np.nansum(sheet)) == 8 * count


def test_a_block_of_zeros_is_said() -> None:
    view = one_block.block(LIBRARY, (0.0,) * 4)
    sound(view)
    assert "all patterns tie at zero, the first is taken, and kept energy has no meaning" in view.claim
    sound(one_block.patterns(LIBRARY, (0.0,) * 4))
