"""Entailment between quantified sentences: entailment, neutral or contradiction.

    all small dogs run outside  =>  most dogs run ?   (neutral: nothing is said of dogs that are not small)

A sentence is Q(N, V) with a quantifier Q, a noun phrase N and a verb phrase V. The label follows from natural logic
(van Benthem, 1986; MacCartney & Manning, 2009): *all* allows a narrower N and a wider V, *some* wider ones in both,
*no* narrower ones in both, *most* a wider V and nothing for N. Every noun phrase is taken to name something.
"""

from __future__ import annotations

import random
from functools import cache

from core.tasks import vocabulary as v

ENTAILMENT, NEUTRAL, CONTRADICTION = 0, 1, 2
NARROWER, WIDER = -1, 1
Families = dict[str, tuple[str, ...]]
Phrase = tuple[str, str]  # head, and the word that narrows it ("" = none)

# What each quantifier says of the same N and V. "not all" is never said, but needed on the way.
WEAKER = {"all": ("most",), "most": ("some",), "no": ("not all",), "some": (), "not all": ()}
# In which direction N and V may be changed: (noun, verb); 0 = not at all.
MONOTONE = {"all": (NARROWER, WIDER), "most": (0, WIDER), "some": (WIDER, WIDER), "no": (NARROWER, NARROWER),
            "not all": (WIDER, NARROWER)}
CLASH = {("all", "no"), ("most", "no"), ("some", "no"), ("all", "not all")}


def relation(first: Phrase, second: Phrase, families: Families) -> frozenset[int]:
    """Return {WIDER} when *second* covers *first*, {NARROWER} the other way round, both when equal, else nothing."""
    found = set()
    if _covers(second, first, families):
        found.add(WIDER)
    if _covers(first, second, families):
        found.add(NARROWER)
    return frozenset(found)


def _covers(wide: Phrase, narrow: Phrase, families: Families) -> bool:
    head = wide[0] == narrow[0] or narrow[0] in families.get(wide[0], ())
    return head and wide[1] in ("", narrow[1])


@cache
def judge(first: str, second: str, noun: frozenset[int], verb: frozenset[int]) -> int:
    """Return the label of Q1(N1, V1) against Q2(N2, V2).

    *noun*, *verb*: how N2 and V2 lie to N1 and V1, as `relation` returns it. Follows every chain of weaker
    quantifiers and allowed changes; what it reaches at (N2, V2) entails, or clashes with, Q2.
    """
    reached = {(first, False, False)}  # quantifier, has N become N2, has V become V2
    todo = list(reached)
    while todo:
        quantifier, moved_noun, moved_verb = todo.pop()
        steps = [(weaker, moved_noun, moved_verb) for weaker in WEAKER[quantifier]]
        noun_way, verb_way = MONOTONE[quantifier]
        if not moved_noun and (noun_way in noun or len(noun) == 2):
            steps.append((quantifier, True, moved_verb))
        if not moved_verb and (verb_way in verb or len(verb) == 2):
            steps.append((quantifier, moved_noun, True))
        for step in steps:
            if step not in reached:
                reached.add(step)
                todo.append(step)
    there = {quantifier for quantifier, moved_noun, moved_verb in reached if moved_noun and moved_verb}
    if second in there:
        return ENTAILMENT
    if any((a, second) in CLASH or (second, a) in CLASH for a in there):
        return CONTRADICTION
    return NEUTRAL


def sample(rng: random.Random, label: int) -> tuple[str, str, int]:
    """Draw a premise and a hypothesis with *label* 0 entailment, 1 neutral, 2 contradiction."""
    while True:
        noun = _phrase(rng, v.NOUN_FAMILIES, v.NARROW_NOUN)
        verb = _phrase(rng, v.VERB_FAMILIES, v.NARROW_VERB)
        noun2 = _change(rng, noun, v.NOUN_FAMILIES, v.NARROW_NOUN)
        verb2 = _change(rng, verb, v.VERB_FAMILIES, v.NARROW_VERB)
        first, second = rng.choice(v.QUANTIFIERS), rng.choice(v.QUANTIFIERS)
        found = judge(first, second, relation(noun, noun2, v.NOUN_FAMILIES), relation(verb, verb2, v.VERB_FAMILIES))
        if found == label:
            return _say(first, noun, verb), _say(second, noun2, verb2), label


def _phrase(rng: random.Random, families: Families, narrow: tuple[str, ...]) -> Phrase:
    family = rng.choice(tuple(families))
    head = family if rng.random() < 0.3 else rng.choice(families[family])
    return head, rng.choice(narrow) if rng.random() < 0.2 else ""


def _change(rng: random.Random, phrase: Phrase, families: Families, narrow: tuple[str, ...]) -> Phrase:
    """The same phrase, a wider one, a narrower one, or (seldom) another one."""
    head, word = phrase
    family = next((f for f, members in families.items() if head in members), head)
    way = rng.choices(("same", "wider", "narrower", "other"), (3, 3, 3, 1))[0]
    if way == "same":
        return phrase
    if way == "wider":
        if word and (head == family or rng.random() < 0.5):
            return head, ""
        return family, word
    if way == "narrower":
        if not word and (head != family or rng.random() < 0.5):
            return head, rng.choice(narrow)
        return (rng.choice(families[family]) if head == family else head), word
    return _phrase(rng, families, narrow)


def _say(quantifier: str, noun: Phrase, verb: Phrase) -> str:
    return " ".join(word for word in (quantifier, noun[1], noun[0], verb[0], verb[1]) if word)
