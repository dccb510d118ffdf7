"""Runs pruned with a learned library, end to end: what they keep, what the check finds, what pages and methods say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from core.errors import InputError
from core.inside.statistics import LayerStats
from core.lab import layer as lab
from core.lab.results_layer import Layer
from core.methods.knob_sets import SparseGptKnobs
from core.methods.knobs import make_knobs
from core.methods.sparsegpt import SparseGpt
from core.running.pipeline import resolve, run
from core.runs.bound import pattern_of
from core.runs.checks.folder_check import check
from core.runs.keeping import keep
from core.runs.store import CHECKPOINT, Store
from core.sparsity.patterns import NM, Given, parse_pattern
from core.sparsity.verify import verify
from core.views.drawing import style
from core.views.patterns import certificate, groups, occupancy_map
from tests import damage

SMALL = {"task": "agreement", "model": "tiny", "train_examples": 160, "dev_examples": 64, "dense_epochs": 1,
         "calibration": 16}
TEXTS = ("library:4x4:8:16", "library:1x8:2:8:each", "given:1x4:c,a,9")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, str]]:
    """A store with one run of magnitude at each of TEXTS, and their ids."""
    root = tmp_path_factory.mktemp("library")
    (root / "cached_runs").mkdir()
    store = Store(recorded=root / "cached_runs", live=root / "runs")
    return store, {text: run(resolve({**SMALL, "method": "magnitude", "pattern": text}), store=store).id
                   for text in TEXTS}


@pytest.fixture
def copied(made: tuple[Store, dict[str, str]]) -> Callable[[str, str], Store]:
    """Keep the run of a text at a level, free to be damaged; the store that holds the copy alone and its parent."""
    def copy(text: str, level: str = "masks") -> Store:
        store, ids = made
        parent = store.open(ids[text]).record.parent
        assert parent is not None
        keep(store, parent, "summary")
        keep(store, ids[text], level)  # type: ignore[arg-type]
        return Store(recorded=store.recorded, live=store.recorded / "none")
    return copy


@pytest.mark.parametrize("text", TEXTS)
def test_a_run_keeps_the_library_of_its_dense_model_and_checks(made: tuple[Store, dict[str, str]], text: str) -> None:
    store, ids = made
    opened = store.open(ids[text])
    report = check(opened)
    assert report.problems == []
    pattern, names = pattern_of(opened), [m.name for m in opened.record.matrices]
    assert pattern.grouping.cell is not None and any(f"at {text}: exact" in words for words in report.verified)
    if text.startswith("given"):
        assert not any(key.startswith("library") for key in opened.keys)
        return
    assert any("supports that all differ" in words for words in report.verified)
    assert opened.parent is not None
    weights = load_file(opened.parent.path / CHECKPOINT / "model.safetensors")
    rows, columns = pattern.grouping.cell

    def counted(matrices: list[str]) -> list[tuple[int, ...]]:
        tally: Counter[tuple[int, ...]] = Counter()
        for name in matrices:
            w = np.abs(weights[f"{name}.weight"])
            for i in range(0, w.shape[0], rows):
                for j in range(0, w.shape[1], columns):
                    block = w[i:i + rows, j:j + columns].reshape(-1).tolist()
                    tally[tuple(sorted(sorted(range(len(block)), key=lambda k: (-block[k], k))[:pattern.keep]))] += 1
        return sorted(tally, key=lambda s: (-tally[s], s))[:pattern.count]

    for name in names[:3] if text.endswith("each") else names[:1]:
        held = [tuple(np.flatnonzero(s).tolist()) for s in pattern.of(name).library.supports]
        assert held == counted([name] if text.endswith("each") else names)


def flipped(store: Store, run_id: str, block: str) -> tuple[str, int, int]:
    """Change the mask of the second matrix in its block at rows 8..11, inputs 4..7; returns matrix, and what stays."""
    opened = store.open(run_id)
    name = opened.record.matrices[1].name
    mask = opened.mask(name)
    assert mask is not None
    part = mask[8:12, 4:8]
    supports = {s.tobytes() for s in pattern_of(opened).of(name).library.supports}  # type: ignore[attr-defined]
    ones, zeros = np.argwhere(part == 1).tolist(), np.argwhere(part == 0).tolist()
    if block == "over":
        damage.flip_bit(store.recorded / run_id, name, 8 + zeros[0][0], 4 + zeros[0][1])
    elif block == "short":
        damage.flip_bit(store.recorded / run_id, name, 8 + ones[0][0], 4 + ones[0][1])
    else:  # one weight moves, to where no support has it
        for (a, b), (c, d) in ((o, z) for o in ones for z in zeros):
            moved = part.copy()
            moved[a, b], moved[c, d] = 0, 1
            if moved.astype(bool).reshape(-1).tobytes() not in supports:
                damage.flip_bit(store.recorded / run_id, name, 8 + a, 4 + b)
                damage.flip_bit(store.recorded / run_id, name, 8 + c, 4 + d)
                break
    return name, len(ones), len(zeros)


@pytest.mark.parametrize(("how", "words"), [
    ("over", "1 group breaks library:4x4:8:16: rows 8..11, inputs 4..7 keep 9, allowed 8; the nearest support leaves "
             "out 1"),
    ("moved", "1 group breaks library:4x4:8:16: rows 8..11, inputs 4..7 keep 8, allowed 8; the nearest support leaves "
              "out 1"),
    ("short", "the mask's SHA-256 is not the header's: rows 8..11, inputs 4..7 keep 7 of 8")])
def test_a_changed_bit_is_found_with_its_block(made: tuple[Store, dict[str, str]], copied: Callable[..., Store],
                                               how: str, words: str) -> None:
    store, run_id = copied(TEXTS[0]), made[1][TEXTS[0]]
    name, _, _ = flipped(store, run_id, how)
    problems = check(store.open(run_id)).problems
    assert f"{name}: {words}" in problems
    assert any("SHA-256" in p for p in problems)
    view, lines = certificate.certificate(store.open(run_id)), certificate.violations(store.open(run_id), name)
    if how == "short":
        assert lines == [] and "0 violations" in view.claim
    else:
        kept = 9 if how == "over" else 8
        assert lines == [f"outputs 8–11, inputs 4–7: {kept} kept, 8 allowed; the nearest support leaves out 1"]
        assert "1 violation: this run does not hold library:4x4:8:16" in view.claim


@pytest.mark.parametrize("text", TEXTS[:2])
def test_a_missing_or_damaged_library_is_a_problem(made: tuple[Store, dict[str, str]], copied: Callable[..., Store],
                                                   text: str) -> None:
    store, run_id = copied(text), made[1][text]
    opened = store.open(run_id)
    key = sorted(k for k in opened.keys if k.startswith("library"))[0]
    bits = opened.array(key)
    assert bits is not None
    damage.replace_arrays(store.recorded / run_id, {key: np.where(np.arange(len(bits))[:, None] == 1, bits[0], bits)})
    assert any("twice" in p for p in check(store.open(run_id)).problems)
    damage.replace_arrays(store.recorded / run_id, {key: None})
    wanted = "No library was learned for matrix" if text.endswith("each") else "library:4x4:8:16' is missing"
    assert any(wanted in p for p in check(store.open(run_id)).problems)
    with pytest.raises(InputError):
        certificate.certificate(store.open(run_id))
    name = opened.record.matrices[0].name
    assert occupancy_map.group_maps(store.open(run_id), name).figure is not None  # counts need no library


@pytest.mark.parametrize("text", TEXTS)
def test_a_summary_is_checked_by_its_counts(made: tuple[Store, dict[str, str]], copied: Callable[..., Store],
                                            text: str) -> None:
    store, run_id = copied(text, "summary"), made[1][text]
    opened = store.open(run_id)
    report = check(opened)
    assert report.problems == []
    assert any(words.endswith("nor which support a block took") for words in report.verified)
    assert "on which support it lies is not known" in certificate.certificate(opened).claim
    name = opened.record.matrices[0].name
    counts = opened.array(f"occupancy/{name}")
    assert counts is not None
    allowed = round(parse_pattern(text).density * (len(counts) - 1))
    counts = counts.copy()
    counts[allowed] -= 2
    counts[allowed - 1] += 1
    counts[allowed + 1] += 1
    damage.replace_arrays(store.recorded / run_id, {f"occupancy/{name}": counts})
    assert f"{name}: occupancy counts 1 groups that keep more than {allowed}" in check(store.open(run_id)).problems


def test_what_the_occupancy_page_says_is_true(made: tuple[Store, dict[str, str]]) -> None:
    store, ids = made
    opened = store.open(ids[TEXTS[0]])
    name = opened.record.matrices[0].name
    total = sum(m.shape[0] * m.shape[1] for m in opened.record.matrices) // 16
    assert certificate.certificate(opened).claim == (
        f"12 matrices, {style.count(total)} blocks of 4 × 4, 0 violations: no block holds more than 8, "
        "and all it holds lies on one of 16 supports.")
    blocks = style.count(opened.shape(name)[0] * opened.shape(name)[1] // 16)
    assert f"all {blocks} blocks hold exactly 8 of 16" in occupancy_map.group_maps(opened, name).claim
    assert occupancy_map.history(opened, name).claim.startswith("Groups that hold exactly 8 of 16: ")
    own = certificate.certificate(store.open(ids[TEXTS[1]])).claim
    assert own.endswith("no block holds more than 2, and all it holds lies on one of 8 supports of its matrix.")


@pytest.mark.parametrize(("text", "place"), [("library:8x8:32:4", 16), ("library:4x4:8:16", 8), ("2:4", 2)])
def test_the_allowed_tone_is_that_of_the_class_that_holds_it(text: str, place: int) -> None:
    pattern = parse_pattern(text)
    tones, accent = groups.palette(pattern), groups.palette(NM(1, 1))[1]
    assert [k for k, tone in enumerate(tones) if tone == accent] == [place]


# -- methods -------------------------------------------------------------------------------------------------------

def correlated(rows: int, width: int) -> tuple[torch.Tensor, LayerStats]:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(90, width)) @ rng.normal(size=(width, width))
    gram = torch.from_numpy(x.T @ x)
    return torch.from_numpy(rng.normal(size=(rows, width))), LayerStats(gram.diagonal().sqrt(), len(x), gram)


@pytest.mark.parametrize("block", [1, 8, 128])
def test_sparsegpt_under_all_supports_is_sparsegpt_under_n_of_m(block: int) -> None:
    weight, stats = correlated(6, 16)
    every = Given(1, 4, tuple((1 << 63 - a) + (1 << 63 - b) for a, b in combinations(range(4), 2)))
    solver = SparseGpt(make_knobs(SparseGptKnobs, {"block": block}))
    one, two = solver.solve(weight, stats, NM(2, 4)), solver.solve(weight, stats, every)
    assert torch.equal(one.mask, two.mask) and torch.equal(one.weight, two.weight)


def test_sparsegpt_chooses_a_blocks_support_when_its_first_column_is_reached() -> None:
    """The paper's equations without shortcuts: inverses anew for every column, updates at once."""
    weight, stats = correlated(6, 12)
    pattern = Given(2, 3, (0b101010 << 58, 0b010101 << 58, 0b111000 << 58, 0b000111 << 58))
    assert stats.gram is not None
    h = stats.gram.numpy() + 0.01 * float(stats.gram.diagonal().mean()) * np.eye(12)
    inverses = [np.linalg.inv(h[i:, i:]) for i in range(12)]
    w, mask = weight.numpy().copy(), np.ones((6, 12), bool)
    supports = [[True, False] * 3, [False, True] * 3, [True] * 3 + [False] * 3, [False] * 3 + [True] * 3]
    for i in range(12):
        if i % 3 == 0:
            for r in range(0, 6, 2):
                score = [w[a, j] ** 2 / inverses[j][0, 0] for a in (r, r + 1) for j in range(i, i + 3)]
                best = max(supports, key=lambda s: sum(v for v, kept in zip(score, s, strict=True) if kept))
                mask[r:r + 2, i:i + 3] = np.reshape(best, (2, 3))
        for r in range(6):
            if not mask[r, i]:
                w[r, i:] -= w[r, i] / inverses[i][0, 0] * inverses[i][0]
    result = SparseGpt(make_knobs(SparseGptKnobs, {"block": 4})).solve(weight, stats, pattern)
    assert np.array_equal(result.mask.numpy(), mask)
    assert np.allclose(result.weight.numpy(), np.where(mask, w, 0.0), atol=1e-9)


@pytest.mark.parametrize("method", ["magnitude", "admm-layer"])
def test_the_layer_lab_learns_from_its_one_layer(method: str) -> None:
    weight, stats = correlated(16, 16)
    assert stats.gram is not None
    layer = Layer("planted", weight.numpy().astype(np.float32), stats.gram.numpy().astype(np.float32), 90)
    path = lab.solve(layer, method, "library:2x4:4:6")
    rule = lab.pattern_for("library:2x4:4:6", layer)
    assert all(verify(path.mask(k), rule, "planted").ok for k in range(len(path.stops)))
    assert float(path.mask(len(path.stops) - 1).mean()) == 0.5


def test_what_a_person_may_ask_wrongly_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for text in ("library:4x4:16:1", "given:1x4:f"):
        with pytest.raises(InputError, match="keeps every weight"):
            resolve({**SMALL, "method": "magnitude", "pattern": text})
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    with pytest.raises(InputError, match=r"Matrix '.*' is 64 x 64"):
        run(resolve({**SMALL, "train_examples": 32, "method": "magnitude", "pattern": "library:5x4:8:16"}), store=store)
