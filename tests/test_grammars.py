"""The built-in tasks. Oracles that share no code with the grammars: a parser that walks the words for agreement, a
reader for sentiment, and all small models of set theory for entailment."""

from __future__ import annotations

import hashlib
import itertools
import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from core.tasks import TASKS, Examples
from core.tasks import vocabulary as v
from core.tasks.grammars import GRAMMARS, entailment, generate
from core.tasks.loading import load_task

NAMES = ("agreement", "sentiment", "entailment")


@pytest.fixture(scope="module")
def data() -> dict[str, tuple[Examples, Examples]]:
    return {name: generate(name) for name in NAMES}


def rows(examples: Examples) -> list[tuple[str, str | None]]:
    return list(zip(examples.text, examples.pair or [None] * len(examples), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_sizes_balance_and_no_overlap(data: dict[str, tuple[Examples, Examples]], name: str) -> None:
    train, validation = data[name]
    assert (len(train), len(validation)) == (4000, 1000)
    every = rows(train) + rows(validation)
    assert len(set(every)) == 5000
    for part in data[name]:
        counts = np.bincount(part.labels, minlength=len(TASKS[name].labels))
        assert counts.max() - counts.min() <= 1 and part.labels.dtype == np.int64
    assert len(set(train.labels[:50].tolist())) == len(TASKS[name].labels)  # shuffled, not sorted


@pytest.mark.parametrize("name", NAMES)
def test_closed_vocabulary_under_300_words(data: dict[str, tuple[Examples, Examples]], name: str) -> None:
    words = set(v.words())
    assert len(words) == len(v.words()) < 300
    for part in data[name]:
        for text, pair in rows(part):
            assert set(f"{text} {pair or ''}".split()) <= words


DIGESTS = {"agreement": "480bfd7ae36ecd9a", "sentiment": "93386736a945d32e", "entailment": "d2f63bc6494a14eb"}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_on_every_machine(data: dict[str, tuple[Examples, Examples]], name: str) -> None:
    parts = [f"{t}|{p}|{y}" for part in data[name] for (t, p), y in zip(rows(part), part.labels, strict=True)]
    assert hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] == DIGESTS[name]


def test_seed_and_size_change_the_draw() -> None:
    assert generate("sentiment", 20, 10)[0].text == generate("sentiment", 20, 10)[0].text
    assert generate("sentiment", 20, 10)[0].text != generate("sentiment", 20, 10, seed=1)[0].text
    assert len(generate("sentiment", 20, 10)[1]) == 10


def test_a_grammar_that_runs_dry_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GRAMMARS, "agreement", lambda rng, label: (f"only {rng.randrange(3)}", None, label))
    with pytest.raises(ValueError, match="no 9 different sentences"):
        generate("agreement", 6, 3)


def test_load_task_gives_the_built_in_data() -> None:
    task = load_task("entailment", train_examples=300, dev_examples=50)
    assert (len(task.train), len(task.evaluation), task.split) == (300, 50, "held out of train")
    assert not set(rows(task.train)) & set(rows(task.evaluation))


# --- agreement: find every verb's noun by walking the words -----------------------------------------------------------

NOUN_NUMBER = {form: number for forms in (*v.NOUNS, *v.PLACES) for number, form in enumerate(forms)}
VERB_NUMBER = {form: number for forms in (*v.VERBS, *v.TRANSITIVE, v.COPULA) for number, form in enumerate(forms)}


def wrong_verbs(sentence: str) -> tuple[int, int]:
    """How many verbs disagree with their noun, and how many there are."""
    words = [word for word in sentence.split() if word not in v.DETERMINERS and word not in v.FREQUENCY]
    if words[0] in v.PREPOSITIONS:
        words = words[2:]
    subject, rest = words[0], words[1:]
    wrong = verbs = 0
    while rest[0] in v.PREPOSITIONS:
        rest = rest[2:]
    if rest[0] == "that":
        noun, verb = (rest[1], rest[2]) if rest[1] in NOUN_NUMBER else (subject, rest[1])
        wrong, verbs, rest = wrong + (NOUN_NUMBER[noun] != VERB_NUMBER[verb]), verbs + 1, rest[3:]
    assert len(rest) == (2 if rest[0] in v.COPULA else 1)
    return wrong + (NOUN_NUMBER[subject] != VERB_NUMBER[rest[0]]), verbs + 1


def test_agreement_labels(data: dict[str, tuple[Examples, Examples]]) -> None:
    seen = set()
    for part in data["agreement"]:
        for text, label in zip(part.text, part.labels, strict=True):
            wrong, verbs = wrong_verbs(text)
            assert wrong == 1 - label, text
            seen.add((verbs, int(label)))
    assert seen == {(1, 0), (1, 1), (2, 0), (2, 1)}


def test_the_nearest_noun_misleads(data: dict[str, tuple[Examples, Examples]]) -> None:
    """Reading the main verb's number off the noun before it must fail where the sentence is not plain."""
    hits, total = 0, 0
    for text, label in zip(data["agreement"][0].text, data["agreement"][0].labels, strict=True):
        words = text.split()
        nouns = [i for i, word in enumerate(words) if word in NOUN_NUMBER]
        last = max(i for i, word in enumerate(words) if word in VERB_NUMBER)
        before = [i for i in nouns if i < last]
        if len(before) > 1:
            hits += (NOUN_NUMBER[words[before[-1]]] == VERB_NUMBER[words[last]]) == bool(label)
            total += 1
    assert total > 2000 and hits / total < 0.6


# --- sentiment: read clause by clause ---------------------------------------------------------------------------------

def clause_sign(clause: str) -> int:
    words = clause.split()
    sign = -1 if " ".join(v.DENIAL) in clause else 1
    words = words[words.index("that") + 1:] if "that" in words else words
    thing = next(word for word in words if word in v.THINGS)
    if set(words) & set(v.NEGATIONS):
        sign = -sign
    if words[-1] in v.DEPENDS:
        good, bad = v.DEPENDS[words[-1]]
        assert (thing in good) != (thing in bad)
        return sign if thing in good else -sign
    return sign if words[-1] in v.GOOD else -sign


def speaker_sign(sentence: str) -> int:
    if " , " not in sentence:
        return clause_sign(sentence)
    first, second = sentence.split(" , ")
    if second.startswith("although "):
        return clause_sign(first)
    return clause_sign(second.removeprefix("but ").removeprefix("and "))


def test_sentiment_labels(data: dict[str, tuple[Examples, Examples]]) -> None:
    for part in data["sentiment"]:
        for text, label in zip(part.text, part.labels, strict=True):
            assert speaker_sign(text) == 2 * label - 1, text
            if " , and " in text:
                first, second = text.split(" , ")
                assert clause_sign(first) == clause_sign(second.removeprefix("and "))


def test_adjectives_that_depend_have_no_double_reading() -> None:
    for good, bad in v.DEPENDS.values():
        assert not set(good) & set(bad)
    assert not set(v.GOOD) & set(v.BAD) and not (set(v.GOOD) | set(v.BAD)) & set(v.DEPENDS)


# --- entailment: every small model ------------------------------------------------------------------------------------

def holds(quantifier: str, noun: set[int], verb: set[int]) -> bool:
    both = len(noun & verb)
    return {"all": both == len(noun), "most": 2 * both > len(noun), "some": both > 0, "no": both == 0}[quantifier]



def fits(relation: str, first: set[int], second: set[int]) -> bool:
    return {"same": first == second, "wider": first <= second, "narrower": first >= second, "other": True}[relation]


RELATIONS: dict[str, frozenset[int]] = {
    "same": frozenset({entailment.WIDER, entailment.NARROWER}), "wider": frozenset({entailment.WIDER}),
    "narrower": frozenset({entailment.NARROWER}), "other": frozenset()}


@pytest.fixture(scope="module")
def verdicts() -> dict[tuple[str, str, str, str], int]:
    """The label of every (Q1, Q2, noun relation, verb relation) over all worlds of up to four things.

    Nouns name something, verbs may name nothing."""
    truth: dict[tuple[str, str, str, str], set[bool]] = {}
    quantifiers = v.QUANTIFIERS
    for noun_way, verb_way in itertools.product(RELATIONS, RELATIONS):
        # Only how many things lie in each of the 16 kinds matters: count the kinds that the relations allow.
        kinds = [k for k in itertools.product((0, 1), repeat=4)
                 if fits(noun_way, {1} & {k[0]}, {1} & {k[1]}) and fits(verb_way, {1} & {k[2]}, {1} & {k[3]})]
        for size in range(1, 5):
            for world in itertools.combinations_with_replacement(kinds, size):
                sets = [{i for i, kind in enumerate(world) if kind[axis]} for axis in range(4)]
                if not sets[0] or not sets[1]:
                    continue
                said = [[q for q in quantifiers if holds(q, sets[side], sets[2 + side])] for side in (0, 1)]
                for first in said[0]:
                    for second in quantifiers:
                        truth.setdefault((first, second, noun_way, verb_way), set()).add(second in said[1])
    return {key: 1 if len(values) == 2 else (0 if True in values else 2) for key, values in truth.items()}


def test_natural_logic_agrees_with_all_small_worlds(verdicts: dict[tuple[str, str, str, str], int]) -> None:
    assert len(verdicts) == 4 * 4 * 4 * 4
    for (first, second, noun_way, verb_way), label in verdicts.items():
        found = entailment.judge(first, second, RELATIONS[noun_way], RELATIONS[verb_way])
        assert found == label, (first, second, noun_way, verb_way)


def test_entailment_labels(data: dict[str, tuple[Examples, Examples]],
                           verdicts: dict[tuple[str, str, str, str], int]) -> None:
    """Read every pair back from its words, and ask the worlds."""
    heads = {member: family for families in (v.NOUN_FAMILIES, v.VERB_FAMILIES)
             for family, members in families.items() for member in members}
    verbs = {word for family, members in v.VERB_FAMILIES.items() for word in (family, *members)}

    def parse(sentence: str) -> tuple[str, frozenset[str], frozenset[str]]:
        words = sentence.split()
        at = next(i for i, word in enumerate(words) if word in verbs)
        # a phrase as the set of all that is claimed of a thing it names: {dogs, animals, small}
        claims = [frozenset(w for word in part for w in (word, heads.get(word, word))) for part in
                  (words[1:at], words[at:])]
        return words[0], claims[0], claims[1]

    def way(first: frozenset[str], second: frozenset[str]) -> str:
        if first == second:
            return "same"
        return "wider" if first > second else "narrower" if first < second else "other"

    for part in data["entailment"]:
        for text, pair, label in zip(part.text, part.pair or [], part.labels, strict=True):
            (q1, n1, v1), (q2, n2, v2) = parse(text), parse(pair)
            assert verdicts[q1, q2, way(n1, n2), way(v1, v2)] == label, (text, pair)


# --- hard enough ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "at_most"), [("agreement", 0.65), ("sentiment", 0.65), ("entailment", 0.75)])
def test_counting_words_is_not_enough(data: dict[str, tuple[Examples, Examples]], name: str, at_most: float) -> None:
    """A bag of words has no middle layers: were it to solve a task, pruning them could not hurt."""
    def bags(part: Examples) -> list[str]:
        return [f"{text} {' '.join('second_' + word for word in (pair or '').split())}" for text, pair in rows(part)]

    counter = CountVectorizer(token_pattern=r"\S+")
    train, validation = data[name]
    model = LogisticRegression(max_iter=300).fit(counter.fit_transform(bags(train)), train.labels)
    assert model.score(counter.transform(bags(validation)), validation.labels) < at_most


def test_samples_keep_the_label_asked_for() -> None:
    for name, sample in GRAMMARS.items():
        for label in range(len(TASKS[name].labels)):
            assert sample(random.Random(7), label)[2] == label
