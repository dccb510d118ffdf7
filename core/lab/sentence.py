"""A sentence that somebody typed, read by a dense model and by a pruned one: tokens, answers, activations, attention.

What was typed stays in memory: it is in no link, no file and no log, and no error repeats it. The pruned model is a
finished run's, from its checkpoint; or the dense one, pruned on the spot by magnitude and not trained. torch is
imported when the first model is opened, not before.
"""

from __future__ import annotations

import copy
import secrets
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from core import demo
from core.errors import InputError
from core.models.checkpoints import open_model
from core.models.loading import Loaded
from core.models.prunable import prunable
from core.runs.held import HeldRun
from core.runs.records import SCHEMA, Probe, RunRecord
from core.runs.store import Store
from core.sparsity.patterns import Pattern, parse_pattern

if TYPE_CHECKING:
    from core.inside.capture import ProbeState

LONGEST = 2000  # characters: twice what 512 tokens of English take; no tokenizer sees more
# Marks that make what follows run the other way: a text could then be read as another one.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MOST_WORDS = 1000  # a tokenizer with more entries than this does not know "only" some words


@dataclass(frozen=True)
class Word:
    """One token as the tokenizer sees it: `text` as the model knows it, or, of an unknown one, as it was typed."""

    text: str
    kind: Literal["word", "special", "unknown"]
    second: bool = False  # of the second text


@dataclass(frozen=True)
class Reading:
    """A sentence inside both models. `run` is the pruned one, `run.parent` the dense one, both with one probe."""

    run: HeldRun
    probe: str
    words: tuple[Word, ...]
    cut: int  # tokens at the end that the models do not see

    @property
    def unknown(self) -> list[str]:
        """The words that the tokenizer does not know, each once."""
        return list(dict.fromkeys(w.text for w in self.words if w.kind == "unknown"))


@dataclass(frozen=True)
class Reader:
    """A pruned run's model and its dense parent's. One sentence at a time: threads share it."""

    record: RunRecord
    parent: RunRecord
    pruned: Loaded
    dense: Loaded
    lock: Any = field(default_factory=Lock, repr=False)


def longest() -> int:
    """Characters that a text may have, here and now."""
    return demo.longest(LONGEST)


def checked(text: str, name: str = "The sentence", *, size: int | None = None) -> str:
    """*text* with every run of white space as one space. *size*: how long it was, when *text* is only its beginning.

    Raises InputError when it is empty or too long, or holds control characters, half a character, or marks that turn
    the direction of what follows.
    """
    size = len(text) if size is None else max(size, len(text))
    if size > longest():
        raise InputError(f"{name} has {size} characters", f"at most {longest()}", "Shorten it.")
    clean = " ".join(text.split())
    if not clean:
        raise InputError(f"{name} is empty", "a few words", "Type some, or take one of ours.")
    for letter in clean:
        if unicodedata.category(letter) in ("Cc", "Cs") or letter in TURNING:
            raise InputError(f"{name} holds the character U+{ord(letter):04X}", "letters, digits and marks to be seen",
                             "Take it out, or type the text anew.")
    return clean


def rule_of(text: str) -> Pattern:
    """The pattern *text* names. Raises InputError for none, or one that keeps every weight."""
    pattern = parse_pattern(text)
    if pattern.density >= 1.0:
        raise InputError(f"Pattern {pattern.name!r} keeps every weight", "a pattern that prunes", "Choose 2:4.")
    return pattern


def open_reader(record: RunRecord, parent: RunRecord, store: Store) -> Reader:
    """Both models of a pruned run from their checkpoints. Raises InputError when one is missing or damaged."""
    return Reader(record, parent, open_model(record, store), open_model(parent, store))


def prune_here(parent: RunRecord, store: Store, pattern: str) -> Reader:
    """The dense run *parent*, and a copy of it pruned by magnitude to *pattern*: one-shot, nothing is trained.

    Raises InputError for a checkpoint that is missing or damaged, and for a pattern that does not fit its matrices.
    """
    import torch

    from core.sparsity.select import select_all
    from core.surgery import quiet, units

    rule, dense = rule_of(pattern), open_model(parent, store)
    model = copy.deepcopy(dense.model)
    with torch.no_grad():
        weights = {name: layer.weight for name, layer in prunable(model).items()}
        for name, weight in weights.items():
            rule.fits(name, tuple(weight.shape))
        bound = rule.bound({name: weight.numpy() for name, weight in weights.items()})
        bound = bound.joined(units(model)) if bound.coupled else bound
        masks = select_all(bound, {n: w.abs() for n, w in weights.items()})
        for name, mask in masks.items():
            weights[name].mul_(mask)
        quiet(bound, prunable(model), masks)
    spec = msgspec.structs.replace(parent.spec, method="magnitude", pattern=rule.name, epochs=0.0)
    record = RunRecord(schema=SCHEMA, id=spec.run_id, status="succeeded", created=parent.created, spec=spec,
                       parent=parent.id, labels=parent.labels, layers=parent.layers, heads=parent.heads)
    return Reader(record, parent, Loaded(model, dense.tokenizer, "pruned here by magnitude"), dense)


def read(reader: Reader, text: str, pair: str | None = None) -> Reading:
    """*text* (and *pair*) inside both models. Both are read unpadded, cut at the run's `max_length` tokens.

    Raises InputError for a text that `checked` refuses, and for a model whose answer is no number.
    """
    from core.inside.capture import capture

    text = checked(text, "The sentence" if pair is None else "The first sentence")
    pair = None if pair is None else checked(pair, "The second sentence")
    name, most = secrets.token_hex(4), reader.record.spec.max_length  # a new name: views keep what they made by name
    probe = Probe(id=name, text=text, text_pair=pair)
    with reader.lock:
        words, cut = _words(reader.pruned.tokenizer, text, pair, most)
        states = [capture(one.model, one.tokenizer, [probe], most).states[0] for one in (reader.pruned, reader.dense)]
    pruned, dense = (_held(record, state) for record, state in zip((reader.record, reader.parent), states, strict=True))
    pruned.parent = dense
    return Reading(pruned, name, words, cut)


def _held(record: RunRecord, state: ProbeState) -> HeldRun:
    """A run in memory that holds this one sentence."""
    if not np.isfinite(state.probe.logits).all():
        raise InputError(f"The model of {record.id} answers with what is no number", "finite weights",
                         "Make the run again.")
    name = state.probe.id
    arrays = {f"activation/{name}/{k}": values for k, values in enumerate(state.activations)}
    arrays |= {f"attention/{name}/{k}": values for k, values in enumerate(state.attention, 1)}
    bare = msgspec.structs.replace(record, probes=[state.probe], moments=[], snapshots=[],
                                   layers=len(state.attention),
                                   heads=len(state.attention[0]) if state.attention else 0)
    return HeldRun(bare, Path(name), recorded=False, held=arrays)


def _words(tokenizer: Any, text: str, pair: str | None, most: int) -> tuple[tuple[Word, ...], int]:
    """The tokens of a text (pair) with their kinds, and how many more there were than the model sees."""
    texts = (text,) if pair is None else (text, pair)
    most = min(most, tokenizer.model_max_length)
    fast = bool(getattr(tokenizer, "is_fast", False))
    whole = len(tokenizer(*texts, truncation=False, verbose=False)["input_ids"])
    made = tokenizer(*texts, truncation=True, max_length=most, return_offsets_mapping=fast)
    ids, special = made["input_ids"], set(tokenizer.all_special_ids)
    source = made.sequence_ids() if fast else [None] * len(ids)
    out = []
    for k, token in enumerate(tokenizer.convert_ids_to_tokens(ids)):
        second = source[k] == 1
        if ids[k] == tokenizer.unk_token_id:
            start, end = made["offset_mapping"][k] if fast else (0, 0)
            out.append(Word(texts[second][start:end] or token, "unknown", second))
        else:
            out.append(Word(token, "special" if ids[k] in special else "word", second))
    return tuple(out), max(whole - len(ids), 0)


def words_known(tokenizer: Any) -> list[str]:
    """The words that a model knows, sorted, when they are so few that a person may want to see them; else none."""
    if len(tokenizer) > MOST_WORDS:
        return []
    special = set(tokenizer.all_special_tokens)
    return sorted(word for word in tokenizer.get_vocab() if word not in special and word[:1].isalpha())
