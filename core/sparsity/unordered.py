"""What to say of values that have no order: NaN is neither above nor below anything, so a choice or
a count among such values would mean nothing, and nobody would notice."""

from __future__ import annotations

from core.errors import InputError

REMEDY = "Start from a sound model: training that came apart needs a lower learning rate."


def no_numbers(name: str) -> InputError:
    """The error for *name*, a matrix or "scores", in which an entry is NaN."""
    return InputError(f"{name!r} holds what is no number (NaN)",
                      "numbers, which have an order; an infinity is one too", REMEDY)


def not_finite(name: str) -> InputError:
    """The error for *name*, in which an entry is NaN or an infinity."""
    return InputError(f"{name!r} holds an infinity, or what is no number (NaN)", "finite numbers",
                      REMEDY)
