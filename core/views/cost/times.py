"""How long a pass takes, beside what its FLOPs promise."""

from __future__ import annotations

import math

import pandas as pd

from core.cost.records import Cost, Passes
from core.cost.summary import RUNS_AS, promised, setting, time_words, timed
from core.runs.store import Run
from core.statistics.interval import Interval
from core.statistics.medians import quartiles
from core.views.cost.source import BESIDE, COLOURS, NOTICED, WHY, Stamp, cost_at
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.scores.whiskers import whiskers

APART = 0.17  # of a setting's width, between two models


def picture(run: Run, stamp: Stamp) -> View:
    """A column a setting, batch × tokens, and a mark a model. y, logarithmic: the median of its passes in milliseconds;
    bars hold half of all passes. Diamonds: dense time over the ratio of FLOPs, what a kernel that skips zeros would
    reach if nothing else took time."""
    cost = cost_at(stamp)
    if cost is None or not cost.passes:
        return words_only("No pass of this run was timed.")
    passes = sorted(cost.passes, key=lambda p: (p.batch * p.length, p.length))
    models = [m for m in ("dense", *RUNS_AS) if m in passes[0].micros]
    spreads = {m: [quartiles(p.micros[m]) for p in passes] for m in models}
    fewer = [promised(run.record, cost, p) for p in passes] if models[1:] else []
    hoped = [d.value / times for d, times in zip(spreads["dense"], fewer, strict=False)]
    data = [_marks(m, i, len(models), passes, spreads[m]) for i, m in enumerate(models)]
    data += [_diamonds(models[-1], len(models), hoped)] if hoped else []
    ends = [v / 1000 for m in models for s in spreads[m] for v in (s.low, s.high)] + [v / 1000 for v in hoped]
    room = (max(ends) / min(ends)) ** 0.08 + 0.02
    low, high = min(ends) / room, max(ends) * room
    ticks = [v for k in range(-3, 6) for v in (10.0**k, 3 * 10.0**k) if low <= v <= high]
    figure = build(data, {
        "margin": {"t": 12, "b": 132, "l": 76}, "legend": legend_below(),
        "xaxis": {"range": [-0.5, len(passes) - 0.5], "tickvals": list(range(len(passes))), "showgrid": False,
                  "ticktext": [f"{p.batch} × {p.length}" for p in passes], "title": {"text": "sequences × tokens"}},
        "yaxis": {"type": "log", "range": [math.log10(low), math.log10(high)], "tickvals": ticks,
                  "ticktext": [f"{t:g}" for t in ticks], "title": {"text": "ms a pass"}},
    }, BESIDE, legend=True, revision=f"times/{run.record.id}")
    return View(_claim(run, cost, passes, spreads), figure, None, _alt(passes, spreads, hoped),
                _table(run, cost, passes, spreads), "Hover over a mark: half of all passes lie within its bar.",
                heading=heading(passes, spreads, fewer))


def _place(k: int, of: int) -> float:
    return APART * (k - (of - 1) / 2)


def _colour(model: str) -> str:
    return style.colour("dense") if model == "dense" else COLOURS[RUNS_AS[model]]


def _marks(model: str, k: int, of: int, passes: list[Passes], spreads: list[Interval]) -> Part:
    colour = _colour(model)
    name = RUNS_AS.get(model, model)
    return {"type": "scatter", "mode": "markers", "name": name,
            "x": [i + _place(k, of) for i in range(len(passes))], "y": [s.value / 1000 for s in spreads],
            "error_y": whiskers(spreads, 1 / 1000, thickness=2, width=6, color=colour),
            "marker": {"size": 12, "color": colour, "symbol": "square" if model == "dense" else "circle"},
            "customdata": [[setting(p), time_words(s.value), time_words(s.low), time_words(s.high)]
                           for p, s in zip(passes, spreads, strict=True)],
            "hovertemplate": f"<b>{name}</b>, %{{customdata[0]}}: %{{customdata[1]}}<br>"
                             "half of all passes: %{customdata[2]} to %{customdata[3]}<extra></extra>"}


def _diamonds(model: str, of: int, values: list[float]) -> Part:
    """What the FLOPs of *model*, the last of each setting's marks, promise."""
    return {"type": "scatter", "mode": "markers", "name": "what its FLOPs promise",
            "x": [i + _place(of - 1, of) for i in range(len(values))], "y": [v / 1000 for v in values],
            "marker": {"size": 13, "symbol": "diamond-open", "color": _colour(model), "line": {"width": 2.5}},
            "hovertemplate": "promised by FLOPs: %{y:.3g} ms<extra></extra>"}


def heading(passes: list[Passes], spreads: dict[str, list[Interval]], fewer: list[float]) -> str:
    """The largest setting in a sentence with one number."""
    last = passes[-1]
    if "shrunk" in spreads:
        found = timed(last, "shrunk")
        return (f"Smaller matrices make it {found.factor} as fast: no zero is left to multiply."
                if found.times.low > NOTICED else f"Even shrunk, the longest pass is only {found.factor} as fast.")
    if "pruned" not in spreads:
        return f"The longest pass takes {time_words(spreads['dense'][-1].value)}."
    if timed(last, "pruned").times.low > NOTICED:
        return f"The longest pass is {timed(last, 'pruned').factor} as fast as dense."
    return f"FLOPs promise {fewer[-1]:.3g}×; dense kernels multiply the zeros too."


def _claim(run: Run, cost: Cost, passes: list[Passes], spreads: dict[str, list[Interval]]) -> str:
    parts = []
    for i, p in enumerate(passes):
        text = f"{setting(p)}: dense {time_words(spreads['dense'][i].value)}"
        for model in spreads:
            if model in RUNS_AS:
                t = timed(p, model).times
                text += (f", {model} {time_words(spreads[model][i].value)}, {t.value:.3f}× [{t.low:.3f}, {t.high:.3f}] "
                         f"as fast, where FLOPs promise {promised(run.record, cost, p):.3g}×")
        parts.append(text)
    return "; ".join(parts) + (f". {WHY} And a pass is more than multiplications: it reads weights, adds, normalises, "
                               "and is called from Python." if len(spreads) > 1 else ".")


def _alt(passes: list[Passes], spreads: dict[str, list[Interval]], hoped: list[float]) -> str:
    listed = "; ".join(
        f"{setting(p)}: " + ", ".join(f"{m} {time_words(spreads[m][i].value)}" for m in spreads)
        + (f", promised by FLOPs {time_words(hoped[i])}" if hoped else "")
        for i, p in enumerate(passes))
    return f"Median time of a pass by sequences and tokens. {listed}."


def _table(run: Run, cost: Cost, passes: list[Passes], spreads: dict[str, list[Interval]]) -> pd.DataFrame:
    rows = []
    for i, p in enumerate(passes):
        for model, found in spreads.items():
            s = found[i]
            ratio = timed(p, model).times if model in RUNS_AS else None
            rows.append({"batch": p.batch, "tokens": p.length, "model": model, "median ms": s.value / 1000,
                         "lower quartile": s.low / 1000, "upper quartile": s.high / 1000,
                         "times faster": ratio and ratio.value, "low": ratio and ratio.low,
                         "high": ratio and ratio.high,
                         "times fewer FLOPs": promised(run.record, cost, p) if ratio else None})
    return pd.DataFrame(rows)
