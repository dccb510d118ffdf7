"""What a file is called that somebody takes away, and the line in it that says where it is from. Pure text.

    file_name("weights", "maps", {"run": "cola-...-0123abcd", "matrix": "encoder.layer.0..."}, "svg")
    -> "weights-maps-cola-...-0123abcd-matrix-encoder.layer.0....svg"
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from core import __version__

LONGEST = 120  # characters before the ending: several file systems stop at 143 bytes, mail programs earlier
# What a link says of the way a page is shown, not of what is on it.
STAGE = frozenset({"present", "embed", "embed_options", "lock", "deck", "slide", "look", "lesson", "step"})
RUNS = ("run", "runs")
UNSAFE = re.compile(r"[^a-z0-9._-]+")


def safe(text: str) -> str:
    """*text* in small letters, digits, `.`, `_` and `-`, a letter or a digit at either end; 2:4 is 2of4."""
    plain = re.sub(r"(?<=\d):(?=\d)", "of", text.lower())
    return re.sub(r"-{2,}", "-", UNSAFE.sub("-", plain)).strip("-._") or "x"


def file_name(page: str, picture: str, query: Mapping[str, str], ending: str) -> str:
    """A name that says page, picture, run and what else the link *query* chose, in an order that sorts well.

    Of several runs it names the first; a long name is cut. It then ends in eight digits of all that it stands for: two
    pictures never share a name.
    """
    chosen = {key: value for key, value in query.items() if key not in STAGE and value}
    parts = [page, *([] if picture in ("", page) else [picture])]
    for key in RUNS:
        first, *more = chosen.pop(key, "").split(",")
        parts += [first, *([f"and-{len(more)}-more"] if more else [])] if first else []
    parts += [f"{key}-{value}" for key, value in sorted(chosen.items())]
    whole = "-".join(map(safe, parts))
    if len(whole) > LONGEST or any("," in query.get(key, "") for key in RUNS):
        digest = hashlib.blake2b(repr((page, picture, sorted(query.items()))).encode(), digest_size=4).hexdigest()
        whole = f"{whole[:LONGEST - 9].rstrip('-._')}-{digest}"
    return f"{whole}.{safe(ending)}"


def source(title: str, query: Mapping[str, str]) -> str:
    """The line of a picture that says which program drew it, on which page, of which run and matrix."""
    said = [f"{key} {value}" for key, value in query.items() if key not in STAGE and value]
    runs = [words for words in said if words.split()[0] in RUNS]
    return " · ".join([f"SparseScope {__version__}", title, *runs, *(words for words in said if words not in runs)])
