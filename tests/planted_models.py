"""Models whose answers are known beforehand: a BERT of 16 numbers that names the class of every sentence by one word in
it, saved as a Hugging Face folder, and the table of such sentences."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
FILLING = ("the", "film", "song", "was", "and", "very")
WIDTH = 16


def tokenizer(words: Sequence[str], types: bool = True) -> Any:
    """Every word is a token of its own. *types*: with BERT's token types."""
    code = {word: k for k, word in enumerate((*SPECIAL, *FILLING, *words))}
    made = Tokenizer(models.WordLevel(code, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=32, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_input_names=["input_ids", *["token_type_ids"] * types, "attention_mask"])


def planted(words: Mapping[str, str], outputs: Sequence[str]) -> Any:
    """A BERT whose output k is the largest where the word of class *outputs[k]* stands: all tokens are looked at
    alike, values are handed on as they are, and the class's row asks for the direction of its word. *words*: by class.
    """
    order = list(words)
    config = transformers.BertConfig(
        vocab_size=len(SPECIAL) + len(FILLING) + len(order), hidden_size=WIDTH, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=WIDTH, max_position_embeddings=32, pad_token_id=0,
        num_labels=len(order), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = transformers.BertForSequenceClassification(config).eval()
    layer, eye = model.bert.encoder.layer[0], torch.eye(WIDTH)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" not in name:
                parameter.zero_()
        for matrix in (layer.attention.self.value, layer.attention.output.dense, model.bert.pooler.dense):
            matrix.weight.copy_(eye)
        first = len(SPECIAL) + len(FILLING)
        for k, name in enumerate(order):
            model.bert.embeddings.word_embeddings.weight[first + k] = 8 * eye[k]
            model.classifier.weight[list(outputs).index(name)] = 4 * eye[k]
    return model


def save(folder: Path, words: Mapping[str, str], outputs: Sequence[str], names: Sequence[str] | None = None) -> Any:
    """Save such a model and its tokenizer under *names* (those of *outputs* where none are given; an empty list: none
    at all) and return it."""
    model = planted(words, outputs)
    names = list(outputs if names is None else names)
    if names:
        model.config.id2label = dict(enumerate(names))
        model.config.label2id = {name: k for k, name in enumerate(names)}
    model.save_pretrained(folder)
    tokenizer(list(words.values())).save_pretrained(folder)
    return model


def table(path: Path, words: Mapping[str, str], rows: int = 40, seed: int = 0) -> list[tuple[str, str]]:
    """A CSV `text,label` of *rows* sentences, each with the word of its class; its rows."""
    draw, out = random.Random(seed), []
    for k in range(rows):
        label = list(words)[k % len(words)]
        sentence = [*draw.choices(FILLING, k=3), words[label], *draw.choices(FILLING, k=2)]
        draw.shuffle(sentence)
        out.append((" ".join(sentence), label))
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *out])
    return out
