"""One figure made large enough for the last row of a hall: every length grows alike, and no text is small.

    large(view.figure, 1808, 876)

A figure of the pages is laid out for about a thousand pixels of width. Made wider without more it keeps its 14 px text
and 2 px lines. Here all that is measured in pixels (text, lines, markers, margins, shifts of names) grows by one
factor, as if one came nearer; ticks that would touch are thinned.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go

from core.views.drawing.build import Part

LEAST = 24  # pixels of text at 1920 x 1080: five minutes of arc from ten metres, on a picture two metres wide
FACTOR = 1.75  # from the 14 px of `style.finish` to that
LETTER, LINE = 0.56, 1.3  # width of a letter and height of a line, in sizes of the font
CHANCE = 5  # letters that a number on an axis has, where only the browser knows it
# What Plotly measures in pixels, wherever it stands ...
LENGTHS = {"thickness", "ticklen", "tickwidth", "zerolinewidth", "linewidth", "gridwidth", "standoff", "arrowwidth",
           "ax", "ay", "xshift", "yshift", "borderpad", "borderwidth", "itemwidth", "tracegroupgap", "xpad", "ypad",
           "outlinewidth", "xgap", "ygap", "ticklabelstandoff", "labelstandoff", "startstandoff", "entrywidth"}
# ... and what it measures so inside of some parts only: a bar's width is one of data, a bin's size too.
INSIDE = {"line": {"width"}, "marker": {"size", "sizemin"}, "error_x": {"width"}, "error_y": {"width"},
          "margin": {"l", "r", "t", "b", "pad"}, "pad": {"l", "r", "t", "b"}}


def large(figure: go.Figure, width: int, height: int, *, factor: float = FACTOR, least: int = LEAST) -> go.Figure:
    """*figure* for a place of *width* × *height* pixels: a new one. Text is at least *least* pixels high."""
    drawn = figure.to_plotly_json()
    layout: Part = drawn["layout"]
    template = layout.pop("template", None)
    data = [_trace(_grown(trace, "", factor, least), factor, least) for trace in drawn["data"]]
    layout = _grown(layout, "", factor, least)
    layout |= {"height": height, "width": width, "autosize": False}
    layout["font"] = _font(layout.get("font"), 1.0, least)
    layout["legend"] = _legend(layout.get("legend", {}), least)
    layout["hoverlabel"] = {**layout.get("hoverlabel", {}),
                            "font": _font(layout.get("hoverlabel", {}).get("font"), 1.0, least)}
    for note in layout.get("annotations", ()):
        note["font"] = _font(note.get("font"), 1.0, least)
    room = (width - _margin(layout, "l", "r"), height - _margin(layout, "t", "b"))
    named = {f"{way}axis{str(trace.get(f'{way}axis', way))[1:]}" for trace in data for way in "xy"
             if _are_names(trace.get(way))}
    for name in {"xaxis", "yaxis", *(key for key in layout if re.fullmatch(r"[xy]axis\d*", key))}:
        layout[name] = _axis(layout.get(name, {}), name[0], room, least, name in named)
    for name in [key for key in layout if key.startswith("coloraxis")]:
        layout[name] = _bar(layout[name], least)
    _settle(layout, data)
    _lay_down(layout, room[1])
    return go.Figure({"data": data, "layout": layout | ({"template": template} if template else {})})


def _grown(node: Any, key: str, factor: float, least: int) -> Any:
    """A copy of *node*, which stands under *key*, with its lengths grown."""
    if isinstance(node, dict):
        return {k: _font(v, factor, least) if k.endswith("font") and isinstance(v, dict) else
                _times(v, factor) if (k in LENGTHS or k in INSIDE.get(key, ())) and _of_pixels(node, k) else
                _words(v, factor, least) if k == "text" and isinstance(v, str) else _grown(v, k, factor, least)
                for k, v in node.items()}
    if isinstance(node, (list, tuple)) and any(isinstance(each, dict) for each in node):
        return [_grown(each, key, factor, least) for each in node]
    return node


def _of_pixels(node: Part, key: str) -> bool:
    """Is *key* of *node* a length in pixels? An arrow may begin at a place of an axis, a bar be a share of the plot."""
    if key in ("ax", "ay"):
        return str(node.get(f"{key}ref", "pixel")) == "pixel"
    return not (key == "thickness" and node.get("thicknessmode") == "fraction")


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, (list, tuple, np.ndarray)):
        return np.asarray(value, float) * factor
    return value * factor if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _font(font: Part | None, factor: float, least: int) -> Part:
    """*font* grown; without a size of its own it gets the least one."""
    font = dict(font or {})
    size = font.get("size", least)
    grown = np.maximum(np.asarray(size, float) * (factor if "size" in font else 1.0), least)
    return font | {"size": grown if grown.ndim else float(grown)}


def _words(text: str, factor: float, least: int) -> str:
    """Text that says a size of its own in its markup."""
    return re.sub(r"font-size:\s*([\d.]+)px", lambda m: f"font-size:{max(float(m[1]) * factor, least):g}px", text)


def _trace(trace: Part, factor: float, least: int) -> Part:
    """What Plotly would draw at a size of its own: lines of 2 pixels, markers of 6, words and ticks of 12."""
    kind, mode = trace.get("type", "scatter"), str(trace.get("mode", "lines+markers"))
    if kind in ("scatter", "scattergl"):
        if "lines" in mode:
            trace["line"] = {"width": 2 * factor} | trace.get("line", {})
        if "markers" in mode:
            trace["marker"] = {"size": 6 * factor} | trace.get("marker", {})
    if "text" in trace or "texttemplate" in trace:
        trace["textfont"] = _font(trace.get("textfont"), 1.0, least)
    if kind in ("heatmap", "contour", "histogram2d") and trace.get("showscale", True):
        trace |= _bar(trace, least)
    if isinstance(trace.get("marker"), dict) and "colorbar" in trace["marker"]:
        trace["marker"] |= _bar(trace["marker"], least)
    return trace


def _legend(legend: Part, least: int) -> Part:
    """A legend whose words, and whose title, can be read."""
    out = legend | {"font": _font(legend.get("font"), 1.0, least)}
    if "title" in legend:
        title = legend["title"] if isinstance(legend["title"], dict) else {"text": legend["title"]}
        out["title"] = title | {"font": _font(title.get("font"), 1.0, least)}
    return out


def _bar(holder: Part, least: int) -> Part:
    """*holder* of a colour bar whose words can be read."""
    bar = dict(holder.get("colorbar", {}))
    bar["tickfont"] = _font(bar.get("tickfont"), 1.0, least)
    if "title" in bar:
        title = bar["title"] if isinstance(bar["title"], dict) else {"text": bar["title"]}
        bar["title"] = title | {"font": _font(title.get("font"), 1.0, least)}
    return holder | {"colorbar": bar}


def _margin(layout: Part, *sides: str) -> float:
    return sum(float(layout.get("margin", {}).get(side, 80.0)) for side in sides)


def _are_names(values: Any) -> bool:
    """Do these places on an axis have names, and no numbers?"""
    return isinstance(values, (list, tuple, np.ndarray)) and any(isinstance(value, str) for value in values)


def _axis(axis: Part, way: str, room: tuple[float, float], least: int, names: bool) -> Part:
    """An axis with words that can be read, and no more of them than it has room for. *names*: its places have names,
    of which none may go."""
    axis = axis | {"tickfont": _font(axis.get("tickfont"), 1.0, least), "automargin": True}
    if "title" in axis:
        title = axis["title"] if isinstance(axis["title"], dict) else {"text": axis["title"]}
        axis["title"] = title | {"font": _font(title.get("font"), 1.0, least)}
    length = _span(axis) * room[0 if way == "x" else 1]
    size = float(np.max(axis["tickfont"]["size"]))

    def across(letters: int) -> float:
        return size * (LETTER * letters + 1.2) if way == "x" else size * LINE

    if axis.get("tickvals") is not None:
        return axis | _thinned(axis, length, across, way, size)
    if (names or axis.get("type") == "category") and axis.get("nticks") is None:
        return axis
    fits = max(2, int(length / across(CHANCE)))
    low = {"dtick": None} if axis.get("type") == "log" and fits < 5 and way == "y" else {}
    return axis | low | {"nticks": min(fits, int(axis.get("nticks") or 8))}


def _settle(layout: Part, data: list[Part]) -> None:
    """Give a range to every height that notes stand on: around large words Plotly would leave room enough to press a
    low panel's curves flat."""
    for name in {f"yaxis{note['yref'][1:]}" for note in layout.get("annotations", ())
                 if re.fullmatch(r"y\d*", str(note.get("yref", "")))}:
        axis = layout.get(name, {})
        drawn = [np.ravel(np.asarray(trace["y"], object)) for trace in data
                 if f"yaxis{str(trace.get('yaxis', 'y'))[1:]}" == name and trace.get("y") is not None]
        values = [value for each in drawn for value in each if isinstance(value, (int, float, np.number))]
        if axis.get("range") is not None or "autorange" in axis or not values or any(map(_are_names, drawn)):
            continue
        ends = np.asarray(values, float)
        ends = np.log10(ends[ends > 0]) if axis.get("type") == "log" else ends[np.isfinite(ends)]
        if ends.size:
            low, high = float(ends.min()), float(ends.max())
            room = 0.12 * (high - low or 1.0)
            layout[name] = axis | {"range": [low - room, high + room]}


def _lay_down(layout: Part, high: float) -> None:
    """Where an axis is shorter than its title is long, as in a pile of panels: titles beside the axes, to be read
    without turning one's head."""
    piled = [name for name in layout if re.fullmatch(r"yaxis\d*", name) and layout[name].get("anchor", "x") == "x"
             and (layout[name].get("title") or {}).get("text")]
    long = [name for name in piled if _wide(layout[name]["title"]) > _span(layout[name]) * high]
    if len(piled) < 2 or not long:
        return
    left = max(_wide({"text": "0" * CHANCE, "font": layout[name]["tickfont"]}) for name in piled) + 16
    margin = layout.setdefault("margin", {})
    margin["l"] = max(margin.get("l", 0), left + max(_wide(layout[name]["title"]) for name in piled))
    notes = list(layout.get("annotations", ()))
    for name in piled:
        title, domain = layout[name].pop("title"), layout[name].get("domain") or (0.0, 1.0)
        notes.append({"text": title["text"], "font": title["font"], "showarrow": False, "xref": "paper", "x": 0,
                      "xanchor": "right", "xshift": -left, "yref": "paper", "y": sum(domain) / 2})
    layout["annotations"] = notes


def _wide(words: Part) -> float:
    """Pixels that a text of one line is long."""
    return float(np.max(words["font"]["size"])) * LETTER * len(words["text"])


def _span(axis: Part) -> float:
    first, last = axis.get("domain") or (0.0, 1.0)
    return float(last - first)


def _thinned(axis: Part, length: float, across: Callable[[int], float], way: str, size: float) -> Part:
    """Every second, third, ... tick of a list, as many as stand beside each other on *length* pixels; of a few words
    that are too long, lines are broken instead."""
    places = list(axis["tickvals"])
    words = [str(word) for word in axis.get("ticktext") or places]
    turned = abs(float(axis.get("tickangle") or 0)) > 30
    longest = max((max(map(len, re.split("<br>", word))) for word in words), default=0)
    each = size * LINE if turned else across(longest)
    step = max(1, -int(-len(places) * each // max(length, 1.0)))
    if way == "x" and step > 1 and not _counts(words):
        return {"ticktext": [word.replace(" ", "<br>") for word in words]}
    thin: Part = {"tickvals": places[::step]}
    return thin | ({"ticktext": cast(Part, words[::step])} if axis.get("ticktext") is not None else {})


def _counts(words: list[str]) -> bool:
    """Are these numbers in order, of which every second one is enough? Names are not."""
    return len(words) > 8 or all(re.search(r"\d", word) for word in words)
