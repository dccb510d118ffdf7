"""Patterns of whole units: heads, FFN neurons, residual modules, or any of them.

| text | what goes |
|---|---|
| `heads:0.5` | half of the model's attention heads; every layer keeps one at least |
| `neurons:0.5` | half of the model's FFN neurons; every layer keeps one at least |
| `modules:0.25` | a quarter of its attentions and FFNs, whole: each becomes the identity |
| `units:0.5` | heads and neurons that hold half of the weights; a layer may lose all of them |

The choice is one over the whole model. The text does not know a model's heads: `joined` tells a
pattern what the model is made of, and only then can it choose, or be verified. A run folder needs
no array for that: the names and shapes in its header say it (`core.runs.bound`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.budget import Budget, kept_number, number_text
from core.sparsity.grouping import Grouping
from core.sparsity.pattern import Pattern
from core.sparsity.units import Anatomy, Kept, Noun, Worth

What = Literal["heads", "neurons", "modules", "units"]
TITLES: dict[What, str] = {
    "heads": "the attention heads", "neurons": "the FFN neurons",
    "modules": "the attentions and FFNs, whole", "units": "the weights, in whole heads and neurons"}
NOUNS: dict[What, tuple[Noun, ...]] = {
    "heads": ("head",), "neurons": ("neuron",),
    "modules": ("head", "neuron"), "units": ("head", "neuron")}


@dataclass(frozen=True)
class Coupled(Pattern):
    """A *share* of *what* goes, each from all its matrices at once."""

    what: What
    share: float
    anatomy: Anatomy | None = None

    coupled: ClassVar[bool] = True
    grouping = Grouping(scope="model")

    def __post_init__(self) -> None:
        # A budget knows the range of a share: making one refuses what lies outside.
        Budget(share=self.share)

    @property
    def name(self) -> str:
        return f"{self.what}:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of {TITLES[self.what]}"

    @property
    def budget(self) -> Budget:
        """In weights of the whole model, once that is known; until then the share as written."""
        if self.anatomy is None:
            return Budget(share=self.share)
        return Budget(share=1.0 - self._most(self.anatomy) / self.anatomy.weights)

    def joined(self, anatomy: Anatomy) -> Pattern:
        """The pattern for a model of this *anatomy*.

        Raises InputError when so few units would stay that a layer has none, or nothing is left.
        """
        for noun in NOUNS[self.what] if self.what in ("heads", "neurons") else ():
            units, layers = anatomy.number(noun), _layers(anatomy, noun)
            if (stay := kept_number(self.share, units)) < layers:
                raise InputError(
                    f"Pattern {self.name!r} leaves {stay} of {units} {noun}s to {layers} layers",
                    f"one {noun} or more in every layer: a share of at most "
                    f"{number_text((units - layers) / units)}",
                    "Remove fewer, or let whole modules go with 'units:SPARSITY'.")
        if not any(k.any() for k in replace(self, anatomy=anatomy).choose(
                tuple(np.zeros(m.units) for m in anatomy.modules))):
            raise InputError(f"Pattern {self.name!r} leaves nothing of the model's layers",
                             "a share that leaves one module, or one unit, at least",
                             "Remove fewer.")
        return replace(self, anatomy=anatomy)

    def choose(self, worth: Worth) -> Kept:
        """The units that stay, those of the highest *worth* first, ties to the earlier one.

        Heads and neurons: as many as the share leaves of the whole model, the best of every layer
        among them. Modules: by the mean worth of their weights, whole. Units: by worth per weight,
        as long as they fit into the weights that may stay.

        Raises InputError for a worth that is not finite, or without a known anatomy.
        """
        anatomy = self.known()
        if not all(np.isfinite(w).all() for w in worth):
            raise InputError("The worth of a unit is not a finite number", "numbers",
                             "Look for NaN in the weights, or train with a lower learning rate.")
        if self.what == "modules":
            return self._modules(anatomy, worth)
        if self.what == "units":
            return self._by_weight(anatomy, worth)
        (noun,) = NOUNS[self.what]
        every = [i for i, m in enumerate(anatomy.modules) if m.noun == noun]
        stay = kept_number(self.share, anatomy.number(noun))
        kept, out = _best([worth[i] for i in every], stay), list(anatomy.everything())
        for i, found in zip(every, kept, strict=True):
            out[i] = found
        return tuple(out)

    def known(self) -> Anatomy:
        """The anatomy of the model. Raises InputError for a pattern that was never `joined`."""
        if self.anatomy is None:
            raise InputError(f"Pattern {self.name!r} does not know the model's heads and neurons",
                             "a pattern that was joined to a model",
                             "Ask for the pattern of a run, or join it to what "
                             "core.surgery.units(model) finds.")
        return self.anatomy

    def masks(self, kept: Kept) -> dict[str, NDArray[np.bool_]]:
        """The masks `[out, in]` of every matrix that has units, for the units *kept*."""
        return self.known().masks(kept)

    def allowed_units(self, units: int) -> int:
        """How many of *units* heads, neurons or modules may stay."""
        return kept_number(self.share, units)

    def _modules(self, anatomy: Anatomy, worth: Worth) -> Kept:
        mean = np.array([w.sum() / (m.units * m.weights)
                         for m, w in zip(anatomy.modules, worth, strict=True)])
        stay = set(_order(mean)[:self.allowed_units(len(mean))].tolist())
        return tuple(np.full(m.units, i in stay) for i, m in enumerate(anatomy.modules))

    def _by_weight(self, anatomy: Anatomy, worth: Worth) -> Kept:
        sizes = np.concatenate([np.full(m.units, m.weights) for m in anatomy.modules])
        room = kept_number(self.share, anatomy.weights) - anatomy.others
        flat = np.zeros(len(sizes), dtype=np.bool_)
        for i in _order(np.concatenate(worth) / sizes).tolist():
            if sizes[i] <= room:
                flat[i], room = True, room - sizes[i]
        return tuple(np.split(flat, np.cumsum([m.units for m in anatomy.modules])[:-1]))

    def _most(self, anatomy: Anatomy) -> int:
        """The most weights that may stay."""
        if self.what == "units":
            return kept_number(self.share, anatomy.weights)
        if self.what == "modules":
            sizes = sorted((m.units * m.weights for m in anatomy.modules), reverse=True)
            return anatomy.others + sum(sizes[:self.allowed_units(len(sizes))])
        (noun,) = NOUNS[self.what]
        gone = anatomy.number(noun) - kept_number(self.share, anatomy.number(noun))
        # Units of one kind are equally large in every layer of the models that are known.
        return anatomy.weights - gone * next(m.weights for m in anatomy.modules if m.noun == noun)


def _layers(anatomy: Anatomy, noun: Noun) -> int:
    return sum(m.noun == noun for m in anatomy.modules)


def _order(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """The places of *values*, the highest first, equal ones in their order."""
    return np.argsort(-values, kind="stable")


def _best(worth: list[NDArray[np.float64]], stay: int) -> list[NDArray[np.bool_]]:
    """*stay* units of all modules together, the best of every module among them."""
    first = [int(_order(w)[0]) for w in worth]
    # What must stay stands before everything else, whatever it is worth.
    rank = np.concatenate([np.where(np.arange(len(w)) == best, np.inf, w)
                           for w, best in zip(worth, first, strict=True)])
    flat = np.zeros(len(rank), dtype=np.bool_)
    flat[_order(rank)[:stay]] = True
    return np.split(flat, np.cumsum([len(w) for w in worth])[:-1])
