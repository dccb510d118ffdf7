"""Who looks at whom: the attention of one head, dense and pruned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.errors import InputError
from core.runs.store import Run
from core.views.activations.kept_sentence import TOKENS, Floats, tokens_of
from core.views.drawing import maps, style
from core.views.drawing.build import words_only
from core.views.drawing.view import View

ATTENTION_TOP = 0.5  # the colour range of every attention map ends here; larger shares are drawn as this


def attention(run: Run, probe: str, layer: int, head: int) -> View:
    """Who looks at whom: attention of one head, dense | pruned. Raises InputError for a head that is not there."""
    if not 1 <= head <= max(run.record.heads, 1):
        raise InputError(f"There is no head {head}", f"1 to {run.record.heads}", "Choose one from the list.")
    try:
        dense = None if run.parent is None else run.parent.attention(probe, layer)
    except InputError:
        dense = None
    now = run.attention(probe, layer)
    sides = [None if a is None else a[head - 1, :TOKENS, :TOKENS] for a in (dense, now)]
    if sides[0] is None and sides[1] is None:
        return words_only("No attention was kept." if layer else
                          "The embeddings have no attention: choose a layer from 1 on.")
    tokens = tokens_of(run, probe)
    panels = [maps.Panel(title, side, "sequential", ATTENTION_TOP, why="Not kept.", unit="attention")
              for title, side in zip(("Dense", "Pruned"), sides, strict=True)]
    figure = maps.draw(panels, maps.Axes("looks at", "token", rows=tokens, cols=tokens), height=560,
                       keep=f"{run.record.id}/{probe}/{layer}/{head}", room={"l": 110, "b": 170}, tick=14)
    claim, table = _attention_claim(sides, tokens, layer, head)
    return View(claim, figure, None, f"Attention of {len(tokens)} tokens. {claim}", table,
                f"Each row adds up to 1; colours end at {ATTENTION_TOP:g}. Heads that look only at [SEP] rest.",
                heading=style.lead(claim))


def _attention_claim(sides: list[Floats | None], tokens: list[str], layer: int, head: int) -> tuple[str, pd.DataFrame]:
    name, size = f"Head {head} of layer {layer}", len(tokens)
    known = [(side, words) for side, words in zip(sides, ("dense", "pruned"), strict=True) if side is not None]
    rows = [{"token": tokens[i]} | {f"{words} looks most at": tokens[int(side[i].argmax())] for side, words in known}
            for i in range(size)]
    if sides[0] is None or sides[1] is None:
        return f"{name}: only one of the two models' attention was kept.", pd.DataFrame(rows)
    moved = float(np.abs(sides[0] - sides[1]).sum(axis=1).mean() / 2)
    turned = int((sides[0].argmax(axis=1) != sides[1].argmax(axis=1)).sum())
    claim = f"{name}: {style.percent(moved)} of the attention went to other tokens; {turned} of {size} tokens now " \
            "look mostly at another one."
    return claim, pd.DataFrame(rows)
