"""`cost`: what sparsity saves in a run: sizes written, passes timed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from core.cli.browse import find_run
from core.cli.output import echo_json, json_option, printable, table
from core.cost import records, summary
from core.errors import InputError
from core.runs.store import Run, default_store

if TYPE_CHECKING:
    from core.cost.records import Cost


def size_table(cost: Cost) -> str:
    """One row a form: its file's size, as a share of the dense one, and as `storage` counts it; did it come back?"""
    dense = summary.dense_form(cost)
    rows: list[list[Any]] = [[f.name, f.size, f"{f.size / dense.size:.1%}" if dense else "", -(-f.counted // 8),
                              "yes" if f.same else "NO"] for f in cost.forms]
    return table(["form", "bytes of the file", "of dense", "bytes counted", "read back equal"], rows)


def time_table(run: Run, cost: Cost) -> str:
    """One row a setting and model: median and quartiles of its passes, and how many times faster than dense."""
    rows: list[list[Any]] = []
    for passes, where in [*((p, "") for p in cost.passes), *((p, "GPU ") for p in cost.gpu)]:
        for model, micros in passes.micros.items():
            spread = summary.quartiles(micros)
            ratio = summary.timed(passes, model).times if model in summary.RUNS_AS else None
            fewer = summary.promised(run.record, cost, passes) if model in summary.RUNS_AS else None
            rows.append([passes.batch, passes.length, where + model, *(f"{v / 1000:.3f}" for v in (
                spread.value, spread.low, spread.high)),
                "" if ratio is None else f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]",
                "" if fewer is None else f"{fewer:.2f}"])
    return table(["batch", "tokens", "model", "median ms", "lower quartile", "upper quartile", "times faster [95 %]",
                  "times fewer FLOPs"], rows)


def told(run: Run, cost: Cost) -> str:
    """The whole measurement in words and tables."""
    env = cost.environment
    threads = f"{env.threads} thread{'' if env.threads == 1 else 's'}"
    blocks = [f"{run.record.id}: {env.processor}, {threads}, torch {env.packages.get('torch', '?')}",
              size_table(cost)]
    if cost.passes:
        count = len(next(iter(cost.passes[0].micros.values())))
        blocks += [f"{count} passes after {cost.warm_up}, all models in turn:", time_table(run, cost)]
    else:
        blocks.append(f"Nothing was timed: there is no checkpoint of the run here. Make it: {run.record.command}")
    saved = [[s.what, s.form, s.factor, s.how, s.dense, s.here] for s in summary.savings(run.record, cost)]
    if saved:
        blocks.append(table(["quantity", "form", "times less", "how", "dense", "here"], saved))
    return "\n\n".join([*blocks, *cost.left_out])


@click.command("cost")
@click.argument("run")
@click.option("--batch", multiple=True, type=click.IntRange(1, 4096), help="Sequences of a pass; repeatable.  "
              "[default: 1, 8, 32]")
@click.option("--length", multiple=True, type=click.IntRange(1, 8192), help="Tokens of a sequence; repeatable.  "
              "[default: 32, 128]")
@click.option("--passes", type=click.IntRange(6, 1000), default=100, show_default=True,
              help="Timed passes of every model and setting.")
@click.option("--warm-up", type=click.IntRange(0, 1000), default=10, show_default=True,
              help="Passes before those, which are not timed.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a pass.  [default: as torch chooses]")
@click.option("--record", is_flag=True, help="Keep the measurement with the recorded runs, not with those made here.")
@json_option
def cost_command(run: str, batch: tuple[int, ...], length: tuple[int, ...], passes: int, warm_up: int,
                 threads: int | None, record: bool, as_json: bool) -> None:
    """Measure what sparsity saves in a run.

    Writes its final model to files (dense, packed, quantised, shrunk), reads them back and compares them; times passes
    of the dense and the pruned model in turn; counts non-zeros and operations. The page Cost shows what was found. A
    run whose checkpoint is not here is written from what its folder keeps, and not timed. Leave the machine alone
    meanwhile. Exit code 1 when a file did not read back equal.

    \b
    Example:
      python -m core cost entailment-tiny-dense-s0-0123abcd --passes 20
    """
    store = default_store()
    opened = find_run(store, run)
    if record and not (store.recorded / opened.record.id).is_dir():
        raise InputError(f"{opened.record.id} is no recorded run", f"a run under {store.recorded.name}/ for --record",
                         "Keep it first (python -m core keep RUN), or leave --record out.")
    from core.cost.measuring import BATCHES, LENGTHS, Asked, measure

    asked = Asked(batch or BATCHES, length or LENGTHS, passes, warm_up, threads)
    quiet = as_json or not sys.stderr.isatty()
    found = measure(opened, store, asked, (lambda words: None) if quiet else lambda words: click.echo(words, err=True))
    path = records.save(store.recorded if record else store.live, found)
    if as_json:
        echo_json(found)
    else:
        click.echo(printable(told(opened, found)))
        click.echo(f"\nKept in {path}; the page Cost shows it.")
    if not all(form.same for form in found.forms):
        raise SystemExit(1)
