"""Subject-verb agreement: acceptable, or with one verb in the wrong number.

    [behind my trees] the dog [near the cats] [that the boys see] often sleeps

Between a verb and its own noun stand prepositional phrases and relative clauses whose nouns are of the other number
more often than not, and a place may come before the subject. So neither the nearest noun nor the first one tells the
verb's number: the model has to find the subject. After Linzen, Dupoux & Goldberg (2016), "Assessing the Ability of
LSTMs to Learn Syntax-Sensitive Dependencies".
"""

from __future__ import annotations

import random
from collections.abc import Callable

from core.tasks import vocabulary as v

ATTRACT = 0.7  # share of the nouns in between that differ in number from the subject
SKEW = 0.35  # share of plural subjects. Were it a half, no single word would tell anything, and small models stay stuck
SINGULAR, PLURAL = 0, 1
# What stands between subject and verb. A quarter of the sentences is plain: they teach which words are singular.
BETWEEN = ("", "", "place", "place place", "subject", "object", "object", "place object")


def sample(rng: random.Random, label: int) -> tuple[str, None, int]:
    """Draw one sentence; *label* 1 = acceptable, 0 = exactly one verb has the wrong number."""
    number = PLURAL if rng.random() < SKEW else SINGULAR
    verbs: list[int] = []  # positions of the words that can be put into the wrong number
    wrong: list[str] = []  # and what then stands there
    words: list[str] = []

    def verb(forms: tuple[str, str], of: int) -> None:
        verbs.append(len(words))
        wrong.append(forms[1 - of])
        words.append(forms[of])

    def noun(forms: tuple[tuple[str, str], ...], of: int) -> None:
        words.extend((rng.choice(v.DETERMINERS), rng.choice(forms)[of]))

    def other() -> int:
        return 1 - number if rng.random() < ATTRACT else number

    if rng.random() < 0.2:
        words.append(rng.choice(v.PREPOSITIONS[:3]))
        noun(v.PLACES, other())
    noun(v.NOUNS, number)
    between = rng.choice(BETWEEN)
    for _ in range(between.count("place")):
        words.append(rng.choice(v.PREPOSITIONS))
        noun(v.PLACES if rng.random() < 0.5 else v.NOUNS, other())
    if "subject" in between:  # that sees the cats: the verb belongs to the subject
        words.append("that")
        verb(rng.choice(v.TRANSITIVE), number)
        noun(v.NOUNS, other())
    if "object" in between:  # that the boys see: the verb belongs to the noun before it
        inner = other()
        words.append("that")
        noun(v.NOUNS, inner)
        verb(rng.choice(v.TRANSITIVE), inner)
    _predicate(rng, words, verb, number)
    if label == 0:
        # The main verb more often than not: it is the far one.
        chosen = len(verbs) - 1 if rng.random() < 0.7 else rng.randrange(len(verbs))
        words[verbs[chosen]] = wrong[chosen]
    return " ".join(words), None, label


def _predicate(rng: random.Random, words: list[str], verb: Callable[[tuple[str, str], int], None],
               number: int) -> None:
    if rng.random() < 0.35:
        verb(v.COPULA, number)
        words.append(rng.choice(v.STATES))
        return
    if rng.random() < 0.3:
        words.append(rng.choice(v.FREQUENCY))
    verb(rng.choice(v.VERBS), number)
