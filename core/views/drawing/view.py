"""The one thing every view function returns."""

from __future__ import annotations

import html
import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # only for the types: an image page must not wait for Plotly or pandas
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class View:
    """A picture with everything that a page, a paper or a screen reader needs around it.

    Exactly one of `figure` and `image` is set, or neither when the run kept nothing to draw; `claim` then says why.
    """

    claim: str  # one sentence made from the data: what to see
    figure: go.Figure | None  # an interactive picture
    image: bytes | None  # a PNG made on the server, where that is faster than Plotly
    alt: str  # alternative text made from the data
    table: pd.DataFrame  # the picture's numbers
    try_this: str  # one thing to try, or ""
    heading: str = ""  # the claim in few words with one number, where `claim` says more; "" where it does not

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """What a notebook shows: the picture under its claim, or the table. In words wherever that cannot be drawn."""
        bundle: dict[str, Any] = {"text/plain": self.claim if self.figure is None else f"{self.claim}\n{self.alt}"}
        if self.image is not None:
            bundle["image/png"] = self.image
        elif self.figure is None:
            bundle["text/html"] = f"<p>{html.escape(self.claim)}</p>{self.table.to_html(index=False, border=0)}"
        else:
            drawn = self.titled(self.figure)
            # Plotly knows how the notebook draws (Jupyter, Colab, an editor); elsewhere it says nothing.
            bundle |= drawn._repr_mimebundle_() or {"application/vnd.plotly.v1+json": json.loads(drawn.to_json())}
        return bundle

    def titled(self, figure: go.Figure) -> go.Figure:
        """A copy of *figure* with the claim over it, and room for that."""
        lines = textwrap.wrap(self.heading or self.claim, 88)
        room = 24 * len(lines)
        layout = figure.layout
        return type(figure)(figure).update_layout(
            title={"text": html.escape("\n".join(lines)).replace("\n", "<br>"), "x": 0.01, "y": 1, "yanchor": "top",
                   "yref": "container", "pad": {"t": 10}, "font": {"size": 18}},
            height=(layout.height or 450) + room, margin_t=(40 if layout.margin.t is None else layout.margin.t) + room)


@dataclass(frozen=True)
class Number:
    """One number that matters, large, with its words."""

    label: str
    value: str
    note: str
