"""The one kind of error a person can cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 16  # names that a message lists at most


class InputError(ValueError):
    """Something the person gave cannot be used.

    The text always says what was given, what was expected and what to do. The command line prints it and exits
    with code 2; a page shows it in a red box. Anything else that escapes is our own fault and keeps its traceback.
    """

    def __init__(self, given: str, expected: str, remedy: str) -> None:
        self.given, self.expected, self.remedy = given, expected, remedy
        super().__init__(f"{given}. Expected {expected}. {remedy}")


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
