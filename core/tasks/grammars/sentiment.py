"""Sentiment: is the speaker pleased, after every negation and every contrast?

    they say that the film was not really dull , but the ending was awful

The adjective gives the sign, some only together with their noun (loud music, a loud room); *not*, *never* and *hardly*
turn it; *i do not think that* turns the whole clause once more; intensifiers and neutral words change nothing. Of two
clauses one counts: the one after *but*, the one that *although* does not introduce; with *and* both agree.
"""

from __future__ import annotations

import random

from core.tasks import vocabulary as v

# Were a clause turned as often as not, no word alone would tell anything, and small models would stay stuck at chance.
SHAPES = ("plain", "plain", "plain", "plain", "but", "although first", "although last", "and")
NEGATED = 0.25
DENIED = 0.12
DEPENDING = 0.4  # share of clauses whose adjective praises some things and not others (loud music, a loud room)


def sample(rng: random.Random, label: int) -> tuple[str, None, int]:
    """Draw one sentence; *label* 1 = the speaker is pleased, 0 = not."""
    shape = rng.choice(SHAPES)
    if shape == "plain":
        return _opinion(rng, label), None, label
    aside = label if shape == "and" else 1 - label
    counts, other = _opinion(rng, label), _clause(rng, aside)
    if shape == "although last":
        return f"{counts} , although {other}", None, label
    counts = _clause(rng, label)
    # A denial would reach over "and", and the sentence would have two readings.
    other = _clause(rng, aside) if shape == "and" else _opinion(rng, aside)
    if shape == "although first":
        return f"although {other} , {counts}", None, label
    return f"{other} , {shape} {counts}", None, label


def _opinion(rng: random.Random, positive: int) -> str:
    """A clause, sometimes as somebody's opinion, sometimes as the denial of one."""
    draw = rng.random()
    if draw < 0.15:
        return f"{' '.join(rng.choice(v.BELIEVERS))} that {_clause(rng, positive)}"
    if draw < 0.15 + DENIED:
        who, thinks = rng.choice(v.BELIEVERS)
        return f"{who} {' '.join(v.DENIAL)} {thinks} that {_clause(rng, 1 - positive)}"
    return _clause(rng, positive)


def _clause(rng: random.Random, positive: int) -> str:
    words = [rng.choice(v.DETERMINERS)]
    if rng.random() < 0.25:
        words.append(rng.choice(v.NEUTRAL))
    thing = rng.choice(v.THINGS)
    words += [thing, rng.choice((v.COPULA[0], v.WAS))]
    negated = rng.random() < NEGATED
    if negated:
        words.append(rng.choice(v.NEGATIONS))
    if words[-1] not in v.NEGATIONS[1:] and rng.random() < 0.4:  # "never so dull" would be praise or not
        words.append(rng.choice(v.INTENSIFIERS))
    words.append(_adjective(rng, thing, bool(positive) != negated))
    return " ".join(words)


def _adjective(rng: random.Random, thing: str, praise: bool) -> str:
    """A word that praises *thing* or complains about it; often one that would not for other things."""
    fitting = [word for word, (good, bad) in v.DEPENDS.items() if thing in (good if praise else bad)]
    if fitting and rng.random() < DEPENDING:
        return rng.choice(fitting)
    return rng.choice(v.GOOD if praise else v.BAD)
