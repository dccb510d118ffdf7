"""What was measured, against whom, and the command that measures it again: `python -m core bench [NAME...]`."""

from __future__ import annotations

# BENCHMARKS: the one list, name -> module. Each module has `measure() -> list[dict]` of
# {name, figure, unit, against, bar, ok}; both sides of a comparison are measured in the same run.
BENCHMARKS: dict[str, str] = {
    "selection": "benchmarks.selection",
    "admm-step": "benchmarks.admm_step",
    "fine-tuning": "benchmarks.fine_tuning",
    "layerwise": "benchmarks.layerwise",
    "lab": "benchmarks.lab",
    "live": "benchmarks.live",
    "patterns": "benchmarks.patterns",
    "first-picture": "benchmarks.first_picture",
    "page-switch": "benchmarks.page_switch",
    "viewers": "benchmarks.viewers",
    "live-queue": "benchmarks.live_queue",
    "shared-work": "benchmarks.shared_work",
}
