"""All layers at a glance: region norms as small maps, dense | at one moment | change, and what is quiet in grey.

One heatmap holds all tiles of a kind, with gaps between them, as codes of one byte: a browser paints it as fast as one,
and a move of the scrubber sends 0.1 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.runs.regions import QUIET
from core.runs.store import Run
from core.views.activations.kept_sentence import RULE, Floats, layer_words, of_layer
from core.views.activations.region_film import Film, at, film, map_title, map_words, moment_words
from core.views.drawing import style
from core.views.drawing.build import Part, build, map_axis, words_only
from core.views.drawing.view import View

ACROSS = 7  # tiles side by side; more layers go into a second line
TOP = 2.0  # colours run from 0 to this many medians
STEPS = 200  # codes over that range: 100 is the median
STILL = 1 / STEPS  # of that range: the code of all that is quiet; 0 is the page between two tiles
FELT: list[tuple[float, str]] = [  # quiet is grey, as in the films; the step makes the threshold visible
    (0.0, style.rgba(style.PRUNED)), (QUIET / TOP, style.rgba(style.PRUNED)),
    (QUIET / TOP, style.rgba(style.SEQUENTIAL_HUE, 0.22)), (0.5, style.rgba(style.SEQUENTIAL_HUE, 0.62)),
    (1.0, style.rgba(style.SEQUENTIAL_HUE, 1))]
SHEET: list[tuple[float, str]] = [  # FELT for codes: what is no region is the page's own tone
    (0.0, style.rgba(style.PRUNED, 0)), (STILL / 2, style.rgba(style.PRUNED, 0)), (STILL / 2, FELT[0][1]), *FELT[1:]]


def felt_codes(relative: Floats) -> NDArray[np.uint8]:
    """Codes 1..STEPS of norms over the median: 1 where quiet, STEPS at TOP and above."""
    codes = np.rint(np.clip(relative / TOP, 0, 1) * STEPS)
    return np.where(relative < QUIET, 1, codes).astype(np.uint8)


def change_codes(difference: Floats) -> NDArray[np.int8]:
    """Codes -100..100 of a difference in medians, cut at one median."""
    return np.rint(np.clip(difference, -1, 1) * 100).astype(np.int8)


@dataclass(frozen=True)
class _Sheet:
    """Where the tiles lie, in cells. A line is three bands (dense, now, change) of up to `across` tiles."""

    rows: int
    cols: int
    count: int
    pixels: float  # of one row of cells

    @property
    def lines(self) -> int:
        return ceil(self.count / ACROSS)

    @property
    def across(self) -> int:
        return ceil(self.count / self.lines)

    @property
    def gap(self) -> tuple[int, int]:
        """Rows of cells above each band, wide enough for its words, and columns between tiles."""
        return ceil(24 / self.pixels), max(self.cols // 9, 1)

    @property
    def shape(self) -> tuple[int, int]:
        return 3 * self.lines * (self.rows + self.gap[0]), self.across * (self.cols + self.gap[1]) - self.gap[1]

    def corner(self, i: int, band: int) -> tuple[int, int]:
        """First row and column of tile *i* in *band* (0 dense, 1 now, 2 change)."""
        line, place = divmod(i, self.across)
        return (3 * line + band) * (self.rows + self.gap[0]) + self.gap[0], place * (self.cols + self.gap[1])

    @property
    def height(self) -> float:
        return self.shape[0] * self.pixels


def glance(run: Run, probe: str, name: str, layer: int, k: int = -1) -> View:
    """Small maps of every layer: the dense model, moment *k* (-1: the last), and the change; *layer* is outlined.

    Raises InputError for an unknown sentence, map or moment, and for damaged arrays.
    """
    found = film(run, probe, name)
    known = next((v for frame in found.norms for v in frame if v is not None), None)
    if known is None:
        return words_only(f"This run kept nothing of the {map_words(name)}: its record level leaves it out.")
    k = at(found, found.last if k < 0 else k)
    rows, cols = known.shape
    sheet = _Sheet(rows, cols, len(found.layers), min(max(84 / rows, 5.5), 13))
    table = _table(found, k)
    figure = _picture(found, k, sheet, layer, f"{run.record.id}/{probe}/{name}")
    claim = claim_at(found, k, name)
    alt = f"Small maps of region norms for {sheet.count} layers, {rows} tokens × {cols} " \
          f"regions each: dense, {moment_words(found.moments[k])}, change. {claim}"
    play = "Press Play: regions go grey as they fall quiet. " if found.watched else ""
    return View(claim, figure, None, alt, table, f"{play}{RULE} Colour ends at twice that median, change at one, layer "
                "by layer.",
                heading=heading_at(found, k, name))


def _table(found: Film, k: int) -> pd.DataFrame:
    rows = [(layer_words(layer), found.quiet(0, i), found.quiet(k, i)) for i, layer in enumerate(found.layers)]
    return pd.DataFrame(rows, columns=["layer", "quiet, dense", "quiet, shown"])


def heading_at(found: Film, k: int, name: str) -> str:
    """The same with one number; "" where only one of the two models is known."""
    now = _table(found, k)["quiet, shown"]
    return "" if now.isna().all() or _table(found, k)["quiet, dense"].isna().all() else \
        f"{map_title(name)}, all layers: {style.percent(float(now.mean()))} of the regions are quiet."


def claim_at(found: Film, k: int, name: str) -> str:
    """How many regions of all layers are quiet at moment *k*, beside the dense model's."""
    table = _table(found, k)
    before, now = table["quiet, dense"], table["quiet, shown"]
    head = f"{map_title(name)}, all layers"
    if before.isna().all() or now.isna().all():
        side = before if now.isna().all() else now
        whose = "dense model's" if now.isna().all() else "pruned model's"
        return f"{head}: {style.percent(float(side.mean()))} of the {whose} regions are quiet; the other model's are " \
               "not known."
    if k == 0:
        return f"{head}, dense: {style.percent(float(before.mean()))} of the regions are quiet."
    gap = (now - before).abs()
    worst = found.layers[int(gap.argmax())]
    where = f"the largest change in {of_layer(worst)}" if gap.max() > 0 else "no layer changed"
    return f"{head}, {moment_words(found.moments[k])}: quiet regions {style.percent(float(before.mean()))} → " \
           f"{style.percent(float(now.mean()))}, {where}."


def _picture(found: Film, k: int, sheet: _Sheet, chosen: int, keep: str) -> go.Figure:
    felt, change = np.zeros(sheet.shape, np.uint8), np.zeros(sheet.shape, np.int8)
    notes: list[Part] = []
    boxes: list[Part] = []
    for i, layer in enumerate(found.layers):
        before, now = found.relative(0, i), found.relative(k, i)
        third = None if before is None or now is None else now - before
        words = [_share(found.quiet(0, i)), _share(found.quiet(k, i)), _points(found.quiet(k, i) - found.quiet(0, i))]
        for band, values in enumerate((before, now, third)):
            top, left = sheet.corner(i, band)
            cut = slice(top, top + sheet.rows), slice(left, left + sheet.cols)
            if values is not None and band < 2:
                felt[cut] = felt_codes(values)
            elif values is not None:
                change[cut] = change_codes(values)
            text = words[band] if values is not None else "not kept"
            if band == 0:  # a narrow tile has room for its name and a number
                text = f"<b>{layer_words(layer)}</b> {text.removesuffix(' quiet')}"
            notes.append({"text": text, "showarrow": False, "x": left + (sheet.cols - 1) / 2, "y": top - 0.6,
                          "yanchor": "bottom", "font": {"size": 14}})
            boxes.append({"type": "rect", "x0": left - 0.5, "x1": left + sheet.cols - 0.5, "y0": top - 0.5,
                          "y1": top + sheet.rows - 0.5, "line": {"width": 2.5, "color": style.ACCENT}
                          if layer == chosen else {"width": 1, "color": style.RULE}})
    place = {"type": "heatmap", "hoverinfo": "skip"}
    data = [{**place, "z": felt, "zmin": 0, "zmax": STEPS, "colorscale": SHEET, "colorbar": _bar(
                sheet, 0, 2, [STEPS * QUIET / TOP / 2, STEPS / TOP, STEPS], ["quiet", "median", "2 ×"])},
            {**place, "z": change, "zmin": -100, "zmax": 100, "colorscale": style.DIVERGING, "colorbar": _bar(
                sheet, 2, 3, [-82, 0, 82], ["shrank", "same", "grew"])}]
    middles = [sheet.corner(line * sheet.across, band)[0] + (sheet.rows - 1) / 2
               for line in range(sheet.lines) for band in range(3)]
    names = ["dense", _short(found, k), "change"] * sheet.lines
    return build(data, {
        "margin": {"l": 104, "t": 4, "b": 8, "r": 96}, "annotations": notes, "shapes": boxes,
        "xaxis": map_axis(visible=False, range=[-0.5, sheet.shape[1] - 0.5]),
        "yaxis": map_axis(tickvals=middles, ticktext=names, range=[sheet.shape[0] - 0.5, -0.5], ticks=""),
    }, round(sheet.height) + 12, revision=keep)


def _short(found: Film, k: int) -> str:
    """The moment as a label of two lines."""
    return moment_words(found.moments[k]).replace(", ", "<br>").replace("-pruned", "-<br>pruned")


def _share(value: float) -> str:
    return f"{style.percent(value, 2)} quiet"


def _points(value: float) -> str:
    """A difference of shares in percentage points."""
    return "same" if value == 0 else f"{100 * value:+.1f} points".replace("-", "−")


def _bar(sheet: _Sheet, first: int, last: int, ticks: list[float], texts: list[str]) -> Part:
    """A colour bar beside the bands *first*..*last* of the first line."""
    top, bottom = sheet.corner(0, first)[0], sheet.corner(0, last - 1)[0] + sheet.rows
    return {"thickness": 8, "outlinewidth": 0, "tickvals": ticks, "ticktext": texts, "x": 1.005, "xpad": 4, "ypad": 0,
            "len": (bottom - top) / sheet.shape[0], "y": 1 - top / sheet.shape[0], "yanchor": "top"}
