"""What a run kept of one probe sentence: words, tokens, activations of both models. Its pictures stand beside it:
`activations_chain` (mask -> activation -> answer), `_layers` (all), `_time`, `_layer` (one), `_attention`, `_sizes`.

Activations are stored as int8 codes with one scale per sentence and layer: differences under about 1 % of the largest
are rounding. What a region is, and when it is quiet: `core.runs.regions`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError, unknown
from core.runs.records import Probe
from core.runs.regions import QUIET, REGION
from core.runs.store import Run

TOKENS = 32  # drawn at most
RULE = f"A region is one token × {REGION} features; it is quiet under {QUIET:g} × the dense model's median region norm."
Floats = NDArray[np.float32]


def probe_of(run: Run, probe: str) -> Probe:
    """The probe sentence *probe* as this run saw it. Raises InputError for one it has not."""
    found = next((p for p in run.record.probes if p.id == probe), None)
    if found is None:
        raise unknown("sentence", probe, [p.id for p in run.record.probes])
    return found


def dense_probe(run: Run, probe: str) -> Probe | None:
    """The same sentence as the dense parent saw it, or None."""
    return None if run.parent is None else next((p for p in run.parent.record.probes if p.id == probe), None)


def words_of(probe: Probe) -> str:
    """The sentence (pair) as a person reads it."""
    return probe.text if probe.text_pair is None else f"{probe.text} / {probe.text_pair}"


def tokens_of(run: Run, probe: str) -> list[str]:
    """The tokens on an axis; cut at TOKENS."""
    return probe_of(run, probe).tokens[:TOKENS]


def layer_words(layer: int) -> str:
    """Layer 0 is what the embeddings put out."""
    return f"layer {layer}" if layer else "embeddings"


def of_layer(layer: int) -> str:
    """A layer inside a sentence: "layer 3", "the embeddings"."""
    return layer_words(layer) if layer else "the embeddings"


def both(run: Run, probe: str, layer: int) -> tuple[Floats | None, Floats | None]:
    """The block output of *layer* `[tokens, hidden]`, dense and pruned, at most TOKENS tokens; None where not kept.

    A parent that cannot be read, or saw the sentence in another shape, counts as missing.
    """
    try:
        dense = None if run.parent is None else run.parent.activation(probe, layer)
    except InputError:
        dense = None
    pruned = run.activation(probe, layer)
    if dense is not None and pruned is not None and dense.shape != pruned.shape:
        dense = None
    return None if dense is None else dense[:TOKENS], None if pruned is None else pruned[:TOKENS]
