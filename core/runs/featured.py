"""The run that a page opens with when nobody asked for one.

One run is pinned by name: what a first visitor sees does not change because somebody recorded, or made, another run.
Where the store does not hold it, or a page shows another kind of run, a rule chooses among the recorded ones.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from core.runs.filmed import has_film
from core.runs.records import RunRecord

FEATURED = "entailment-tiny-admm-2of4-e4-s0-237dea71"
METHOD = "admm"  # of the pinned run: a page that prefers another method does not open with it


def default_run(records: Sequence[RunRecord], method: str = METHOD, own: Container[str] = ()) -> RunRecord:
    """The run of *records* (at least one) to open with. *method*: whose runs teach most on the page that asks.

    FEATURED where it is among them. Else the one that has succeeded, keeps moments, is of *method*, at 2:4 and on no
    grid, each weighing more than all after it; among equals the first by name, whatever its date. A run of *own*, the
    ids made on this machine, comes behind every recorded one that has succeeded.
    """
    def place(r: RunRecord) -> tuple[bool | str, ...]:
        done, recorded = r.status == "succeeded", r.id not in own
        pinned = r.id == FEATURED and method == METHOD and done and recorded
        wished = (pinned, done and recorded, done, has_film(r), r.spec.method == method, r.spec.pattern == "2:4",
                  not r.spec.bits)
        return *(not wish for wish in wished), r.id

    return min(records, key=place)
