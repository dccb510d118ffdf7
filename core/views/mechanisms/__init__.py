"""What only one method does, as its own picture, from what its runs kept of it (`method/<key>`).

PICTURES is the list: method -> "file:function" of this room; a function takes a run and returns its views, the telling
one first.
"""

from __future__ import annotations

import importlib
from typing import cast

from core.runs.arrays import METHOD
from core.runs.store import Run
from core.views.drawing.view import View

PICTURES: dict[str, str] = {
    "admm-lowrank": "corrections:pictures",
    "besa": "shares:pictures",
    "dpp": "draws:pictures",
    "group-lasso": "heaps:pictures",
    "policy-gradient": "chances:pictures",
    "identity-prior": "identities:pictures",
    "pip": "two_views:pictures",
    "mlpruning": "shrinking:pictures",
}


def pictures(run: Run) -> list[View]:
    """The pictures of what the method of *run* does as no other, the telling one first; none for a method without any,
    or a run that kept nothing of it.

    Raises InputError for damaged arrays.
    """
    named = PICTURES.get(run.record.spec.method)
    if named is None or not any(key.startswith(f"{METHOD}/") for key in run.keys):
        return []
    file, _, function = named.partition(":")
    return cast(list[View], getattr(importlib.import_module(f"{__name__}.{file}"), function)(run))
