"""What a link asks for, read without a page: run, matrix, layer and knobs, each at the default that the page has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.errors import InputError, unknown
from core.evidence.cells import Cell, cells
from core.runs import featured
from core.runs.levels import holds
from core.runs.records import RunRecord
from core.runs.store import Entry, Run, Store


class Heard(dict[str, str]):
    """A query that knows which of its keys were asked for: `heard`."""

    def __init__(self, query: Mapping[str, str]) -> None:
        super().__init__(query)
        self.heard: set[object] = set()

    def __getitem__(self, key: str) -> str:
        self.heard.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.heard.add(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's."""
        self.heard.add(key)
        return super().get(key, default)


@dataclass(frozen=True)
class Asked:
    """A link's *query* over the runs of *store*, or about *opened*, a run at hand. Everything raises InputError for
    what the query cannot mean."""

    store: Store
    query: Mapping[str, str] = field(default_factory=dict)
    opened: Run | None = None

    @cached_property
    def entries(self) -> list[Entry]:
        """The folders of the store."""
        return self.store.entries()

    @cached_property
    def records(self) -> list[RunRecord]:
        """The readable runs of the store."""
        return [entry.record for entry in self.entries if entry.record is not None]

    @cached_property
    def cells(self) -> list[Cell]:
        """The answers that the runs keep."""
        return cells(self.entries)

    @cached_property
    def own(self) -> frozenset[str]:
        """Ids of the runs made on this machine."""
        return frozenset(entry.id for entry in self.entries if not entry.recorded)

    def run(self, method: str = "admm") -> Run:
        """The run at hand, or that of the link; else the one that pages open with, *method* theirs."""
        if self.opened is not None:
            return self.opened
        if "run" in self.query:
            return self.store.open(self.query["run"])
        found = [r for r in self.records if r.spec.method != "dense" and r.status != "queued"
                 and holds(r.spec.record, "summary")]
        if not found:
            raise InputError("There are no runs here", "a store with a pruned run", "Make one: python -m core run.")
        return self.store.open(featured.default_run(found, method, self.own).id)

    def matrix(self, run: Run) -> str:
        """The matrix of the link, else the first of *run*."""
        names = [m.name for m in run.record.matrices]
        if not names:
            raise InputError(f"{run.record.id} lists no matrices", "a run that got as far as pruning", "Name another.")
        return self.choice("matrix", names)

    def layer(self, run: Run) -> int:
        """The layer of the link, 0 the embeddings; else the last."""
        return self.number("layer", run.record.layers, 0, run.record.layers)

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        """One of *options*."""
        value = self.query.get(key)
        if not options and default is None:
            raise InputError(f"There is no {key} to choose here", "runs that keep more", "Name another run.")
        if value is None:
            return options[0] if default is None else default
        if value not in options:
            raise unknown(key, value, options)
        return value

    def number(self, key: str, default: int, low: int = 0, high: int = 1_000_000) -> int:
        """A whole number, moved inside *low* to *high*, as the sliders of the pages do."""
        text = self.query.get(key)
        try:
            return min(max(default if text is None else int(text[:12]), low), max(low, high))
        except ValueError:
            raise InputError(f"{key}={(text or '')[:40]!r} is no whole number", f"{low} to {high}",
                             "Correct it.") from None
