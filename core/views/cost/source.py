"""The measurement that the pictures of this room share, its colours and its words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from core.cost import records
from core.cost.records import Cost
from core.runs.records import RunRecord
from core.views.drawing import style

Stamp = tuple[str, tuple[tuple[int, int], ...]]  # of `core.cost.records.stamp_of`

COLOURS = {"packed": style.ACCENT, "quantised": style.rgba(style.SEQUENTIAL_HUE), "shrunk": style.rgba(style.NEGATIVE),
           "pruned, zeros multiplied": "#b5478b", "2:4 kernels": "#8f5fc0"}
# A pass that is less than a twentieth faster would be noticed by nobody, and may be chance: six settings are looked at.
NOTICED = 1.05
WHY = "Dense kernels multiply a zero like any other number, so fewer FLOPs on paper are no fewer in fact."


@lru_cache(maxsize=64)
def cost_at(stamp: Stamp) -> Cost | None:
    """The measurement under *stamp*; None where there is none. Raises InputError for a damaged one. Never change it."""
    return records.load(Path(stamp[0])) if stamp[0] else None


def made(stamp: Stamp) -> str:
    """Where, when and how it was measured, in a sentence; "" where nothing was."""
    cost = cost_at(stamp)
    if cost is None:
        return ""
    env = cost.environment
    where = f"{env.processor}, {threads(env.threads)}, torch {env.packages.get('torch', 'unknown')}"
    if not cost.passes:
        return f"Sizes written on {cost.created[:10]} ({where}) from {ORIGINS[cost.origin]}."
    count = len(next(iter(cost.passes[0].micros.values())))
    of = " of each model, in turn" if len(cost.passes[0].micros) > 1 else ""
    return f"Measured on {cost.created[:10]}: {where}; {count} passes{of}."


BESIDE = 400  # pixels, of two figures that stand side by side
ORIGINS = {"checkpoint": "its checkpoint", "recorded weights": "the weights that the run keeps",
           "masks": "its masks: the weights themselves were not kept, and take as many bytes whatever they are"}


def threads(count: int) -> str:
    """`2 threads`."""
    return f"{count} thread{'' if count == 1 else 's'}"


def left_out(stamp: Stamp) -> list[str]:
    """In words, what was not measured and why."""
    cost = cost_at(stamp)
    return [] if cost is None else list(cost.left_out)


def timed(stamp: Stamp) -> bool:
    """Was any pass timed?"""
    cost = cost_at(stamp)
    return cost is not None and bool(cost.passes)


def untimed(stamp: Stamp) -> str:
    """What to say where no pass was timed."""
    return (("" if stamp[0] else "Of this run nothing was written to a file yet: its bytes are counted. ")
            + "No pass was timed: that needs its checkpoint. The first line makes it, the second one measures.")


def commands(record: RunRecord) -> str:
    """Two lines: what makes a run's checkpoint, and what measures it."""
    return f"{record.command}\npython -m core cost {record.id}"
