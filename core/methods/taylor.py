"""Taylor: estimate from the gradient what the loss would change without a unit, and remove the
units that would be missed least.

    g_b = d loss_b / d W              on calibration batch b, the dense model as it is
    I_u = mean over b of |sum of w g_b|    over all weights w of unit u
    keep the units of the highest I_u    as many as the pattern says

With level = layer a unit counts in relation to the root mean square of its layer's units.

The sum runs over every matrix that the unit lies in: query, key, value and output of a head, both
matrices of a neuron. score = magnitude takes the sum of |w| instead and reads no data.

Prunes: whole heads, FFN neurons and modules, by their worth over the whole model.
Source: Michel, Levy and Neubig 2019 (arXiv 1905.10650) for heads; Molchanov et al. 2019 (arXiv
1906.10771) for the product of weight and gradient.
Where we differ: absolute values are taken a batch and not an example, as gradients come a batch;
the sum goes over all four matrices of a head, where a gate on its output would see value and output
alone; all units are chosen at once, from one estimate.
Cost: one forward and one backward pass over the calibration text.
"""

from __future__ import annotations

import numpy as np

from core.errors import InputError
from core.methods.unit_base import UnitContext, UnitMethod, UnitResult
from core.methods.unit_knobs import TaylorKnobs
from core.sparsity.units import Anatomy, Worth


class Taylor(UnitMethod):
    """Keep the units of the highest first-order importance."""

    knobs: TaylorKnobs

    def choose(self, context: UnitContext) -> UnitResult:
        """See `UnitMethod.choose`."""
        anatomy = context.pattern.known()
        if self.knobs.score == "magnitude":
            worth = anatomy.sums({name: layer.weight.detach().abs().cpu().numpy()
                                  for name, layer in context.layers.items()})
        else:
            worth = first_order(context, anatomy)
        if self.knobs.level == "layer":
            if context.pattern.name.startswith("modules"):
                raise InputError("level = 'layer' with a pattern of modules",
                                 "level = 'none': a module is compared with those of other layers",
                                 "Leave the knob level out.")
            # Times the weights: patterns that compare heads with neurons do so by worth per weight.
            worth = tuple(m.weights * w / (np.sqrt(np.mean(w**2)) or 1.0)
                          for m, w in zip(anatomy.modules, worth, strict=True))
        return UnitResult(context.pattern.choose(worth), worth)


def first_order(context: UnitContext, anatomy: Anatomy) -> Worth:
    """|sum of w g| of every unit, the mean over the calibration batches."""
    weights = {name: layer.weight for name, layer in context.layers.items()}
    total = [np.zeros(m.units) for m in anatomy.modules]
    for i in range(len(context.batches)):
        context.model.zero_grad(set_to_none=True)
        context.loss(i).backward()
        products = {name: (w.detach() * w.grad).cpu().numpy() for name, w in weights.items()
                    if w.grad is not None}
        for sums, found in zip(total, anatomy.sums(products), strict=True):
            sums += np.abs(found) / len(context.batches)
        context.report(i + 1, len(context.batches), "gradients")
    return tuple(total)
