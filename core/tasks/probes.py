"""PROBES: the sentences whose inside a run keeps. Ours, every word: none is from a data set.

Within a task they come in near pairs, alike but for the word or two that turn the answer: what differs between two
pictures is then what the model makes of those words.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.tasks.loading import entry_of


@dataclass(frozen=True)
class ProbeText:
    """One probe sentence, or pair of sentences."""

    id: str
    text: str
    pair: str | None = None


def _probes(*texts: str | tuple[str, str]) -> tuple[ProbeText, ...]:
    return tuple(ProbeText(f"p{i}", text) if isinstance(text, str) else ProbeText(f"p{i}", *text)
                 for i, text in enumerate(texts))


PROBES: dict[str, tuple[ProbeText, ...]] = {
    "cola": _probes(
        "The gardener has watered every tulip.",
        "The gardener have watered every tulip.",
        "What did Nora say that she had painted?",
        "What did Nora wonder who had painted?"),
    "sst2": _probes(
        "a slow start, but what a glorious finish",
        "a glorious start, but what a slow finish",
        "not once did the jokes feel stale",
        "more than once the jokes felt stale"),
    "mrpc": _probes(
        ("The bakery hired nine people.", "Nine people were hired by the bakery."),
        ("The bakery hired nine people.", "Nine people left the bakery."),
        ("Rain stopped the match on Sunday.", "Sunday's match was rained off."),
        ("Rain stopped the match on Sunday.", "Fans enjoyed the match on Sunday.")),
    "stsb": _probes(
        ("A girl is feeding ducks.", "A child gives bread to ducks."),
        ("A girl is feeding ducks.", "A girl is painting ducks."),
        ("A train crosses a bridge.", "A train is crossing a bridge."),
        ("A train crosses a bridge.", "Somebody peels an orange.")),
    "rte": _probes(
        ("Ada sold her old boat to Tom.", "Tom bought a boat."),
        ("Ada sold her old boat to Tom.", "Ada bought a boat."),
        ("The lake froze in early March.", "There was ice in March."),
        ("The lake froze in early March.", "The lake is deep.")),
    "wnli": _probes(
        ("Ivo beat Max, for he was faster.", "Ivo was faster."),
        ("Ivo beat Max, for he was faster.", "Max was faster."),
        ("Lea thanked Ruth, for she had helped.", "Ruth had helped."),
        ("Lea thanked Ruth, for she had helped.", "Lea had helped.")),
    "qnli": _probes(
        ("Who built the mill?", "The mill was built by two brothers."),
        ("Who built the mill?", "The mill stands beside a river."),
        ("When does the market open?", "It opens at six."),
        ("When does the market open?", "It sells fish.")),
    "qqp": _probes(
        ("How do I keep basil alive?", "How can I stop basil from dying?"),
        ("How do I keep basil alive?", "How do I cook with basil?"),
        ("Is tea bad for sleep?", "Does tea keep people awake?"),
        ("Is tea bad for sleep?", "Is coffee bad for teeth?")),
    "mnli": _probes(
        ("Every chair in the hall was taken.", "The hall was full."),
        ("Every chair in the hall was taken.", "The hall was empty."),
        ("Every chair in the hall was taken.", "The hall was cold."),
        ("Few shops were open.", "Most shops were closed.")),
    "agreement": _probes(
        "the dog near the trees sleeps",
        "the dog near the trees sleep",
        "the boys that the teacher likes often laugh",
        "the boys that the teacher likes often laughs"),
    "sentiment": _probes(
        "the film was good",
        "the film was not good",
        "the song was dull , but the ending was great",
        "i do not think that the music was loud"),
    "entailment": _probes(
        ("all dogs run", "all small dogs move"),
        ("all small dogs run", "all dogs move"),
        ("no animals talk", "some cats whisper"),
        ("most farmers sing", "most farmers talk")),
}


def probes_of(task: str) -> tuple[ProbeText, ...]:
    """The four probe sentences of *task*. An own task gets ours, of a review or a pair of news, so that a record never
    holds a text of somebody's data. Raises InputError for an unknown task."""
    if task not in PROBES:
        return PROBES["sst2" if entry_of(task).columns[1] is None else "mrpc"]
    return PROBES[task]
