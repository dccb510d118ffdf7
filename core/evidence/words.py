"""Intervals as sentences: "loses 4.3 points (10.7 lost to 1.6 gained)". Never "costs nothing"."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.evidence.estimates import Estimate
from core.evidence.groups import Group
from core.evidence.quantities import QUANTITIES, SCORE
from core.methods import METHODS
from core.statistics.interval import Interval

UNKNOWN = "–"


def key_name(key: str) -> str:
    """The same, of a row's key (`core.evidence.ways.key_of`)."""
    method, _, train = key.partition("+")
    return name_of(method, bool(train))


def group_name(group: Group) -> str:
    """What a line or a row is called: the method, and whether it trained where that is a choice."""
    return name_of(group.spec.method, group.trained)


def name_of(method: str, trained: bool) -> str:
    """The same, of a method by its name."""
    if method not in METHODS:
        return method
    entry = METHODS[method]
    return entry.title + (", then trained" if trained and entry.training == "optional" else "")


# Settings of a run as a row of a table calls them; knobs stand there by their own names.
SETTINGS = {"lr": "learning rate", "batch_size": "batch", "distill_hidden": "hidden states taught",
            "distill_attention": "attention taught", "dropout": "dropout", "calibration": "calibration sentences"}


def effect_name(method: str, changes: Sequence[tuple[str, str]]) -> str:
    """What a row of a search is called: "start = dense", "learning rate = 5e-05"; a method without changes by its
    name, then trained or not as the method always is."""
    if not changes:
        return name_of(method, trained=True)
    return ", ".join(f"{SETTINGS.get(name, name)} = {value}" for name, value in changes)


# Changes that a picture says in words of its own; {} is the value.
PHRASES = {"lr": "learning rate {}", "refine_lr": "learning rate \N{MULTIPLICATION SIGN}{} after the prune",
           "share": "ADMM for {} of the steps", "sharpness": "sharpness-aware steps, {}",
           "match": "matching of blocks, {} passes", "distill_hidden": "teaching of hidden states",
           "dual=false": "no dual", "metric=none": "projection by size alone",
           "metric=adam": "projection by Adam's moment", "refine=sr-ste": "refinement by SR-STE",
           "start=dense": "a dense start"}


def effect_phrase(method: str, changes: Sequence[tuple[str, str]]) -> str:
    """`effect_name` in words: "a dense start", "learning rate 5e-05"; what has no words keeps its name."""
    said = [PHRASES.get(f"{name}={value}") or PHRASES.get(name) for name, value in changes]
    if not changes or None in said:
        return effect_name(method, changes)
    return ", ".join(str(words).format(value) for words, (_, value) in zip(said, changes, strict=True))


def changed(quantity: str, interval: Interval) -> str:
    """A difference with its interval, after the name of who has it: "loses 4.3 points (10.7 lost to 1.6 gained)"."""
    if not QUANTITIES[quantity].points:
        more = "more" if interval.value > 0 else "less"
        return (f"has {abs(interval.value):.3f} {more} {in_words(quantity)} ({signed(quantity, interval.low)} to "
                f"{signed(quantity, interval.high)})")
    verb = "gains" if interval.value > 0 else "loses"
    of = f" of {in_words(quantity)}" if quantity != SCORE else ""
    return f"{verb} {_points(interval.value)} points{of} ({between(interval)})"


def in_words(quantity: str) -> str:
    """A quantity's title inside a sentence: "KL to dense", "loss"."""
    title = QUANTITIES[quantity].title
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def between(interval: Interval) -> str:
    """The two ends of a difference in points: "10.7 lost to 1.6 gained", "0.4 to 2.8 gained"."""
    low, high = (_points(v) for v in (interval.low, interval.high))
    if not math.isfinite(interval.low) or not math.isfinite(interval.high):
        return "interval unknown"
    if interval.low < 0 < interval.high:
        return f"{low} lost to {high} gained"
    return f"{low} to {high} gained" if interval.low >= 0 else f"{low} to {high} lost"


def _points(value: float) -> str:
    return f"{abs(100 * value):.1f}"


def signed(quantity: str, value: float) -> str:
    """A difference in the quantity's own unit, with its sign: points with one digit, nats with three."""
    if not math.isfinite(value):
        return UNKNOWN
    text = f"{100 * value:+.1f}" if QUANTITIES[quantity].points else f"{value:+.3f}"
    return text.replace("-", "−")


def signed_interval(quantity: str, interval: Interval) -> str:
    """ "−4.3 [−10.7, +1.6]"."""
    ends = f"{signed(quantity, interval.low)}, {signed(quantity, interval.high)}"
    return f"{signed(quantity, interval.value)} [{ends}]"


def valued(interval: Interval) -> str:
    """A value with its interval: "0.842 [0.810, 0.871]"."""
    return "{} [{}, {}]".format(*(f"{v:.3f}".replace("-", "−") if math.isfinite(v) else UNKNOWN
                                  for v in (interval.value, interval.low, interval.high)))


def rests_on(estimate: Estimate) -> str:
    """What an estimate rests on: "3 seeds, 408 examples"."""
    tasks = f"{estimate.tasks} tasks, " if estimate.tasks > 1 else ""
    seeds = "one seed" if len(estimate.seeds) == 1 else f"{len(estimate.seeds)} seeds"
    return f"{tasks}{seeds}, {estimate.examples} examples"


def points_of(quantity: str) -> str:
    """What an axis of differences counts, of a quantity in points: "points", "points of agreement"."""
    return "points" if quantity == SCORE else f"points of {in_words(quantity).removesuffix(' with dense')}"


def axis_of(quantity: str, reference: str) -> str:
    """The title of an axis of differences: "points against dense", "KL to dense, less that of ASP"."""
    if QUANTITIES[quantity].points:
        return f"{points_of(quantity)} against {reference}"
    return f"{QUANTITIES[quantity].title}, less that of {reference}"
