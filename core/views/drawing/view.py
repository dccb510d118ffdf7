"""The one thing every view function returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True)
class Number:
    """One number that matters, large, with its words."""

    label: str
    value: str
    note: str
