"""Colours, words and number formats: each defined once, for every picture and every page.

Pictures have to work on a light and on a dark page, and the page may change its theme after the picture was made. So
nothing here is white or black: zero is *transparent* (the page's own background tone), and colours gain strength by
opacity. Text colours are left to the page.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.methods import METHODS
from core.runs import model_names
from core.runs.names import matrix_words as matrix_words
from core.runs.records import STAGES as STAGES
from core.runs.records import RunRecord
from core.statistics.measures import metric_words as metric_words

if TYPE_CHECKING:
    import plotly.graph_objects as go

RGBA = tuple[int, int, int, int]

ACCENT = "#2f6fd0"
POSITIVE, NEGATIVE = (47, 125, 214), (217, 116, 38)  # blue and orange: told apart with every colour vision
SEQUENTIAL_HUE = (20, 140, 140)
PRUNED: RGBA = (128, 134, 142, 88)  # flat grey, on both themes apart from zero (the page's own tone)
GREY = "#7a828c"
RULE = "rgba(128,134,142,0.28)"  # axes, grids, thin lines
WASH = "rgba(128,134,142,0.10)"  # shaded spans and bands


def rgba(colour: Sequence[int], alpha: float | None = None) -> str:
    """CSS text of a colour; *alpha* 0..1 (taken from the fourth number, 0..255, when not given)."""
    share = alpha if alpha is not None else (colour[3] / 255 if len(colour) > 3 else 1.0)
    return f"rgba({colour[0]},{colour[1]},{colour[2]},{share:.3g})"


def faded(hex_colour: str, alpha: float) -> str:
    """A `#rrggbb` colour with an opacity."""
    return rgba([int(hex_colour[i:i + 2], 16) for i in (1, 3, 5)], alpha)


def colour(method: str) -> str:
    """The one colour of a method; grey for a method that this version does not know."""
    return METHODS[method].colour if method in METHODS else GREY


def method_title(method: str) -> str:
    """A method's name as written on a page."""
    return METHODS[method].title if method in METHODS else method


# -- scales for Plotly: zero is transparent, always give zmin and zmax -------------------------------------------

DIVERGING: list[tuple[float, str]] = [(0.0, rgba(NEGATIVE, 1)), (0.25, rgba(NEGATIVE, 0.6)), (0.5, rgba(NEGATIVE, 0)),
                                      (0.5, rgba(POSITIVE, 0)), (0.75, rgba(POSITIVE, 0.6)), (1.0, rgba(POSITIVE, 1))]
SEQUENTIAL: list[tuple[float, str]] = [(0.0, rgba(SEQUENTIAL_HUE, 0.02)), (0.5, rgba(SEQUENTIAL_HUE, 0.55)),
                                       (1.0, rgba(SEQUENTIAL_HUE, 1))]

# -- palettes for server-made PNGs -------------------------------------------------------------------------------

ZERO_CODE, PRUNED_CODE = 127, 255


def diverging_palette() -> list[RGBA]:
    """256 colours: 0 the most negative, 127 zero (transparent), 254 the most positive, 255 pruned."""
    out: list[RGBA] = []
    for code in range(255):
        share = abs(code - ZERO_CODE) / 127
        hue = POSITIVE if code >= ZERO_CODE else NEGATIVE
        out.append((*hue, round(255 * share**0.75)))  # below 1: small weights stay visible on a projector
    return [*out, PRUNED]


def diverging_codes(
    values: NDArray[np.floating], limit: float, mask: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Codes for `diverging_palette`: *values* clipped to ±*limit*; where *mask* is 0, the pruned colour."""
    codes = np.rint(np.clip(values / (limit or 1.0), -1, 1) * 127 + ZERO_CODE).astype(np.uint8)
    if mask is not None:
        codes[mask == 0] = PRUNED_CODE
    return codes


def occupancy_palette(allowed: int, size: int) -> list[RGBA]:
    """*size* + 1 ordered tones for a group that keeps 0..size entries.

    Fewer than *allowed*: grey, growing; exactly *allowed*: the accent; more (a violation): orange, growing.
    """
    accent = tuple(int(ACCENT[i:i + 2], 16) for i in (1, 3, 5))
    out: list[RGBA] = []
    for kept in range(size + 1):
        if kept == allowed:
            out.append((accent[0], accent[1], accent[2], 255))
        elif kept < allowed:
            out.append((128, 134, 142, round(30 + 130 * kept / max(allowed, 1))))
        else:
            out.append((*NEGATIVE, round(105 + 150 * (kept - allowed) / (size - allowed))))
    return out


def to_png(codes: NDArray[np.uint8], palette: Sequence[RGBA], scale: int = 1) -> bytes:
    """A palette PNG of *codes* `[rows, cols]`, each cell *scale* x *scale* pixels (nearest neighbour, so no cell is
    ever mixed with the next). Colours may be translucent."""
    from PIL import Image

    codes = np.ascontiguousarray(codes.repeat(scale, axis=0).repeat(scale, axis=1), dtype=np.uint8)
    picture = Image.frombytes("P", (codes.shape[1], codes.shape[0]), codes.tobytes())
    picture.putpalette([channel for entry in palette for channel in entry[:3]])
    stream = io.BytesIO()
    picture.save(stream, "PNG", transparency=bytes(entry[3] for entry in palette), compress_level=6)
    return stream.getvalue()


# -- Plotly ------------------------------------------------------------------------------------------------------

def finish(figure: go.Figure, height: int, *, legend: bool = False, revision: str = "keep") -> go.Figure:
    """Give *figure* the house look: transparent, thin rules, readable from the last row. Returns the same figure."""
    figure.update_layout(
        height=height, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"size": 15},
        margin={"l": 64, "r": 16, "t": 28, "b": 52}, showlegend=legend, uirevision=revision, hovermode="closest",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "font": {"size": 14}},
        hoverlabel={"font": {"size": 14}, "align": "left"},
    )
    axis = {"gridcolor": RULE, "linecolor": RULE, "zerolinecolor": RULE, "tickfont": {"size": 14},
            "title_font": {"size": 15}}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


# -- words -------------------------------------------------------------------------------------------------------

STAGE_MEANING: dict[str, str] = {
    "dense": "the fine-tuned model, nothing pruned",
    "one_shot": "the largest weights of every group, no training",
    "admm_w": "the trained copy: stored dense, nearly in the pattern",
    "admm_z": "the projected copy: in the pattern by construction",
    "hard_pruned": "W under the final mask, before refinement",
    "final": "the model the run ends with",
}


def lead(claim: str, *marks: str) -> str:
    """The beginning of *claim*, up to the first of *marks* (without any, up to its first half stop)."""
    for mark in marks or (";",):
        claim = claim.partition(mark)[0]
    return f"{claim.rstrip('.')}."


def task_title(task: str) -> str:
    """A task's name as written on a page; the bare name for a task that this version does not know."""
    from core.tasks import title_of

    return title_of(task)


def pattern_words(pattern: str, bits: int = 0) -> str:
    """A pattern, and the grid that its weights are on, as written on a page: "2:4", "2:4, 8 bits"."""
    if not bits:
        return pattern
    return f"{bits} bits, all weights" if pattern == "dense" else f"{pattern}, {bits} bits"


def model_title(model: str) -> str:
    """A model as the pages name it: the last part of its name or path; of a folder with digits of its content too."""
    return model_names.title_of(model)


def run_words(record: RunRecord) -> str:
    """One line that tells a run from its neighbours of the same task."""
    spec = record.spec
    words = [model_title(spec.model), method_title(spec.method)]
    if spec.method != "dense":
        words += [pattern_words(spec.pattern, spec.bits), f"{spec.epochs:g} epochs" if spec.epochs else "no training"]
    if spec.distill:
        words.append(f"distilled {spec.distill:g}")
    words.append(f"seed {spec.seed}")
    if record.status != "succeeded":
        words.append(record.status)
    return " · ".join(words)


# -- numbers -----------------------------------------------------------------------------------------------------

SPACE = "\N{NARROW NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 3) -> str:
    """A share 0..1 as "62.5 %", with at most *digits* that mean something; never rounded up to all or down to none."""
    if share is None or not math.isfinite(share):
        return "–"
    value = 100 * share
    text = f"{abs(value):.{digits}g}" if abs(value) >= 0.01 or value == 0 else "0.01"
    if "e" in text:
        text = f"{abs(value):.0f}"
    if 0 < abs(value) < 0.01:
        return f"<{SPACE}0.01{SPACE}%"
    if abs(value) < 100 and float(text) >= 100:
        return f">{SPACE}{99.9 if digits > 2 else 99}{SPACE}%"
    return f"{'−' if value < 0 else ''}{text}{SPACE}%"


def score(value: float | None) -> str:
    """A score (a fraction of the metric) with three decimals, or a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}".replace("-", "−")


def change(value: float) -> str:
    """A difference of scores, with its sign."""
    return f"{'−' if value < 0 else '+'}{abs(value):.3f}"


def count(value: int) -> str:
    """A whole number with its thousands set apart: 147 456."""
    return f"{value:,}".replace(",", SPACE)
