"""What a method told of itself (`method/<key>`), read and refused in one way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.arrays import METHOD
from core.runs.store import Run


def kept(run: Run, key: str, dimensions: int) -> NDArray[np.generic]:
    """The array `method/<key>` of *run*, with as many *dimensions*. Raises InputError when it is missing, of another
    shape, empty, or not finite."""
    found = run.array(f"{METHOD}/{key}")
    if found is None or found.ndim != dimensions or not found.size or not np.isfinite(found).all():
        raise InputError(f"What {run.record.id} kept of its method has no usable {key!r}",
                         f"{dimensions}-dimensional finite numbers", "Make the run again.")
    return found
