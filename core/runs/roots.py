"""Where the runs lie: folders that the environment names, as a person means them."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import InputError

LIVE, RECORDED = "SPARSESCOPE_RUNS", "SPARSESCOPE_CACHED"


def named(variable: str, default: Path) -> Path:
    """The folder that *variable* of the environment names, `~` as the home folder; *default* when it is not set, or
    set to nothing."""
    given = os.environ.get(variable, "").strip()
    try:
        return Path(given).expanduser() if given else default
    except RuntimeError:  # ~nobody: `check_roots` refuses it
        return Path(given)


def check_roots() -> None:
    """Raise InputError when the environment names what can be no folder of runs: a file, a link to nothing,
    ~nobody. One that is not there yet is made when a run is."""
    for variable in (LIVE, RECORDED):
        place = named(variable, Path())
        try:
            bad = str(place).startswith("~") or (place.is_symlink() or place.exists()) and not place.is_dir()
        except OSError:  # too long for a path
            bad = True
        if bad:
            raise InputError(f"{variable} names {str(place)[-80:]!r}, which is no folder", "a folder, or a new name",
                             f"Correct {variable}, or leave it out.")
