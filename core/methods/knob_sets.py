"""The knobs of every method of single weights that has some, in the order of METHODS, which names
them (those of whole units: `unit_knobs`). Without torch.

A method's file needs torch, and whoever lists knobs must not: the form of the page Run, the cards,
a spec that is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import InputError
from core.methods.knobs import Knobs, inputs_knob, knob, match_knob
from core.sparsity.patterns import Pattern


@dataclass(frozen=True)
class SparseGptKnobs(Knobs):
    """Knobs of `sparsegpt`; the defaults are the published ones."""

    damping: float = knob(
        0.01, "added to the diagonal of the Gram matrix, as a share of its mean", 1e-6, 1.0)
    block: int = knob(
        128, "columns after which the rest of the matrix is updated", 1, 4096, "columns")


@dataclass(frozen=True)
class AdmmLayerKnobs(Knobs):
    """Knobs of `admm-layer`."""

    iterations: int = knob(24, "ADMM iterations per layer, over all stages", 1, 300)
    rho_start: float = knob(
        0.15, "penalty of the first stage, in units of a scaled input column", 1e-4, 1e3)
    rho_end: float = knob(
        0.6, "penalty of the last stage; with rise=fixed the only one", 1e-4, 1e3)
    stages: int = knob(3, "how often rho rises, one factorisation each", 1, 12)
    damping: float = knob(
        0.003, "added to the diagonal of the scaled Gram matrix, as a share of its mean", 1e-6, 1.0)
    polish: int = knob(10, "conjugate-gradient steps on the final support", 0, 100)
    rise: str = knob(
        "stages", "how rho rises: in stages, with the change of the support, or not at all",
        choices=("stages", "support", "fixed"), later=True)
    scaled: bool = knob(True, "scale the columns by their inputs' norms first", later=True)
    ramp: int = knob(
        0, "iterations over which the share of zeros rises to the pattern's (0: at once), the best "
        "of every group safe; it ends where the mask settles at the latest", 0, 300, later=True)
    settle: int = knob(
        0, "last iterations in which the mask stays as it is", 0, 300, later=True)
    metric: str = knob(
        "norms", "what columns are scaled by, and so weights compared by: their inputs' norms, or "
        "what the layer loses without a weight once all others make up for it",
        choices=("norms", "inverse"), later=True)
    # Later, and dense by default: `admm` has the same knob from its first run on, and pruned.
    inputs: str = inputs_knob(
        "dense", "what a layer is solved on: its inputs in the dense model, or those that come "
        "through the layers already pruned, one layer after the other", later=True)
    match: int = match_knob()

    def fit_together(self) -> None:
        super().fit_together()
        if self.metric == "inverse" and not self.scaled:
            raise InputError("metric = 'inverse' with scaled = false",
                             "scaled = true: the metric is what the columns are scaled by",
                             "Leave one of the two out.")


@dataclass(frozen=True)
class AdmmLowRankKnobs(AdmmLayerKnobs):
    """Knobs of `admm-lowrank`: those of `admm-layer`, and the rank."""

    rank: int = knob(
        8, "rank of the correction beside every pruned matrix; 0: none, the method is admm-layer",
        0, 1024)

    def fit_together(self) -> None:
        super().fit_together()
        if self.match and self.rank:
            raise InputError(
                f"match = {self.match} with rank = {self.rank}",
                "one of the two: matching would move the pruned weights away from their correction",
                "Leave match out, or take --knob rank=0.")


# Knobs for less error in the default's time. minilm-l6: 0.97 of its error at 2:4, 0.99 at 1:4, 0.98
# at 2:4 on held-out text; `tiny`: 0.97 to 1.03. They are not the default: recorded runs were made
# with that, and a comparison needs one form of a method. See benchmarks/layerwise.py.
FINE: dict[str, int | float | str] = {
    "metric": "inverse", "stages": 4, "rho_end": 0.5, "polish": 4}

# Knobs for a hurry. minilm-l6 to 2:4: a quarter of the default's work for 1.24 times its error,
# which is about that of the fixed-rho form (0.93 of it on CoLA's text, 1.01 on our own sentences).
# See benchmarks/layerwise.py.
QUICK: dict[str, int | float] = {"iterations": 4, "stages": 1, "rho_end": 0.5, "polish": 3}


@dataclass(frozen=True)
class BesaKnobs(Knobs):
    """Knobs of `besa`."""

    passes: int = knob(
        2, "times that the calibration text goes through every encoder layer", 0, 100)
    sequences: int = knob(4, "sentences of a step", 1, 256)
    lr: float = knob(0.05, "step of AdamW on the logits (published: Prodigy)", 1e-5, 10.0)
    granularity: str = knob("row", "what has a share of its own", choices=("row", "matrix"))
    metric: str = knob(
        "wanda", "what weights are ranked by in their row: size times input norm, or size alone",
        choices=("wanda", "magnitude"))
    candidates: str = knob(
        "centred", "the shares to choose from: around the pattern's, or all from 0 to 1",
        choices=("centred", "published"))
    smooth: bool = knob(
        True, "pass the logits through a sigmoid, so that no share is e times as likely as another")
    inputs: str = inputs_knob(
        "pruned", "what an encoder layer is to reproduce: its dense output on what comes through "
        "the layers already pruned, or the dense model's own")

    def fit_pattern(self, pattern: Pattern) -> None:
        if pattern.budget.share is None or not pattern.grouping.single:
            return  # nothing is learned
        low, high = self.reach(pattern.sparsity)
        if not low <= pattern.sparsity <= high:
            raise InputError(
                f"A share of {pattern.sparsity:g} zeros with candidates = {self.candidates!r} and "
                "smoothing", f"{low:.3f} to {high:.3f}: no smoothed share can come further",
                "Add --knob candidates=centred, or --knob smooth=false.")
        if pattern.scope != "model" and self.granularity == "matrix":
            raise InputError(
                f"granularity = 'matrix' with pattern {pattern.name!r}",
                "a pattern that leaves a matrix its share to learn",
                f"Choose global:{pattern.sparsity:g}, or --knob granularity=row.")

    def shares(self, target: float) -> list[float]:
        """The candidate shares of zeros, falling: all of 0 to 1, or as far around *target* as there
        is room on both sides."""
        middle = target if self.candidates == "centred" else 0.5
        room = min(middle, 1.0 - middle)
        # A hundred steps, as published.
        return [middle - room + 2.0 * room * step / 100 for step in range(100, -1, -1)]

    def reach(self, target: float) -> tuple[float, float]:
        """The lowest and the highest share that logits over the candidates can come to.

        Smoothed, the logits of a softmax lie in 0..1, so that no probability is more than e times
        another: at the ends some shares are e times as likely as the rest.
        """
        shares = self.shares(target)
        if not self.smooth:
            return shares[-1], shares[0]
        more = math.e - 1.0
        means = [(more * sum(likely) + sum(shares)) / (more * len(likely) + len(shares))
                 for n in range(1, len(shares)) for likely in (shares[:n], shares[-n:])]
        return min(means), max(means)


@dataclass(frozen=True)
class SrSteKnobs(Knobs):
    """Knobs of `sr-ste`."""

    decay: float = knob(2e-4, "strength of the decay on what the mask cuts (lambda_w)", 0.0, 1.0)
    form: str = knob(
        "gradient", "where the decay acts: on the gradient before Adam, or on the weights beside "
        "it", choices=("gradient", "weights"))


@dataclass(frozen=True)
class GroupLassoKnobs(Knobs):
    """Knobs of `group-lasso`; strength is the published one."""

    share: float = knob(
        0.5, "share of the steps under the penalty; the rest refines under the final mask", 0.05,
        1.0)
    strength: float = knob(
        1e-4, "weight of the penalty in the loss (lambda), with form=penalty", 0.0, 10.0)
    form: str = knob(
        "penalty", "where the penalty acts: in the loss, or as an exact step beside the optimiser",
        choices=("penalty", "proximal"))
    dose: float = knob(
        1.0, "with form=proximal: how far its steps together bring a group at the dense "
        "threshold to zero (1: all the way)", 0.0, 100.0)
    refreshes: int = knob(
        1, "how often the groups' weights R are taken anew, the start counted", 1, 100)


@dataclass(frozen=True)
class DppKnobs(Knobs):
    """Knobs of `dpp`."""

    share: float = knob(
        0.7, "share of the steps that draw masks; the rest refines under the likeliest", 0.05, 1.0)
    lr: float = knob(0.01, "step of Adam on the logits", 1e-6, 1.0)
    noise: float = knob(
        0.5, "scale g of the Gumbel noise (published: 1, later 0.1 to 0.001)", 0.0, 10.0)
    warm: float = knob(
        1.0, "how much the logits prefer large weights at first (0: not at all)", 0.0, 100.0)
    tau_start: float = knob(5.0, "temperature of the soft draws at the first step", 0.01, 100.0)
    tau_end: float = knob(0.5, "temperature at the last draw", 0.01, 100.0)
    entropy: float = knob(
        1e-3, "weight mu of the entropy term, over the rows of the matrix (published: 5e-3 to "
        "1e-5)", 0.0, 100.0)
    certainty: str = knob(
        "choice", "whose entropy: of staying or going, weight by weight, or of the softmax over a "
        "group, as published, which knows one winner only",
        choices=("choice", "softmax"))
    order: str = knob(
        "value", "in which order a draw's weights are taken: the highest first, or by place as in "
        "the published code", choices=("value", "index"))
    samples: int = knob(3, "drawn masks that are scored at the end, for their spread", 0, 100)


@dataclass(frozen=True)
class NxmAdmmKnobs(Knobs):
    """Knobs of `nxm-admm`; the paper's grid is rho in {1e-3, 4e-3, 1e-2}."""

    rho: float = knob(4e-3, "penalty on |W - Z + U|^2 / 2, added to the loss", 1e-6, 1e3)
    trains: str = knob(
        "spec", "what is trained: what the run's spec says, or only weights and biases of the "
        "pruned linears, as published", choices=("spec", "linears"), later=True)


@dataclass(frozen=True)
class AdmmKnobs(Knobs):
    """Knobs of `admm`."""

    share: float = knob(
        0.5, "share of the steps spent in ADMM; the rest refines under the final mask", 0.05, 1.0)
    rho_start: float = knob(
        3e-4, "penalty at the first step (1 = halfway to Z in one step)", 1e-6, 10.0)
    # May be below rho_start: the course between them is geometric either way.
    rho_end: float = knob(0.3, "penalty at the hard prune", 1e-6, 10.0)
    interval: int = knob(8, "optimiser steps between two Z- and U-steps", 1, 1000, "steps")
    dual: bool = knob(True, "keep the dual U (off: a penalty method)")
    inputs: str = inputs_knob(
        "pruned", "what the start solution solves a layer on: its inputs in the dense model, or "
        "those that come through the layers already pruned")
    metric: str = knob(
        "norms", "what |W + U| is weighed by in the projection: its inputs' norms, nothing, or the "
        "root of Adam's second moment, from the first step on (before it: the norms)",
        choices=("norms", "none", "adam"))
    refine: str = knob(
        "mask", "how the rest of the steps refines: under the fixed mask, or by SR-STE under one "
        "that moves", choices=("mask", "sr-ste"), later=True)
    decay: float = knob(
        2e-4, "with refine=sr-ste: strength of the decay on what the mask cuts", 0.0, 1.0,
        later=True)
    start: str = knob(
        "layers", "where W begins: at the layer-wise solution, or dense",
        choices=("layers", "dense"), later=True)
    sharpness: float = knob(
        0.0, "how far up the gradient a step of ADMM stands when it takes the gradient that counts "
        "(0: where it is; published: 2e-4); such a step costs two passes instead of one", 0.0, 1.0,
        later=True)
    refine_lr: float = knob(
        1.0, "factor on the learning rate after the hard prune", 0.01, 100.0, later=True)
    match: int = match_knob()

    def fit_together(self) -> None:
        super().fit_together()
        if self.match and self.start != "layers":
            raise InputError(
                f"match = {self.match} with start = {self.start!r}",
                "start = 'layers': what is matched is that solution", "Leave start or match out.")

    @property
    def passes(self) -> float:
        """Both passes of every step of ADMM where it is sharpness-aware, one of every other."""
        return 1.0 + self.share if self.sharpness else 1.0


@dataclass(frozen=True)
class PatternAdmmKnobs(AdmmKnobs):
    """Knobs of `pattern-admm`: those of `admm`, and the activation term's."""

    strength: float = knob(
        3.0, "lambda, the weight of the activation term in the loss; 0 = no term", 0.0, 100.0)
    maps: str = knob(
        "attention", "the feature maps that are reshaped",
        choices=("ffn", "attention", "block", "all"))
    layers: str = knob(
        "*", "the encoder layers that are reshaped: names such as encoder.layer.3, with * and "
        "commas")
    rho_a: float = knob(
        4.0, "penalty between a region and its proximal copy: a region under 1 / rho_a of the "
        "map's unit is to be silent", 0.1, 1e3)
    unit: str = knob(
        "own", "what a region is measured by: the map's own root mean square, or the dense "
        "model's median (the term then shrinks the whole map)", choices=("own", "dense"))
    until: str = knob(
        "end", "how long the term acts: to the hard prune, or to the end of the refinement",
        choices=("prune", "end"))
    mix: float = knob(
        0.0, "share of the reshaped inputs in what the start solution keeps; above 0 it needs "
        "inputs=dense", 0.0, 1.0)

    def fit_together(self) -> None:
        super().fit_together()
        if self.mix > 0 and self.inputs != "dense":
            raise InputError(
                f"mix = {self.mix:g} with inputs = {self.inputs!r}",
                "inputs = 'dense': only the dense model's inputs have a reshaped form",
                "Add --knob inputs=dense, or leave mix at 0.")
        if self.mix > 0 and self.start != "layers":
            raise InputError(
                f"mix = {self.mix:g} with start = {self.start!r}",
                "start = 'layers': mix is a share of what that solution keeps",
                "Leave start or mix out.")
