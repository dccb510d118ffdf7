"""The layer lab on a grid: stops, choices, the picture of W coming to its levels, and the page."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.lab import choices_layer as asked
from core.lab import layer as lab
from core.lab.choices_layer import LayerChoices
from core.lab.results_layer import LayerPath, Stop
from core.methods.admm_layer import AdmmLayer
from core.methods.knob_sets import AdmmLayerKnobs
from core.runs.arrays import pack_mask
from core.runs.store import Store
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.film.reel import MOST_BYTES, Film
from core.views.touch.layerlab import film
from core.views.touch.layerlab_levels import said
from tests import makers
from tests.films import films, header, text
from tests.opening import open_page
from tests.test_lab_layer import planted

# -- the path -----------------------------------------------------------------------------------------------------


def test_z_is_on_the_grid_at_every_stop_and_the_answer_is_the_methods_own() -> None:
    layer, grid = planted(), Grid(4, 8)
    path = lab.solve(layer, "admm-layer", "2:4", grid=grid)
    for k in range(len(path.stops)):
        levels = path.z(k) / np.where(path.steps(k) > 0, path.steps(k), 1)
        assert np.abs(levels - np.rint(levels)).max() < 1e-5 and np.abs(levels).max() < 7.001
        assert not path.z(k)[path.mask(k) == 0].any()
        assert np.allclose(path.z(k) + path.u(k), path.stops[k].v.astype(np.float32), atol=1e-6)
    answer = AdmmLayer(AdmmLayerKnobs(), grid).solve(
        torch.from_numpy(layer.weight), lab.stats_of(layer), parse_pattern("2:4")).weight.numpy()
    assert np.array_equal(path.z(path.last), answer)  # codes times scales: not to within half precision, exactly


def test_w_comes_nearer_to_its_levels_over_the_rounds() -> None:
    """The nearest level by a search over all of them."""
    path = lab.solve(planted(), "admm-layer", "2:4", {"iterations": 40, "rho_end": 3.0}, grid=Grid(3, 8))

    def far(k: int) -> float:
        keep = path.mask(k) == 1
        levels = np.arange(-3, 4)[:, None] * path.steps(k)[keep]
        return float(np.median(np.abs(path.w(k)[keep] - levels).min(axis=0) / path.steps(k)[keep]))

    assert far(path.last - 1) < 0.3 * far(0)


def test_lines_on_a_grid_are_those_of_the_methods_that_know_one() -> None:
    lines = lab.errors(planted(), "2:4", Grid(4, 8))
    assert set(lines) == {"magnitude", "admm-layer"} and lines["admm-layer"] < lines["magnitude"]
    assert lab.errors(planted(), "dense", Grid(4, 8))["admm-layer"] < lines["admm-layer"]


@pytest.mark.parametrize(("method", "pattern", "grid", "words"), [
    ("wanda", "2:4", Grid(4, 8), "Wanda with a grid of 4 bits"), ("magnitude", "2:4", Grid(4, 5), "chunks of 5"),
    ("magnitude", "dense", None, "a pattern of a single matrix")])
def test_what_cannot_be_on_a_grid_is_said(method: str, pattern: str, grid: Grid | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        lab.solve(planted(), method, pattern, grid=grid)


# -- choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{"bits": "4"}, {"bits": "3", "chunk": "0"}, {"bits": "8", "chunk": "16"},
                                   {"bits": "5", "chunk": "12", "pattern": "dense"}, {"bits": "4", "rho_end": "3"}])
def test_a_link_with_a_grid_reads_back_and_so_does_a_pin(query: dict[str, str]) -> None:
    choices, problems = asked.read(query, "2:4")
    assert problems == [] and choices.link("2:4") == query and asked.from_text(choices.text()) == choices
    assert choices.grid == Grid(int(query["bits"]), int(query.get("chunk", 64)))
    assert f"{query['bits']} bits" in asked.title_of(choices)
    for key in ("bits", "chunk"):
        assert asked.value_of(choices, key) in asked.names(choices, key)


@pytest.mark.parametrize(("query", "words"), [({"bits": "1"}, "A grid of 1 bits"), ({"bits": "9"}, "A grid of 9 bits"),
                                              ({"bits": "few"}, "no whole number"),
                                              ({"bits": "4", "chunk": "-2"}, "Chunks of -2 weights")])
def test_a_grid_that_cannot_be_is_said(query: dict[str, str], words: str) -> None:
    _, problems = asked.read(query, "2:4")
    assert len(problems) == 1 and words in str(problems[0])


def test_a_grid_goes_with_methods_that_know_one_and_a_chunk_with_a_grid() -> None:
    choices, _ = asked.read({"bits": "4", "chunk": "16"}, "2:4")
    assert asked.with_one(choices, "setting", "quick").grid == Grid(4, 16)
    assert asked.with_one(choices, "method", "magnitude").grid == Grid(4, 16)
    assert asked.with_one(choices, "method", "wanda") == LayerChoices("2:4", "wanda")
    assert asked.with_one(choices, "bits", "0") == LayerChoices("2:4")
    assert "chunk" in asked.shown(choices)[1] and "chunk" not in asked.shown(LayerChoices("2:4"))[1]
    assert "bits" not in asked.shown(LayerChoices("2:4", "wanda"))[1]
    assert "dense" in asked.names(choices, "pattern") and "dense" not in asked.names(LayerChoices("2:4"), "pattern")


# -- the picture --------------------------------------------------------------------------------------------------


def snapping(count: int = 3) -> LayerPath:
    """Scale 0.5, levels -3..3. At stop k every kept W is 0.31 / 2^k steps above its level; the last is the answer."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-3, 4, (16, 16)).astype(np.int8)
    mask = np.zeros((16, 16), np.uint8)
    mask[:, ::2] = 1
    codes *= mask.astype(np.int8)
    scale = np.full((16, 2), 0.5, np.float32)
    stops = tuple(Stop(k + 1, ((codes + 0.31 / 2**k) * 0.5).astype(np.float16), (codes * 0.5).astype(np.float16),
                       pack_mask(mask), np.zeros(16, np.float32), codes, scale) for k in range(count))
    rounds = np.ones(count - 1, np.float32)
    weight = ((codes + 0.5 * rng.random((16, 16)) - 0.25) * 0.5).astype(np.float32)
    return LayerPath("bert.encoder.layer.0.output.dense", "admm-layer", "ADMM", "2:4", weight, np.ones(16, np.float32),
                stops, rounds, rounds, rounds, rounds, Grid(3, 8))


def drawn(path: LayerPath) -> tuple[Film, np.ndarray, np.ndarray]:
    """The film, and shares of the kept weights: in steps, and by their distance from a level, `[moments, bars]`."""
    found = film(path, {})
    panels = [found.header["panels"][name] for name in ("levels", "apart")]
    levels, apart = (found.array(p["series"][0]["values"]) / p["share"] for p in panels)
    return found, levels, apart


def test_bars_and_distances_are_the_planted_ones() -> None:
    path = snapping()
    found, levels, apart = drawn(path)
    keep = path.mask(0) == 1
    codes = path.stops[0].codes
    assert codes is not None
    ticks = {words: at for at, words in found.header["panels"]["levels"]["ticks"]}
    for level in range(-3, 4):
        middle = ticks[f"{level}".replace("-", "−")]
        assert middle % 1 == 0.5  # a bar's middle is on the level
        share = float((codes[keep] == level).mean())
        assert levels[0][int(middle + 0.31 * 8)] == pytest.approx(share)  # all of a level's weights 0.3 steps above it
    assert levels[0].sum() == pytest.approx(1) == apart[0].sum()
    assert apart[0][int((0.31 + 0.5) * 20)] == pytest.approx(1)
    assert said(path, 0) == f"0{style.SPACE}% of the kept W lie within a tenth of a step of one of 7 levels."
    assert "takes 6.5 bits a weight" in found.alt  # 3 / 2 + 4 / 4 + 32 / 8


def test_the_bars_of_an_eighth_of_a_step_reach_the_levels_in_the_end() -> None:
    path = snapping()
    found, levels, apart = drawn(path)
    codes, keep = path.stops[path.last].codes, path.mask(path.last) == 1
    assert codes is not None
    for at, words in found.header["panels"]["levels"]["ticks"]:
        share = float((codes[keep] == int(words.replace("−", "-"))).mean())
        assert levels[-1][int(at)] == pytest.approx(share)
    assert apart[-1][10] == pytest.approx(1) and "Every kept weight is on one of 7 levels" in found.alt


def test_many_levels_get_bars_of_a_step() -> None:
    path = lab.solve(planted(256, 64), "admm-layer", "2:4", {"iterations": 4}, grid=Grid(8, 64))
    found, levels, _ = drawn(path)
    assert levels.shape[1] == 257 and len(found.packed()) < MOST_BYTES


def test_a_layer_of_zeros_has_no_levels() -> None:
    path = snapping()
    empty = LayerPath(**{**vars(path), "stops": tuple(
        Stop(s.round, s.w, s.v, s.bits, s.rows, s.codes, np.zeros_like(s.scale)) for s in path.stops)})
    assert "levels" not in film(empty, {}).header["panels"]


# -- the page -----------------------------------------------------------------------------------------------------


@pytest.fixture
def store(empty_store: Store) -> Store:
    parent = makers.make_dense(empty_store.recorded)
    makers.make_run(empty_store.recorded, parent=parent, method="admm-layer", record="lab", id="lab-run")
    return empty_store


def test_the_page_shows_the_levels_when_the_link_asks_for_a_grid(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", bits="4", chunk="32", k="3", pin="pattern=2:4,bits=3")
    assert not app.error and header(app)["panels"]["z"]["note"] == "obeys 2:4, 4 bits"
    assert "of the kept W lie within a tenth of a step of one of 15 levels" in text(app, "near", 3)
    assert app.query_params["bits"] == "4" and app.query_params["chunk"] == "32"
    next(s for s in app.selectbox if s.label == "Grid").set_value("0").run()
    assert "bits" not in app.query_params and "chunk" not in app.query_params
    assert "levels" not in header(app)["panels"]
    next(s for s in app.selectbox if s.label == "Grid").set_value("8").run()
    assert app.query_params["bits"] == "8" and "levels" in header(app)["panels"] and not app.exception


def test_quantisation_alone_and_a_bad_grid(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    app = open_page(monkeypatch, store, "lab", bits="3", pattern="dense")
    assert not app.error and "on one of 7 levels" in text(app, "near")
    app = open_page(monkeypatch, store, "lab", bits="11")
    assert "A grid of 11 bits" in app.error[0].value and len(films(app)) == 1
    app = open_page(monkeypatch, store, "lab", bits="4", chunk="60")
    assert "divisible by chunks of 60" in app.error[0].value and not films(app)
