"""The verdict on a checkpoint, in sentences. Every number in them is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from core.inspecting.finding import SOME
from core.inspecting.marlin import MARLIN
from core.inspecting.packed import AWQ, BITMASK, FP4, GPTQ, PACKED
from core.inspecting.recognising import ADAPTER, LOW_RANK
from core.inspecting.report import Matrix, Report, Rest
from core.inspecting.sources import CONV, PAIR, STACK, TURNED
from core.runs.names import heads_and_width

SHOWN = 24  # layers whose numbers are spelled out

PHRASES = {
    "rows": "lose whole rows", "columns": "lose whole columns", "heads": "lose whole attention heads",
    "unstructured": "have zeros in no pattern", "dense": "are dense", "all zero": "are zero throughout",
}
ONE = {"lose": "loses", "have": "has", "are": "is", "obey": "obeys"}
FORMS = {  # how matrices are stored -> what was done to judge them
    PAIR: "weights with a mask, their product judged", TURNED: "input × output, judged turned round",
    STACK: "layers of a stack, each judged alone", CONV: "kernels, judged along their input channels",
    BITMASK: "a bitmask with what stays, put together here", PACKED: "codes packed into words, unpacked here",
    FP4: "floats of 4 bits, two a byte, unpacked here", MARLIN: "2:4 for the Marlin kernel, unpacked here",
    GPTQ: "GPTQ, unpacked here", AWQ: "AWQ, unpacked here",
}
TYPES = {"I8": "codes of 8 bits", "U8": "codes of 8 bits", "F8": "floats of 8 bits"}


def share(value: float) -> str:
    """A share 0..1 in percent with one digit; never rounded up to all or down to none."""
    text = f"{100 * value:.1f} %"
    if value < 1 and text == "100.0 %":
        return "> 99.9 %"
    return "< 0.1 %" if value > 0 and text == "0.0 %" else text


def megabytes(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def many(number: int, word: str) -> str:
    """"1 matrix", "36 matrices", "2 groups"."""
    plural = "matrices" if word == "matrix" else word + "s"
    return f"{number:,} {word if number == 1 else plural}".replace(",", " ")


def verdict(report: Report) -> tuple[str, ...]:
    """The answer in sentences: the patterns, what breaks them, the rest of the model, how it is stored, the grid, the
    file. The first says what share of the parameters it speaks of."""
    judged = report.judged
    updates = _updates(report)
    if not judged:
        return tuple(filter(None, [updates, _nothing(report)])) or (NOTHING,)
    first, *more = ([_asked(report)] if report.pattern else []) + _patterns(judged, report)
    out = [updates, first, *more, _rest(report), _stored(judged), _grid(judged), _file(report)]
    return tuple(sentence for sentence in out if sentence)


NOTHING = "No matrix of numbers that can be read: there is nothing to judge."


def _updates(report: Report) -> str:
    """A file of low-rank updates is no model: the layers that they change lie elsewhere."""
    found = [f"{many(r.tensors, 'tensor')} of {r.kind}" for r in report.rest if r.kind in (LOW_RANK, ADAPTER)]
    if not found or any(m.place == "layers" for m in report.matrices):
        return ""
    return f"An adapter: {', '.join(found)}. The model's own layers are not in it."


def _nothing(report: Report) -> str:
    """Why there is nothing to judge, where the reason is known."""
    blind = report.blind
    if not blind:
        return ""
    number = sum(r.unread for r in blind)
    of = "its one matrix: it is" if number == 1 else f"its {many(number, 'matrix')}: they are"
    return f"Nothing can be said of {of} not read ({', '.join(r.kind for r in blind)})."


def _unread(blind: Sequence[Rest]) -> str:
    """How many could not be judged, to follow a sentence: "; 9 more are not read". The remarks say why."""
    number = sum(r.unread for r in blind)
    return f"; {number} more {'is' if number == 1 else 'are'} not read" if number else ""


def _speaks(report: Report, matrices: Sequence[Matrix]) -> str:
    """What share of the whole *matrices* are, in brackets."""
    if report.parameters is None:
        part, whole, unit = sum(m.stored for m in matrices), report.size, "bytes"
    else:
        part, whole, unit = sum(m.shape[0] * m.shape[1] for m in matrices), report.parameters, "parameters"
    return f"(all {unit})" if part >= whole else f"({share(part / whole)} of the {unit})"


def _asked(report: Report) -> str:
    """What the pattern that a person asked for is worth here."""
    matrices = [m for m in report.matrices if m.asked is not None]
    asked = [m.asked for m in matrices if m.asked is not None]
    bad = [a for a in asked if a.violations]
    blind = _unread(report.blind)
    of = f"{many(len(asked), 'matrix')} {_speaks(report, matrices)}"
    if bad:
        return f"{report.pattern} does not hold: {len(bad)} of {of} break it, with " \
               f"{many(sum(a.violations for a in bad), 'violation')}{blind}."
    empty = ", but they are zero throughout" if all(m.found.pattern == "all zero" for m in matrices) else ""
    return f"{report.pattern} holds in {'all ' * (len(asked) > 1)}{of}{empty}{blind}."


def _patterns(judged: Sequence[Matrix], report: Report) -> list[str]:
    zeros, size = sum(m.zeros for m in judged), sum(m.shape[0] * m.shape[1] for m in judged)
    of = many(len(judged), "matrix")
    place = " of the layers" if judged[0].place == "layers" else ""
    place += " that could be read" * bool(report.blind)
    blind = ""
    if not report.pattern:  # else the sentence before this one has said it
        blind = _unread(report.blind)
        place += f" {_speaks(report, judged)}"
    kinds = Counter((m.found.pattern, m.found.violations > 0) for m in judged)
    if set(kinds) == {("dense", False)}:
        return [f"{'Dense' if report.blind else 'Not sparse'}: {share(zeros / size)} zeros in the {of}{place}{blind}."]
    said = [f"{number} {_obeys(pattern, broken, number, judged)}" for (pattern, broken), number in kinds.most_common()]
    if len(said) > 1:
        first = f"Of {of}{place}, {', '.join(said[:-1])} and {said[-1]}{blind}."
    else:
        whole = f"All {of}" if len(judged) > 1 else "The one matrix"
        first = f"{whole}{place} {said[0].partition(' ')[2]}{blind}."
    return [first, f"{share(zeros / size)} of {'its' if len(judged) == 1 else 'their'} weights are zero."]


def _obeys(pattern: str, broken: bool, number: int, judged: Sequence[Matrix]) -> str:
    """What *number* matrices with this finding do: "obey 2:4", "loses whole rows"."""
    phrase = _is(pattern) if number == 1 else _are(pattern)
    verb, _, rest = phrase.partition(" ")
    if not broken:
        return phrase
    bad = [m.found for m in judged if m.found.pattern == pattern and m.found.violations]
    groups = many(sum(f.groups for f in bad), "block" if pattern.endswith("blocks") else "group")
    return f"nearly {verb} {rest} ({many(sum(f.violations for f in bad), 'violation')} in {groups})"


def _are(pattern: str) -> str:
    return PHRASES.get(pattern) or (f"lose whole {pattern}" if pattern.endswith("blocks") else f"obey {pattern}")


def _is(pattern: str) -> str:
    verb, _, rest = _are(pattern).partition(" ")
    return f"{ONE[verb]} {rest}"


def _rest(report: Report) -> str:
    """What the embeddings and the head are, where the verdict is about the layers."""
    layered = report.judged[0].place == "layers"
    heads = [m for m in report.matrices if layered and m.place != "layers"]
    parts = [("embeddings", r.zeros or 0, r.weights) for r in report.rest if r.kind == "embeddings" and r.weights]
    if heads:
        parts.append(("head", sum(m.zeros for m in heads), sum(m.shape[0] * m.shape[1] for m in heads)))
    dense = [name for name, zeros, size in parts if zeros < SOME * size]
    sparse = [f"{name}: {share(zeros / size)} zeros" for name, zeros, size in parts if zeros >= SOME * size]
    plain = f"{' and '.join(dense).capitalize()} {'is' if dense == ['head'] else 'are'} dense." if dense else ""
    return " ".join(filter(None, [plain, f"{'; '.join(sparse)}.".capitalize() if sparse else ""]))


def _stored(judged: Sequence[Matrix]) -> str:
    """How the matrices are stored, and what was done to judge them; "" where they simply lie there."""
    found = Counter(text for m in judged for text in _ways(m))
    return " ".join(f"{many(n, 'matrix')} {'is' if n == 1 else 'are'} stored as {text}." for text, n in found.items())


def stored_as(m: Matrix) -> str:
    """How a matrix is stored, in a few words; "" where it simply lies there."""
    return ", ".join(m.forms)


def _ways(m: Matrix) -> list[str]:
    whole = TYPES.get(m.dtype.partition("_")[0])
    return ([f"{whole}, their zeros judged"] if whole else []) + [FORMS[form] for form in m.forms]


def _grid(judged: Sequence[Matrix]) -> str:
    on = [m.grid for m in judged if m.grid is not None and m.zeros < m.shape[0] * m.shape[1]]
    if not on:
        return ""
    bits = max(bits for bits, _ in on)
    which = ("All of them" if len(on) > 1 else "It") if len(on) == len(judged) else f"{len(on)} of them"
    return f"{which} lie{'s' * (which == 'It')} on a grid of at most {bits} bits."


def _file(report: Report) -> str:
    stored, compact = sum(m.stored for m in report.judged), sum(m.compact for m in report.judged)
    if compact >= (1 - SOME) * stored:
        return ""
    return f"Stored dense: the zeros take as much room as other weights, {megabytes(stored)} where " \
           f"{megabytes(compact)} would do."


def shrunk(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What a shrunk model's config.json says of its size, if it is one and says so."""
    left, out = config.get("shrunk"), []
    if not isinstance(left, Mapping):
        return ()
    for key, every in zip(("heads", "neurons"), heads_and_width(config), strict=True):
        numbers = left.get(key)
        if not isinstance(numbers, list) or not numbers or not all(type(n) is int and n >= 0 for n in numbers):
            return ()
        out.append(f"{', '.join(map(str, numbers[:SHOWN]))}{' ...' if len(numbers) > SHOWN else ''}"
                   + (f" of {every}" if every else "") + f" {key}")
    return (f"Shrunk: its layers have {' and '.join(out)} left. What is gone was cut out and takes no room.",)


def remarks(matrices: Sequence[Matrix], rest: Sequence[Rest]) -> tuple[str, ...]:
    """What a reader should know beside the verdict: what is not read, what is no number, what lies the other way."""
    out = [f"{many(r.unread, 'matrix')} ({megabytes(r.stored)}) {'is' if r.unread == 1 else 'are'} not read: {r.kind}. "
           f"Nothing is said of {'its' if r.unread == 1 else 'their'} values." for r in rest if r.unread]
    out += ["Low-rank updates lie beside the weights: merged into them, they would fill their zeros."
            for r in rest if r.kind == LOW_RANK and any(m.place == "layers" for m in matrices)]
    out += [f"{m.name} holds {many(m.not_finite, 'value')} that cannot be: no finite number."
            for m in matrices if m.not_finite]
    out += [f"{m.name} holds {many(m.faint, 'value')} that {'is' if m.faint == 1 else 'are'} nearly zero, under a "
            "millionth of the largest beside them: not zero, and not counted as zeros."
            for m in matrices if m.faint >= SOME * m.shape[0] * m.shape[1]]
    out += [f"{m.name} is three matrices in one: " + ", ".join(f"{part} {_is(pattern)}" for part, pattern in zip(
        ("query", "key", "value"), m.thirds, strict=True)) + "." for m in matrices if m.thirds]
    out += [f"{m.name} obeys {m.found.along_output} along its outputs: perhaps it is stored the other way round."
            for m in matrices if m.found.along_output and ":" not in m.found.pattern]
    return tuple(out)


def promises(config: Mapping[str, Any], matrices: Sequence[Matrix]) -> tuple[str, ...]:
    """What config.json says of N:M (compressed-tensors' `sparsity_config`), where matrices of the layers differ."""
    inner = config.get("quantization_config")
    said = [c.get("sparsity_config") for c in (config, inner) if isinstance(c, dict)]
    pattern = next((s.get("sparsity_structure") for s in said if isinstance(s, dict)), None)
    layers = [m for m in matrices if m.place == "layers"]
    if not isinstance(pattern, str) or not re.fullmatch("[0-9]{1,2}:[0-9]{1,2}", pattern):
        return ()
    other = sum(m.found.pattern != pattern or m.found.violations > 0 for m in layers)
    return (f"config.json promises {pattern}: {other} of {many(len(layers), 'matrix')} of the layers are otherwise.",) \
        if other else ()
