"""What a tokenizer must be for its model: no token without a row in the embeddings, a token to pad with, the types of
tokens that the model knows, texts as long as its positions reach. What can be put right is, in the tokenizer and the
configuration, so that it is exported with the model.
"""

from __future__ import annotations

import inspect
from typing import Any

from core.errors import InputError
from core.models.prunable import token_table

TYPES = "token_type_ids"
ANY = 1 << 24  # tokens: as good as no limit


def fit(tokenizer: Any, model: Any, source: str) -> None:
    """Make *tokenizer* fit *model*, both of *source*. Raises InputError when it cannot be made to."""
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        tokenizer.pad_token = tokenizer.eos_token  # what generating models are padded with; the mask hides it
    if tokenizer.pad_token_id is None:
        raise InputError(f"The tokenizer of {source!r} has no padding token", "an encoder such as BERT",
                         "Choose an encoder model.")
    _refuse_too_large(tokenizer, model, source)
    if not _padded_positions(model):
        # Classifiers on generating models read the last token that is not this one.
        model.config.pad_token_id = tokenizer.pad_token_id
    if TYPES in tokenizer.model_input_names and not _knows_types(model):
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != TYPES]
    tokenizer.model_max_length = min(tokenizer.model_max_length, _position_limit(model))


def _refuse_too_large(tokenizer: Any, model: Any, source: str) -> None:
    weight = getattr(token_table(model), "weight", None)
    rows = ANY if weight is None else int(weight.shape[0])
    largest, token = max(((code, token) for token, code in tokenizer.get_vocab().items()), default=(0, ""))
    if largest >= rows:
        raise InputError(f"The tokenizer of {source!r} is larger than its embeddings: token {token[:40]!r} has the "
                         f"number {largest}, they have {rows} rows", "a row for every token",
                         "Take the tokenizer that the model was trained with, or call "
                         "model.resize_token_embeddings(len(tokenizer)) and save both.")


def _knows_types(model: Any) -> bool:
    """Can *model* tell the second text of a pair by its tokens' type? One type tells nothing: as with RoBERTa, none is
    given then."""
    if TYPES not in inspect.signature(model.forward).parameters:
        return False
    tables = [module.weight.shape[0] for name, module in model.named_modules()
              if name.endswith("token_type_embeddings") and hasattr(module, "weight")]
    rows = min(tables) if tables else getattr(model.config, "type_vocab_size", None)
    return rows is None or rows > 1


def _padded_positions(model: Any) -> list[Any]:
    """Tables of positions that begin behind the padding's, as RoBERTa's do."""
    return [module for name, module in model.named_modules()
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None]


def _position_limit(model: Any) -> int:
    """Tokens that the position table has room for."""
    said = getattr(model.config, "max_position_embeddings", None)
    limit = said if isinstance(said, int) and said > 0 else ANY  # XLNet, which has no table, says -1
    return min([limit, *(m.weight.shape[0] - m.padding_idx - 1 for m in _padded_positions(model))])
