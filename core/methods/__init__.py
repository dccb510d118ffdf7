"""METHODS: the one list of pruning methods. Names, colours, words and knobs are known here, without
torch; the code of a method lives in the module that its entry names. Adding a method = one file +
one line here; if it has knobs, also their dataclass in `core.methods.knob_sets`, as a list of knobs
must not load the method's code."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import InputError, unknown
from core.methods.knob_sets import (
    AdmmKnobs,
    AdmmLayerKnobs,
    AdmmLowRankKnobs,
    BesaKnobs,
    DppKnobs,
    GroupLassoKnobs,
    NxmAdmmKnobs,
    PatternAdmmKnobs,
    SparseGptKnobs,
    SrSteKnobs,
)
from core.methods.knobs import Knobs, make_knobs
from core.methods.unit_knobs import (
    IdentityPriorKnobs,
    MlPruningKnobs,
    PipKnobs,
    PolicyGradientKnobs,
    TaylorKnobs,
)
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern


@dataclass(frozen=True)
class Entry:
    """One method as the lists, links, widgets and legends know it."""

    name: str
    title: str  # as written on a page
    idea: str  # one sentence
    colour: str  # the method's one colour, readable on light and dark
    target: str  # "module:Class" under core.methods; "" for dense
    training: Literal["never", "optional", "always"]  # does it train after or while pruning?
    knobs: type[Knobs] = Knobs  # what can be turned; the default: nothing
    grids: bool = False  # can put the weights on a grid of few bits
    # Solves an encoder layer as a whole, from what it puts out, and no matrix alone.
    block: bool = False
    # May its layers carry a correction of low rank beside their weights?
    corrects: bool = False
    # Single weights, or whole heads, neurons and modules (`core.sparsity.coupled`)?
    prunes: Literal["weights", "units", "both"] = "weights"
    # Kinds of pattern, of those it prunes to, that mean nothing to it: the first word of each.
    without: tuple[str, ...] = ()

    @property
    def by_layer(self) -> bool:
        """Does it solve a single matrix, as the layer lab lets it?"""
        return self.training != "always" and not self.block and self.prunes != "units"

    @property
    def pattern(self) -> str:
        """The pattern of a run that names none."""
        return "heads:0.5" if self.prunes == "units" else "2:4"

    def takes(self, pattern: Pattern) -> bool:
        """Can it prune to *pattern*: to weights, or to units?"""
        return pattern.name.partition(":")[0] not in self.without and (
            self.prunes == "both" or (self.prunes == "units") == pattern.coupled)


METHODS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("dense", "Dense",
              "The fine-tuned model, nothing pruned: every other run starts here.",
              "#7a828c", "", "always"),
        Entry("magnitude", "Magnitude, one-shot",
              "Keep the largest weights of every group, change nothing else.",
              "#b8860b", "magnitude:Magnitude", "never", grids=True),
        Entry("wanda", "Wanda",
              "Keep the weights with the largest size times the norm of their input, change "
              "nothing else.",
              "#c4457d", "wanda:Wanda", "optional"),
        Entry("sparsegpt", "SparseGPT",
              "Go through the columns once: drop the cheapest weights, let the columns to the "
              "right make up for them.",
              "#5f9420", "sparsegpt:SparseGpt", "optional", SparseGptKnobs),
        Entry("asp", "ASP",
              "Magnitude once, then the same training again with that mask fixed.",
              "#c2571a", "asp:Asp", "always", grids=True),
        Entry("admm-layer", "ADMM, layer by layer",
              "Solve each layer for the weights that keep its outputs, under the pattern; no "
              "training needed.",
              "#1f8a70", "admm_layer:AdmmLayer", "optional", AdmmLayerKnobs, grids=True),
        Entry("admm-lowrank", "Sparse plus low rank",
              "Solve each layer for a pruned matrix and a small dense correction beside it, which "
              "together keep its outputs; no training.",
              "#6b4fe0", "admm_lowrank:AdmmLowRank", "never", AdmmLowRankKnobs, corrects=True),
        Entry("besa", "BESA",
              "Every row learns how much to prune, so that its encoder layer puts out what it did; "
              "no weight changes.",
              "#a3702a", "besa:Besa", "optional", BesaKnobs, block=True),
        Entry("sr-ste", "SR-STE",
              "Train dense weights under a mask chosen anew at every step, and pull what it cuts "
              "to zero.",
              "#1095b8", "sr_ste:SrSte", "always", SrSteKnobs),
        Entry("group-lasso", "Group lasso",
              "A penalty on the norms of whole groups drives the weak ones to zero; they are cut, "
              "and the rest is trained on.",
              "#b04a4a", "group_lasso:GroupLasso", "always", GroupLassoKnobs),
        Entry("mlpruning", "MLPruning",
              "Every attention and FFN learns how many of its heads and neurons stay, under one "
              "budget for the model.",
              "#3b9b4a", "mlpruning:MlPruning", "always", MlPruningKnobs,
              prunes="units", without=("modules",)),
        Entry("dpp", "DPP",
              "Draw the kept weights of every group by chance, and learn which draws pay, until "
              "chance has nothing left to say.",
              "#d0483e", "dpp:Dpp", "always", DppKnobs),
        Entry("nxm-admm", "NxMTransformer",
              "ADMM inside fine-tuning as published: the penalty's gradient goes through Adam, Z "
              "and U move once an epoch.",
              "#8b5fbf", "nxm_admm:NxmAdmm", "always", NxmAdmmKnobs, grids=True),
        Entry("admm", "ADMM in training",
              "Start from the layer-wise solution, pull W to Z outside Adam with a growing rho, "
              "then refine under the mask.",
              "#2f6fd0", "admm:Admm", "always", AdmmKnobs, grids=True),
        Entry("pattern-admm", "Pattern ADMM",
              "ADMM in training, while the feature maps are reshaped until whole regions of them "
              "go quiet.",
              "#c837c8", "pattern_admm:PatternAdmm", "always", PatternAdmmKnobs, grids=True),
        Entry("policy-gradient", "Policy gradient",
              "Heads and neurons get a probability of staying, which learns from the losses of "
              "random masks, without back-propagation.",
              "#4a7c8c", "policy_gradient:PolicyGradient", "optional", PolicyGradientKnobs,
              prunes="units"),
        Entry("taylor", "Taylor importance of units",
              "Remove the heads and neurons that the loss would miss least, by a first-order "
              "estimate from its gradient.",
              "#a0522d", "taylor:Taylor", "optional", TaylorKnobs, prunes="units"),
        Entry("pip", "PIP",
              "Round by round, remove the heads and neurons whose gradients cannot tell the model "
              "from itself under noise.",
              "#7a6a1f", "pip:Pip", "optional", PipKnobs, prunes="units", without=("modules",)),
        Entry("identity-prior", "Identity prior",
              "Pull heads, attentions and FFNs towards the identity while training, and remove "
              "those that have come closest.",
              "#4a5fb0", "identity_prior:IdentityPrior", "always", IdentityPriorKnobs,
              prunes="units", without=("neurons",)),
    )
}


def one_shot() -> list[str]:
    """The methods that need neither training nor labels, and leave weights alone behind, in the
    order of the list."""
    return [name for name, entry in METHODS.items() if entry.target and not entry.corrects
            and entry.training != "always" and entry.prunes != "units"]


def check_pattern(entry: Entry, pattern: Pattern) -> None:
    """Raise InputError when the method *entry* cannot prune to *pattern*: weights, or units."""
    if entry.takes(pattern):
        return
    able = [e.name for e in METHODS.values() if e.target and e.takes(pattern)]
    kind = pattern.name.partition(":")[0]
    if kind in entry.without:
        raise InputError(f"{entry.name} with the pattern {pattern.name}",
                         f"a pattern of units other than {kind}",
                         f"Choose units:0.5, or one of {', '.join(able)}.")
    other = "single weights such as 2:4" if pattern.coupled else "whole units such as heads:0.5"
    raise InputError(f"{entry.name} with the pattern {pattern.name}",
                     "a method that prunes " + ("units" if pattern.coupled else "single weights"),
                     f"Choose one of {', '.join(able)}, or a pattern of {other}.")


def position_of(name: str) -> tuple[int, str]:
    """What methods are sorted by: their place in the list; others come after them, by name."""
    return (list(METHODS).index(name) if name in METHODS else len(METHODS), name)


def entry_of(name: str) -> Entry:
    """Look a method up. Raises InputError, with a suggestion, for a name that is not in METHODS."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def load(name: str) -> Any:
    """Import the class behind a method's name (this is where torch comes in)."""
    module, _, attribute = entry_of(name).target.partition(":")
    if not module:
        raise ValueError(f"{name} has no class: it is the starting point, not a pruner")
    return getattr(importlib.import_module(f"core.methods.{module}"), attribute)


def build(name: str, given: Mapping[str, Any] | None = None, grid: Grid | None = None) -> Any:
    """Method *name* with the knobs *given*, values or their texts; the others stay at their
    defaults.

    Raises InputError for a name that is not in METHODS, and for knobs that do not fit.
    """
    return load(name)(make_knobs(entry_of(name).knobs, given or {}), grid)
