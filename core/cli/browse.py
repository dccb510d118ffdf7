"""`list` and `show`: what the store holds. Headers only; no torch."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from core.cli.output import echo_json, interval_list, json_option, printable, record_object, table
from core.cli.run import score_table
from core.errors import InputError, unknown
from core.evidence.quantities import SCORE
from core.evidence.single import of_run
from core.evidence.words import signed_interval
from core.models.identity import located
from core.runs.model_names import means
from core.runs.names import layer_name
from core.runs.records import RunRecord
from core.runs.signatures import away
from core.runs.store import Entry, Run, Store, default_store
from core.statistics.interval import Interval


def listing(store: Store, task: str | None = None, model: str | None = None, method: str | None = None) -> list[Entry]:
    """Entries of *store*, newest first, whose spec has these values. Damaged ones only when nothing is filtered. A
    folder as *model* means whatever it held."""
    wanted = {k: v for k, v in (("task", task), ("method", method)) if v is not None}
    names = [] if model is None else _names_of(model)
    return [e for e in store.entries()
            if (not (wanted or names) if e.record is None else
                all(getattr(e.record.spec, k) == v for k, v in wanted.items())
                and (not names or any(means(name, e.record.spec.model) for name in names)))]


def _names_of(model: str) -> list[str]:
    """*model* as it was given, and the whole path where it is a folder. One that is gone may still have runs."""
    try:
        found = located(model)
    except InputError:
        found = None
    return [model, *([] if found is None else [str(found[0])])]


def _row(entry: Entry, store: Store, intervals: bool) -> list[Any]:
    r = entry.record
    assert r is not None
    final, dense = (r.results.final, r.results.dense) if r.results else (None, None)
    pattern = "" if r.spec.method == "dense" else r.spec.pattern
    apart = against_dense(entry, store) if intervals else None
    return [r.id, r.spec.task, r.spec.model, r.spec.method, pattern, final, dense,
            *([signed_interval(SCORE, apart) if apart else ""] if intervals else []),
            r.sparsity if r.matrices else None, f"{r.status} {away(r, entry.path)}".rstrip(),
            "recorded" if entry.recorded else "live"]


def against_dense(entry: Entry, store: Store) -> Interval | None:
    """How far a run's score is from its dense model's; None for a dense model, and where answers are missing."""
    if entry.record is None or entry.record.spec.method == "dense":
        return None
    try:
        return of_run(store.open(entry.id))
    except InputError:  # damaged since it was listed
        return None


def _known(apart: Interval | None) -> dict[str, Any]:
    """The difference to dense as programs get it."""
    return {} if apart is None else {"against_dense": interval_list(apart)}


@click.command("list")
@click.option("--task", help="Only runs of this task.")
@click.option("--model", help="Only runs of this model.")
@click.option("--method", help="Only runs of this method.")
@click.option("--intervals", is_flag=True,
              help="Say how far each is from dense, with its 95 % interval over the examples. Takes some seconds.")
@json_option
def list_command(task: str | None, model: str | None, method: str | None, intervals: bool, as_json: bool) -> None:
    """List the runs, newest first.

    Folders that cannot be read are listed with the reason.

    \b
    Example:
      python -m core list --task cola --method admm --intervals
    """
    store = default_store()
    entries = listing(store, task, model, method)
    good, bad = [e for e in entries if e.record], [e for e in entries if e.record is None]
    if as_json:
        echo_json([record_object(e.record, e.recorded) | (_known(against_dense(e, store)) if intervals else {})
                   for e in good if e.record]
                  + [{"id": e.id, "status": "damaged", "reason": e.damage, "recorded": e.recorded} for e in bad])
        return
    if good:
        headers = ["id", "task", "model", "method", "pattern", "final", "dense", "sparsity", "status", "from"]
        if intervals:
            headers.insert(7, "points against dense")
        click.echo(table(headers, [_row(e, store, intervals) for e in good]))
    elif not bad:
        click.echo("No runs" + (" match." if task or model or method else " yet. See `python -m core run --help`."))
    for e in bad:
        click.echo(f"damaged: {printable(e.id)}: {printable(e.damage or '')}")


def contents(run: Run) -> dict[str, int]:
    """How many arrays of each kind *run* holds. Raises InputError when the file is damaged."""
    return dict(sorted(Counter(key.partition("/")[0] for key in run.keys if not key.endswith(".scale")).items()))


def layer_table(record: RunRecord) -> list[tuple[str, str, int, float, float, float]]:
    """One row per layer (a matrix that is in none: alone): name, matrices, weights, shares.

    The shares (density, kept energy, moved) are means over the layer's weights.
    """
    groups: dict[str, list[Any]] = {}
    for m in record.matrices:
        groups.setdefault(layer_name(m.name) or m.name, []).append(m)
    rows = []
    for name, group in groups.items():
        size = [m.shape[0] * m.shape[1] for m in group]
        total = sum(size)

        def mean(field: str, group: list[Any] = group, size: list[int] = size, total: int = total) -> float:
            return sum(getattr(m, field) * s for m, s in zip(group, size, strict=True)) / total

        rows.append((name, f"{len(group)}", total, mean("density"), mean("kept_energy"), mean("moved")))
    return rows


def find_run(store: Store, run_id: str) -> Run:
    """Open *run_id*. Raises InputError with the closest id when there is none."""
    if store.find(run_id) is None:
        raise unknown("run", run_id, [e.id for e in store.entries()]) if store.records() else InputError(
            f"There is no run {run_id!r}", "a run of the store, which is empty", "See `python -m core run --help`.")
    return store.open(run_id)


@click.command("show")
@click.argument("run")
@json_option
def show_command(run: str, as_json: bool) -> None:
    """Show one run.

    Its accuracies, its layers, what arrays it holds, and the command that makes it again.

    \b
    Example:
      python -m core show cola-minilm-l6-admm-2of4-e4-s0-0123abcd
    """
    opened = find_run(default_store(), run)
    r = opened.record
    try:
        arrays, damage = contents(opened), None
    except InputError as error:
        arrays, damage = {}, str(error)
    if as_json:
        apart = of_run(opened) if r.spec.method != "dense" and not damage else None
        echo_json(record_object(r, opened.recorded) | {"arrays": arrays} | _known(apart)
                  | ({"damage": damage} if damage else {}))
        return
    e = r.environment
    facts = [
        ("status", f"{r.status} {away(r, opened.path)}".rstrip() + (f": {r.error}" if r.error else "")),
        ("created", r.created),
        ("task, model", f"{r.spec.task}, {r.spec.model}"),
        ("method", r.spec.method + (f" at {r.spec.pattern}" if r.spec.method != "dense" else "")),
        ("knobs", ", ".join(f"{k} = {v}" for k, v in r.spec.knobs.items())),
        ("parent", (r.parent or "") + (" (not in the store)" if r.parent and opened.parent is None else "")),
        ("zeros", f"{r.sparsity:.2%} of the prunable weights" if r.matrices else ""),
        ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in {"total": r.timing.total, **r.timing.phases}.items())
         + (f"; {r.timing.shared:.1f} of them were not spent again" if r.timing.shared else "")),
        *(("note", note) for note in r.said),
        ("made on", f"{e.device}, {e.processor}, {e.threads} threads, Python {e.python}" if e else ""),
        ("folder", str(opened.path)),
        ("arrays", damage or ", ".join(f"{n} {kind}" for kind, n in arrays.items()) or "none"),
        ("again", r.command),
    ]
    click.echo(printable(r.id))
    for name, text in facts:
        if text:
            click.echo(f"  {name:<12}{printable(text)}")
    if r.results:
        click.echo("\n" + score_table(r))
        if r.spec.method != "dense" and (apart := of_run(opened)) is not None:
            click.echo(f"Against dense: {signed_interval(SCORE, apart)} points, with the 95 % interval over the "
                       "examples; `table` compares methods, over seeds too.")
    if r.matrices:
        headers = ["layer", "matrices", "weights", "density", "kept energy", "moved"]
        click.echo("\n" + table(headers, layer_table(r)))
