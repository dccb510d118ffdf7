"""Paths and numbers as the command line takes them: what cannot be one is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.errors import InputError


class Place(click.Path):
    """A path: `~` is the home folder, and nothing at all is no path (to the library it is the present folder)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path. Raises InputError for none."""
        name = param.human_readable_name if isinstance(param, click.Argument) else param.opts[0] if param else "path"
        text = str(value)
        if not text.strip() or "\0" in text:
            raise InputError(f"{name} is {text[:80]!r}", "a path", "Give one, or leave it out.")
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise InputError(f"{name} is {text[:80]!r}, and that person has no home folder here", "a path",
                             "Correct it.") from None


def check_folder(place: Path) -> None:
    """Raise InputError when `--data-dir` names no folder."""
    try:
        there = place.is_dir()
    except OSError:  # too long for a path
        there = False
    if not there:
        raise InputError(f"--data-dir names {str(place)[-80:]!r}, which is no folder",
                         "a folder holding <task>/train.parquet and <task>/validation.parquet", "Correct the path.")


THREADS = click.IntRange(1, 1024)  # more than any machine has: torch would take a million, and end without a word
