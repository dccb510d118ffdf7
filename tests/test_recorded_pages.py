"""Every page that shows a recorded run, with every kind of run that ships: no exception, no red box. By the server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.first_picture import served
from benchmarks.viewers import WALK, Session
from core.runs.records import RunRecord
from core.runs.store import Store

ROOT = Path(__file__).resolve().parents[1]


def kind(record: RunRecord) -> tuple[object, ...]:
    """What decides which pictures a run can have."""
    spec = record.spec
    return spec.model, spec.method, spec.pattern, spec.bits, spec.record, bool(record.moments), bool(record.snapshots)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_kind_of_recorded_run_breaks_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Path(os.environ.get("SPARSESCOPE_CACHED", ROOT / "cached_runs"))
    runs = {kind(record): record.id for record in Store(recorded, recorded).records()}
    assert len(runs) > 50
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path))
    with served("app.py", ROOT) as address:
        tab = Session(address)
        errors = [f"{page} {run}: {words}" for run in runs.values() for page in WALK if page != "lab"
                  for words in tab.open(page, run=run)]
        tab.close()
    assert not errors, "\n".join(errors)
