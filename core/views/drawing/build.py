"""Put a figure together from plain dictionaries, in the house look.

Plotly's own `update_layout` and `make_subplots` cost up to 200 ms for three panels; one construction from a dictionary,
validated once, costs 20. A slider has 150.

The look is no Plotly template: under Streamlit the figure's template is Streamlit's own, with the page's colours for
light and dark. A template of ours would take its place, or carry a copy of it that is validated figure by figure.
"""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.views.drawing import style
from core.views.drawing.view import View

Part = dict[str, Any]
PAGE_TEXT = "rgb(128, 132, 149)"  # Plotly's own grey on a light page; the page's CSS turns it into its text colour


@lru_cache(maxsize=1)
def _house() -> tuple[Part, Part]:
    """The layout and the axis that `style.finish` gives, as dictionaries."""
    bare = go.Figure(layout={"xaxis": {"showgrid": False}, "yaxis": {"showgrid": False}})
    layout = style.finish(bare, 100).to_dict()["layout"]
    axis = layout.pop("xaxis")
    layout.pop("yaxis")
    layout.pop("template", None)
    axis.pop("showgrid")
    return layout, axis


def merge(base: Part, more: Part) -> Part:
    """A copy of *base* with *more* over it, dictionary by dictionary."""
    out = dict(base)
    for key, value in more.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def build(data: list[Part], layout: Part, height: int, *, legend: bool = False, revision: str = "keep") -> go.Figure:
    """A figure of traces *data*; every axis in *layout* gets the house look under its own settings."""
    house, axis = _house()
    axes = {"xaxis": {}, "yaxis": {}} | {k: v for k, v in layout.items() if k[1:5] == "axis"}
    full = merge(deepcopy(house), {"height": height, "showlegend": legend, "uirevision": revision})
    full = merge(full, {k: v for k, v in layout.items() if k not in axes})
    return go.Figure({"data": data, "layout": full | {k: merge(axis, v) for k, v in axes.items()}})


def map_axis(**settings: Any) -> Part:
    """An axis of a map: no grid, no zero line, its title close by."""
    return {"showgrid": False, "zeroline": False} | settings


def shared_title(words: str) -> Part:
    """One title under panels that stand side by side and count the same."""
    return {"text": words, "showarrow": False, "x": 0.5, "xref": "paper", "y": 0, "yref": "paper", "yanchor": "top",
            "yshift": -32, "font": {"size": 15}}


def legend_below() -> Part:
    """A legend along the lower edge, clear of axis titles."""
    return {"y": 0, "yref": "container", "yanchor": "bottom", "x": 0}


def legend_above() -> Part:
    """A legend along the upper edge of the plot."""
    return {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"}


def swatch(name: str, colour: str) -> Part:
    """A legend entry that no trace of the figure stands for: a square of *colour*."""
    return {"type": "scatter", "x": [None], "y": [None], "mode": "markers", "name": name, "showlegend": True,
            "marker": {"symbol": "square", "size": 13, "color": colour}}


def dot(name: str, symbol: str = "circle", colour: str = style.GREY) -> Part:
    """A legend entry that no trace stands for: a mark; in grey, what *symbol* means in any colour."""
    return {"type": "scatter", "x": [None], "y": [None], "mode": "markers", "name": name, "showlegend": True,
            "marker": {"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}}}


def words_only(claim: str, table: pd.DataFrame | None = None, heading: str = "") -> View:
    """A view without a picture: *claim* says what there is, or why there is nothing to draw."""
    return View(claim, None, None, claim, pd.DataFrame() if table is None else table, "", heading)
