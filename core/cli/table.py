"""`table`: what every method reaches at one pattern, with intervals, from the kept answers alone."""

from __future__ import annotations

from typing import Any

import click

from core.cli.output import echo_json, interval_list, json_option, table
from core.evidence import words
from core.evidence.cells import cells
from core.evidence.estimates import Estimate
from core.evidence.grid import Grid, core_grid
from core.evidence.quantities import AGREEMENT, QUANTITIES, SCORE
from core.evidence.tables import Row, Table
from core.evidence.tables import table as evidence_table
from core.evidence.ways import DENSE, key_of
from core.models.identity import settled
from core.runs.store import default_store
from core.tasks import title_of
from core.tasks.loading import entry_of

HEADERS = ("method", "value", "difference", "p", "seeds", "examples")


@click.command("table")
@click.option("--task", "tasks", multiple=True,
              help="A task; several for the mean over them.  [default: the core table, every GLUE task]")
@click.option("--model", default="minilm-l6", show_default=True, help="The model of the runs.")
@click.option("--pattern", default="2:4", show_default=True, help="The pattern of the runs.")
@click.option("--quantity", type=click.Choice(list(QUANTITIES)), default=SCORE, show_default=True,
              help="What the answers are judged by.")
@click.option("--against", default=DENSE, show_default=True, help="Whom every method is held against, by its name.")
@json_option
def table_command(tasks: tuple[str, ...], model: str, pattern: str, quantity: str, against: str, as_json: bool) -> None:
    """Compare the methods at one pattern.

    Values and paired differences with their 95 % intervals, over the evaluation examples and over the seeds, worked out
    from the answers that the runs keep. The page Accuracy vs ratio shows the same figures. A star marks a method that
    is no better than the best constant answer; p is two-sided and corrected for so many comparisons (Holm).

    \b
    Example:
      python -m core table --task mrpc --pattern 1:4 --against asp
    """
    names = [entry_of(task).name for task in dict.fromkeys(tasks)]
    entries = default_store().entries()
    if not any(e.record is not None and e.record.spec.model == model for e in entries):
        model = settled(model)  # a folder: what it holds now
    found = cells(entries, names[0] if len(names) == 1 else None, model)
    if not names:
        grid = core_grid(found, model, pattern)
        if as_json:
            echo_json(grid_object(grid))
        else:
            click.echo(markdown(grid))
        return
    made = evidence_table(found, names, model, pattern, quantity, against)
    if as_json:
        echo_json(as_object(made))
        return
    click.echo(f"{', '.join(names)}, {model}, {pattern}: {words.in_words(quantity)}, and the difference from {against}"
               f"; a constant answer reaches {made.constant:.3f}")
    click.echo(table(HEADERS, [_cells(made, row) for row in made.rows]))


def _cells(made: Table, row: Row) -> list[Any]:
    apart = "" if row.versus is None else words.signed_interval(made.quantity, row.versus.interval)
    return [words.group_name(row.groups[0]) + (" *" if row.idle else ""), words.valued(row.value.interval), apart,
            "" if row.p is None else f"{row.p:.3f}", ",".join(map(str, row.value.seeds)), str(row.value.examples)]


def _three(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else interval_list(estimate.interval)


def as_object(made: Table) -> dict[str, Any]:
    """A table as a JSON object; intervals as [value, low, high]."""
    return {"tasks": list(made.tasks), "model": made.model, "pattern": made.pattern, "quantity": made.quantity,
            "against": made.reference, "constant": made.constant, "rows": [
                {"name": key_of(row.groups[0]), "method": row.method,
                 "trained": row.trained, "value": _three(row.value), "difference": _three(row.versus), "p": row.p,
                 "no_better_than_constant": row.idle, "seeds": list(row.value.seeds), "examples": row.value.examples,
                 "runs": row.runs} for row in made.rows]}


def markdown(grid: Grid) -> str:
    """The core table as Markdown: mean [95 % interval], number of seeds; beneath it the gaps."""
    head = [f"{grid.pattern}, {grid.model}", *map(title_of, grid.tasks), "average"]
    lines = [head, ["---"] * len(head)]
    for key, found in grid.rows.items():
        stars = ["*" if (key, task) in grid.idle else "" for task in grid.tasks] + [""]
        lines.append([words.key_name(key), *(
            "" if e is None else f"{words.valued(e.interval)}{star} ×{len(e.seeds)}" if e.tasks == 1
            else words.valued(e.interval) for e, star in zip(found, stars, strict=True))])
    lines.append(["a constant answer", *(f"{c:.3f}" for c in grid.constants),
                  f"{sum(grid.constants) / len(grid.constants):.3f}"])
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    said = [f"- {words.key_name(ours)} over {words.key_name(other)}, average: "
            f"{words.signed_interval(SCORE, gap.interval)} points" for (ours, other), gap in grid.gaps.items()]
    said += [f"- {words.key_name(ours)} over {words.key_name(other)}, agreement with dense where there are classes: "
             f"{words.signed_interval(AGREEMENT, gap.interval)} points" for (ours, other), gap in grid.nearer.items()]
    said += [f"- {words.key_name(ours)} keeps {100 * share:.1f} % of dense" for ours, share in grid.of_dense.items()]
    notes = ["×n: seeds. *: no better than a constant answer.", "\n".join(said)]
    return "\n\n".join([text, *filter(None, notes)])


def grid_object(grid: Grid) -> dict[str, Any]:
    """The core table as a JSON object."""
    return {"tasks": list(grid.tasks), "model": grid.model, "pattern": grid.pattern,
            "constants": list(grid.constants),
            "rows": {key: {task: None if e is None else {"value": _three(e), "seeds": list(e.seeds)}
                           for task, e in zip([*grid.tasks, "average"], found, strict=True)}
                     for key, found in grid.rows.items()},
            "gaps": [{"of": ours, "to": other, "difference": _three(gap)} for (ours, other), gap in grid.gaps.items()],
            "agreement_gaps": [{"of": ours, "to": other, "difference": _three(gap)}
                               for (ours, other), gap in grid.nearer.items()],
            "share_of_dense": grid.of_dense}
