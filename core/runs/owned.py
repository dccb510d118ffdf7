"""Does what lies in a run folder belong to it? A link may point anywhere on this machine, a pipe never ends: neither is
followed, whoever put it there."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from core.errors import InputError


def check_owned(folder: Path, names: Iterable[str]) -> None:
    """Raises InputError when one of *names* in *folder* is anything but a file or a folder; one that is not there is
    no harm."""
    for name in names:
        try:
            mode = (folder / name).lstat().st_mode
        except (OSError, ValueError):
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            kind = "a link" if stat.S_ISLNK(mode) else "no regular file"
            raise InputError(f"{name[:80]} of {folder.name[:80]} is {kind}", "a file of the folder's own",
                             "Nothing is read through it: put the file itself there, if you trust it.")


def owned(folder: Path) -> bool:
    """Is everything in *folder* its own, and the folder itself no link? Only its first level is looked at."""
    try:
        check_owned(folder.parent, (folder.name,))
        check_owned(folder, [path.name for path in folder.iterdir()])
    except (InputError, OSError):
        return False
    return True
