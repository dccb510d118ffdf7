"""A deck in one link: JSON, compressed, in the letters that an address may hold (base64url without its padding)."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Collection, Mapping

from core.decks.base import Deck, data_of, deck_of
from core.errors import InputError

# Servers take request lines of 64 kB, browsers addresses of more; mail and chat break longer ones. Text shrinks to a
# third; a hundred times as much is no deck but a bomb.
MOST_LETTERS, MOST_BYTES = 16_000, 160_000


def packed(deck: Deck) -> str:
    """*deck* as one word of letters, digits, `-` and `_`. Raises InputError when it is too long for a link."""
    text = json.dumps(data_of(deck), ensure_ascii=False, separators=(",", ":")).encode()
    word = base64.urlsafe_b64encode(zlib.compress(text, 9)).rstrip(b"=").decode()
    if len(word) > MOST_LETTERS or len(text) > MOST_BYTES:
        raise InputError(f"The deck would make a link of {len(word)} characters", f"at most {MOST_LETTERS}",
                         "Shorten the notes, or send the deck as a file.")
    return word


def looks_packed(word: str) -> bool:
    """Is *word* the beginning of a packed deck, and no name? (zlib at its highest level begins with these letters.)"""
    return word.startswith("eN")


def unpacked(word: str, pages: Collection[str]) -> Deck:
    """The deck in *word*. *pages*: the keys of all pages. Raises InputError for what is no packed deck, or too much:
    never more than MOST_BYTES are unpacked."""
    if len(word) > MOST_LETTERS:
        raise InputError(f"The deck in this link has {len(word)} characters", f"at most {MOST_LETTERS}",
                         "Ask for the deck as a file.")
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]*", word):
            raise binascii.Error
        unzip = zlib.decompressobj()
        text = unzip.decompress(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)), MOST_BYTES)
        if unzip.unconsumed_tail or not unzip.eof:
            raise zlib.error
        data = json.loads(text)
        if not isinstance(data, Mapping):
            raise TypeError
    except (binascii.Error, zlib.error, ValueError, TypeError, RecursionError):
        raise InputError("The deck in this link is not whole", "a link as the page Present makes it",
                         "Copy the whole link.") from None
    return deck_of(data, pages)
