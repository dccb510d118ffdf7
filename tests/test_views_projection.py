"""The figures of the projection page hold the numbers of the group, and their sentences are true."""

from __future__ import annotations

import numpy as np
import pytest

from core.lab import group
from core.lab.reading_group import DEFAULT
from core.lab.results_group import GroupPath
from core.sparsity.library import Library
from core.sparsity.patterns import NM
from core.views.drawing.view import View
from core.views.touch import one_block, one_group, one_group_rounds

ALL = (one_group.bars, one_group_rounds.crossings, one_group_rounds.choice)


def nudge(weights: tuple[float, ...] = DEFAULT[:4], pattern: NM = NM(2, 4), coupling: float = 0.6,  # noqa: B008
          rounds: int = 20) -> GroupPath:
    return group.solve(weights, pattern, coupling, 1.0, rounds)


def named(view: View, name: str) -> list:
    return [t for t in view.figure.data if t.name == name and t.x[0] is not None]


def sound(view: View) -> None:
    """What holds for every view with a picture."""
    assert view.claim.endswith(".") and view.claim in view.alt and view.try_this
    assert len(view.figure.to_json()) < 500_000
    for trace in view.figure.data:
        if trace.type == "heatmap":
            assert trace.zmin is not None and trace.zmax is not None and trace.z.dtype != bool


@pytest.mark.parametrize("pattern", [NM(1, 2), NM(2, 4), NM(4, 8), NM(8, 16), NM(3, 3), NM(1, 1)])
@pytest.mark.parametrize("make", ALL)
def test_every_view_is_sound_at_every_iteration(make, pattern: NM) -> None:
    found = nudge(DEFAULT[:pattern.m], pattern)
    for k in (0, 7, found.last):
        sound(make(found, k))


def test_the_bars_are_the_sizes_of_what_stays_and_goes() -> None:
    found = nudge()
    for k in (0, 6):
        view = one_group.bars(found, k)
        for name, mask in (("stays", found.mask[k]), ("goes", ~found.mask[k])):
            [bar] = named(view, name)
            assert bar.x.tolist() == (np.flatnonzero(mask) + 1).tolist()
            np.testing.assert_array_equal(bar.y, np.abs(found.v[k])[mask])
        [line] = named(view, "the line")
        stays, goes = named(view, "stays")[0].y, named(view, "goes")[0].y
        assert goes.max() < line.y[0] < stays.min()
        np.testing.assert_array_equal(named(view, "|dense weight|")[0].y, np.abs(found.weights))


def test_the_numbers_under_the_bars_add_up() -> None:
    found = nudge()
    view = one_group.bars(found, 4)
    cells, cut = (t for t in view.figure.data if t.type == "heatmap")
    w, u, v, z, carried = cells.z
    np.testing.assert_allclose(w + u, v, atol=1e-12)
    np.testing.assert_allclose(v - z, carried, atol=1e-12)
    np.testing.assert_array_equal(cut.z[3] == 1, ~found.mask[4])
    assert cut.z.sum() == 2
    table = view.table
    np.testing.assert_allclose(table["W"] + table["U"], table["W + U"], atol=1e-12)
    assert table["stays"].tolist() == found.mask[4].tolist()


def test_colours_and_axes_stand_still_while_it_plays() -> None:
    found = nudge()
    views = [one_group.bars(found, k) for k in range(found.last + 1)]
    assert len({v.figure.layout.yaxis.range for v in views}) == 1
    assert len({next(t.zmax for t in v.figure.data if t.type == "heatmap") for v in views}) == 1
    for k, view in enumerate(views):
        assert np.abs(found.v[k]).max() < view.figure.layout.yaxis.range[1]


def test_the_claim_of_the_bars_says_who_stays_and_what_they_hold() -> None:
    claim = one_group.bars(nudge(), 0).claim
    assert "Iteration 0: entries 3 and 4 stay, the 2 largest of 4" in claim
    assert "65.9" in claim  # (1 + 0.64) / (0.49 + 0.36 + 1 + 0.64)
    assert "entry 3 stays, the largest of 4" in one_group.bars(nudge(pattern=NM(1, 4)), 0).claim


def test_ties_are_said_and_marked() -> None:
    view = one_group.bars(nudge((0.5, 0.9, -0.5, 0.1)), 0)
    assert "Entries 1 and 3 tie at 0.50: the lower index stays." in view.claim
    assert [t for bar in view.figure.data if bar.type == "bar" for t in bar.text if "tie" in t] == ["0.50 tie"] * 2


@pytest.mark.parametrize(("weights", "pattern", "words"), [
    ((0.0,) * 4, NM(2, 4), ["all tie at zero, the first 2 stay, and kept energy has no meaning", "all tie at zero",
                            "all weights are zero"]),
    ((1.0, 2.0), NM(2, 2), ["keeps everything: Z is W + U, and there is nothing to choose", "nothing to choose",
                            "everything stays"])])
def test_what_has_nothing_to_choose_is_said(weights: tuple[float, ...], pattern: NM, words: list[str]) -> None:
    found = nudge(weights, pattern)
    for make, said in zip(ALL, words, strict=True):
        view = make(found, 3)
        sound(view)
        assert said in view.claim


def test_one_entry_in_its_own_numbers() -> None:
    found = nudge((1.0, -2.0, 0.25, 0.5), coupling=0.0)
    assert one_group.arithmetic(found, 0, "2") == \
        "Entry 2: W + U = −2.00 + 0.00 = −2.00, above the line at 0.75: it stays, Z = −2.00, and its next U is 0.00."
    assert one_group.arithmetic(found, 0, "4") == \
        "Entry 4: W + U = 0.50 + 0.00 = 0.50, below the line at 0.75: it goes, Z = 0.00, and all of it becomes the " \
        "next U, 0.50."
    assert one_group.arithmetic(nudge((1.0, 2.0), NM(2, 2)), 0, "1").endswith("and Z = 1.00.")


def test_lines_are_thick_exactly_where_an_entry_stays() -> None:
    found = nudge(DEFAULT[:8], NM(4, 8))
    view = one_group_rounds.crossings(found, 3)
    thick = {(int(x), int(e)): y for t in view.figure.data if t.mode and "lines" in t.mode and t.line.width > 2
             for x, e, y in zip(t.x, t.text, t.y, strict=True) if np.isfinite(y)}
    thin = {(int(x), int(e)): y for t in view.figure.data if t.mode == "lines" and t.showlegend is False
            for x, e, y in zip(t.x, t.text, t.y, strict=True) if np.isfinite(y)}
    assert set(thick) == {(int(k), int(i) + 1) for k, i in zip(*np.nonzero(found.mask), strict=True)}
    assert len(thin) == found.v.size
    for lines in (thick, thin):
        for (k, entry), y in lines.items():
            assert y == abs(found.v[k, entry - 1])
    assert view.figure.layout.shapes[0].x0 == 3


def test_the_crossing_is_told_with_its_iteration() -> None:
    claim = one_group_rounds.crossings(nudge(), 0).claim
    assert claim == "Entry 1 was cut at first; the dual carries it across the line at iteration 6, and entry 4 goes."
    assert "No entry crosses the line in 20 iterations: entries 3 and 4 stay." in \
        one_group_rounds.crossings(nudge(coupling=0.0), 0).claim


def test_a_choice_that_does_not_settle_is_told() -> None:
    found = nudge()
    mask = found.mask.copy()
    mask[-4::2] = found.mask[0]
    restless = GroupPath(found.n, found.weights, 0.6, 1.0, found.w, found.u, found.v, found.z, mask, found.error,
                     found.choices, found.ways)
    assert "has not come to rest by iteration 20" in one_group_rounds.crossings(restless, 0).claim
    back = found.mask.copy()
    back[6:] = found.mask[0]
    back[3:5] = found.mask[-1]
    back = GroupPath(found.n, found.weights, 0.6, 1.0, found.w, found.u, found.v, found.z, back, found.error,
                 found.choices, found.ways)
    assert "changes 2 times, last at iteration 5, and ends where it began" in \
        one_group_rounds.crossings(back, 0).claim


def test_the_choice_is_judged_beside_all_others() -> None:
    found = nudge()
    view = one_group_rounds.choice(found, 0)
    assert found.choices is not None
    steps = view.figure.data[0]
    np.testing.assert_array_equal(steps.y, found.error)
    assert view.figure.data[2].y[0] == found.choices.errors.min()
    assert "keeps entries 3 and 4" in view.claim and "place 4 of 6; with the best, entries 1 and 3," in view.claim
    last = one_group_rounds.choice(found, found.last)
    assert "the least of all 6 choices; with the largest, entries 3 and 4, it would be 17" in last.claim
    assert view.table["place"].tolist() == [4] * 6 + [1] * 15


def test_too_many_choices_are_said() -> None:
    weights = tuple(float(v) for v in np.random.default_rng(0).standard_normal(18))
    view = one_group_rounds.choice(group.solve(weights, NM(9, 18), 0.5, 1.0, 2), 1)
    sound(view)
    assert "48\N{NARROW NO-BREAK SPACE}620 choices" in view.claim and "the best is not known" in view.claim
    assert "place" not in view.table


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
