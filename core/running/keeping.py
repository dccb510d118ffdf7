"""Keeping: the final model's checkpoint, and from its scores, weights and maps the header and arrays of the run."""

from __future__ import annotations

import numpy as np
import torch

from core.errors import InputError
from core.inside.capture import capture, to_arrays
from core.models.loading import save_checkpoint
from core.running.journal import Journal
from core.running.preparing import Prepared
from core.running.pruning import Pruned
from core.running.recording import in_numpy, record_arrays, record_factors, record_matrices
from core.runs import gridded
from core.runs.answers import UNSEEN, answers_of
from core.runs.arrays import METHOD
from core.runs.levels import holds
from core.runs.records import Scores, Units
from core.runs.store import CHECKPOINT, write_arrays
from core.sparsity.units import Kept
from core.surgery import problems
from core.tasks.metrics import score


def keep(ready: Prepared, pruned: Pruned | None, journal: Journal) -> None:
    """Write the arrays, fill in the record; *pruned* is None for a dense run.

    Raises InputError when the final model breaks its pattern or leaves its grid.
    """
    save_checkpoint(ready.model, ready.tokenizer, journal.folder / CHECKPOINT)
    logits = ready.answers()
    detail = score(ready.data.entry, logits, ready.eval_set.labels)
    final = {name: layer.weight.detach() for name, layer in ready.layers.items()}
    level, record = ready.spec.record, journal.record
    same = "dense" if pruned is None else "hard_pruned"  # nothing was trained after it: the final model is that one
    known = {same: detail["score"], **journal.scores}
    record.results = Scores(
        metric=ready.data.entry.metric, n_eval=len(ready.eval_set), split=ready.data.split, final=detail["score"],
        detail={k: v for k, v in detail.items() if k != "score"}, **known)
    if pruned is None:
        whole = {name: torch.ones_like(w, dtype=torch.bool) for name, w in final.items()}
        record.matrices = record_matrices(level, final, final, whole, whole, ready.pattern, {})
        arrays = record_arrays(level, final, ready.dense, None, ready.pattern, {})
    else:
        record.matrices = record_matrices(level, final, ready.dense, pruned.masks, pruned.magnitude, ready.pattern,
                                          pruned.stats, pruned.low)
        arrays = record_arrays(level, final, ready.dense, pruned.masks, ready.pattern, pruned.stats)
        arrays |= record_factors(level, pruned.low)
        arrays |= {f"{METHOD}/{key}": np.ascontiguousarray(values) for key, values in pruned.told.items()}
        if ready.pattern.coupled:
            record.units, kept = _units(ready, pruned)
            if holds(level, "summary"):
                arrays |= {f"unit/{m.noun}/{m.layer}": np.packbits(k)
                           for m, k in zip(ready.pattern.known().modules, kept, strict=True)}
    arrays |= answers_of(logits, ready.eval_set.labels).arrays()
    if ready.unseen_set is not None:
        apart = ready.answers_to(ready.unseen_set)
        record.results.unseen = score(ready.data.entry, apart, ready.unseen_set.labels)["score"]
        arrays |= answers_of(apart, ready.unseen_set.labels).arrays(UNSEEN)
    if ready.grid is not None and pruned is not None:
        gridded.record(level, ready.grid, in_numpy(final), in_numpy(pruned.masks), in_numpy(pruned.scales),
                       record.matrices, arrays)
    if holds(level, "masks"):
        captured = capture(ready.model, ready.tokenizer, ready.probes, ready.spec.max_length)
        record.probes = captured.probes
        arrays |= to_arrays(captured)
    if pruned is not None:
        journal.snapshots.look("final", pruned.steps, final, pruned.masks)
        record.snapshots, record.film = journal.snapshots.listed()
        arrays |= journal.snapshots.arrays()
        journal.moments.look("final", pruned.steps)
        record.moments = journal.moments.taken
        if holds(level, "masks"):
            arrays |= journal.moments.arrays()
    write_arrays(journal.folder, arrays)


def _units(ready: Prepared, pruned: Pruned) -> tuple[Units, Kept]:
    """What the header says of the units that are left, and which ones they are.

    Raises InputError when something of a removed one is left in the final model, a bias too: such a run has failed.
    """
    anatomy = ready.pattern.known()
    kept = anatomy.kept(in_numpy(pruned.masks))
    if wrong := problems(ready.model, anatomy, kept):
        raise InputError(f"The final model is not {ready.pattern.name}: {'; '.join(wrong)}", "whole units",
                         "This is a fault of the method: please report it.")
    gone = sum(int(np.count_nonzero(~stay)) for name, stay in anatomy.biases(kept).items()
               if ready.layers[name].bias is not None)
    return Units(heads=anatomy.counts(kept, "head"), neurons=anatomy.counts(kept, "neuron"),
                 other_weights=ready.other_weights - gone), kept
