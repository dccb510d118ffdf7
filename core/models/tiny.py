"""`tiny`: the model of our own, small enough that every matrix can be drawn whole, and its word-level tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.models.library import problem_type, quiet_transformers

TINY_TOKENIZER = Path(__file__).parent / "assets" / "tiny" / "tokenizer.json"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def tiny_model(labels: int) -> Any:
    """The untrained model with *labels* outputs (1 = regression), drawn from torch's global generator, in eval mode."""
    transformers = quiet_transformers()
    config = transformers.BertConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=256, max_position_embeddings=64, pad_token_id=0, num_labels=labels,
        problem_type=problem_type(labels),
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # the grammars are small and clean: no need
    return transformers.BertForSequenceClassification(config).eval()


def build_tiny_tokenizer() -> Any:
    """Build the word-level tokenizer of `tiny` from the grammars' closed vocabulary (a `tokenizers.Tokenizer`)."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors

    from core.tasks.vocabulary import words

    vocabulary = {word: code for code, word in enumerate((*SPECIAL, *words()))}
    built = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    built.normalizer = normalizers.Lowercase()
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    built.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")])
    built.add_special_tokens(list(SPECIAL))
    return built


def tiny_tokenizer() -> Any:
    """Return the committed tokenizer of `tiny`, with BERT's token types."""
    transformers = quiet_transformers()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(TINY_TOKENIZER), model_max_length=64, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
