"""What a film says of itself: where it opens, and what a start from dense weights cost."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.runs.store import Store, write_header
from core.views.drawing import style
from core.views.film import telling, watch
from tests.makers import empty_store, make_dense, make_run
from tests.sources import ROOT

QUERY = "bert.encoder.layer.0.attention.self.query"


def test_the_widest_gap_is_found_wherever_it_lies_and_survives_thinning(tmp_path: Path) -> None:
    made = empty_store(tmp_path)
    make_run(made.recorded, id="many", parent=make_dense(made.recorded), snapshots=60)
    run = made.open("many")
    gaps = [0.1 + 0.01 * (s.k % 7) for s in run.record.snapshots]
    gaps[36] = 0.9
    write_header(run.path, msgspec.structs.replace(run.record, snapshots=[
        msgspec.structs.replace(s, primal=gap) for s, gap in zip(run.record.snapshots, gaps, strict=True)]))
    run = made.open("many")
    found = watch.film(run, QUERY)
    assert found is not None and found.last + 1 <= watch.MOST + 1
    assert found.header["moments"][found.opens] == f"ADMM, step {style.count(run.record.snapshots[36].step)}"
    assert "90" in found.header["panels"]["say"]["texts"][found.opens]


def test_what_a_start_from_dense_weights_cost_is_said_beside_its_like() -> None:
    records = Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder").records()
    by_id = {r.id: r for r in records}
    run, other = by_id["cola-minilm-l6-admm-2of4-e2-s1-be5cf484"], by_id["cola-minilm-l6-dense-s1-91926c9b"]
    assert run.results is not None and run.results.final is not None and other.results is not None
    words = telling.cost(records, run.id)
    assert f"it scores {run.results.final:.3f}, dense {other.results.final:.3f}" in words
    twin = msgspec.structs.replace(run, id="twin", spec=msgspec.structs.replace(run.spec, record="summary", knobs={
        k: v for k, v in run.spec.knobs.items() if k != "start"} | {"share": 0.5, "rho_start": 3e-4}),
        results=msgspec.structs.replace(run.results, final=0.125))
    stranger = msgspec.structs.replace(twin, id="stranger", spec=msgspec.structs.replace(twin.spec, seed=2))
    assert "from the layer-wise solution 0.125" in telling.cost([run, stranger, twin], run.id)
    assert "layer-wise" not in telling.cost([run, stranger], run.id) and telling.cost([twin], "twin") == ""
