"""What a model is called in a spec: a name of the list, a hub id, or a folder by its whole path and by what is in it.

    /models/my-bert@3fa9c1d2

The eight hex digits are the digest of the folder's content (`core.models.identity`), as an own task's name ends with
the digest of its data: a folder whose weights were replaced is another model, and no run ever mixes two. Specs of
before name a folder by its path alone; they keep their ids.
"""

from __future__ import annotations

import re

FOLDER = re.compile(r"(.*[/\\].*)@([0-9a-f]{8})", re.DOTALL)  # no name of the list and no hub id has an @


def folder_of(model: str) -> tuple[str, str] | None:
    """Path and digest, where *model* is a folder with its digest; None for any other name."""
    found = FOLDER.fullmatch(model)
    return None if found is None else (found[1], found[2])


def last_part(model: str) -> str:
    """The last part of a model's name or path, without a digest."""
    found = folder_of(model)
    return (model if found is None else found[0]).rstrip("/").rsplit("/", 1)[-1]


def title_of(model: str) -> str:
    """A model as pages name it: the last part of its name or path; of a folder with the first digits of its digest, so
    that what it held before and what it holds now are told apart."""
    found = folder_of(model)
    return last_part(model) + ("" if found is None else f" (folder, {found[1][:4]})")


def means(wanted: str, model: str) -> bool:
    """Does *wanted*, as a person names a model, mean the *model* of a spec? A folder's path means all that it held."""
    found = folder_of(model)
    return model == wanted or (found is not None and found[0].rstrip("/") == wanted.rstrip("/"))
