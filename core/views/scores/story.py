"""Which lines of a chart are in colour."""

from __future__ import annotations

from collections.abc import Mapping

STORY = ("magnitude", "asp", "admm-layer", "admm")  # the lines in colour when nothing was chosen
FEW, MOST = 4, 40  # lines in colour where none is of the story; and that a link can name


def lit_of(names: Mapping[str, str], said: str = "") -> tuple[str, ...]:
    """The lines in colour, of the keys *names*: those that a link said, with commas between them; else those of the
    story, else the first few."""
    wanted = said.split(",")[:MOST]
    return (tuple(key for key in names if key in wanted) or tuple(key for key in names if key in STORY)
            or tuple(names)[:FEW])
