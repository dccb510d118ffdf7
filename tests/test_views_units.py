"""Runs that removed whole heads and neurons, as the pages draw them: planted units, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs.bound import pattern_of
from core.runs.names import part_of
from core.runs.store import Run, Store
from core.views.compare import choice, units_beside
from core.views.drawing.bands import Bands
from core.views.patterns import certificate, library_source, unit_shares, units_left, units_map
from core.views.weights import before_after
from tests.damage import change_header, replace_arrays
from tests.makers import empty_store, make_run
from tests.making_units import NEURONS, USUAL, mask_of, plant, planted

OUT = "bert.encoder.layer.0.attention.output.dense"
QUERY = "bert.encoder.layer.1.attention.self.query"
GONE = "bert.encoder.layer.1.output.dense"


def plain(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def grids(view: object) -> list[np.ndarray]:
    return [np.asarray(t.z) for t in view.figure.data if t.type == "heatmap"]


def test_the_map_shows_which_units_of_every_layer_are_left(tmp_path: Path) -> None:
    run = planted(tmp_path)
    view = units_map.units_map(run, QUERY)
    heads, neurons = grids(view)
    assert heads.tolist() == [[0, 1, 0, 0], [1, 0, 1, 1]]
    assert neurons[0].tolist() == [1, 0] * 128 and not neurons[1].any()
    assert view.heading == "4 of 8 heads and 128 of 512 neurons are left."
    assert "Gone as a whole: the FFN of layer 2." in view.claim
    assert "1 of 4 heads in layer 1; 128 of 256 neurons in layer 1" in view.alt
    assert [n.text for n in view.figure.layout.annotations] == [
        "which heads are left, of 4", "1", "3", "which neurons are left, of 256", "128", "<b>gone</b>"]
    box = view.figure.layout.shapes[0]  # around the heads of layer 2
    assert (box.xref, box.y0, box.y1) == ("x", 0.51, 1.49)
    assert {t.name for t in view.figure.data if t.showlegend} == {"heads left", "neurons left", "gone"}


@pytest.mark.parametrize(("pattern", "words"), [
    ("heads:0.5", "4 of 8 heads are left."), ("neurons:0.5", "128 of 512 neurons are left."),
    ("modules:0.25", "3 of 4 modules are left.")])
def test_only_what_the_pattern_removes_is_counted(pattern: str, words: str, tmp_path: Path) -> None:
    assert units_map.units_map(planted(tmp_path, pattern=pattern)).heading == words


def test_a_run_that_kept_its_answers_alone_says_how_many(tmp_path: Path) -> None:
    """Which of them is not known where some are gone; drawn are the first."""
    run = planted(tmp_path, record="answers")
    view = units_map.units_map(run)
    assert grids(view)[0].tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]
    assert view.figure.layout.annotations[0].text == "heads left, of 4"
    assert "not which" in view.try_this
    assert "Masks were not kept" in certificate.certificate(run).claim


def test_many_neurons_share_a_cell() -> None:
    kept = np.arange(1536) % 6 < 3
    module = pattern_module(units=1536)
    shares, each = units_map.cells(units_left.Left(module, 768, kept))
    assert each == 6 and len(shares) == 256 and set(shares.tolist()) == {0.5}


def pattern_module(units: int) -> units_left.Module:
    return units_left.Module(1, "neuron", ("a",), "b", units, 1, 8, 8)


def test_the_matrix_is_ruled_off_head_by_head(tmp_path: Path) -> None:
    run = planted(tmp_path)
    layout = before_after.panels(run, QUERY).figure.layout
    assert layout.yaxis.ticktext == ("head 1", "head 2", "head 3", "head 4") and not layout.yaxis.title.text
    rules = [s for s in layout.shapes if s.type == "line"]
    assert [s.y0 for s in rules][:3] == [15.5, 31.5, 47.5] and len(rules) == 9  # three maps
    assert all(s.xref.endswith(" domain") for s in rules)  # and so stretch no axis
    layout = before_after.panels(run, OUT).figure.layout
    assert layout.xaxis.ticktext == ("1", "2", "3", "4")
    assert [s.x0 for s in layout.shapes if s.type == "line"][:3] == [15.5, 31.5, 47.5]
    assert before_after.panels(run, QUERY).heading == "Layer 2 · query: 3 of 4 heads are left."
    assert "A head is 16 rows of this matrix" in (view := before_after.panels(run, QUERY)).claim
    assert "strips" not in view.alt


def test_a_window_numbers_the_bands_that_it_shows() -> None:
    bands = Bands("head", 0, 32, 12, end=176, first=80)
    assert bands.edges == [95.5, 127.5, 159.5]
    assert bands.axis(0) == {"tickvals": [87.5, 111.5, 143.5, 167.5],
                             "ticktext": ["head 3", "head 4", "head 5", "head 6"]}
    assert bands.axis(1) == {} and bands.title(1, "input") == "input"


def test_a_matrix_that_is_gone_is_said_in_words(tmp_path: Path) -> None:
    view = before_after.panels(planted(tmp_path), GONE)
    assert view.heading == "Layer 2 · FFN out is gone, with all 256 neurons of its layer."
    titles = [n.text for n in view.figure.layout.annotations]
    assert "Gone, with all 256 neurons." in titles and "Difference: after − before" not in titles
    assert "the FFN of layer 2 is removed, and what comes in goes out unchanged" in view.claim


def test_the_certificate_looks_at_every_unit(tmp_path: Path) -> None:
    run = planted(tmp_path)
    view = certificate.certificate(run)
    assert view.heading == "All 132 heads and neurons that are left are whole." and view.figure is not None
    mask = mask_of("attention.output.dense", *USUAL[0])
    mask[:, 16:32] = 0  # head 2 of layer 1 is gone from its output alone
    replace_arrays(run.path, {f"mask/{OUT}": np.packbits(mask, axis=-1)})
    assert certificate.certificate(Run(run.record, run.path, True, run.parent)).heading == "1 unit is half removed."


def test_what_a_unit_held_before_is_counted_by_loops(tmp_path: Path) -> None:
    run = planted(tmp_path)
    view = unit_shares.unit_shares(run, OUT, 30)
    parts = {part_of(m.name): run.parent.weight(m.name) for m in run.record.matrices if ".0.attention." in m.name}
    sizes = sorted((abs(float(w)) for part in parts.values() for w in part.reshape(-1)), reverse=True)
    least = sizes[round(0.3 * len(sizes)) - 1]
    for head in range(4):
        rows = range(16 * head, 16 * head + 16)
        mine = [abs(float(part[(i, j) if name != "attention output" else (j, i)]))
                for name, part in parts.items() for i in rows for j in range(64)]
        wanted = sum(w >= least for w in mine) / len(mine)
        assert view.table["before"][head] == pytest.approx(wanted)
        assert view.figure.data[1].y[head] == pytest.approx(wanted)
    assert list(view.figure.data[0].y) == [0, 1, 0, 0] and view.table["left"].tolist() == [False, True, False, False]
    neurons = unit_shares.unit_shares(run, GONE, 30)
    assert (np.diff(neurons.figure.data[1].y) <= 0).all() and not any(neurons.figure.data[0].y)
    assert "0 hold all of theirs, 256 hold none" in neurons.claim


def test_runs_of_two_kinds_stand_beside_each_other(tmp_path: Path) -> None:
    """One of units that kept its answers alone, and one at 2:4."""
    store = empty_store(tmp_path)
    first = store.open(plant(store, record="answers"))
    second = store.open(make_run(store.recorded, pattern="2:4", parent=first.record.parent))
    assert units_beside.wanted([second, first]) and not units_beside.wanted([second])
    view = units_beside.beside([first, second])
    assert view.table["left"].map(plain).tolist() == [
        "1 of 4", "128 of 256", "3 of 4", "gone", "50 %", "50 %", "50 %", "50 %"]
    assert view.heading == plain(view.heading).replace(" %", "\N{NARROW NO-BREAK SPACE}%")
    assert plain(view.heading) == "They differ most in the FFN of layer 2: A gone, B 50 %."
    assert "A keeps 4 of 8 heads and 128 of 512 neurons, and nothing of the FFN of layer 2." in view.claim
    bars = [t for t in view.figure.data if t.type == "bar" and t.hoverinfo == "text"]
    assert [list(t.x) for t in bars] == [[0.25, 0.5, 0.75, 0.0], [0.5] * 4]


def test_a_run_of_units_is_compared_with_its_like(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    mine, like = (plant(store, record="answers", method=m) for m in ("pip", "taylor"))
    make_run(store.recorded, method="magnitude", pattern="2:4")
    around = store.open(mine).record
    assert choice.telling(store.records(), around) == [like, mine]


def test_whole_units_and_blocks_have_no_library(tmp_path: Path) -> None:
    run = planted(tmp_path)
    assert "whole heads and neurons: it has no library" in library_source.no_library(run)
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    block, pair = (store.open(make_run(store.recorded, pattern=p)) for p in ("block:4x4:0.5", "2:4"))
    assert "whole blocks" in library_source.no_library(block) and not library_source.no_library(pair)


def test_a_header_that_does_not_fit_is_said(tmp_path: Path) -> None:
    run = planted(tmp_path)
    change_header(run.path, units={"heads": [1, 9], "neurons": [128, 0]})
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    with pytest.raises(InputError, match="does not say how many heads the attention of layer 2 keeps"):
        units_map.units_map(store.open(run.record.id))
    change_header(run.path, units={"heads": [1, 3], "neurons": [128, 0]})
    replace_arrays(run.path, {"unit/head/1": np.zeros(7, np.uint8)})
    with pytest.raises(InputError, match="Which heads are left of the attention of layer 1"):
        units_map.units_map(store.open(run.record.id))


def test_planted_units_are_what_the_house_makes_of_them(tmp_path: Path) -> None:
    """The tests' own masks against those of the pattern: a planted run is one that could have been made."""
    run = planted(tmp_path)
    kept = tuple(f.drawn for f in units_left.left(run))
    for name, mask in pattern_of(run).masks(kept).items():
        assert np.array_equal(mask, run.mask(name) != 0)
    assert sum(int(k.sum()) for k in kept) == 1 + NEURONS // 2 + 3
