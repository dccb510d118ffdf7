"""Pruning a model that is in memory already: a person's own, in a program of theirs, without a task, a score or a
folder. The stages are those of a run; what comes out is a run that was never written, so every view can show it.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from core import methods
from core.errors import InputError
from core.inside.calibration import by_length, calibrate
from core.inside.statistics import LayerStats
from core.methods.base import BlockMethod, LayerMethod
from core.methods.knobs import knobs_to_spec, make_knobs
from core.models import tokens
from core.models.encoding import Encoded, collate, encode
from core.models.prunable import layer_count, prunable, prunable_words
from core.running.calibrating import Calibration
from core.running.journal import Journal
from core.running.preparing import Prepared
from core.running.progress import Report
from core.running.recording import record_arrays, record_matrices
from core.running.rehearsing import asked
from core.running.shared import Shared, digest_of
from core.running.solving import Solution, solve, solve_by_block, trace_rows
from core.runs.arrays import METHOD
from core.runs.held import HeldRun
from core.runs.levels import RecordLevel
from core.runs.records import SCHEMA, RunRecord, RunSpec
from core.runs.store import now
from core.sparsity.patterns import Pattern, parse_pattern
from core.sparsity.select import select_all
from core.sparsity.verdict import Verdict
from core.sparsity.verify import verify_all
from core.specs.settings import read
from core.tasks import Examples, TaskData, TaskEntry

KEPT: RecordLevel = "full"  #: masks, and weights as int8 codes, so that before and after can be drawn
FLOATS = (torch.float32, torch.bfloat16, torch.float16)  # what float32 holds exactly, so that it can be put back
NOWHERE = TaskEntry("texts", "Texts of your own", "", "own", ("text", None), (), "", ())
Text = str | tuple[str, str]


@dataclass(frozen=True)
class InMemory:
    """What came of it, by matrix. masks: bool `[out, in]` on the CPU, True where a weight stays; zeros: weights of the
    model that are 0 now; verdicts: of the exact check on them, a single one for a pattern over all matrices. run: the
    same as a run with its dense parent, held in memory."""

    masks: dict[str, Tensor]
    zeros: dict[str, int]
    verdicts: dict[str, Verdict]
    run: HeldRun


def prune_in_memory(model: Any, tokenizer: Any, texts: Sequence[Text], *, pattern: str, method: str, seed: int,
                    max_length: int, knobs: Mapping[str, Any], report: Report | None = None) -> InMemory:
    """Prune *model* in place to *pattern* by a one-shot *method*, calibrated on *texts* (texts, or pairs of them).

    Weights in half precision are pruned in float32 and put back as they were. Whatever is raised, the model has the
    weights, the mode, the gradients and the settings that it came with; so has torch's generator, in any case.

    Raises InputError for a model, texts, a pattern, a method or knobs that cannot be used.
    """
    spec, wanted, ready_method = _asked_for(model, pattern, method, seed, max_length, knobs, len(_checked(texts)))
    # What makes a tokenizer fit a model changes it: a copy is changed.
    tokenizer = copy.deepcopy(tokenizer)
    with _left_alone(model), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        tokens.fit(tokenizer, model, type(model).__name__)
        ready = _ready(model, tokenizer, texts, spec, wanted)
        # Stages write down what they do; here nobody reads it.
        with tempfile.TemporaryDirectory() as folder:
            record = RunRecord(schema=SCHEMA, id=spec.run_id, status="succeeded", spec=spec, created=now())
            journal = Journal(Path(folder), record, report or (lambda p: None), False, ready.shared)
            try:
                solved = _solve(ready, ready_method, journal)
                ready.put({name: result.weight for name, result in solved.solution.items()})
            except BaseException:
                ready.put(ready.dense)
                raise
            kept = journal.snapshots.arrays() | solved.told
    # Only now the weights are of the model's own type: that is what is checked and told of.
    return _told(ready, solved, kept, journal)


def _checked(texts: Sequence[Text]) -> Sequence[Text]:
    remedy = "Some hundred texts like those that the model will read do."
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not len(texts):
        shown = "one text" if isinstance(texts, str) else "none" if isinstance(texts, Sequence) else \
            type(texts).__name__
        raise InputError(f"Calibration texts: {shown}", "a list of texts, or of pairs of texts", remedy)
    pairs = not isinstance(texts[0], str)
    for k, text in enumerate(texts):
        good = isinstance(text, (tuple, list)) and len(text) == 2 and all(isinstance(part, str) for part in text) \
            if pairs else isinstance(text, str)
        if not good:
            raise InputError(f"Calibration text {k} is {type(text).__name__}", "texts alone, or pairs of texts alone",
                             "Give every text as str, or every pair as a tuple of two.")
    return texts


def _asked_for(model: Any, pattern: str, method: str, seed: int, max_length: int, knobs: Mapping[str, Any],
               count: int) -> tuple[RunSpec, Pattern, LayerMethod | BlockMethod]:
    """The spec of the run, its pattern and its method, checked."""
    entry = methods.entry_of(method)
    if method not in methods.one_shot():
        why = ("keeps a correction beside the weights, for which a model in memory has no place" if entry.corrects else
               f"{'is what pruning starts from' if method == 'dense' else 'needs labels'}, and texts have none")
        raise InputError(
            f"Method {method!r} {why}", f"a one-shot method: {', '.join(methods.one_shot())}",
            "With labels: save the model, add the table by `python -m core task add NAME FILE --text COLUMN --label "
            f"COLUMN`, then `python -m core run --task own:NAME --model FOLDER --method {method}`.")
    wanted = parse_pattern(read("pattern", pattern))
    methods.check_pattern(entry, wanted)
    if wanted.density >= 1.0:
        raise InputError(f"Pattern {wanted.name!r} keeps every weight", "a pattern that prunes", "Choose 2:4.")
    made = make_knobs(entry.knobs, knobs)
    made.fit_pattern(wanted)
    name = str(getattr(getattr(model, "config", None), "name_or_path", "") or type(model).__name__)
    spec = RunSpec(task=NOWHERE.name, model=name, method=method, pattern=wanted.name, seed=read("seed", seed),
                   epochs=0.0, dense_epochs=0.0, max_length=read("max_length", max_length), calibration=count,
                   record=KEPT, knobs=knobs_to_spec(made))
    return spec, wanted, methods.load(method)(made)


@contextmanager
def _left_alone(model: Any) -> Iterator[None]:
    """*model* in float32 and without a cache of what it has read; then as it was, but for the weights."""
    config = getattr(model, "config", None)
    if not isinstance(model, nn.Module) or config is None or not hasattr(model, "base_model"):
        raise InputError(f"The model is a {type(model).__name__}", "a model of transformers",
                         "Load it by AutoModel…from_pretrained.")
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(f"{type(model).__name__} has a decoder beside its encoder", "an encoder, or a decoder alone",
                         "Choose another model.")
    for weights in model.parameters():
        if weights.device.type == "meta" or weights.dtype not in FLOATS:
            kind = "not in memory" if weights.device.type == "meta" else f"of the type {weights.dtype}"
            raise InputError(f"Weights of {type(model).__name__} are {kind}",
                             "float32, bfloat16 or float16 in memory",
                             "Load it without quantisation and offloading, and with dtype=torch.float32.")
    halves = [(values, values.dtype) for values in (*model.parameters(), *model.buffers())
              if values.dtype in FLOATS[1:]]
    gradients = [(p, p.grad) for p in model.parameters()]
    settings = {key: getattr(config, key) for key in ("use_cache", "pad_token_id") if hasattr(config, key)}
    with ExitStack() as stack:
        stack.callback(model.train, model.training)
        for values, dtype in halves:
            values.data = values.data.float()
            stack.callback(_cast, values, dtype)
        for parameter, gradient in gradients:
            stack.callback(setattr, parameter, "grad", gradient)
        for key, value in settings.items():
            stack.callback(setattr, config, key, value)
        if "use_cache" in settings:
            config.use_cache = False  # a layer that is run again must not find what it read before
        model.eval()
        yield


def _cast(values: Tensor, dtype: torch.dtype) -> None:
    values.data = values.data.to(dtype)


def _ready(model: Any, tokenizer: Any, texts: Sequence[Text], spec: RunSpec, pattern: Pattern) -> Prepared:
    """What the stages of a run work on, checked."""
    layers = prunable(model)
    for name, layer in layers.items():
        pattern.fits(name, (layer.weight.shape[0], layer.weight.shape[1]))
    first = [text if isinstance(text, str) else text[0] for text in texts]
    second = None if isinstance(texts[0], str) else [text[1] for text in texts]
    examples = Examples(first, second, np.zeros(len(first), dtype=np.int64))
    encoded = encode(tokenizer, examples, spec.max_length)
    if not encoded.lengths.all():
        raise InputError(f"Calibration text {int(encoded.lengths.argmin())} has no token", "texts that are not empty",
                         "Leave it out.")
    dense = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    bound = pattern.bound({name: w.cpu().numpy() for name, w in dense.items()})
    heads = next((getattr(model.config, key) for key in ("num_attention_heads", "n_head", "n_heads")
                  if isinstance(getattr(model.config, key, None), int)), 0)
    nothing = Encoded([], None, examples.labels[:0])
    return Prepared(spec, TaskData(NOWHERE, examples, examples.take(np.arange(0)), ""), model, tokenizer, encoded,
                    nothing, layers, dense, bound, None, Shared(limit=0), heads, (),
                    prunable_words(model, layers))


@dataclass(frozen=True)
class _Solved:
    """What the solving hands on, all by matrix but what the method tells of itself, by key."""

    stats: dict[str, LayerStats]
    solution: Solution
    magnitude: dict[str, Tensor]
    told: dict[str, np.ndarray]


def _solve(ready: Prepared, method: LayerMethod | BlockMethod, journal: Journal) -> _Solved:
    """Calibrate and solve; the model is left with the dense weights."""
    device = next(ready.model.parameters()).device
    texts = [{key: value.to(device) for key, value in collate(ready.train_set, part, ready.pad).items()}
             for part in by_length(ready.train_set)]
    journal.snapshots.begin(ready.spec, ready.dense, ready.pattern)
    with torch.no_grad(), journal.phase("calibrate"):
        asked(ready.model, texts[0], "the texts")
        try:
            stats = calibrate(ready.model, ready.layers, texts)
        except ValueError as error:  # a layer that no text reaches
            raise InputError(f"{type(ready.model).__name__}: {error}", "texts that reach every prunable layer",
                             "Give more texts, or choose another model.") from error
    calibration = Calibration(texts, [], stats, stats)
    magnitude = select_all(ready.pattern, {name: w.abs() for name, w in ready.dense.items()})
    if isinstance(method, BlockMethod):
        solution = solve_by_block(ready, method, calibration, journal)
        return _Solved(stats, solution, magnitude, {f"{METHOD}/{key}": values for key, values in method.told().items()})
    return _Solved(stats, solve(ready, method, method.knobs, calibration, magnitude, journal), magnitude, {})


def _told(ready: Prepared, solved: _Solved, kept: dict[str, np.ndarray], journal: Journal) -> InMemory:
    """The result, from the weights as they are in the model now. Raises InputError when they break the pattern."""
    final = {name: layer.weight.detach().float() for name, layer in ready.layers.items()}
    masks = {name: result.mask.bool() for name, result in solved.solution.items()}
    record, spec = journal.record, ready.spec
    record.matrices = record_matrices(KEPT, final, ready.dense, masks, solved.magnitude, ready.pattern, solved.stats)
    record.layers, record.heads, record.left_out = layer_count(ready.model), ready.heads, ready.left_out
    record.snapshots, record.film = journal.snapshots.listed()
    cut = ready.train_set.cut
    record.notes = [f"{cut} of {len(ready.train_set)} texts were cut at {ready.train_set.limit} tokens."] if cut else []
    arrays = record_arrays(KEPT, final, ready.dense, masks, ready.pattern, {}) | kept

    whole = {name: torch.ones_like(mask) for name, mask in masks.items()}
    nothing = parse_pattern("dense")
    before = msgspec.structs.replace(spec, method="dense", pattern="dense", knobs={})
    dense = RunRecord(schema=SCHEMA, id=before.run_id, status="succeeded", spec=before, created=record.created,
                      layers=record.layers, heads=record.heads,
                      matrices=record_matrices(KEPT, ready.dense, ready.dense, whole, whole, nothing, {}))
    dense_arrays = record_arrays(KEPT, ready.dense, ready.dense, None, nothing, {})
    # Views keep what they have read under the run's name: two results must never have the same.
    dense.id = f"{dense.id}-{digest_of(dense_arrays)[:8]}"
    record.id, record.parent = f"{record.id}-{digest_of(dense_arrays, arrays)[:8]}", dense.id
    parent = HeldRun(dense, Path(dense.id), False, held=dense_arrays)
    run = HeldRun(record, Path(record.id), False, parent, held=arrays, rows=trace_rows(ready, solved.solution))
    support = {name: (w != 0).cpu().numpy().astype(np.uint8) for name, w in final.items()}
    zeros = {name: int(kept.size - np.count_nonzero(kept)) for name, kept in support.items()}
    return InMemory({name: mask.cpu() for name, mask in masks.items()}, zeros, verify_all(support, ready.pattern), run)
