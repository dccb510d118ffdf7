"""Runs: every run of the store, to search, sort, filter and open; and ADMM beside its baselines."""

from __future__ import annotations

from core.views.catalogue import runs
from ui import frame, run_list, run_zip
from ui.cache import cached_entries

frame.opening("runs")
found = cached_entries(runs.rows)
if not found:
    frame.empty()
    run_zip.said()
else:
    run_list.show(run_list.filters(found), found)
run_zip.take_in()
