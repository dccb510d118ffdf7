"""Sweeps: many runs from one TOML file. The file is the recipe of recorded runs.

    title = "CoLA at two patterns"

    [defaults]                # fields of RunSpec for all runs
    task = "cola"

    [[runs]]                  # a list multiplies out, in the order of the file; the last one varies fastest
    method = ["asp", "admm"]
    pattern = ["2:4", "1:4"]

`knobs` is a table; its lists multiply out too. What has succeeded in any root is skipped, what is unfinished continues,
and a run that fails does not stop the others.
"""

from __future__ import annotations

import itertools
import tomllib
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.errors import InputError, fault, unknown
from core.runs.disk import refused, refused_by_system
from core.runs.records import RunRecord, RunSpec, command_of
from core.runs.store import HEADER, Store, read_header
from core.specs.settings import read

LARGEST = 10_000  # runs of one file: beyond it a list was multiplied by mistake
FIELDS = typing.get_type_hints(RunSpec)

Given = dict[str, Any]
State = Literal["done", "unfinished", "new"]


@dataclass(frozen=True)
class Sweep:
    """A sweep file, read: what each run was given, in order."""

    title: str
    runs: list[Given]


@dataclass(frozen=True)
class Planned:
    """One run of a sweep: its spec, what the file gave, and what the store knows of it."""

    spec: RunSpec
    given: Given
    state: State


@dataclass(frozen=True)
class Outcome:
    """What became of a planned run. *error* says why when it did not succeed; a fault of ours has its *fault* text."""

    planned: Planned
    record: RunRecord | None
    error: str | None = None
    fault: str | None = None


def read_sweep(path: Path) -> Sweep:
    """Read and multiply out a sweep file. Raises InputError with the line, the table or the key that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror})", "a sweep file (TOML)", "See sweeps/.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", "a sweep file (TOML)", "Save it as UTF-8.") from None
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; so is a number of more digits than Python reads
        raise InputError(f"{path} is not TOML: {error}", "a sweep file (TOML)", "Correct that line.") from None
    for key in table:
        if key not in ("title", "defaults", "runs"):
            raise unknown(f"key of {path.name}", key, ("title", "defaults", "runs"))
    title, defaults, runs = table.get("title", path.stem), table.get("defaults", {}), table.get("runs", [])
    if not isinstance(title, str) or not isinstance(defaults, dict):
        raise InputError(f"title or defaults of {path.name} is of the wrong kind", "a text and a table",
                         'Write title = "..." and [defaults].')
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise InputError(f"{path.name} has no [[runs]]", "at least one [[runs]] table",
                         "Note the double brackets: [[runs]].")
    every: list[Given] = []
    for i, run in enumerate(runs, 1):
        where = f"{path.name}, [[runs]] number {i}"
        merged = {k: v for k, v in defaults.items() if k not in run} | run
        if isinstance(defaults.get("knobs"), dict) and isinstance(run.get("knobs"), dict):
            merged["knobs"] = defaults["knobs"] | run["knobs"]
        for given in expand(merged, where):
            every.append(given)
            if len(every) > LARGEST:
                raise InputError(f"{where} makes more than {LARGEST} runs", f"at most {LARGEST} runs a file",
                                 "Shorten its lists, or split the file.")
    return Sweep(title, every)


def expand(table: Mapping[str, Any], where: str = "the table") -> Iterator[Given]:
    """Multiply the lists of *table* out: first key slowest. Raises InputError, naming *where*, for what cannot be."""
    for key in table:
        if key not in FIELDS:
            raise unknown(f"setting in {where}:", key, FIELDS)
    knobs = table.get("knobs", {})
    if not isinstance(knobs, dict):
        raise InputError(f"knobs in {where} is no table", "a table", "Write [runs.knobs], or knobs = { rho = 0.1 }.")
    flat: list[tuple[tuple[str, ...], Any]] = [((k,), v) for k, v in table.items() if k != "knobs"]
    flat += [(("knobs", k), v) for k, v in knobs.items()]
    axes = [[_value(path, v, where) for v in (value if isinstance(value, list) else [value])] for path, value in flat]
    for (path, _), axis in zip(flat, axes, strict=True):
        if not axis:
            raise InputError(f"{'.'.join(path)} in {where} is an empty list", "at least one value",
                             "Give one, or leave the key out.")
    for values in itertools.product(*axes):
        given: Given = {}
        for (path, _), value in zip(flat, values, strict=True):
            if path[0] == "knobs":
                given.setdefault("knobs", {})[path[1]] = value
            else:
                given[path[0]] = value
        yield given


def _value(path: tuple[str, ...], value: Any, where: str) -> Any:
    kind = bool | int | float | str if path[0] == "knobs" else FIELDS[path[0]]
    try:
        found = msgspec.convert(value, kind)
        return found if path[0] == "knobs" else read(path[0], found)
    except InputError as error:
        raise InputError(f"{error.given} in {where}", error.expected, "Correct it.") from None
    except msgspec.ValidationError as error:
        raise InputError(f"{'.'.join(path)} = {str(value)[:80]!r} in {where} is of the wrong kind ({error})",
                         "a value as `python -m core run --help` says", "Correct it.") from None


def plan(sweep: Sweep, store: Store, resolve: Callable[[Given], RunSpec]) -> list[Planned]:
    """Resolve every run (all of them, before any starts) and look it up. A run that is listed twice is planned once."""
    planned: dict[str, Planned] = {}
    for given in sweep.runs:
        spec = resolve(given)
        if spec.run_id not in planned:
            planned[spec.run_id] = Planned(spec, given, state_of(spec.run_id, store))
    return list(planned.values())


def state_of(run_id: str, store: Store) -> State:
    """"done" when *run_id* has succeeded under any root, "unfinished" when the live root has something of it."""
    for root in (store.live, store.recorded):
        try:
            if read_header(root / run_id).status == "succeeded":
                return "done"
        except InputError:
            continue
    return "unfinished" if (store.live / run_id / HEADER).exists() else "new"


def carry_out(planned: Planned, run: Callable[..., RunRecord], **options: Any) -> Outcome:
    """Make one planned run with *run* (the pipeline's), whatever happens: an error becomes part of the outcome."""
    try:
        record = run(planned.spec, resume=planned.state == "unfinished", given=planned.given, **options)
    except InputError as error:
        return Outcome(planned, None, str(error))
    except Exception as error:  # a full disk, or our own fault, in one run must not cost the night's others
        if (found := refused_by_system(error)) is not None:
            return Outcome(planned, None, str(refused(found)))
        return Outcome(planned, None, fault(error, command_of(planned.spec)), traceback.format_exc())
    if record.status != "succeeded":
        return Outcome(planned, record, record.error or f"the run is {record.status}")
    return Outcome(planned, record)
