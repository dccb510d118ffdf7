"""The pictures of what sparsity saves against planted times and sizes, and the page over every kind of store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.cost import records
from core.cost.records import Cost, Form, Passes
from core.runs.store import HEADER, Run, Store
from core.views.cost import savings, sizes, source, times
from core.views.cost.source import Stamp
from tests import makers
from tests.costs import planted, small
from tests.damage import change_header
from tests.opening import charts, open_page, said

MATRICES = 2 * (4 * 64 * 64 + 2 * 64 * 256)  # weights of the makers' matrices
UNMEASURED: Stamp = ("", ())


def run_of(store: Store, **fields: Any) -> Run:
    parent = makers.make_dense(store.recorded)
    return store.open(makers.make_run(store.recorded, parent=parent, **fields))


def measured(store: Store, run: Run, passes: list[Passes], **fields: Any) -> Stamp:
    forms = [Form(name="dense", size=4_020, parts={"values": 3_000, "other": 1_000, "header": 20}, counted=32_000,
                  same=True),
             Form(name="packed", size=2_650, parts={"values": 1_500, "index": 100, "other": 1_000, "header": 50},
                  counted=20_800, same=True)]
    fields = {"origin": "checkpoint", "whole": True, "forms": forms, "memory": {"dense": 800, "pruned": 800}, **fields}
    path = records.save(store.live, small(run.record.id, passes=passes, **fields))
    return records.stamp_of(path)


def rows(view: Any) -> dict[str, dict[str, Any]]:
    return {f"{row['quantity']} {row['form']}": row for row in view.table.to_dict("records")}


def test_a_header_alone_is_counted_by_hand(empty_store: Store) -> None:
    view = savings.picture(run_of(empty_store), UNMEASURED)
    found = rows(view)
    assert {row["how"] for row in found.values()} == {"counted"}
    assert found["Weights that are not zero packed"]["times less"] == 2
    assert found["Bytes of the pruned matrices packed"]["times less"] == pytest.approx(32 / 17)  # 1 bit says which
    operations = 2 * 32 * MATRICES, 2 * 32 * 32 * (64 + 64) * 2  # of matrices, of attention in two layers
    assert found["FLOPs, 32 tokens packed"]["times less"] == pytest.approx(
        sum(operations) / (operations[0] / 2 + operations[1]))
    assert view.heading.endswith("nobody has measured yet.") and "1.88×" in view.heading


def test_ratio_is_not_speed(empty_store: Store) -> None:
    run = run_of(empty_store)
    stamp = measured(empty_store, run, [planted(1, 32, 1000, pruned=1.0), planted(32, 128, 90_000, pruned=1.0)])
    view = savings.picture(run, stamp)
    found = rows(view)
    assert found["Bytes of the whole file packed"]["times less"] == pytest.approx(4_020 / 2_650)
    assert found["Bytes of the pruned matrices packed"]["times less"] == pytest.approx(3_000 / 1_600)
    assert found["Memory while it runs pruned, zeros multiplied"]["times less"] == 1
    last = found["Time, 32 × 128 tokens pruned, zeros multiplied"]
    assert (last["times less"], last["low"], last["high"]) == (1, 1, 1) and last["how"] == "measured"
    assert last["dense"] == "108 ms"  # the median pace is 1.2
    assert view.heading == "Packed, the file is 1.52× smaller; a pass is no faster."
    assert "multiply a zero like any other number" in view.claim
    assert all(s in view.alt for s in ("1.52×, written", "Time, 1 × 32 tokens 1×, measured", "2×, counted"))
    axis = view.figure.layout.xaxis  # type: ignore[union-attr]
    marks = [x for trace in view.figure.data for x in trace.x if x is not None]  # type: ignore[union-attr]
    assert 10**axis.range[0] < min(marks) and max(marks) < 10**axis.range[1]
    legend = {t.name for t in view.figure.data if t.showlegend is not False}  # type: ignore[union-attr]
    assert legend == {"packed", "pruned, zeros multiplied", "counted", "written or measured"}


@pytest.mark.parametrize(("first", "last", "words"), [
    (1.02, 1.02, "a pass is no faster."), (1.5, 1.6, "a pass is faster too."), (1.0, 1.6, "a pass is hardly faster.")])
def test_what_is_said_of_speed(empty_store: Store, first: float, last: float, words: str) -> None:
    run = run_of(empty_store)
    stamp = measured(empty_store, run, [planted(1, 8, 10_000, pruned=first), planted(8, 8, 10_000, pruned=last)])
    assert savings.picture(run, stamp).heading.endswith(words)


def test_an_interval_is_drawn_where_passes_differ(empty_store: Store) -> None:
    run = run_of(empty_store)
    micros = {"dense": [2000] * 40, "pruned": [1000, 1600] * 20}
    view = savings.picture(run, measured(empty_store, run, [Passes(batch=1, length=8, micros=micros)]))
    row = rows(view)["Time, 1 × 8 tokens pruned, zeros multiplied"]
    assert (row["low"], row["high"]) == (1.25, 2.0) and row["times less"] == pytest.approx(1.625)
    drawn = next(t for t in view.figure.data if t.error_x.visible)  # type: ignore[union-attr]
    assert (drawn.x[-1] - drawn.error_x.arrayminus[-1], drawn.x[-1] + drawn.error_x.array[-1]) == (1.25, 2.0)
    assert sum(bool(t.error_x.visible) for t in view.figure.data) == 1  # type: ignore[union-attr]


def test_shrunk_matrices_are_counted_from_their_own_shapes(empty_store: Store) -> None:
    run = run_of(empty_store)
    spec = json.loads((run.path / HEADER).read_text())["spec"]
    change_header(run.path, spec=spec | {"pattern": "units:0.5"})  # its masks are of no units, and nobody looks at them
    run = empty_store.open(run.record.id)
    assert {row["form"] for row in rows(savings.picture(run, UNMEASURED)).values()} == {"shrunk"}
    assert [row["form"] for row in sizes.picture(run, UNMEASURED).table.to_dict("records")] == ["dense", "shrunk"]
    shapes = {m.name: (m.shape[0] // 2, m.shape[1]) for m in run.record.matrices}
    stamp = measured(empty_store, run, [planted(8, 32, 5000, pruned=1.0, shrunk=1.9)], shapes=shapes)
    found = rows(savings.picture(run, stamp))
    assert found["FLOPs, 32 tokens shrunk"]["times less"] == 2
    assert savings.picture(run, stamp).heading == "Shrunk, the longest pass is 1.9× as fast as dense."
    assert times.picture(run, stamp).heading == "Smaller matrices make it 1.9× as fast: no zero is left to multiply."
    stamp = measured(empty_store, run, [planted(8, 32, 5000, pruned=1.0, shrunk=0.9)], shapes=shapes)
    assert times.picture(run, stamp).heading == "Even shrunk, the longest pass is only 0.9× as fast."


def test_kernels_of_a_gpu_have_rows_of_their_own(empty_store: Store) -> None:
    run = run_of(empty_store)
    fast = planted(32, 128, 10_000, **{"2:4 kernels": 1.4})
    view = savings.picture(run, measured(empty_store, run, [planted(32, 128, 90_000, pruned=1.0)], gpu=[fast]))
    assert rows(view)["Time on a GPU, 32 × 128 tokens 2:4 kernels"]["times less"] == pytest.approx(1.4, abs=1e-3)
    assert view.heading.endswith("a pass is no faster.")  # of the model that runs on this machine's processor


def test_a_dense_run_is_what_others_are_held_against(empty_store: Store) -> None:
    run = empty_store.open(makers.make_dense(empty_store.recorded))
    assert savings.picture(run, UNMEASURED).figure is None
    assert sizes.picture(run, UNMEASURED).heading == "Dense, it takes 393 kB."
    forms = [Form(name="dense", size=4_020, parts={"values": 4_000, "header": 20}, counted=32_000, same=True)]
    stamp = measured(empty_store, run, [planted(1, 32, 1000)], forms=forms, memory={"dense": 4_000})
    assert times.picture(run, stamp).heading == "The longest pass takes 1.2 ms."


def test_time_beside_what_flops_promise(empty_store: Store) -> None:
    run = run_of(empty_store)
    stamp = measured(empty_store, run, [planted(8, 32, 4000, pruned=1.0), planted(1, 32, 1000, pruned=1.0)])
    view = times.picture(run, stamp)
    marks = {t.name: t for t in view.figure.data}  # type: ignore[union-attr]
    assert list(marks) == ["dense", "pruned, zeros multiplied", "what its FLOPs promise"]
    assert list(marks["dense"].y) == [1.2, 4.8]  # milliseconds; the fewest tokens first
    assert list(marks["dense"].error_y.array) == pytest.approx([0.1, 0.4])  # the upper quartile of the paces is 1.3
    dense, attention = 2 * 32 * MATRICES, 2 * 32 * 32 * (64 + 64) * 2
    ratio = (dense + attention) / (dense / 2 + attention)
    assert list(marks["what its FLOPs promise"].y) == pytest.approx([1.2 / ratio, 4.8 / ratio])
    assert list(view.figure.layout.xaxis.ticktext) == ["1 × 32", "8 × 32"]  # type: ignore[union-attr]
    low, high = (10**v for v in view.figure.layout.yaxis.range)  # type: ignore[union-attr]
    assert low < 1.2 / ratio and high > 5.2
    assert view.heading == f"FLOPs promise {ratio:.3g}×; dense kernels multiply the zeros too."
    assert "8 × 32 tokens: dense 4.8 ms, pruned 4.8 ms, promised by FLOPs" in view.alt
    assert list(view.table["times faster"].dropna()) == [1, 1]


def test_bytes_by_part_and_the_count_beside_them(empty_store: Store) -> None:
    run = run_of(empty_store)
    view = sizes.picture(run, measured(empty_store, run, []))
    bars = {t.name: dict(zip(t.y, t.x, strict=True)) for t in view.figure.data}  # type: ignore[union-attr]
    assert bars["weights"] == {"dense": 3000, "packed": 1500} and bars["which ones stay"]["packed"] == 100
    assert sum(bars[name]["packed"] for name in bars if name != "counted") == 2_650
    assert bars["counted"] == {"dense": 4000, "packed": 2600}
    assert view.heading.replace("\u202f", " ") == "Packed, it takes 65.9 % of the dense bytes."
    assert "every file read back equal" in view.claim and "by more than 0 B" in view.claim
    assert "packed 2.65 kB, of it weights 1.5 kB, which ones stay 100 B, never pruned 1 kB, header 50 B" in view.alt
    assert view.figure.layout.xaxis.range[1] > 4_020  # type: ignore[union-attr]


def test_a_file_that_did_not_come_back_is_said(empty_store: Store) -> None:
    run = run_of(empty_store)
    forms = [Form(name="dense", size=10, parts={"values": 10}, counted=80, same=False)]
    assert "NOT every file read back equal" in sizes.picture(run, measured(empty_store, run, [], forms=forms)).claim


def test_bytes_that_were_only_counted_say_so(empty_store: Store) -> None:
    run = run_of(empty_store, pattern="1:4", bits=4, other_weights=1000)
    view = sizes.picture(run, UNMEASURED)
    codes, positions, scales = MATRICES // 4 * 4 // 8, MATRICES // 4 * 2 // 8, MATRICES // 64 * 4
    row = view.table.to_dict("records")[1]
    assert row["form"] == "quantised" and row["how"] == "counted"
    assert row["bytes"] == codes + positions + scales + 4000
    assert "counted from what the header says, not written" in view.claim


@pytest.mark.parametrize(("top", "steps"), [(480_140, [0, 1e5, 2e5, 3e5, 4e5]), (90.9e6, [0, 2e7, 4e7, 6e7, 8e7]),
                                            (10, [0, 2, 4, 6, 8, 10])])
def test_ticks_are_round(top: float, steps: list[float]) -> None:
    assert sizes.round_steps(top) == steps


# -- the page ------------------------------------------------------------------------------------------------------


def test_the_page_without_a_measurement_counts_and_says_how_to_measure(
    small_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = open_page(monkeypatch, small_store, "cost")
    assert charts(app) == 2 and not app.error
    lines = app.code[-1].value.splitlines()
    assert lines[0].startswith("python -m core run --task")
    assert lines[1].startswith("python -m core cost agreement-tiny")
    assert "its bytes are counted" in said(app) and "These were measured" not in said(app)


def test_the_page_leads_from_a_run_without_a_measurement_to_those_with_one(
    small_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = small_store.open(makers.run_named(small_store, method="magnitude"))
    measured(small_store, run, [planted(1, 32, 1000, pruned=1.0)])
    records.save(small_store.recorded, small("a-run-that-is-gone"))
    assert records.known(small_store) == ["a-run-that-is-gone", run.record.id]
    other = makers.run_named(small_store, method="asp", pattern="1:4")
    app = open_page(monkeypatch, small_store, "cost", run=other)
    assert "These were measured" in said(app) and "Magnitude, one-shot · 2:4" in said(app).replace("\\", "")


def test_the_page_shows_a_measurement(small_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_store.open(makers.run_named(small_store, method="magnitude"))
    words = "2:4 kernels were not tried: they need an NVIDIA GPU"
    measured(small_store, run, [planted(1, 32, 1000, pruned=1.0)], left_out=[words])
    app = open_page(monkeypatch, small_store, "cost", run=run.record.id)
    assert charts(app) == 3 and not app.error
    (notes,) = [fold for fold in app.expander if any(words in caption.value for caption in fold.caption)]
    assert any("dense kernels multiply" in caption.value.lower() for caption in notes.caption)  # of the times
    assert "40 passes of each model, in turn" in said(app)


def test_a_damaged_measurement_is_a_red_box_and_the_page_counts(
    small_store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = small_store.open(makers.run_named(small_store, method="magnitude"))
    path = records.file_of(small_store.live, run.record.id)
    measured(small_store, run, [planted(1, 32, 1000, pruned=1.0)])
    path.write_bytes(path.read_bytes()[:200])
    app = open_page(monkeypatch, small_store, "cost", run=run.record.id)
    assert "is damaged" in app.error[0].value and charts(app) == 2


def test_an_empty_store_and_a_run_that_failed_are_said(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No runs yet" in open_page(monkeypatch, empty_store, "cost").info[0].value
    makers.make_run(empty_store.live, status="failed")
    app = open_page(monkeypatch, empty_store, "cost")
    assert charts(app) == 0 and "lists no matrices" in said(app)


def test_what_was_written_from_masks_says_so(empty_store: Store) -> None:
    run = run_of(empty_store)
    stamp = measured(empty_store, run, [], origin="masks", whole=False)
    assert "from its masks" in source.made(stamp) and not source.timed(stamp)
    cost: Cost | None = source.cost_at(stamp)
    assert cost is not None and "the pruned matrices alone" in sizes.picture(run, stamp).claim
    assert not any(row.startswith("Bytes of the whole file") for row in rows(savings.picture(run, stamp)))
