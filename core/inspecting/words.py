"""The verdict on a checkpoint, in sentences. Every number in them is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.inspecting.finding import SOME
from core.inspecting.report import Matrix, Report, Rest

PHRASES = {
    "rows": "lose whole rows", "columns": "lose whole columns", "heads": "lose whole attention heads",
    "unstructured": "have zeros in no pattern", "dense": "are dense", "all zero": "are zero throughout",
}
KINDS = {"F8": "8-bit floats", "I8": "whole numbers, perhaps packed", "U8": "whole numbers, perhaps packed",
         "I32": "whole numbers, perhaps packed"}


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
    """The answer in sentences: the patterns, what breaks them, the rest of the model, the grid, the file."""
    judged = report.judged
    if not judged:
        return ("No matrix of numbers that can be read: there is nothing to judge.",)
    out = [_asked(report), *_patterns(judged), _rest(report), _grid(judged), _file(report)]
    return tuple(sentence for sentence in out if sentence)


def _asked(report: Report) -> str:
    asked = [m.asked for m in report.matrices if m.asked is not None]
    if not asked:
        return ""
    bad = [a for a in asked if a.violations]
    if not bad:
        return f"{report.pattern} holds in {'all ' * (len(asked) > 1)}{many(len(asked), 'matrix')}."
    return f"{report.pattern} does not hold: {len(bad)} of {many(len(asked), 'matrix')} break it, with " \
           f"{many(sum(a.violations for a in bad), 'violation')}."


def _patterns(judged: Sequence[Matrix]) -> list[str]:
    zeros, size = sum(m.zeros for m in judged), sum(m.shape[0] * m.shape[1] for m in judged)
    of = many(len(judged), "matrix")
    place = " of the layers" if judged[0].place == "layers" else ""
    kinds = Counter((m.found.pattern, m.found.violations > 0) for m in judged)
    if set(kinds) == {("dense", False)}:
        return [f"Not sparse: {share(zeros / size)} zeros in the {of}{place}."]
    said = [f"{number} {_obeys(pattern, broken, number, judged)}" for (pattern, broken), number in kinds.most_common()]
    if len(said) > 1:
        first = f"Of {of}{place}, {', '.join(said[:-1])} and {said[-1]}."
    else:
        whole = f"All {of}" if len(judged) > 1 else "The one matrix"
        first = f"{whole}{place} {said[0].partition(' ')[2]}."
    return [first, f"{share(zeros / size)} of their weights are zero."]


def _obeys(pattern: str, broken: bool, number: int, judged: Sequence[Matrix]) -> str:
    """What *number* matrices with this finding do: "obey 2:4", "loses whole rows"."""
    phrase = PHRASES.get(pattern) or (f"lose whole {pattern}" if pattern.endswith("blocks") else f"obey {pattern}")
    verb, _, rest = phrase.partition(" ")
    verb = {"lose": "loses", "have": "has", "are": "is", "obey": "obeys"}[verb] if number == 1 else verb
    if not broken:
        return f"{verb} {rest}"
    bad = [m.found for m in judged if m.found.pattern == pattern and m.found.violations]
    groups = many(sum(f.groups for f in bad), "block" if pattern.endswith("blocks") else "group")
    return f"nearly {verb} {rest} ({many(sum(f.violations for f in bad), 'violation')} in {groups})"


def _rest(report: Report) -> str:
    """What the embeddings and the head are, where the verdict is about the layers."""
    layered = report.judged[0].place == "layers"
    heads = [m for m in report.matrices if layered and m.place != "layers"]
    parts = [("embeddings", r.zeros or 0, r.weights) for r in report.rest if r.kind == "embeddings"]
    if heads:
        parts.append(("head", sum(m.zeros for m in heads), sum(m.shape[0] * m.shape[1] for m in heads)))
    dense = [name for name, zeros, size in parts if zeros < SOME * size]
    sparse = [f"{name}: {share(zeros / size)} zeros" for name, zeros, size in parts if zeros >= SOME * size]
    plain = f"{' and '.join(dense).capitalize()} {'is' if dense == ['head'] else 'are'} dense." if dense else ""
    return " ".join(filter(None, [plain, f"{'; '.join(sparse)}.".capitalize() if sparse else ""]))


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


def remarks(matrices: Sequence[Matrix], rest: Sequence[Rest]) -> tuple[str, ...]:
    """What a reader should know beside the verdict: types that are not understood, what is no number."""
    out = []
    for r in (r for r in rest if r.zeros is None):
        are, their = ("is", "its") if r.tensors == 1 else ("are", "their")
        kind = KINDS.get(r.kind.partition("_")[0], "no floats")
        out.append(f"{many(r.tensors, 'tensor')} of type {r.kind} ({kind}) {are} not understood: nothing is said of "
                   f"{their} values.")
    out += [f"{m.name} holds {many(m.not_finite, 'value')} that cannot be: no finite number."
            for m in matrices if m.not_finite]
    out += [f"{m.name} obeys {m.found.along_output} along its outputs: perhaps it is stored the other way round."
            for m in matrices if m.found.along_output and ":" not in m.found.pattern]
    return tuple(out)
