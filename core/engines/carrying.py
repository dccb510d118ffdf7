"""One cell carried out in this process: the same for every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.engines.cells import Cell, End
from core.running import pipeline
from core.running.progress import Report
from core.running.shared import Shared
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Store
from core.specs.recipes import Planned, carry_out


def carry(cell: Cell, *, store: Store, data_dir: Path | None, shared: Shared, report: Report | None = None) -> End:
    """Make *cell* in *store*. Raises nothing but KeyboardInterrupt and its like."""
    planned = Planned(cell.spec, cell.given, "unfinished" if cell.resume else "new")
    made = carry_out(planned, _parent if cell.extra else pipeline.run, store=store, data_dir=data_dir, shared=shared,
                     report=report)
    # What cannot be used leaves nothing behind (`core.running.job`).
    unused = made.error is not None and made.fault is None and not (store.live / cell.id).exists()
    return End(cell.id, made.record, made.error, made.fault, unused)


def _parent(spec: RunSpec, *, resume: bool, given: dict[str, Any], **options: Any) -> RunRecord:
    """A dense parent as the pipeline makes it for a run that needs it."""
    return pipeline.make_parent(spec, **options)
