"""A public demonstration (SPARSESCOPE_DEMO=1): what a viewer may do there. All its limits, in one place.

Whoever opens a demonstration looks at everything, touches everything, and makes small runs of `tiny`. Nothing else is
written, no path is opened, no file is taken in, no model is fetched, and no text is long.
"""

from __future__ import annotations

import os

from core.errors import InputError

MODEL = "tiny"  # the only model
EPOCHS = 4.0  # at most, of a run
DENSE_EPOCHS = 18.0  # at most, of its dense parent: what the shipped dense models were trained for
KEPT = 50  # run folders made by viewers; with as many, no new one is begun (a run of tiny takes 1 to 3 MB)
LETTERS = 300  # characters of a typed text
OWN = "On a machine of your own there is no limit: see the README."


def on() -> bool:
    """Is this a public demonstration?"""
    return os.environ.get("SPARSESCOPE_DEMO", "") not in ("", "0")


def closed(what: str, instead: str) -> None:
    """Refuse *what* ("Paths cannot be opened", a clause) in a demonstration, where *instead* is offered.

    Raises InputError there; does nothing elsewhere.
    """
    if on():
        raise InputError(f"{what} in this demonstration", instead, OWN)


def longest(usual: int) -> int:
    """Characters that a typed text may have: *usual*, or fewer in a demonstration."""
    return min(usual, LETTERS) if on() else usual
