"""What is removed together, and the smaller model that is left? Torch only inside functions and files that say so.

A *unit* is a head, an FFN neuron or, when all of its units go, a whole attention or FFN (`core.sparsity.units`).

    anatomy = units(model)                      which units there are; refuses a model whose heads cannot be found
    pattern = parse_pattern("heads:0.5").joined(anatomy)
    kept = pattern.choose(worth)                worth: a number a unit; what stays, one truth a unit
    masks_of(pattern, kept, layers)             the masks of all matrices, as methods give them
    with gated(layers, anatomy, gates): ...     every unit turned down by a gate while the model runs
    mask(model, anatomy, kept)                  zeros in every matrix at once, biases too: it computes what is left
    problems(model, anatomy, kept)              is any of a removed unit left; are units half removed
    count(model, anatomy)                       units, weights and zeros, every unit counted once
    small = shrink(model, anatomy, kept)        cut out: fewer heads and neurons a layer, the same logits; `shrink_to`
                                                cuts what a pruned model has nothing left of
    save(small, tokenizer, folder); load(folder)

`load` registers what a shrunk folder needs, and then transformers' own Auto classes open it too (see
docs/decisions/0011-a-shrunk-model.md). A method of the core chooses units through its pattern and gives their masks;
the pipeline does the rest: `core.methods.unit_base.UnitMethod`.
"""

from __future__ import annotations

from core.surgery.counting import Count, count, problems
from core.surgery.finding import units
from core.surgery.gating import gated
from core.surgery.masking import biases, mask, masks_of, quiet, quietly
from core.surgery.shrinking import load, save, shrink, shrink_to

__all__ = ["Count", "biases", "count", "gated", "load", "mask", "masks_of", "problems", "quiet", "quietly", "save",
           "shrink", "shrink_to", "units"]
