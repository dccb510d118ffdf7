"""Prune a model of your own, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core import methods as known
from core.running.progress import Progress
from sparsescope.results import MatrixReport, Pruned, Report


def methods() -> dict[str, str]:
    """The methods that `prune` knows, those that need neither training nor labels, and the idea of each."""
    return {name: known.METHODS[name].idea for name in known.one_shot()}


def prune(model: Any, tokenizer: Any, texts: Sequence[str] | Sequence[tuple[str, str]], pattern: str = "2:4",
          method: str = "admm-layer", *, seed: int = 0, max_length: int = 128,
          report: Callable[[Progress], None] | None = None, **knobs: bool | int | float | str) -> Pruned:
    """Prune the linear layers of *model*, **in place**, and say what came of it.

    model: a transformers encoder or decoder (BERT, RoBERTa, DistilBERT, ModernBERT, Llama, Qwen, OPT, GPT-NeoX ...),
    with or without a head; its repeated layers are pruned, embeddings and head stay dense. In place, because a second
    copy of a model may not fit in memory, and because whatever holds the model (a pipeline, a Trainer) then has the
    pruned one: `copy.deepcopy(model)` first keeps the dense one. If anything is raised, the weights are those that it
    came with. Weights in half precision are solved in float32 and put back in their type.
    tokenizer: the model's own; it is not changed.
    texts: what the model will read, as texts or as pairs of texts, without labels: what the layers' inputs look like
    is all that is taken from them. Some hundred sentences do (256 in the recorded runs); each is cut to *max_length*
    tokens.
    pattern: what may stay. "2:4" keeps 2 of every 4 consecutive weights along the input; "unstructured:0.5" removes
    half of every matrix, "global:0.5" half of all together, "block:4x4:0.5" whole blocks; `python -m core patterns`
    lists all.
    method: one of `methods()`. seed: of the methods that draw. report: called with how far it is.
    knobs: of the method; `python -m core methods NAME` lists them with their ranges.

    Returns `Pruned`: masks, a report of every matrix, and views.

    Raises InputError for a model whose layers cannot be pruned (GPT-2's are no linear layers; quantised or offloaded
    weights), texts that are none, a pattern that a matrix does not fit, a method that needs labels (the message names
    the command that does it), an unknown or unfit knob.

    Source: `admm-layer` minimises |X (W0 - W)'|^2 over the W that obey the pattern, X the inputs of the layer, by ADMM
    with W, Z and U in turn (Boyd et al. 2011, section 9; on layers: Boža 2024, arXiv 2401.02938; Meng et al. 2024,
    arXiv 2406.07831); `wanda` Sun et al. 2023 (arXiv 2306.11695, eq. 1); `sparsegpt` Frantar and Alistarh 2023 (arXiv
    2301.00774); `besa` Xu et al. 2024 (arXiv 2402.16880). Where ours differ: `python -m core methods NAME`.
    """
    from core.running.in_memory import prune_in_memory

    found = prune_in_memory(model, tokenizer, texts, pattern=pattern, method=method, seed=seed, max_length=max_length,
                            knobs=knobs, report=report)
    record = found.run.record
    rows = tuple(
        MatrixReport(entry.name, entry.shape, found.zeros[entry.name],
                     all(v.ok for name, v in found.verdicts.items() if name == entry.name or len(found.verdicts) == 1),
                     entry.error, entry.kept_energy, entry.moved)
        for entry in record.matrices)
    return Pruned(model, found.masks, Report(method, record.spec.pattern, rows, tuple(record.said)), found.run)
