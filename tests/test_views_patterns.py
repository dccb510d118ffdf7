"""The Patterns page's figures hold what was planted, and its numbers are those of the plainest loops."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs import arrays as enc
from core.runs.store import Run, Store
from core.sparsity.library import Library
from core.sparsity.patterns import NM, Learned
from core.views.drawing.view import View
from core.views.patterns import library_block, library_cost, library_map, library_source
from core.views.patterns.library_source import MATRIX, MODEL, RUN, Shape
from tests.damage import change_header, replace_arrays
from tests.makers import make_dense, make_run

QUERY, KEY = (f"bert.encoder.layer.0.attention.self.{part}" for part in ("query", "key"))
SQUARE = Shape(4, 4, 8)
HALVES = {  # three supports of 4 x 4 that keep 8: two whole columns, two whole rows, a checkerboard
    "columns": np.tile([1, 1, 0, 0], (4, 1)).astype(bool),
    "rows": np.repeat([1, 1, 0, 0], 4).reshape(4, 4).astype(bool),
    "checks": (np.indices((4, 4)).sum(axis=0) % 2 == 0),
}


def sides(matrix: np.ndarray, rows: int, columns: int) -> list[np.ndarray]:
    """The blocks one by one, by slices."""
    return [matrix[i:i + rows, j:j + columns].reshape(-1)
            for i in range(0, matrix.shape[0], rows) for j in range(0, matrix.shape[1], columns)]


def plant(store: Store, run_id: str, matrix: str, weight: np.ndarray) -> None:
    codes, scale = enc.encode_rows(weight)
    replace_arrays(store.recorded / run_id, {f"weight/{matrix}": codes, f"scale/{matrix}": scale})


def planted_kinds(side: int) -> np.ndarray:
    """Which of HALVES every block of a `[4 side, 4 side]` matrix holds: columns half of all, then rows, then checks."""
    kinds = np.zeros((side, side), int)
    kinds[side // 2:] = 1
    kinds[-1] = 2
    return kinds


def weight_of(kinds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights whose strongest halves are those of *kinds*: large ones there, small ones elsewhere."""
    halves = list(HALVES.values())
    large = np.block([[halves[k] for k in row] for row in kinds])
    return np.where(large, 1.0, 0.2) * (0.7 + 0.3 * rng.random(large.shape)) * rng.choice([-1, 1], large.shape)


@pytest.fixture
def planted(empty_store: Store) -> tuple[Run, np.ndarray]:
    """A dense run whose query matrix takes three supports, and which block takes which."""
    name = make_dense(empty_store.recorded, layers=1)
    kinds = planted_kinds(16)
    plant(empty_store, name, QUERY, weight_of(kinds, np.random.default_rng(0)))
    return empty_store.open(name), kinds


def sound(view: View) -> None:
    """What holds for every view with a picture."""
    assert view.claim.endswith(".") and view.claim in view.alt and view.try_this
    assert not view.table.empty and len(view.figure.to_json()) < 500_000
    for trace in view.figure.data:
        if trace.type == "heatmap":
            assert trace.zmin is not None and trace.zmax is not None and trace.z.dtype != bool


def all_views(run: Run, matrix: str, block: str, learned: str, count: int) -> list[View]:
    given = (run, matrix, block, learned, count)
    return [library_map.block_map(*given, 0, (1, 2)), library_map.legend(*given), library_cost.cost(*given),
            library_block.close_up(*given, 1, 2), library_block.ranking(*given, 1, 2)]


# -- the map and the library -------------------------------------------------------------------------------------

def test_the_map_shows_the_supports_that_were_planted(planted: tuple[Run, np.ndarray]) -> None:
    run, kinds = planted
    found = library_source.load(run, QUERY, "4x4:8", MATRIX, 3)
    assert [s.reshape(4, 4).tolist() for s in found.library.supports] == [h.tolist() for h in HALVES.values()]
    view = library_map.block_map(run, QUERY, "4x4:8", MATRIX, 3)
    assert (np.asarray(view.figure.data[0].z) == kinds + 1).all()
    shares = [float((kinds == k).mean()) for k in range(3)]
    assert view.table["share of the blocks"].tolist() == pytest.approx(shares)
    assert view.table["keeps entries"][1] == "1 2 3 4 5 6 7 8"
    assert view.figure.data[0].dx == view.figure.data[0].dy == 4
    sound(view)


def test_the_colours_of_map_and_library_agree(planted: tuple[Run, np.ndarray]) -> None:
    run, _ = planted
    view, book = (make(run, QUERY, "4x4:8", MATRIX, 3) for make in (library_map.block_map, library_map.legend))
    for figure, shift in ((view.figure, 1), (book.figure, 1)):  # 0 is "none of the library", or what goes
        scale = figure.data[0].colorscale
        middle = [(k + shift + 0.5) / (len(scale) / 2) for k in range(3)]
        assert [next(tone for edge, tone in scale[1::2] if edge > m) for m in middle] == list(library_map.TONES[:3])
    cells = np.asarray(book.figure.data[0].z)
    assert [int((cells == k + 1).sum()) for k in range(3)] == [8, 8, 8] and int((cells == 0).sum()) == 24


def test_neighbours_that_agree_are_counted(planted: tuple[Run, np.ndarray]) -> None:
    run, kinds = planted
    same = sum(kinds[i, j] == kinds[i + 1, j] for i in range(15) for j in range(16)) / (15 * 16)
    chance = sum((kinds == k).mean() ** 2 for k in range(3))
    claim = library_map.block_map(run, QUERY, "4x4:8", MATRIX, 3).claim.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert f"{100 * same:.3g} % of the blocks" in claim and f"random, {100 * chance:.3g} % would" in claim


def test_one_support_alone_is_counted_and_the_rest_steps_back(planted: tuple[Run, np.ndarray]) -> None:
    run, kinds = planted
    view = library_map.block_map(run, QUERY, "4x4:8", MATRIX, 3, 3)
    assert (kinds == 2).sum() == 16
    assert "Support 3 sits in 16 of the 256 blocks" in view.claim.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "in 1 of 16 rows of blocks, in 16 of 16 columns" in view.claim
    tones = [tone for _, tone in view.figure.data[0].colorscale[1::2]]
    assert tones[1:] == [library_map.FAINT, library_map.FAINT, library_map.style.ACCENT]
    sound(view)


def test_the_ring_lies_on_the_chosen_block(planted: tuple[Run, np.ndarray]) -> None:
    ring = library_map.block_map(planted[0], QUERY, "4x4:8", MATRIX, 3, 0, (2, 5)).figure.data[1]
    assert (ring.x[0], ring.y[0]) == (5 * 4 + 1.5, 2 * 4 + 1.5)  # the middle of inputs 20-23, outputs 8-11


def test_a_large_map_draws_every_kth_row_and_says_so(empty_store: Store) -> None:
    name = make_dense(empty_store.recorded, layers=1, hidden=384, ffn=768)
    run = empty_store.open(name)
    view = library_map.block_map(run, "bert.encoder.layer.0.intermediate.dense", "1x4:2", MATRIX, 6)
    assert "One of 2 blocks is drawn" in view.try_this
    assert np.asarray(view.figure.data[0].z).shape == (384, 96)
    sound(view)


# -- counting and choosing ---------------------------------------------------------------------------------------

def slow_ranks(weights: list[np.ndarray], shape: Shape) -> list[tuple[int, ...]]:
    """The strongest supports by a Counter, blocks without one left out: commonest first, then lexicographic."""
    counted: Counter[tuple[int, ...]] = Counter()
    for weight in weights:
        for block in sides(np.abs(weight), shape.rows, shape.columns):
            order = sorted(range(shape.size), key=lambda i: (-block[i], i))
            if block[order[shape.keep - 1]] > block[order[shape.keep]]:
                counted[tuple(sorted(order[:shape.keep]))] += 1
    return sorted(counted, key=lambda s: (-counted[s], s))


@pytest.mark.parametrize("block", ["1x4:2", "2x4:4", "4x4:8", "1x8:4", "1x4:1"])
@pytest.mark.parametrize("learned", [MATRIX, MODEL])
def test_supports_are_those_a_counter_finds(empty_store: Store, block: str, learned: str) -> None:
    run = empty_store.open(make_dense(empty_store.recorded, layers=1))
    shape = library_source.shape_of(block)
    names = [m.name for m in run.record.matrices] if learned == MODEL else [QUERY]
    expected = slow_ranks([run.weight(n) for n in names], shape)[:64]
    held = library_source.supports(run, QUERY, shape, learned)
    assert [tuple(np.flatnonzero(s).tolist()) for s in held] == expected
    assert library_source.most(run, QUERY, block, learned) == len(expected)


def test_a_block_without_a_strongest_support_is_not_counted() -> None:
    blocks = np.array([[1, 1, 1, 0], [3, 2, 1, 0], [0, 1, 2, 3], [0, 1, 2, 3], [2, -2, 2, 2]], np.float32)
    assert library_source.clear(blocks, 2).tolist() == blocks[1:4].tolist()
    assert library_source.clear(blocks[:1], 2).tolist() == blocks[:1].tolist()  # better than nothing to learn from
    assert len(library_source.clear(blocks, 4)) == 5


def test_the_march_chooses_as_every_library_on_the_way_does() -> None:
    rng = np.random.default_rng(2)
    ways = rng.permutation(list(combinations(range(8), 4)))[:12]
    held = np.zeros((12, 8), bool)
    np.put_along_axis(held, ways, True, axis=1)
    blocks = rng.integers(-3, 4, (300, 8)).astype(np.float32)  # small numbers: many ties, some blocks of zeros
    blocks[0] = 0
    found = library_source.march(blocks, held)
    for k in range(12):
        energies = [[sum(float(w) ** 2 for w, s in zip(b, h, strict=True) if s) for h in held[:k + 1]] for b in blocks]
        assert found.taken[k].tolist() == [e.index(max(e)) for e in energies]
        assert (found.taken[k] == Library(1, 8, held[:k + 1]).best(blocks)).all()
        total = sum(float(w) ** 2 for b in blocks for w in b)
        assert found.kept[k] == pytest.approx(sum(max(e) for e in energies) / total)


# -- the cost ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("block", "plain"), [("4x4:8", (2, 4)), ("2x4:4", (2, 4)), ("1x4:1", (1, 4)),
                                              ("4x4:4", (1, 4))])
def test_the_lines_of_the_cost_are_those_of_plain_loops(empty_store: Store, block: str, plain: tuple[int, int]) -> None:
    run = empty_store.open(make_dense(empty_store.recorded, layers=1))
    weight, shape = run.weight(QUERY).astype(float), library_source.shape_of(block)
    total = float((weight ** 2).sum())
    free = sum(sum(sorted(b ** 2)[-shape.keep:]) for b in sides(weight, shape.rows, shape.columns)) / total
    n, m = plain
    cut = sum(sum(sorted(g ** 2)[-n:]) for g in sides(weight, 1, m)) / total
    cost = library_cost.cost_of(run, QUERY, shape, MATRIX)
    assert cost is not None and cost.group == plain
    assert (cost.free, cost.plain) == (pytest.approx(free), pytest.approx(cut))
    assert (np.diff(cost.kept) >= -1e-12).all() and (np.diff(cost.random) >= -1e-12).all()
    assert cost.kept[-1] <= cost.free + 1e-12
    view = library_cost.cost(run, QUERY, block, MATRIX, 3)
    rows = view.table.set_index("choice")
    assert rows["kept energy"]["free choice"] == pytest.approx(free)
    assert rows["kept energy"][f"{n}:{m}"] == pytest.approx(cut)
    assert rows["supports"]["free choice"] == comb(shape.size, shape.keep)
    mark = next(t for t in view.figure.data if t.name.startswith("K = 3"))
    assert (mark.x[0], mark.y[0]) == (3, cost.kept[2])
    sound(view)


def test_a_planted_library_is_as_good_as_free_choice_and_better_than_chance(planted: tuple[Run, np.ndarray]) -> None:
    cost = library_cost.cost_of(planted[0], QUERY, SQUARE, MATRIX)
    assert cost.kept[2] == pytest.approx(cost.free)
    assert cost.kept[2] > cost.random[2] + 0.1
    assert "points more than it at K = 3" in library_cost.cost(planted[0], QUERY, "4x4:8", MATRIX, 3).try_this


def test_index_bits_are_those_that_formats_store() -> None:
    assert library_cost.index_bits(Learned(4, 4, 8, 16)) == 4 / 16
    assert library_cost.index_bits(Learned(4, 4, 8, 17)) == 5 / 16
    assert library_cost.index_bits(Learned(4, 4, 8, 1)) == 0
    assert library_cost.index_bits(NM(2, 4)) == 1
    assert library_cost.index_bits(NM(1, 4)) == 0.5


def test_the_random_list_holds_different_supports_and_is_always_the_same() -> None:
    drawn = library_cost.drawn(Shape(1, 4, 2), 6)
    assert {tuple(np.flatnonzero(s).tolist()) for s in drawn} == set(combinations(range(4), 2))
    assert (library_cost.drawn(SQUARE, 20) == library_cost.drawn(SQUARE, 30)[:20]).all()


def test_a_whole_library_is_called_free_choice(empty_store: Store) -> None:
    run = empty_store.open(make_dense(empty_store.recorded, layers=1))
    view = library_cost.cost(run, QUERY, "1x4:2", MATRIX, 6)
    assert "All 6 supports are in the library: it is free choice" in view.claim


# -- one block ---------------------------------------------------------------------------------------------------

def test_the_block_up_close_says_what_trying_all_supports_finds(planted: tuple[Run, np.ndarray]) -> None:
    run, _ = planted
    block = run.weight(QUERY)[60:64, 8:12].astype(float).reshape(-1)
    tried = [float((block[h.reshape(-1)] ** 2).sum() / (block ** 2).sum()) for h in HALVES.values()]
    assert max(tried) == tried[2]
    view = library_block.close_up(run, QUERY, "4x4:8", MATRIX, 3, 15, 2)
    claim = view.claim.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert claim.startswith(f"Outputs 60–63, inputs 8–11: support 3 keeps {100 * tried[2]:.3g} % of the squared")
    assert view.table["weight"].tolist() == pytest.approx(block.tolist())
    assert view.table["stays"].tolist() == HALVES["checks"].reshape(-1).tolist()
    rank = library_block.ranking(run, QUERY, "4x4:8", MATRIX, 3, 15, 2)
    words = [t.split(":")[0] for t in rank.figure.data[1].text]
    assert words == [str(k + 1) for k in sorted(range(3), key=lambda k: -tried[k])]
    assert rank.table["kept energy of the block"].tolist() == pytest.approx(tried)
    assert len(rank.figure.layout.shapes) == 1
    sound(view)
    sound(rank)


@pytest.mark.parametrize("block", list(library_source.SHAPES))
def test_every_view_is_sound_for_every_block(empty_store: Store, block: str) -> None:
    run = empty_store.open(make_dense(empty_store.recorded, layers=1))
    most = library_source.most(run, QUERY, block, MODEL)
    for count in {1, most}:
        for view in all_views(run, QUERY, block, MODEL, count):
            sound(view)


def test_a_matrix_of_zeros_has_words_and_no_numbers(empty_store: Store) -> None:
    name = make_dense(empty_store.recorded, layers=1)
    plant(empty_store, name, QUERY, np.zeros((64, 64)))
    run = empty_store.open(name)
    assert "no energy to keep" in library_cost.cost(run, QUERY, "4x4:8", MATRIX, 1).claim
    assert "all 16 weights are zero" in library_block.close_up(run, QUERY, "4x4:8", MATRIX, 1, 0, 0).claim


# -- a run that was pruned with a library ------------------------------------------------------------------------

def library_run(store: Store, parent: str, record: str = "masks", broken: bool = False) -> str:
    """A run whose query matrix obeys the library of HALVES, reversed, and moved one block away from the dense best."""
    name = make_run(store.recorded, parent=parent, layers=1, record=record, snapshots=0)
    folder = store.recorded / name
    kinds = planted_kinds(16)
    kinds[0, 0] = 2  # the dense weights would take columns here
    mask = np.block([[list(HALVES.values())[k] for k in row] for row in kinds]).astype(np.uint8)
    mask[8, 8] ^= broken
    supports = np.stack([h.reshape(-1) for h in list(HALVES.values())[::-1]])
    replace_arrays(folder, {f"mask/{QUERY}": enc.pack_mask(mask), "library": np.packbits(supports, axis=1)})
    record_of = store.open(name).record
    spec = {k: getattr(record_of.spec, k) for k in record_of.spec.__struct_fields__} | {"pattern": "library:4x4:8:3"}
    change_header(folder, spec=spec)
    return name


def test_a_run_shows_its_own_library_and_what_its_masks_took(planted: tuple[Run, np.ndarray],
                                                             empty_store: Store) -> None:
    run = empty_store.open(library_run(empty_store, planted[0].record.id))
    assert library_source.shapes(run, QUERY)[0] == "4x4:8"
    assert library_source.sources(run, "4x4:8")[0] == RUN and RUN not in library_source.sources(run, "1x4:2")
    found = library_source.load(run, QUERY, "4x4:8", RUN, 3)
    kinds = planted_kinds(16)
    kinds[0, 0] = 2
    assert (found.taken.reshape(16, 16) == 2 - kinds).all()  # the recorded list is HALVES backwards
    view = library_map.block_map(run, QUERY, "4x4:8", RUN, 3)
    assert "the others take another" in view.claim and "99.6" in view.claim  # 255 of 256
    close = library_block.close_up(run, QUERY, "4x4:8", RUN, 3, 0, 0)
    assert "The run took support 1: the training moved it." in close.claim
    for each in all_views(run, QUERY, "4x4:8", RUN, 3):
        sound(each)


def test_a_block_outside_the_library_is_marked(planted: tuple[Run, np.ndarray], empty_store: Store) -> None:
    run = empty_store.open(library_run(empty_store, planted[0].record.id, broken=True))
    view = library_map.block_map(run, QUERY, "4x4:8", RUN, 3)
    assert view.claim.startswith("1 of the 256 blocks")
    assert np.argwhere(np.asarray(view.figure.data[0].z) == 0).tolist() == [[2, 2]]  # output 8, input 8
    assert "none of the library" in [t.name for t in view.figure.data]


def test_a_run_without_its_dense_weights_still_shows_its_map(empty_store: Store) -> None:
    run = empty_store.open(library_run(empty_store, "lost"))
    sound(library_map.block_map(run, QUERY, "4x4:8", RUN, 3))
    assert "dense weights were not kept" in library_block.close_up(run, QUERY, "4x4:8", RUN, 3, 0, 0).claim
    assert "Without dense weights" in library_cost.cost(run, QUERY, "4x4:8", RUN, 3).claim
    with pytest.raises(InputError, match=r"no dense weights in the store.*record level full"):
        library_source.load(run, QUERY, "4x4:8", MATRIX, 3)


def test_blocks_that_do_not_divide_a_matrix_are_not_offered(empty_store: Store) -> None:
    run = empty_store.open(make_dense(empty_store.recorded, layers=1, hidden=60, ffn=60))
    assert set(library_source.shapes(run, QUERY)) == {"4x4:8", "2x4:4", "1x4:2", "4x4:4", "2x4:2", "1x4:1"}
    with pytest.raises(InputError, match=r"60 x 60.*divides"):
        library_source.load(run, QUERY, "1x8:4", MATRIX, 3)
    with pytest.raises(InputError, match="block"):
        library_source.shape_of("4×4")


def test_new_arrays_are_seen_at_once(planted: tuple[Run, np.ndarray], empty_store: Store, tmp_path: Path) -> None:
    run, kinds = planted
    assert (library_source.load(run, QUERY, "4x4:8", MATRIX, 3).taken.reshape(16, 16) == kinds).all()
    turned = kinds[::-1].copy()
    plant(empty_store, run.record.id, QUERY, weight_of(turned, np.random.default_rng(1)))
    again = empty_store.open(run.record.id)
    assert (library_source.load(again, QUERY, "4x4:8", MATRIX, 3).taken.reshape(16, 16) == turned).all()
