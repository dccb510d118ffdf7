"""A checkpoint that was inspected: its matrices as squares coloured by their zeros, and one of them up close."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd

from core.errors import unknown
from core.inspecting.report import Matrix, Report
from core.inspecting.words import many, megabytes, stored_as
from core.runs.names import layer_of, part_of
from core.views.drawing import maps, style
from core.views.drawing.build import Part, build, map_axis, words_only
from core.views.drawing.view import Number, View

FLOW = 12  # squares in a row where the names tell no layer
READABLE = 14  # rows or columns up to which the shares are written into the squares
WIDEST = 20  # letters of a column's name: "query, key and value"
TALLEST = 640  # pixels of the squares


def overview(report: Report, chosen: str = "") -> View:
    """Squares of the judged matrices, coloured by their share of zeros, *chosen* outlined; the verdict as the claim."""
    verdict = report.verdict
    claim = " ".join(verdict[:2])
    judged = report.judged
    if not judged:
        return words_only(claim)
    places, rows, columns = _places(judged)
    grid = np.full((max(len(rows), 1), max(len(columns), 1)), np.nan, np.float32)
    names = np.full(grid.shape, "", dtype=object)
    for m in judged:
        y, x = places[m.name]
        grid[y, x], names[y, x] = m.sparsity, html.escape(f"{m.name}: {style.percent(m.sparsity)} zero, "
                                                          f"{m.found.pattern}")
    data: list[Part] = [{
        "type": "heatmap", "z": grid, "x0": 0, "y0": 0, "zmin": 0, "zmax": 1, "colorscale": style.SEQUENTIAL,
        "xgap": 4, "ygap": 4, "text": names, "hovertemplate": "%{text}<extra></extra>", "hoverongaps": False,
        "colorbar": {"title": {"text": "zeros"}, "tickvals": [0, 1], "ticktext": ["0 %", "100 %"],
                     "thickness": 14, "outlinewidth": 0}}]
    if max(len(rows), len(columns)) <= READABLE:
        data.append({
            "type": "scatter", "mode": "text", "hoverinfo": "skip", "showlegend": False, "textfont": {"size": 15},
            "x": [places[m.name][1] for m in judged], "y": [places[m.name][0] for m in judged],
            "text": [style.percent(m.sparsity) for m in judged]})
    figure = build(data, {
        "margin": {"t": 48, "b": 12, "l": 84}, "shapes": _outline(places.get(chosen)),
        "xaxis": map_axis(tickvals=list(range(len(columns))), ticktext=[html.escape(c) for c in columns], side="top"),
        "yaxis": map_axis(tickvals=list(range(len(rows))), ticktext=rows, autorange="reversed"),
    }, 84 + min(46 * len(rows), TALLEST), revision=str(report.path))
    low, high = (f(judged, key=lambda m: m.sparsity) for f in (min, max))
    extremes = f"{style.percent(low.sparsity)} of every matrix is zero." if low.sparsity == high.sparsity else \
        f"From {style.percent(low.sparsity)} zeros in {low.name} to {style.percent(high.sparsity)} in {high.name}."
    return View(claim, figure, None, f"{many(len(judged), 'square')}, one a matrix, darker with more zeros. {claim} "
                f"{extremes}", table(report), "Choose a matrix below: its certificate follows, and every picture. "
                "On the command line, python -m core inspect PATH --pattern 2:4 says the same, and ends with exit code "
                "1 where the pattern breaks.",
                heading=verdict[0])


def _places(judged: tuple[Matrix, ...]) -> tuple[dict[str, tuple[int, int]], list[str], list[str]]:
    """(row, column) of every matrix by name, and the names of rows and columns: layers x parts, where names say so."""
    layers, parts = maps.places([m.name for m in judged])
    at = {m.name: (layers.index(layer_of(m.name) or 0), parts.index(part_of(m.name))) for m in judged}
    if len(set(at.values())) == len(at) and len(parts) <= 2 * FLOW and len(layers) > 1:
        return at, [f"layer {k}" if k else "other" for k in layers], _short(parts)
    at = {m.name: divmod(k, FLOW) for k, m in enumerate(judged)}
    return at, [""] * (max(y for y, _ in at.values()) + 1), [""] * min(len(judged), FLOW)


def _short(parts: list[str]) -> list[str]:
    """Names of columns: a long one by what is behind its last dot, where that is no other's, or by its end."""
    ends = [part.rpartition(".")[2] for part in parts]
    return [part if len(part) <= WIDEST else end if len(end) <= WIDEST and ends.count(end) == 1 else
            f"…{part[1 - WIDEST:]}" for part, end in zip(parts, ends, strict=True)]


def _outline(place: tuple[int, int] | None) -> list[Part]:
    if place is None:
        return []
    y, x = place
    return [{"type": "rect", "x0": x - 0.47, "x1": x + 0.47, "y0": y - 0.45, "y1": y + 0.45,
             "line": {"width": 3, "color": style.ACCENT}}]


def numbers(report: Report) -> list[Number]:
    """Zeros and bytes: how many matrices obey a pattern is the verdict."""
    judged = report.judged
    size, zeros = sum(m.shape[0] * m.shape[1] for m in judged), sum(m.zeros for m in judged)
    stored, compact = sum(m.stored for m in judged), sum(m.compact for m in judged)
    return [
        Number("Zeros", style.percent(zeros / size if size else 0.0),
               f"of {style.count(size)} weights"),
        Number("On disk", megabytes(stored), f"{megabytes(compact)} written compactly"),
    ]


def table(report: Report) -> pd.DataFrame:
    """One row a matrix: type, shape, zeros, pattern, violations, what is wholly zero, grid, bytes."""
    rows = []
    for m in report.matrices:
        row: dict[str, Any] = {
            "matrix": m.name, "type": m.dtype, "shape": f"{m.shape[0]} × {m.shape[1]}", "zeros": m.sparsity,
            "pattern": m.found.pattern, "violations": m.found.violations, "wholly zero": gone(m),
            "grid": f"{m.grid[0]} bits" if m.grid else "", "stored as": stored_as(m)}
        if report.pattern:
            row[f"breaks {report.pattern}"] = None if m.asked is None else m.asked.violations
        rows.append(row | {"bytes": m.stored, "compact bytes": m.compact})
    return pd.DataFrame(rows)


def short(report: Report) -> pd.DataFrame:
    """What of `table` a person reads first: zeros, pattern, violations, and columns that say anything at all."""
    full = table(report).drop(columns=["type", "shape", "stored as", "bytes", "compact bytes"])
    full = full.drop(columns="violations") if report.pattern else full
    full["matrix"] = [m.name if m.place != "layers" else style.matrix_words(m.name) for m in report.matrices]
    return full.drop(columns=[name for name in ("wholly zero", "grid") if not full[name].any()])


def others(report: Report) -> pd.DataFrame:
    """What is no matrix that was looked into: one row a kind."""
    return pd.DataFrame([{"what else there is": r.kind, "tensors": r.tensors, "weights": r.weights,
                          "size": megabytes(r.stored)} for r in report.rest])


def gone(m: Matrix) -> str:
    """What of a matrix is wholly zero: "2 rows, 1 of 12 heads"."""
    parts = [many(n, word) for word, n in (("row", m.found.rows), ("column", m.found.columns)) if n]
    if m.found.heads and m.found.heads[0]:
        parts.append(f"{m.found.heads[0]} of {many(m.found.heads[1], 'head')}")
    return ", ".join(parts)


def certificate(report: Report, matrix: str) -> View:
    """What holds of one *matrix*, in a table of questions. Raises InputError for an unknown one."""
    found = {m.name: m for m in report.matrices}
    if matrix not in found:
        raise unknown("matrix", matrix, found)
    m = found[matrix]
    f, where = m.found, style.matrix_words(matrix)
    head = where[:1].upper() + where[1:]
    verb, unit = ("loses whole", "blocks") if f.rule is not None and f.rule.whole else ("obeys", "groups")
    if f.rule is not None and not f.violations:
        allowed = "every one is whole or gone" if f.rule.whole else f"none holds more than {f.rule.allowed}"
        claim = f"{head} {verb} {f.pattern}: {style.count(f.groups)} {unit}, {allowed}."
    elif f.rule is not None:
        claim = f"{head} nearly {verb} {f.pattern}: {many(f.violations, 'violation')} in {style.count(f.groups)} " \
                f"{unit}."
    else:
        words = {"dense": "is dense", "unstructured": "has zeros in no pattern", "all zero": "is zero throughout"}
        claim = f"{head} {words.get(f.pattern, f'loses whole {f.pattern}')}: {style.percent(m.sparsity)} zeros."
    short = claim.removeprefix(f"{head} ")
    heading = f"{short[0].upper()}{short[1:]}" if f.rule is None or f.violations else \
        f"{verb.capitalize()} {f.pattern} in all {style.count(f.groups)} {unit}."
    rows = [("zeros", f"{style.count(m.zeros)} of {style.count(m.shape[0] * m.shape[1])}")]
    rows += [(f"most kept in {k} consecutive inputs", str(n)) for k, n in f.tightest.items()]
    rows += [(f"{side.replace('x', ' × ')} blocks that are wholly zero", style.percent(share))
             for side, share in f.blocks.items()]
    rows += [("rows wholly zero", str(f.rows)), ("columns wholly zero", str(f.columns))]
    rows += [("attention heads wholly zero", f"{f.heads[0]} of {f.heads[1]}")] if f.heads else []
    rows += [("pattern along the outputs", f.along_output or "none")]
    rows += [("grid", f"at most {m.grid[0]} bits, a scale for every {many(m.grid[1], 'input') if m.grid[1] else 'row'}"
              if m.grid else "none of up to 8 bits")]
    rows += [("stored", f"{m.dtype}, {megabytes(m.stored)}; {megabytes(m.compact)} if written compactly")]
    rows += [("stored as", stored_as(m))] if m.forms else []
    return words_only(claim, pd.DataFrame(rows, columns=["of this matrix", "counted"]), heading)


def violations(report: Report, matrix: str) -> list[str]:
    """The first violations of *matrix*, in words: of the pattern asked for, or of the one that nearly holds."""
    m = next(m for m in report.matrices if m.name == matrix)
    return list(m.found.examples if m.asked is None else m.asked.examples)
