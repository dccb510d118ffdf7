"""What the models answer to a sentence, and by what margin over the next best answer."""

from __future__ import annotations

import html

import numpy as np
from numpy.typing import NDArray

from core.runs.store import Run
from core.views.activations.kept_sentence import dense_probe, probe_of
from core.views.drawing import maps, style
from core.views.drawing.build import Part

Chances = dict[str, NDArray[np.float64]]
BARS = 5  # answers that a picture has room for


def softmax(logits: list[float]) -> NDArray[np.float64]:
    """Probabilities of *logits*."""
    powers = np.exp(np.asarray(logits, dtype=np.float64) - max(logits))
    return powers / powers.sum()


def answers(run: Run, probe: str) -> tuple[Chances, list[str]]:
    """What each model ("dense", "pruned") makes of the sentence, and the answers' names: probabilities of the classes,
    or one value for a regression (no names). A model whose logits are not known is left out.

    Raises InputError for an unknown sentence.
    """
    now, then = probe_of(run, probe), dense_probe(run, probe)
    sides = {name: p.logits for name, p in (("dense", then), ("pruned", now)) if p is not None and p.logits}
    if any(len(v) == 1 for v in sides.values()):
        return {name: np.asarray(values, np.float64) for name, values in sides.items()}, []
    classes = max((len(v) for v in sides.values()), default=0)
    fits = len(run.record.labels) == classes
    return ({name: softmax(values) for name, values in sides.items()},
            run.record.labels if fits else [f"class {i}" for i in range(classes)])


def claim(found: Chances, labels: list[str]) -> str:
    """The answers in words, without a full stop: "both models say “yes” (80 %); its lead ... goes from 80.0 to ..."."""
    if not found:
        return "the answer to this sentence was not kept"
    if not labels:
        return "; ".join(f"the {name} model says {float(value[0]):.2f}" for name, value in found.items())

    def said(chance: NDArray[np.float64]) -> str:
        return f"“{labels[int(chance.argmax())]}” ({style.percent(float(chance.max()))})"

    pruned, dense = found.get("pruned"), found.get("dense")
    if pruned is None or dense is None:
        (name, only), = found.items()
        return f"the {name} model says {said(only)}; what the other one says is not known"
    top = int(dense.argmax())
    margins = [float(c[top] - np.delete(c, top).max()) for c in (dense, pruned)]
    before, after = (f"{100 * m:.1f}".replace("-", "−") for m in margins)
    change = f"its lead over the next answer {f'goes from {before} to' if after != before else 'stays at'} {after} " \
             "percentage points"
    if int(pruned.argmax()) == top:
        return f"both models say {said(pruned)}; {change}"
    return f"the answer flips: dense says {said(dense)}, pruned {said(pruned)}; {change}"


def heading(found: Chances, labels: list[str]) -> str:
    """The same in few words, without a full stop."""
    pruned, dense = found.get("pruned"), found.get("dense")
    if not labels or pruned is None or dense is None:
        return claim(found, labels)
    first, second = (labels[int(c.argmax())] for c in (dense, pruned))
    return f"both models say “{first}”" if first == second else f"the answer flips from “{first}” to “{second}”"


def leading(found: Chances, labels: list[str]) -> tuple[Chances, list[str]]:
    """What a picture shows of *found*: all answers where there are few; of many those that either model holds for the
    likeliest, the likeliest first, and the sum of the others."""
    if len(labels) <= BARS or not found:
        return found, labels
    kept = np.argsort(-np.max(list(found.values()), axis=0), kind="stable")[:BARS - 1]
    others = {side: 1.0 - float(chances[kept].sum()) for side, chances in found.items()}
    return ({side: np.append(chances[kept], max(others[side], 0.0)) for side, chances in found.items()},
            [*(labels[k] for k in kept), f"{len(labels) - len(kept)} others"])


def bars(run: Run, found: Chances, labels: list[str]) -> list[Part]:
    """Horizontal bars, one an answer and model; a regression's value stands on its own bar."""
    names = [maps.wrapped(label, 16) for label in labels] or ["value"]
    return [{"type": "bar", "orientation": "h", "y": names, "x": values, "name": side, "textposition": "outside",
             "cliponaxis": False, "textfont": {"size": 14},
             "text": [_chance(float(v)) if labels else f"{float(v):.2f}" for v in values],
             "marker": {"color": colour(run, side)}, "showlegend": True,
             "hovertemplate": f"{html.escape(side)}: %{{y}} %{{x:{'.1%' if labels else '.2f'}}}<extra></extra>"}
            for side, values in found.items()]


def _chance(share: float) -> str:
    """A probability on its bar: of one that no bar can show, only that it is small."""
    return f"<{style.SPACE}0.1{style.SPACE}%" if 0 < share < 0.001 else style.percent(share)


def colour(run: Run, side: str) -> str:
    """The colour of "dense" or "pruned"."""
    return style.colour("dense" if side == "dense" else run.record.spec.method)
