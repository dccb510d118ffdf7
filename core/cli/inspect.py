"""`inspect`: is a checkpoint really sparse? Read from its bytes; nothing in it is executed. No torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from core.cli.output import echo_json, json_option, printable, table
from core.cli.places import Place
from core.inspecting.looking import inspect
from core.inspecting.report import Matrix, Report
from core.inspecting.words import many, megabytes, share, stored_as
from core.sparsity.patterns import parse_pattern

EACH, SHOWN = 3, 12  # violations that are spelled out: of a matrix, and in all


def matrix_object(m: Matrix) -> dict[str, Any]:
    """One matrix as a JSON object; the pattern class itself is left out, its name is there."""
    plain = dataclasses.asdict(dataclasses.replace(m, found=dataclasses.replace(m.found, rule=None)))
    del plain["found"]["rule"]
    return plain | {"sparsity": m.sparsity}


def report_object(r: Report) -> dict[str, Any]:
    """The report as a JSON object."""
    return {"path": str(r.path), "files": r.files, "bytes": r.size, "parameters": r.parameters,
            "pattern": r.pattern or None, "ok": r.ok,
            "verdict": list(r.verdict), "remarks": list(r.remarks),
            "matrices": [matrix_object(m) for m in r.matrices], "rest": [dataclasses.asdict(x) for x in r.rest]}


def _row(m: Matrix) -> list[Any]:
    whole = [f"{n} {word}" for word, n in (("rows", m.found.rows), ("columns", m.found.columns)) if n]
    whole += [f"{m.found.heads[0]} of {m.found.heads[1]} heads"] if m.found.heads and m.found.heads[0] else []
    row = [m.name, m.dtype, f"{m.shape[0]} x {m.shape[1]}", share(m.sparsity), m.found.pattern, m.found.violations,
           ", ".join(whole), f"{m.grid[0]} bits" if m.grid else "", stored_as(m)]
    return row if m.asked is None else [*row, m.asked.violations]


def said(r: Report) -> str:
    """The report for a terminal: the verdict, a table of the matrices, the rest, what breaks its pattern."""
    lines = [printable(str(r.path)), *(f"  {line}" for line in r.verdict), ""]
    if r.matrices:
        headers = ["matrix", "type", "shape", "zeros", "pattern", "violations", "wholly zero", "grid", "stored as"]
        asked = any(m.asked for m in r.matrices)
        rows = [_row(m) + [""] * (asked and m.asked is None) for m in r.matrices]
        lines.append(table([*headers, r.pattern] if asked else headers, rows))
    for rest in r.rest:
        zero = "" if rest.zeros is None or not rest.weights else f", {share(rest.zeros / rest.weights)} zeros"
        weights = f", {many(rest.weights, 'weight')}" if rest.weights else ""
        lines.append(f"other: {printable(rest.kind)}: {many(rest.tensors, 'tensor')}{weights}{zero}, "
                     f"{megabytes(rest.stored)}")
    lines += [f"remark: {printable(text)}" for text in r.remarks]
    broken = [text for m in r.matrices for text in (m.found.examples if m.asked is None else m.asked.examples)[:EACH]]
    lines += [f"violation: {printable(text)}" for text in broken[:SHOWN]]
    if len(broken) > SHOWN:
        lines.append("More violations: --matrix names one matrix, --json lists twenty of each.")
    return "\n".join(lines)


@click.command("inspect")
@click.argument("path", type=Place())
@click.option("--matrix", default="", metavar="GLOB", help="Only matrices whose names match, e.g. '*query'.")
@click.option("--pattern", metavar="PATTERN", help="Judge every matrix of the layers by this pattern, e.g. 2:4.")
@json_option
def inspect_command(path: Path, matrix: str, pattern: str | None, as_json: bool) -> None:
    """Inspect any checkpoint: is it really sparse?

    PATH is a .safetensors file, a Hugging Face folder (whole or in shards) or a run folder. Nothing in it is executed.
    For every matrix: its zeros, the pattern that they follow, and what breaks it. Weights with masks, bitmasks and
    quantised codes are read as what they stand for. Exit code 1 when a pattern is asked for and does not hold, or
    when matrices cannot be read.

    \b
    Example:
      python -m core inspect exported --pattern 2:4
      python -m core inspect model.safetensors --matrix '*query' --json
    """
    report = inspect(path, matrix, parse_pattern(pattern) if pattern else None)
    if as_json:
        echo_json(report_object(report))
    else:
        click.echo(said(report))
    if not report.ok:
        raise SystemExit(1)
