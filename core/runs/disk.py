"""A disk that refuses: its refusals in one sentence, and folders that are there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import InputError
from core.runs.owned import check_owned

LAST = "config.json"  # a folder without it is no model to anybody
IN_WORDS = re.compile(r"\(os error (\d+)\)")

# What a person expected of the disk, and what helps.
ROOM = ("room on the disk", "Free some space and try again.")
RIGHTS = ("a folder that may be written to", "Choose another one, or change who may write there.")
PLACE = ("a folder, or nothing yet, in that place", "Choose another one, or remove what stands there.")
REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ROOM, errno.EDQUOT: ROOM, errno.EFBIG: ROOM,
    errno.EROFS: RIGHTS, errno.EACCES: RIGHTS, errno.EPERM: RIGHTS,
    errno.ENOTDIR: PLACE, errno.EEXIST: PLACE, errno.EISDIR: PLACE, errno.ELOOP: PLACE, errno.ENOENT: PLACE,
    errno.ENAMETOOLONG: ("a name that the disk takes", "Choose a shorter one."),
}
ELSEWHERE = "Free some space, or point SPARSESCOPE_RUNS elsewhere."  # of what lies under the live root
OTHER = ("a disk that takes it", "Try again, or choose another place.")


def refused_by_system(error: BaseException) -> OSError | None:
    """The system's refusal behind *error*, if that is what it is: files and disks, no pipes and no network."""
    if isinstance(error, ConnectionError | TimeoutError | BlockingIOError | ChildProcessError | ProcessLookupError):
        return None
    if isinstance(error, OSError):
        return error if error.errno is not None else None
    # Writers in Rust (safetensors, tokenizers) raise errors of their own, with the system's number in the words.
    found = IN_WORDS.search(str(error)) if isinstance(error, Exception) else None
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def unwritten(error: OSError, what: str, remedy: str = "") -> InputError:
    """The refusal *error* in words: *what* could not be written. *remedy*: better advice than the usual one."""
    expected, usual = REASONS.get(error.errno or 0, OTHER)
    where = f": {str(error.filename)[-120:]!r}" if error.filename else ""
    return InputError(f"{what} could not be written ({os.strerror(error.errno or 0)}{where})", expected, remedy or usual)


def refused(error: OSError) -> InputError:
    """The refusal *error* of whatever was tried, in words."""
    expected, remedy = REASONS.get(error.errno or 0, OTHER)
    return InputError(f"{os.strerror(error.errno or 0)}: {str(error.filename or 'a file')[-120:]}", expected, remedy)


@contextmanager
def in_words(what: str, remedy: str = "") -> Iterator[None]:
    """Let a refusal of the disk be an InputError: *what* could not be written, why, and what to do."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = refused_by_system(error)
        if found is None:
            raise
        raise unwritten(found, what, remedy) from error


@contextmanager
def whole_folder(place: Path, *, into: bool = False, mode: int = 0o777) -> Iterator[Path]:
    """Give an empty folder to write into. It becomes *place* when the body is through and all of it is on the disk;
    if not, nothing of it stays, nor of the folders above that were made for it.

    What stood at *place* is replaced. *into*: an empty folder there stays the one it is (it may be a mounted disk, or
    one whose parent is another person's), and gets the files. Raises OSError as the system does.
    """
    inside = into and place.is_dir()
    parent = place if inside else place.parent
    building = parent / f".new-{secrets.token_hex(6)}"
    made: list[Path] = []
    try:
        _make(parent, made)
        building.mkdir(mode)
        yield building
        _sync(building)
        if inside:
            _empty_into(building, place)
        else:
            _swap(building, place)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise


def move_whole(folder: Path, place: Path) -> None:
    """Move *folder* to *place* on the same disk, where it is the whole of it or nothing; what stood there is replaced.
    Raises OSError as the system does."""
    _sync(folder)
    _swap(folder, place)


def copy_folder(source: Path, to: Path) -> None:
    """Copy all files of *source* into the folder *to*. Raises OSError for the first one that cannot be (the standard
    library's copy goes on, and then hides the reason), InputError for what is neither file nor folder."""
    paths = sorted(source.iterdir())
    check_owned(source, [path.name for path in paths])
    for path in paths:
        if path.is_dir():
            (to / path.name).mkdir()
            copy_folder(path, to / path.name)
        else:
            shutil.copyfile(path, to / path.name)


def _make(folder: Path, made: list[Path]) -> None:
    """Make *folder* and what is missing above it, and note in *made* each that was."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make(folder.parent, made)
    if not folder.is_dir():  # a/.. is there once a is
        folder.mkdir()
        made.append(folder)


def _sync(folder: Path) -> None:
    """Have everything in *folder* on the disk: some file systems say only now that there is no room."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _swap(building: Path, place: Path) -> None:
    """Let *building* be *place*; what stood there comes back when that fails."""
    if not place.is_dir() or not any(place.iterdir()):
        os.rename(building, place)
        return
    old = place.with_name(f".old-{secrets.token_hex(6)}")
    os.rename(place, old)
    try:
        os.rename(building, place)
    except BaseException:
        os.rename(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _empty_into(building: Path, place: Path) -> None:
    """Move what is in *building* up into *place*; all of it, or nothing."""
    moved: list[str] = []
    try:
        for name in sorted((path.name for path in building.iterdir()), key=lambda name: (name == LAST, name)):
            os.rename(building / name, place / name)
            moved.append(name)
        building.rmdir()
    except BaseException:
        for name in moved:
            os.rename(place / name, building / name)
        raise
