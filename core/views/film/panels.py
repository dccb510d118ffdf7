"""The panels that a film is made of: plain dictionaries that `player/` draws. Arrays are numbers of a `Reel`.

pixels   one square a value: weights, differences, feature maps, groups, a small still picture
wall     many matrices as small pictures in rows and columns
bars     a histogram or counts, in a fixed range
curves   strips over one time axis, with a cursor; a click or a drag goes there
columns  the values of one chosen group as signed bars, with the line between what stays and what goes
plane    a still picture with points that move over it and leave a path
words    a sentence a moment

Everywhere: `title` and `note` stand above the panel, `alt` is what a screen reader hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Part = dict[str, Any]
Colour = str  # CSS


def pixels(title: str, values: int, *, palette: str, limit: float = 1.0, note: str = "", alt: str = "",
           scale: Literal["diverging", "sequential", "codes"] = "diverging", mask: int | None = None,
           lead: bool = False, link: str = "", group: tuple[int, int] | None = None,
           say: tuple[str, str, str] = ("row", "column", "value"), start: tuple[int, int] = (0, 0),
           rows: Sequence[str] = (), marked: tuple[int, int, int, int] | None = None, key: bool = True,
           most: int = 24, gone: str = "pruned", stretch: bool = False,
           pick: bool = False, written: bool = False, height: int = 0) -> Part:
    """One square a value of array *values* `[moments or 1, rows, cols]`.

    *scale*: colours run -limit..limit ("diverging": codes 0..254, 127 is zero), 0..limit ("sequential": 0..254), or the
    array holds the codes themselves. Code 255 is what array *mask* has as 0. *lead*: its size decides that of the row.
    Panels of one *link* show the same cells: pointed at together, their groups of *group* rows × columns chosen
    together. *say*: what a row, a column and a value are called; *start*: the first of them; *rows*: names of rows.
    *marked*: a box around (row, column, height, width). *key*: a line that says what the colours mean. *most*: pixels
    a cell at most. *gone*: what a cell is that the mask takes away. *stretch*: cells fill the panel, wider than high.
    *pick*: a click brings "row,column" of the cell back to the page. *written*: the number stands on every cell that
    has room for it. *height*: pixels that it keeps for itself over or under others.
    """
    return _without_none({
        "kind": "pixels", "title": title, "note": note, "alt": alt, "values": values, "palette": palette,
        "limit": limit, "scale": scale, "mask": mask, "lead": lead, "link": link, "group": group, "say": list(say),
        "start": list(start), "rows": list(rows), "marked": marked, "key": key, "most": most, "gone": gone,
        "stretch": stretch, "pick": pick, "written": written, "height": height})


def wall(title: str, values: int, *, palette: str, cells: Sequence[Part], rows: Sequence[str], cols: Sequence[str],
         note: str = "", alt: str = "", minus: int | None = None, minus_limit: float = 1.0, lead: bool = True,
         pick: bool = True) -> Part:
    """Small pictures of codes `[moments or 1, pictures, height, width]`; *cells*: name, row and column of each.

    *minus*: draw *values* less this array, both decoded as diverging codes, in -minus_limit..minus_limit steps of 127.
    *pick*: a click brings the cell's name back to the page.
    """
    return _without_none({
        "kind": "wall", "title": title, "note": note, "alt": alt, "values": values, "palette": palette,
        "cells": list(cells), "rows": list(rows), "cols": list(cols), "minus": minus, "minus_limit": minus_limit,
        "lead": lead, "pick": pick})


def bars(title: str, series: Sequence[tuple[str, int, Colour | Sequence[Colour]]], *, top: float, note: str = "",
         alt: str = "", ticks: Sequence[tuple[float, str]] = (), names: Sequence[str] = (), share: float = 0.0,
         gap: bool = False, hover: Sequence[str] = (), counted: bool = True) -> Part:
    """Bars stacked over a fixed range 0..*top*; what is higher is cut off and marked.

    *series*: name, array of counts `[moments or 1, bars]`, one colour or one a bar. *ticks*: places along the bars (0
    the first edge) and their words. *names*: what each bar stands for. *share*: the whole, of which a bar says its
    percentage; 0: it says the count. *hover*: what each bar is called when pointed at, where *names* have no room. Not
    *counted*: pointed at, a bar says its percentage alone.
    """
    return {"kind": "bars", "title": title, "note": note, "alt": alt, "top": top, "ticks": [list(t) for t in ticks],
            "names": list(names), "share": share, "gap": gap,
            **({"hover": list(hover)} if hover else {}), **({} if counted else {"counted": False}),
            "series": [{"name": name, "values": values, "colours": [colours] if isinstance(colours, str) else
                        list(colours)} for name, values, colours in series]}


def curves(title: str, strips: Sequence[Part], *, note: str = "", alt: str = "") -> Part:
    """Strips over the moments, one above the other, with one cursor. See `strip`."""
    return {"kind": "curves", "title": title, "note": note, "alt": alt, "strips": list(strips)}


def strip(title: str, lines: Sequence[tuple[str, Sequence[float], Sequence[float], Colour]], *, low: float,
          high: float, log: bool = False, form: Literal["number", "percent", "count"] = "number",
          level: tuple[float, str] | None = None, wide: Sequence[Sequence[bool]] | None = None, step: bool = False,
          key: Sequence[tuple[str, Colour]] = (), share: float | None = None) -> Part:
    """One strip of `curves`: lines (name, xs in moments, ys, colour) in a fixed range; *level*: a line across it.

    *wide*: for every line, the points at which it is thick. *step*: lines keep their value until the next point. *key*:
    what colours mean, for a strip of many lines; their names then stand where they end, their numbers are not said.
    *share*: its share of the height.
    """
    drawn = [{"name": name, "x": [round(float(x), 3) for x in xs], "y": [float(f"{y:.4g}") for y in ys],
              "colour": colour, **({"step": True} if step else {})} for name, xs, ys, colour in lines]
    for line, points in zip(drawn, wide or [], strict=False):
        line["wide"] = [int(point) for point in points]
    return _without_none({
        "title": title, "low": low, "high": high, "log": log, "form": form, "level": list(level) if level else None,
        "lines": drawn, "key": [list(entry) for entry in key] or None, "share": share})


def columns(title: str, series: Sequence[tuple[str, int, Colour]], *, follows: str, group: tuple[int, int],
            first: tuple[int, int], mask: int | None = None, note: str = "", alt: str = "", line: bool = True,
            stays: str = "stays", goes: str = "goes", entries: Sequence[Colour] = (),
            hollow: Sequence[str] = ()) -> Part:
    """The values of one group of *group* rows × columns of the panels linked as *follows*, at first the one at *first*.

    *series*: name, array `[moments, rows, cols]`, colour; the last one decides who stays, and the *line* runs between
    the smallest that stays and the largest that goes by array *mask*; where size does not decide, there is none. The
    range is fixed for a group: the largest that it ever holds. *entries*: a colour for every entry, instead of those of
    the series: it tells what becomes of it, and is kept back from whoever is to guess first. *hollow*: the names of the
    series that are outlines.
    """
    return _without_none({
        "kind": "columns", "title": title, "note": note, "alt": alt, "follows": follows, "group": list(group),
        "first": list(first), "mask": mask, "line": line, "stays": stays, "goes": goes,
        "entries": list(entries) or None, "hollow": list(hollow) or None,
        "series": [{"name": name, "values": values, "colour": colour} for name, values, colour in series]})


def plane(title: str, *, x: tuple[float, float], y: tuple[float, float], paths: Sequence[Part],
          background: int | None = None, palette: str = "", lines: Sequence[Part] = (),
          spots: Sequence[Part] = (), springs: Sequence[Part] = (), labels: tuple[str, str] = ("", ""), note: str = "",
          alt: str = "") -> Part:
    """Points on a plane over ranges *x* and *y*, and the paths that they have come.

    *paths*: {name, values: array `[moments, 1, 2]`, colour, shape: circle | square | diamond | cross}, and if need be:
    open (not filled), trail: false, hidden (an end of a spring alone), first (the moment from which it exists), silent
    (no name beside it), below (its name under it), words (instead of the name in the legend). *spots*: the same with x
    and y, standing still. *lines*: {x, y, colour, width, dash: [on, off]} that stand still, None where the pen is
    lifted. *springs*: {between: [path, path], colour, dash, arrow: true, name}.
    *background*: codes `[1, rows, cols]`, row 0 at the top, in *palette*.
    """
    return _without_none({
        "kind": "plane", "title": title, "note": note, "alt": alt, "x": list(x), "y": list(y), "paths": list(paths),
        "background": background, "palette": palette, "lines": list(lines), "spots": list(spots),
        "springs": list(springs), "labels": list(labels)})


def words(title: str, texts: Sequence[str], *, large: bool = False, height: int = 0, tells: bool = True) -> Part:
    """A text a moment, or one for all; a line break is one on the page too. *height*: pixels that it keeps for itself,
    so that nothing moves when a text is shorter; else it shares what its column has. *tells*: it says what the moments
    come to, and not only what they are: kept back from whoever is to guess first."""
    return {"kind": "words", "title": title, "note": "", "alt": "", "texts": list(texts), "large": large,
            "height": height, "tells": tells}


def _without_none(part: Part) -> Part:
    return {key: value for key, value in part.items() if value is not None}
