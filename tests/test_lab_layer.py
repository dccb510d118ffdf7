"""One layer under every layer method: stops that are the solver's own, errors that a naive sum gives, and the reading
of a layer out of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.lab import choices_layer as asked
from core.lab import layer as lab
from core.lab import source
from core.lab.choices_layer import LayerChoices
from core.lab.results_layer import Layer
from core.methods import METHODS, build, load
from core.methods.admm_layer import AdmmLayer
from core.methods.base import LayerMethod
from core.methods.knob_sets import AdmmLayerKnobs
from core.methods.knobs import make_knobs
from core.runs import arrays as enc
from core.runs.store import Store
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify_all
from tests import damage, makers

QUERY, KEY = (f"bert.encoder.layer.0.attention.self.{part}" for part in ("query", "key"))
PATTERNS = ("2:4", "1:4", "unstructured:0.6", "block:4x4:0.5")


def inputs(width: int = 16, tokens: int = 60) -> np.ndarray:
    """Correlated calibration inputs, one of them always zero."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(tokens, width)) @ rng.normal(size=(width, width)) / 3
    x[:, 5] = 0
    return x.astype(np.float32)


def planted(rows: int = 12, width: int = 16) -> Layer:
    x = inputs(width)
    weight = np.random.default_rng(4).normal(0, 0.1, (rows, width)).astype(np.float32)
    return Layer("planted", weight, x.T @ x, len(x))


def naive(weight: np.ndarray, other: np.ndarray, x: np.ndarray) -> np.ndarray:
    """|X (W - W')^T|^2 of every output, token by token, in double precision."""
    out = []
    for before, after in zip(weight.astype(np.float64), other.astype(np.float64), strict=True):
        out.append(sum(float(token @ (before - after)) ** 2 for token in x.astype(np.float64)))
    return np.array(out)


def watched(layer: Layer, pattern: str, knobs: dict[str, Any]) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """W, Z and U of every round, in the layer's own units and full precision, and the answer."""
    rounds: list[dict[str, np.ndarray]] = []

    def watch(split: Any, done: Any, scale: torch.Tensor) -> None:
        rounds.append({name: (getattr(split, name) / scale).numpy().copy() for name in ("w", "z", "u")})

    solver = AdmmLayer(make_knobs(AdmmLayerKnobs, knobs))
    result = solver.solve(torch.from_numpy(layer.weight), lab.stats_of(layer), parse_pattern(pattern), watch)
    return rounds, result.weight.numpy()


@pytest.mark.parametrize("setting", asked.SETTINGS)
def test_stops_are_the_solvers_rounds_and_errors_are_naive_sums(setting: str) -> None:
    layer, knobs = planted(), asked.resolved(LayerChoices("2:4", setting=setting))
    path = lab.solve(layer, "admm-layer", "2:4", knobs)
    rounds, answer = watched(layer, "2:4", knobs)
    assert [stop.round for stop in path.stops] == [*range(1, len(rounds) + 1), len(rounds) + 1]
    every = [*rounds, {"w": answer, "z": answer, "u": np.zeros_like(answer)}]
    energy = naive(layer.weight, np.zeros_like(layer.weight), inputs())
    assert np.allclose(path.energy, energy, rtol=1e-4)
    for k, held in enumerate(every):
        for name, got in (("w", path.w(k)), ("z", path.z(k)), ("u", path.u(k))):
            size = np.abs(held["z"] + held["u"]).max() if name != "w" else np.abs(held["w"]).max()
            assert np.abs(got - held[name]).max() <= size * 2.0**-10, (k, name)  # half precision: 11 bits
        lost = naive(layer.weight, held["z"], inputs())
        assert np.allclose(path.stops[k].rows, lost, rtol=2e-3, atol=1e-6 * energy.max())  # sums in single precision
        assert path.errors[k] == pytest.approx(lost.sum() / energy.sum(), rel=2e-3)
        assert np.allclose(path.lost(k) * energy, lost, rtol=5e-3, atol=1e-6 * energy.max())


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("method", lab.LAYER_METHODS)
def test_z_obeys_the_pattern_at_every_stop(method: str, pattern: str) -> None:
    path = lab.solve(planted(), method, pattern)
    rule = parse_pattern(pattern)
    for k in range(len(path.stops)):
        assert verify_all({"z": (path.z(k) != 0).astype(np.uint8)}, rule)["z"].ok, k
        assert verify_all({"mask": path.mask(k)}, rule)["mask"].ok, k
        assert not (path.z(k) * (1 - path.mask(k))).any() and not (path.u(k) * path.mask(k)).any()


def test_on_a_ramp_the_first_rounds_keep_more() -> None:
    path = lab.solve(planted(), "admm-layer", "1:4", {"ramp": 6, "iterations": 12})
    kept = [float(path.mask(k).mean()) for k in range(len(path.stops))]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 0.25 and kept[5:] == [0.25] * (len(kept) - 5)


@pytest.mark.parametrize("method", [m for m in lab.LAYER_METHODS if not build(m).rounds])
def test_a_method_without_rounds_has_one_stop_its_answer(method: str) -> None:
    layer = planted()
    path = lab.solve(layer, method, "2:4")
    answer = build(method).solve(
        torch.from_numpy(layer.weight), lab.stats_of(layer), parse_pattern("2:4")).weight.numpy()
    assert (path.last, path.rounds, path.words(0)) == (0, 0, "the answer")
    assert np.allclose(path.z(0), answer, rtol=1e-3, atol=1e-6)
    assert np.array_equal(path.w(0), path.z(0)) and not path.u(0).any()


def test_the_layer_methods_are_those_that_the_list_holds() -> None:
    kinds = {name for name, entry in METHODS.items() if entry.target and issubclass(load(name), LayerMethod)}
    assert set(lab.LAYER_METHODS) == kinds


@pytest.mark.parametrize(("large", "most"), [(10**9, 16), (10, 14)])
def test_a_long_path_is_thinned_evenly_and_keeps_both_ends(large: int, most: int,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "LARGE", large)
    path = lab.solve(planted(), "admm-layer", "2:4", {"iterations": 50})
    numbers = [stop.round for stop in path.stops]
    assert len(numbers) == most and (numbers[0], numbers[-2], numbers[-1]) == (1, 50, 51)
    assert max(np.diff(numbers[:-1])) - min(np.diff(numbers[:-1])) <= 1
    assert path.rounds == len(path.primal) == len(path.flips) == 50


def test_the_lines_are_the_methods_errors_and_admm_beats_magnitude() -> None:
    layer = planted()
    lines = lab.errors(layer, "2:4")
    energy = naive(layer.weight, np.zeros_like(layer.weight), inputs()).sum()
    for name, value in lines.items():
        path = lab.solve(layer, name, "2:4")
        assert value == pytest.approx(float(path.errors[-1]), rel=1e-3)
        assert value == pytest.approx(naive(layer.weight, path.z(path.last), inputs()).sum() / energy, rel=0.02)
    assert lines["admm-layer"] < 0.6 * lines["magnitude"]
    # One with a correction has more numbers to lose less with: it is no line to be held against.
    assert set(lines) == {name for name in lab.LAYER_METHODS if not METHODS[name].corrects}


@pytest.mark.parametrize(("method", "pattern", "knobs", "words"), [
    ("admm", "2:4", {}, "one that solves a single layer"), ("nothing", "2:4", {}, "one that solves a single layer"),
    ("magnitude", "global:0.5", {}, "a pattern of a single matrix"), ("magnitude", "dense", {}, "a single matrix"),
    ("wanda", "2:5", {}, "a width divisible by 5"), ("admm-layer", "2:4", {"rho_end": -1.0}, "0.0001 to 1000.0"),
    ("magnitude", "2:4", {"rho_end": 1.0}, "no knobs")])
def test_what_cannot_be_solved_is_said(method: str, pattern: str, knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        lab.solve(planted(), method, pattern, knobs)


# -- choices -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [
    {}, {"pattern": "1:4"}, {"method": "sparsegpt", "damping": "0.1"}, {"setting": "fixed"},
    {"setting": "support", "rho_start": "0.01"}, {"pattern": "4:8", "iterations": "50", "ramp": "10", "settle": "5"},
    {"method": "wanda"}, {"rho_end": "3", "rho_start": "0.03", "damping": "0.1"}])
def test_a_link_reads_back_and_so_does_a_pin(query: dict[str, str]) -> None:
    choices, problems = asked.read(query, "2:4")
    assert problems == [] and choices.link("2:4") == query
    assert asked.from_text(choices.text()) == choices


def test_what_a_setting_says_anyway_is_not_written() -> None:
    choices, _ = asked.read({"setting": "fixed", "iterations": "20", "settle": "5"}, "2:4")
    assert choices.link("2:4") == {"setting": "fixed"}
    assert asked.resolved(choices)["rise"] == "fixed"


def test_a_new_setting_or_method_forgets_the_knobs() -> None:
    choices, _ = asked.read({"rho_end": "3"}, "2:4")
    assert asked.with_one(choices, "setting", "quick").knobs == ()
    assert asked.with_one(choices, "method", "wanda") == LayerChoices("2:4", "wanda")


@pytest.mark.parametrize(("query", "words"), [
    ({"rho_end": "0"}, "rho_end=0 is out of range. Expected a number from 0.001 to 100"),
    ({"rho_start": "-2"}, "out of range"), ({"rho_end": "nan"}, "out of range"), ({"rho_end": "much"}, "is no number"),
    ({"iterations": "5000"}, "from 1 to 50"), ({"iterations": "7.5"}, "whole number"), ({"ramp": "-1"}, "out of range"),
    ({"method": "admm"}, "Unknown method of one layer"), ({"setting": "his"}, "Unknown setting"),
    ({"pattern": "5:4"}, "5:4"), ({"pattern": "<b>"}, "Unknown pattern")])
def test_a_bad_choice_is_said_and_the_rest_stands(query: dict[str, str], words: str) -> None:
    choices, problems = asked.read({"damping": "0.1"} | query, "2:4")
    assert len(problems) == 1 and words in str(problems[0])
    assert choices == LayerChoices("2:4", knobs=(("damping", 0.1),))


@pytest.mark.parametrize("text", ["", "x=1", "rho_end=1", "pattern=2:4,rho_end=-1", "pattern=2:4,k=3", "a" * 4000])
def test_a_bad_pin_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"pin|Pin"):
        asked.from_text(text)


def test_every_offered_value_is_one_that_the_link_may_say_and_four_show() -> None:
    for method in lab.LAYER_METHODS:
        for setting in asked.SETTINGS if method == asked.FIRST else ["ours"]:
            choices = LayerChoices("2:4", method, setting)
            seen, folded = asked.shown(choices)
            assert len(seen) <= 4 and set(seen + folded) >= set(asked.offered(choices))
            for key in (*seen, *folded):
                names = asked.names(choices, key)
                assert asked.value_of(choices, key) in names
                for text in names:
                    turned = asked.with_one(choices, key, text)
                    assert asked.value_of(turned, key) == text
                    build(turned.method, asked.resolved(turned))


@pytest.mark.parametrize(("pattern", "own"), [("2:4", "2:4"), ("global:0.75", "unstructured:0.75")])
def test_a_pattern_over_the_model_becomes_its_share(pattern: str, own: str) -> None:
    assert asked.usual(pattern) == own


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(empty_store: Store) -> Store:
    parent = makers.make_dense(empty_store.recorded)
    makers.make_run(empty_store.recorded, parent=parent, method="admm-layer", record="lab", id="lab-run")
    return empty_store


def replace(store: Store, **arrays: np.ndarray | None) -> None:
    damage.replace_arrays(store.recorded / "lab-run", {f"gram/{QUERY}": arrays["gram"]})


def test_a_layer_reads_back_as_it_was_recorded(store: Store) -> None:
    run = store.open("lab-run")
    x = inputs(64)
    gram = x.T @ x
    replace(store, gram=enc.upper_triangle(gram))
    for matrix in (QUERY, KEY):  # they share one
        layer = source.read_layer(run, matrix)
        assert np.array_equal(layer.gram, np.triu(gram) + np.triu(gram, 1).T)
        assert run.parent is not None
        codes, scale = run.parent.array(f"weight/{matrix}"), run.parent.array(f"scale/{matrix}")
        assert codes is not None and scale is not None
        assert np.array_equal(layer.weight, codes.astype(np.float32) * scale[:, None])
        assert (layer.name, layer.tokens) == (matrix, 256)


@pytest.mark.parametrize(("gram", "words"), [
    (None, "is missing"), (np.zeros(5, np.float32), r"of shape \[5\]")])
def test_a_damaged_gram_matrix_is_said(gram: np.ndarray | None, words: str, store: Store) -> None:
    replace(store, gram=gram)
    with pytest.raises(InputError, match=words):
        source.read_layer(store.open("lab-run"), QUERY)


def test_what_a_run_does_not_hold_is_said(store: Store) -> None:
    run = store.open("lab-run")
    with pytest.raises(InputError, match="has no matrix"):
        source.read_layer(run, "nothing")
    makers.make_run(store.recorded, parent=run.record.parent, method="magnitude", id="full-run")
    with pytest.raises(InputError, match="keeps no Gram matrix"):
        source.read_layer(store.open("full-run"), QUERY)
    makers.make_run(store.recorded, parent="gone", method="admm-layer", record="lab", id="orphan")
    with pytest.raises(InputError, match=r"\(gone\) is not in the store"):
        source.read_layer(store.open("orphan"), QUERY)
    thin = makers.make_dense(store.recorded, record="masks", id="thin-dense")
    makers.make_run(store.recorded, parent=thin, method="admm-layer", record="lab", id="thin")
    with pytest.raises(InputError, match="thin-dense keeps no weights"):
        source.read_layer(store.open("thin"), QUERY)


def test_the_runs_offered_are_those_with_gram_matrices(store: Store) -> None:
    makers.make_run(store.recorded, parent="x", method="admm-layer", record="lab", id="larger", hidden=128)
    assert list(source.offered(store.records())) == ["larger", "lab-run"]


def test_a_path_is_solved_once_and_again_when_a_file_changed(store: Store) -> None:
    here = source.source_of(store.open("lab-run"), QUERY)
    first = lab.path_of(here, LayerChoices("2:4"))
    assert lab.path_of(source.source_of(store.open("lab-run"), QUERY), LayerChoices("2:4")) is first
    assert lab.path_of(here, LayerChoices("1:4")) is not first
    replace(store, gram=enc.upper_triangle(np.eye(64)))
    again = lab.path_of(source.source_of(store.open("lab-run"), QUERY), LayerChoices("2:4"))
    assert again is not first and again.errors[-1] != first.errors[-1]
    for pattern in ("3:4", "4:8", "2:8", "1:2"):
        lab.path_of(here, LayerChoices(pattern))
    assert lab.path_of.cache_info().currsize <= 4


def test_the_words_say_where_the_numbers_come_from(store: Store, tmp_path: Path) -> None:
    text = source.about(store.open("lab-run"), QUERY)
    assert "rounded to 8 bits a row" in text and "256 calibration tokens" in text and "recorded 2026" in text


def test_the_error_of_a_stop_is_that_of_z_and_its_correction() -> None:
    """Z and the correction of every round are taken out of the solver as it goes, and their loss is counted token by
    token; Z's own is another."""
    layer, rounds = planted(), []

    def watch(split: Any, done: Any, scale: torch.Tensor) -> None:
        rounds.append([(values / scale).numpy().copy() for values in (split.z, split.whole - split.w0)])

    solver = build("admm-lowrank", {"rank": 2})
    result = solver.solve(torch.from_numpy(layer.weight), lab.stats_of(layer), parse_pattern("2:4"), watch)
    path = lab.solve(layer, "admm-lowrank", "2:4", {"rank": 2})
    answer = [result.weight.numpy(), (result.served() - result.weight).numpy()]
    for stop, (z, beside) in zip(path.stops, [*rounds, answer], strict=True):
        both, alone = (naive(layer.weight, other, inputs()) for other in (z + beside, z))
        assert np.allclose(stop.rows, both, rtol=2e-3, atol=1e-5 * path.energy.max())
        assert alone.sum() > both.sum()
    assert alone.sum() > 1.5 * both.sum()
