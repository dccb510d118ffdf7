"""One sentence, one feature map, every layer, every moment that a run kept: the region norms behind the pictures.

A run that watched its feature maps keeps them (`region/<k>/<map>/<probe>/<layer>`, moment 0 = the dense model). For an
older one there are two moments of one map: the block output, which the dense parent and the run keep whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from core.errors import InputError, unknown
from core.runs.phases import MOMENT
from core.runs.records import Moment, RunRecord
from core.runs.regions import MAPS, QUIET, region_norms
from core.runs.store import ARRAYS, HEADER, Run, file_times
from core.views.activations.kept_sentence import TOKENS, Floats, both, probe_of
from core.views.drawing import style
from core.views.weights.pair import Recent

BLOCK = "block"
TRAINING = "training"  # a moment in the training of a method without ADMM


@dataclass(frozen=True)
class Film:
    """Region norms of one sentence, `norms[moment][layer]` `[tokens, regions]` (None: not kept). `medians` are those of
    the dense model, layer by layer; of the final model where the dense one is not known (`dense` then says so)."""

    map: str
    layers: tuple[int, ...]
    moments: tuple[Moment, ...]
    norms: tuple[tuple[Floats | None, ...], ...]
    medians: tuple[float, ...]
    dense: tuple[bool, ...]
    watched: bool  # kept by the run itself while it went on, not put together from two activations

    @property
    def last(self) -> int:
        """The last moment: the final model."""
        return len(self.moments) - 1

    def relative(self, k: int, i: int) -> Floats | None:
        """Norms at moment *k* of the *i*-th of `layers`, over that layer's median."""
        norms = self.norms[k][i]
        return None if norms is None else norms / (self.medians[i] or 1.0)

    def quiet(self, k: int, i: int) -> float:
        """Share of quiet regions at moment *k* of the *i*-th of `layers`; NaN where none was kept."""
        norms = self.norms[k][i]
        return float((norms < QUIET * self.medians[i]).mean()) if norms is not None and norms.size else float("nan")

    def mean_quiet(self, k: int) -> float:
        """The mean of `quiet` over all layers; NaN when one is missing, or all are."""
        return float(np.mean([self.quiet(k, i) for i in range(len(self.layers))])) if self.layers else float("nan")


def moment_words(moment: Moment) -> str:
    """A moment as a scrubber and an axis name it: "ADMM, step 120"."""
    name = MOMENT.get(moment.phase, moment.phase)
    return f"{name}, step {style.count(moment.step)}" if moment.phase in ("admm", TRAINING, "refine") else name


def map_title(name: str) -> str:
    """A feature map as written on a page. Raises InputError for one that there is not."""
    if name not in MAPS:
        raise unknown("feature map", name, MAPS)
    return MAPS[name].title


def map_words(name: str) -> str:
    """A feature map inside a sentence: "block output", "FFN intermediate"."""
    title = map_title(name)
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def maps_of(run: Run, probe: str) -> list[str]:
    """The feature maps that *run* kept of *probe*, in the order of MAPS; the block output alone for an older run."""
    kept = {key.split("/")[2] for key in run.keys if key.startswith("region/") and key.split("/")[3:4] == [probe]}
    return [name for name in MAPS if name in kept] or [BLOCK]


def usual_map(run: Run, probe: str) -> str:
    """The map to open with: the one that the method reshapes, if it is one of `maps_of`; else the last of those."""
    wanted, there = str(run.record.spec.knobs.get("maps", "")), maps_of(run, probe)
    return wanted if wanted in there else there[-1]


def missing(run: Run, probe: str) -> str:
    """What the page cannot show of this run, in one line; "" when nothing is missing."""
    if maps_of(run, probe) != [BLOCK] or film(run, probe, BLOCK).watched:
        return ""
    why = "The regions of this sentence were not kept" if run.record.moments else \
        "This run was made before runs watched their feature maps"
    return f"{why}: shown is the block output, dense and final, without the moments between."


def last_moment(run: Run, probe: str, name: str) -> int:
    """How far the scrubber goes; 0 when there is nothing between dense and final to step through."""
    found = film(run, probe, name)
    return found.last if found.watched else 0


def at(found: Film, k: int) -> int:
    """The moment that the scrubber's *k* stands for: without kept moments always the final model.

    Raises InputError when there is no such moment.
    """
    if not found.watched:
        return found.last
    if not 0 <= k <= found.last:
        raise InputError(f"There is no moment {k}", f"0 to {found.last}", "Move the slider.")
    return k


_recent = Recent[Film](8)


def film(run: Run, probe: str, name: str) -> Film:
    """Read the film of feature map *name*. The last few are kept, under the files' times.

    Raises InputError for an unknown sentence or map, and for arrays that do not fit the header.
    """
    map_title(name)
    probe_of(run, probe)
    folders = [r.path for r in (run, run.parent) if r is not None]
    stamp = tuple((str(p), *file_times(p, (HEADER, ARRAYS))) for p in folders)
    return _recent.get((stamp, probe, name), lambda: _watched(run, probe, name) or _pieced(run, probe, name))


def _watched(run: Run, probe: str, name: str) -> Film | None:
    """The film that the run kept, or None when it kept nothing of this map and sentence."""
    layers, moments = tuple(range(1, run.record.layers + 1)), tuple(_named(run.record, m) for m in run.record.moments)
    key = f"region/{{}}/{name}/{probe}/{{}}".format
    held = run.several(key(m.k, layer) for m in moments for layer in layers)
    if not held:
        return None
    tokens = len(probe_of(run, probe).tokens)
    shape = (tokens, next(iter(held.values())).shape[-1])
    for where, values in held.items():
        if values.shape != shape:
            raise InputError(f"{where} of {run.record.id} has shape {values.shape}", f"shape {shape}",
                             "Make the run again, or fetch the file anew.")
    norms = tuple(tuple(None if (v := held.get(key(m.k, layer))) is None else v[:TOKENS].astype(np.float32)
                        for layer in layers) for m in moments)
    return _scaled(Film(name, layers, moments, norms, (), (), True))


def _named(record: RunRecord, moment: Moment) -> Moment:
    """*moment*; of a method without ADMM, what its header calls that phase is plain training."""
    plain = moment.phase == "admm" and "admm" not in record.spec.method
    return msgspec.structs.replace(moment, phase=TRAINING) if plain else moment


def _pieced(run: Run, probe: str, name: str) -> Film:
    """Dense and final from the activations that both runs keep; of the block output only."""
    moments = (Moment(k=0, step=0, phase="dense"), Moment(k=1, step=0, phase="final"))
    pairs = {} if name != BLOCK else {layer: both(run, probe, layer) for layer in range(run.record.layers + 1)}
    pairs = {layer: pair for layer, pair in pairs.items() if any(side is not None for side in pair)}
    norms = tuple(tuple(None if (v := pair[side]) is None else region_norms(v) for pair in pairs.values())
                  for side in (0, 1))
    return _scaled(Film(name, tuple(pairs), moments, norms, (), (), False))


def _scaled(bare: Film) -> Film:
    """Add the medians: of the first moment, or of the last that is kept."""
    by_layer = list(zip(*bare.norms, strict=True))
    known = [next((v for v in (frames[0], *reversed(frames)) if v is not None and v.size), None) for frames in by_layer]
    return replace(bare, medians=tuple(0.0 if v is None else float(np.median(v)) for v in known),
                   dense=tuple(frames[0] is not None for frames in by_layer))
