"""The pattern of a kept run with all that it learned, and with the units of its model: what its masks must be judged
by."""

from __future__ import annotations

from core.runs.anatomy import anatomy_of
from core.runs.records import RunRecord
from core.runs.store import Run
from core.sparsity.library_pattern import KEY
from core.sparsity.patterns import Pattern, parse_pattern


def pattern_of(run: Run) -> Pattern:
    """*run*'s pattern, with the library it learned where it learned one, and joined to its model where it is of units.

    Raises InputError for a pattern that this version does not know, a library that is missing or damaged, a model whose
    heads and neurons cannot be found.
    """
    held = {key: array for key in sorted(run.keys) if key.partition("/")[0] == KEY
            and (array := run.array(key)) is not None}
    return joined(parse_pattern(run.record.spec.pattern).restored(held), run.record)


def joined(pattern: Pattern, record: RunRecord) -> Pattern:
    """*pattern* with the units of the model that *record* is of, which its matrices' names and shapes tell."""
    if not pattern.coupled or not record.matrices:
        return pattern
    return pattern.joined(anatomy_of({m.name: m.shape for m in record.matrices}, record.heads, record.spec.model))
