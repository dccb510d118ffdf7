"""Runs that would look alike in a list, and the settings that tell them apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from core.methods import METHODS
from core.methods.knobs import knobs_of
from core.runs.records import LATER, RunRecord
from core.views.drawing import style

QUIET = ("record", "knobs")  # how much is kept decides nothing; knobs are listed one by one


def told_apart(records: Iterable[RunRecord]) -> dict[str, str]:
    """Words by run id, "" for a run whose `style.run_words` nobody of its task shares.

    Twins get the settings in which they differ ("metric none · calibration 128"); those that differ in nothing, the
    last part of their id.
    """
    alike: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for record in records:
        alike[record.spec.task, style.run_words(record)].append(record)
    out: dict[str, str] = {}
    for twins in alike.values():
        said = {r.id: settings(r) for r in twins}
        names = [n for n in dict.fromkeys(n for s in said.values() for n in s)
                 if len({s.get(n) for s in said.values()}) > 1]
        for r in twins:
            words = " · ".join(_words(n, said[r.id][n]) for n in names if n in said[r.id])
            out[r.id] = "" if len(twins) == 1 else words or r.id.rsplit("-", 1)[-1]
    return out


def off_default(record: RunRecord) -> list[str]:
    """What a run sets otherwise than its method, or the grid, does by itself: ["metric none", "chunk 0"]."""
    spec, said = record.spec, settings(record)
    usual: dict[str, Any] = {k: v for k, v in LATER.items() if k != "bits"}  # bits stand beside the pattern
    usual |= _usual(record)
    given = msgspec.structs.asdict(spec) | spec.knobs
    return [_words(name, said[name]) for name, value in usual.items() if given.get(name, value) != value]


def _usual(record: RunRecord) -> dict[str, Any]:
    """The defaults of the knobs of a run's method; none for a method that this version does not know."""
    method = record.spec.method
    return {knob.name: knob.default for knob in knobs_of(METHODS[method].knobs)} if method in METHODS else {}


def _words(name: str, value: str) -> str:
    return f"{name.replace('_', ' ')} {value}"


def settings(record: RunRecord) -> dict[str, str]:
    """All that a spec says, as text; of its knobs also those that it leaves at their default without a word."""
    fields: dict[str, Any] = msgspec.structs.asdict(record.spec)
    values = {k: v for k, v in fields.items() if k not in QUIET} | _usual(record) | fields["knobs"]
    return {k: ("on" if v else "off") if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
            for k, v in values.items()}
