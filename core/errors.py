"""The one kind of error a person can cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
SHOWN = 16  # names that a message lists at most


class InputError(ValueError):
    """Something the person gave cannot be used.

    The text always says what was given, what was expected and what to do. The command line prints it and exits
    with code 2; a page shows it in a red box. Anything else that escapes is our own fault and keeps its traceback.
    """

    def __init__(self, given: str, expected: str, remedy: str) -> None:
        self.given, self.expected, self.remedy = given, expected, remedy
        super().__init__(f"{given}. Expected {expected}. {remedy}")


def ours(error: BaseException) -> bool:
    """Was *error* raised by a line of this package, and not by a library over what it was given to read? Then it is a
    fault of ours, whatever a person gave: what we know to be wrong with it we say as an InputError."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(HERE)


def fault(error: BaseException, command: str) -> str:
    """What is said of *error*, which no person caused: whose fault it is, and which *command* shows it."""
    kind, words = type(error).__name__, " ".join(str(error).split())[:200]
    return (f"A fault of SparseScope, not of what was given ({kind}{f': {words}' if words else ''}). "
            f"Please report it with the traceback and this command: {command}")


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for a *name* that is not in a list, with the closest one suggested."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    more = len(names) - SHOWN
    listed = ", ".join(names[:SHOWN]) + (f", and {more} more" if more > 0 else "")
    hint = f"Did you mean {close[0]!r}?" if close else f"Choose one of: {listed}."
    shown = name if len(name) <= 80 else name[:77] + "..."
    head, of, rest = kind.partition(" of ")
    several = "matrices" if head == "matrix" else f"{head}s"
    return InputError(f"Unknown {kind} {shown!r}", f"one of {len(names)} known {several}{of}{rest}", hint)
