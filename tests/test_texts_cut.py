"""A text longer than the model's limit is cut, counted and said, never refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import ByT5Tokenizer

from core.models.encoding import CHARACTERS_PER_TOKEN, encode
from core.models.tiny import tiny_tokenizer
from core.runs.store import read_header
from core.tasks import Examples

TOKENIZERS = {"fast": tiny_tokenizer, "slow": ByT5Tokenizer}


def examples(pairs: bool) -> Examples:
    """Texts around the limits below, some of blanks and some of one endless word."""
    texts = [*("the film was good " * k for k in range(1, 9)), "good" + " " * 5000, "x" * 5000,
             "the " * 13 + "film", "a"]
    return Examples(texts, [*(text[:40] for text in texts[-2::-1]), "b"] if pairs else None,
                    np.zeros(len(texts), dtype=np.int64))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("limit", [8, 15, 16, 40])
def test_the_texts_that_lost_something_are_counted(kind: str, limit: int, pairs: bool) -> None:
    tokenizer, data = TOKENIZERS[kind](), examples(pairs)
    found, cut = encode(tokenizer, data, limit), 0
    for text, pair in zip(data.text, data.pair or [None] * len(data), strict=True):
        whole = tokenizer(*([text] if pair is None else [text, pair]), verbose=False)["input_ids"]
        beyond = max(len(text), len(pair or "")) > CHARACTERS_PER_TOKEN * limit  # cut before it is tokenised
        cut += len(whole) > limit or beyond
    assert (found.cut, found.limit) == (cut, limit) and 0 < cut < len(data)
    assert max(map(len, found.ids)) <= limit


def test_the_models_own_limit_counts_and_nothing_is_counted_where_nothing_is_lost() -> None:
    data = Examples(["good " * 100, "good"], None, np.zeros(2, dtype=np.int64))
    found = encode(tiny_tokenizer(), data, 512)
    assert (found.cut, found.limit) == (1, 64)
    found = encode(tiny_tokenizer(), Examples(["good", "bad"], None, np.zeros(2, dtype=np.int64)), 64)
    assert found.cut == 0


def test_a_run_says_how_many_of_its_texts_were_cut(cli: Any, tmp_path: Path) -> None:
    def table(path: Path, n: int, long: set[int]) -> str:
        path.write_text("text,label\n" + "".join(
            f"the film was {('bad', 'good')[k % 2]} {'and good ' * 30 * (k in long)},{k % 2}\n" for k in range(n)))
        return str(path)

    added = cli("task", "add", "mine", table(tmp_path / "t.csv", 40, {1, 5, 9}), "--text", "text", "--label", "label",
                "--validation", table(tmp_path / "v.csv", 12, {0, 11}))
    assert added.exit_code == 0, added.output
    said = cli("run", "--task", "own:mine", "--model", "tiny", "--method", "magnitude", "--pattern", "2:4",
               "--dense-epochs", "1", "--max-length", "16", "--record", "summary", "--json")
    assert said.exit_code == 0, said.output
    record = read_header(tmp_path / "runs" / json.loads(said.stdout)["id"])
    told = ["3 of 40 texts to learn from were cut at 16 tokens.", "2 of 12 texts to score on were cut at 16 tokens."]
    assert record.notes == told  # the dense parent's and its own, each once
    assert read_header(tmp_path / "runs" / str(record.parent)).notes == told
    assert all(note in cli("show", record.id).stdout for note in told)
    assert cli("check", record.id).exit_code == 0
