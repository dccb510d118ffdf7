"""Matrices that are made of equal bands: the heads of an attention, ruled off and numbered on a map."""

from __future__ import annotations

from dataclasses import dataclass

from core.views.drawing import style
from core.views.drawing.build import Part

MOST_BANDS = 16  # whose numbers fit beside a map


@dataclass(frozen=True)
class Bands:
    """Equal bands that a matrix is made of, ruled off and counted in place of its rows or columns: attention heads."""

    noun: str  # what one is called
    side: int  # 0: bands of rows, 1: of columns
    size: int  # rows or columns of a band
    count: int
    end: int  # the last row or column that is drawn, plus one
    first: int = 0  # the first

    @property
    def edges(self) -> list[float]:
        """Where bands meet, in rows or columns, inside what is drawn."""
        return [at - 0.5 for at in range(self.size, self.count * self.size, self.size) if self.first < at < self.end]

    def axis(self, side: int) -> Part:
        """The ticks of the axis along *side*, each at the middle of what is drawn of its band; not all where there are
        many."""
        if side != self.side:
            return {}
        every = -(-self.count // MOST_BANDS)
        shown = [(max(k * self.size, self.first), min((k + 1) * self.size, self.end), k + 1)
                 for k in range(0, self.count, every)]
        head = "" if side else f"{self.noun} "
        return {"tickvals": [(low + high - 1) / 2 for low, high, _ in shown if low < high],
                "ticktext": [f"{head}{k}" for low, high, k in shown if low < high]}

    def title(self, side: int, plain: str) -> str:
        """The title of the axis along *side*, *plain* without bands. Rows say it at every tick."""
        return plain if side != self.side else f"{plain}, by {self.noun}" if side else ""


def rules(bands: Bands | None, x: str, y: str) -> list[Part]:
    """Lines between *bands*, over the whole of one panel."""
    if bands is None:
        return []
    along, over = ("y", "x") if bands.side == 0 else ("x", "y")
    refs = {"xref": x, "yref": y} | {f"{over}ref": f"{x if over == 'x' else y} domain"}
    return [{"type": "line", **refs, f"{along}0": at, f"{along}1": at, f"{over}0": 0, f"{over}1": 1,
             "line": {"width": 1.5, "color": style.GREY}} for at in bands.edges]
