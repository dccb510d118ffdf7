"""Opening a run by what a person calls it: an id of the store, or a folder, wherever it lies."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError, unknown
from core.runs.store import Run, Store


def open_path(path: Path, store: Store) -> Run:
    """Open the run folder *path*, wherever it lies; its parent is looked for beside it, then in *store*.

    Raises InputError when it cannot be read, or is a link.
    """
    folder = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    run = Store(recorded=folder.parent, live=folder.parent).open(folder.name)
    if run.parent is None and run.record.parent:
        entry = store.find(run.record.parent)
        if entry is not None and entry.record is not None:
            run.parent = Run(entry.record, entry.path, entry.recorded)
    return run


def open_named(name: str | Path, store: Store) -> Run:
    """Open the run *name*: a folder if there is one of that name, else a run id of *store*.

    Raises InputError when there is neither, with the closest id, and for a run that is damaged.
    """
    text = str(name)
    try:
        folder = bool(text.strip()) and Path(text).is_dir()
    except (OSError, ValueError):  # what can be no path: too long, or with a zero in it
        folder = False
    if folder:
        return open_path(Path(text), store)
    if isinstance(name, Path) or "/" in text:
        raise InputError(f"There is no folder {text[:200]!r}", "a run id or a run folder", "Correct the path.")
    if store.find(text) is None:
        raise unknown("run", text, [entry.id for entry in store.entries()])
    return store.open(text)
