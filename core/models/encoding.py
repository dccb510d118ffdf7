"""From texts to token ids, and from token ids to padded batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.tasks import Examples

if TYPE_CHECKING:
    import torch

CHARACTERS_PER_TOKEN = 20  # a text is cut to this many times max_length: no tokenizer makes tokens that long on average
MIN_LENGTH = 8  # special tokens, and a little text on both sides of a pair


@dataclass(frozen=True)
class Encoded:
    """*n* tokenised texts. `ids[i]`: token ids with the special ones, unpadded; `types[i]`: 0 for the first text, 1 for
    the second (None when the model has no token types); `labels` `[n]` as in Examples. `cut`: how many of the texts had
    more than the `limit` of tokens, and lost what was beyond it."""

    ids: list[list[int]]
    types: list[list[int]] | None
    labels: NDArray[np.int64] | NDArray[np.float32]
    cut: int = 0
    limit: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, `[n]`."""
        return np.fromiter((len(row) for row in self.ids), dtype=np.int64, count=len(self.ids))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what a model is shown: ids and types, not the labels."""
        digest = hashlib.sha256(self.lengths.tobytes())
        for rows in (self.ids, self.types):
            digest.update(b"none" if rows is None else np.fromiter(
                chain.from_iterable(rows), dtype=np.int64, count=int(self.lengths.sum())).tobytes())
        return digest.hexdigest()


def encode(tokenizer: Any, examples: Examples, max_length: int) -> Encoded:
    """Tokenise all *examples*, cut to *max_length* tokens (or what the model can take), without padding.

    Raises InputError for a *max_length* too short for a pair.
    """
    if max_length < MIN_LENGTH:
        raise InputError(f"max_length is {max_length}", f"{MIN_LENGTH} tokens or more", "Raise --max-length.")
    with_types = "token_type_ids" in tokenizer.model_input_names
    if not len(examples):
        return Encoded([], [] if with_types else None, examples.labels)
    # A text of a million characters would take minutes to tokenise, and nearly all of it would be thrown away.
    most = CHARACTERS_PER_TOKEN * max_length
    texts = [[text[:most] for text in column] for column in (examples.text, examples.pair) if column is not None]
    limit = min(max_length, tokenizer.model_max_length)
    out = tokenizer(*texts, truncation=True, max_length=limit, padding=False, return_attention_mask=False,
                    return_token_type_ids=with_types)
    shortened = [most < max(map(len, row)) for row in zip(examples.text, examples.pair or examples.text, strict=True)]
    cut = sum(a or b for a, b in zip(shortened, _beyond(tokenizer, texts, out, limit), strict=True))
    return Encoded(out["input_ids"], out["token_type_ids"] if with_types else None, examples.labels, cut, limit)


def _beyond(tokenizer: Any, texts: list[list[str]], out: Any, limit: int) -> list[bool]:
    """Whether each of the *texts*, tokenised as *out*, has more tokens than *limit*."""
    if getattr(out, "encodings", None):
        return [bool(encoding.overflowing) for encoding in out.encodings]
    full = [k for k, ids in enumerate(out["input_ids"]) if len(ids) == limit]  # a slow tokenizer keeps no rest
    whole = tokenizer(*([column[k] for k in full] for column in texts), verbose=False)["input_ids"] if full else []
    found = {k for k, ids in zip(full, whole, strict=True) if len(ids) > limit}
    return [k in found for k in range(len(out["input_ids"]))]


def collate(encoded: Encoded, indices: Sequence[int] | NDArray[np.int64], pad_id: int) -> dict[str, torch.Tensor]:
    """Pad the texts at *indices* to the longest of them: `input_ids`, `attention_mask` and, where the model has them,
    `token_type_ids`, each int64 `[len(indices), longest]`, ready for `model(**batch)`. Labels are not in it."""
    import torch

    longest = max(len(encoded.ids[i]) for i in indices)
    ids = np.full((len(indices), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    types = None if encoded.types is None else np.zeros_like(ids)
    for row, index in enumerate(indices):
        length = len(encoded.ids[index])
        ids[row, :length] = encoded.ids[index]
        mask[row, :length] = 1
        if types is not None and encoded.types is not None:
            types[row, :length] = encoded.types[index]
    batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if types is not None:
        batch["token_type_ids"] = torch.from_numpy(types)
    return batch
