"""The pattern of a kept run with all that it learned: what its masks must be judged by."""

from __future__ import annotations

from core.runs.store import Run
from core.sparsity.library_pattern import KEY
from core.sparsity.patterns import Pattern, parse_pattern


def pattern_of(run: Run) -> Pattern:
    """*run*'s pattern, with the library it learned where it learned one.

    Raises InputError for a pattern that this version does not know, or a library that is missing or damaged.
    """
    held = {key: array for key in sorted(run.keys) if key.partition("/")[0] == KEY
            and (array := run.array(key)) is not None}
    return parse_pattern(run.record.spec.pattern).restored(held)
