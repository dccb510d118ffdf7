"""The knobs of the methods that prune whole units. Without torch, as `knob_sets`."""

from __future__ import annotations

from dataclasses import dataclass

from core.methods.knobs import Knobs, knob


@dataclass(frozen=True)
class MlPruningKnobs(Knobs):
    """Knobs of `mlpruning`; strength is the published one."""

    share: float = knob(
        0.6, "share of the steps that learn what stays; the rest refines under the final mask",
        0.05, 1.0)
    start: float = knob(
        3.0, "where every threshold starts: sigmoid(start) of the units stay at first (published: "
        "10)", 0.0, 10.0)
    lr: float = knob(
        0.0, "largest learning rate of scores and thresholds (published: 0.01); 0: as large as the "
        "way to the pattern needs", 0.0, 10.0)
    strength: float = knob(
        2e4, "weight of the budget's penalty when nothing is pruned yet", 0.0, 1e6)
    blocks: float = knob(
        0.0, "share of the blocks of what is left that a second step removes (0: no second step)",
        0.0, 0.9)
    size: int = knob(16, "rows and columns of a block", 2, 256)


@dataclass(frozen=True)
class TaylorKnobs(Knobs):
    """Knobs of `taylor`."""

    score: str = knob(
        "taylor", "what a unit is worth: |sum of w g| over its weights, or the sum of |w|",
        choices=("taylor", "magnitude"))
    level: str = knob(
        "none", "units of different layers are compared by their worth as it is, or in relation "
        "to the root mean square of their layer's", choices=("none", "layer"))


@dataclass(frozen=True)
class PolicyGradientKnobs(Knobs):
    """Knobs of `policy-gradient`; the window is the published one."""

    steps: int = knob(400, "steps of two masks each (published: 15 000)", 1, 100_000, "steps")
    lr: float = knob(
        0.05, "step of the probabilities (published: 0.002 to 0.006)", 1e-6, 10.0)
    window: int = knob(5, "steps over which the baseline remembers the losses", 1, 1000, "steps")
    push: float = knob(
        0.0, "strength that drives probabilities to 0 and 1 (published: off)", 0.0, 10.0)


@dataclass(frozen=True)
class PipKnobs(Knobs):
    """Knobs of `pip`; all values are ours."""

    eps: float = knob(
        0.1, "size of the noise on the embeddings, in their standard deviations", 1e-4, 10.0)
    rounds: int = knob(5, "rounds of scoring and removing", 1, 50)
    least: float = knob(0.1, "share of its neurons that every layer keeps at least", 0.0, 1.0)


@dataclass(frozen=True)
class IdentityPriorKnobs(Knobs):
    """Knobs of `identity-prior`; all values are ours."""

    share: float = knob(
        2 / 3, "share of the steps until the masks are final: the first half of them pulls, the "
        "second removes; the rest refines", 0.05, 1.0)
    strength: float = knob(1e-2, "weight of the function norms in the loss (lambda)", 0.0, 10.0)
    spectral: float = knob(
        0.9, "the most a matrix's spectral norm may be, in its dense one's; 0 = not held", 0.0,
        10.0)
    memory: float = knob(0.99, "factor of the running mean of the function norms", 0.0, 0.9999)
    skip: bool = knob(False, "let a layer lose all that the pattern may remove of it")
