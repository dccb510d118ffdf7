"""The typed header of a run folder (`run.json`).

Everything the command line prints, a page shows or a test reads about a run is one of these fields. Scores are
fractions of the task's main metric (GLUE's own; the mean where a task has two), times are seconds, densities are
shares of non-zero weights.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.runs.levels import RecordLevel
from core.runs.model_names import last_part

SCHEMA = 1
MOST_EXAMPLES = 10_000_000  # more than any task has; a number beyond is a slip
ID_RULE = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}")

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


def said(words: str, unit: str = "", **limits: Any) -> Meta:
    """What a field is and its range, if it has one (`gt`, `ge`, `lt`, `le`), for `core.specs.settings`.

    The range binds who makes a run. It is no part of the type: a reader opens a header that lies outside of it.
    """
    return Meta(description=words, extra={"range": Meta(**limits) if limits else None, "unit": unit})


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides a run's outcome (and `record` and `film`, which only decide how much of it is kept)."""

    task: Annotated[str, said("What is learned; see `tasks`.")]
    model: Annotated[str, said("A name of `models`, a local folder in Hugging Face form, or a hub id.")] = "minilm-l6"
    method: Annotated[str, said("How to prune; see `methods`. `dense` only fine-tunes.")] = "admm"
    pattern: Annotated[str, said(
        "What may stay, e.g. 2:4 = keep 2 of every 4 consecutive inputs; see `patterns`.")] = "2:4"
    seed: Annotated[int, said(
        "Seed of the classifier head, the order of the batches and the dropout.", ge=0, le=2**31 - 1)] = 0
    epochs: Annotated[float, said("Epochs of training while or after pruning; 0 = none.", ge=0, le=1000)] = 4.0
    dense_epochs: Annotated[float, said(
        "Epochs of the dense parent, made first when it is not there yet; 0 = a fine-tuned model as it is, with its own "
        "head.", ge=0, le=1000)] = 4.0
    lr: Annotated[float, said("Peak learning rate (AdamW).", gt=0, lt=1)] = 1e-4
    dense_lr: Annotated[float, said("Peak learning rate of the dense parent.", ge=0, lt=1)] = 1e-4
    batch_size: Annotated[int, said("Sequences per optimiser step.", ge=1, le=4096)] = 32
    max_length: Annotated[int, said("Tokens per sequence; longer ones are cut.", "tokens", ge=4, le=8192)] = 128
    # The first of the seeded permutation of the training set; None = all of it.
    train_examples: Annotated[int | None, said(
        "Train on this many examples, the same ones for every seed.",
        ge=1, le=MOST_EXAMPLES)] = None
    dev_examples: Annotated[int, said(
        "Score on this many examples held out of train, for choosing knobs; 0 = the validation set.", ge=0,
        le=MOST_EXAMPLES)] = 0
    calibration: Annotated[int, said(
        "Training examples behind the layers' Gram matrices.", "examples", ge=0, le=MOST_EXAMPLES)] = 256
    distill: Annotated[float, said(
        "Weight of the dense teacher's soft targets in the loss, 0 to 1.", ge=0, le=1)] = 0.0
    dropout: Annotated[float, said(
        "Dropout in every training of this run and of its parent, 0 to 1.", ge=0, lt=1)] = 0.0
    freeze_embeddings: Annotated[bool, said("Train the embeddings too, or keep them frozen (faster).")] = True
    record: Annotated[RecordLevel, said(
        "How much the run folder keeps: answers, summary, masks, full (weights too) or lab (Gram matrices too).")] = "masks"
    # The method's own, resolved.
    knobs: Annotated[dict[str, bool | int | float | str], said(
        "A knob of the method; repeatable. `methods NAME` lists them.")] = {}
    bits: Annotated[int, said(
        "Put the weights on a grid of this many bits, 2 to 8; 0 = no grid.", "bits", ge=0, le=8)] = 0
    chunk: Annotated[int, said(
        "Weights along the input that share one scale of the grid; 0 = a whole row.", "weights", ge=0, le=65536)] = 64
    distill_hidden: Annotated[float, said(
        "Weight of the dense teacher's hidden states in the loss, 0 to 100.", ge=0, le=100)] = 0.0
    distill_attention: Annotated[float, said(
        "Weight of the dense teacher's attention in the loss, 0 to 100.", ge=0, le=100)] = 0.0
    eval_examples: Annotated[int, said(
        "Score on this many evaluation examples only, evenly spaced (a run in a hurry); 0 = all.", ge=0,
        le=MOST_EXAMPLES)] = 0
    unseen_examples: Annotated[int, said(
        "With dev_examples: keep this many further examples out of train, for a last look. Nothing is chosen by them.",
        ge=0, le=MOST_EXAMPLES)] = 0
    # Like `record` no part of the digest: it decides only what is kept.
    film: Annotated[int, said(
        "Moments of ADMM kept as a film; 0 = as the record level says: 8 at full where the model is small.",
        ge=0, le=200)] = 0

    @property
    def digest(self) -> str:
        """Eight hex digits over everything that decides the outcome."""
        fields = {k: v for k, v in msgspec.to_builtins(self).items()
                  if k not in KEPT_ONLY and not (k in LATER and v == LATER[k])}
        text = msgspec.json.encode(fields, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:8]

    @property
    def run_id(self) -> str:
        """The folder's name: readable first, exact last. Model and task may be paths: only their last part shows."""
        model = re.sub(r"[^a-z0-9]+", "-", last_part(self.model).lower()).strip("-")[:20]
        task = re.sub(r"[^a-z0-9]+", "-", self.task.lower())[:14].strip("-")
        if self.method == "dense":
            return f"{task}-{model}-dense-s{self.seed}-{self.digest}"
        pattern = re.sub(r"[^a-z0-9.]+", "-", self.pattern.replace(":", "of", 1) if self.pattern[0].isdigit()
                         else self.pattern.replace(":", "-"))[:20].strip("-")
        pattern += f"-int{self.bits}" if self.bits else ""
        return f"{task}-{model}-{self.method}-{pattern}-e{self.epochs:g}-s{self.seed}-{self.digest}"


KEPT_ONLY = ("record", "film")  # the fields that decide how much of a run is kept, and nothing else

# Fields added when runs were already recorded, with their defaults: at its default such a field is no part of a digest.
LATER: dict[str, Any] = {"bits": 0, "chunk": 64, "distill_hidden": 0.0, "distill_attention": 0.0,
                         "eval_examples": 0, "unseen_examples": 0}

# A model trained from scratch wants other settings than a pretrained one.
MODEL_DEFAULTS: dict[str, dict[str, Any]] = {
    "tiny": {"lr": 1e-3, "dense_lr": 1e-3, "dense_epochs": 18.0, "epochs": 4.0, "max_length": 48,
             "freeze_embeddings": False, "record": "full"},
}


class Scores(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The accuracies of one run on one evaluation split. None = this stage does not exist for the method."""

    metric: str  # e.g. "matthews_correlation"
    n_eval: int  # evaluation examples
    split: str = "validation"
    dense: float | None = None  # the dense parent
    one_shot: float | None = None  # plain magnitude at this pattern, same parent, no training
    admm_w: float | None = None  # W at the end of ADMM: dense storage, nearly feasible
    admm_z: float | None = None  # Z at the end of ADMM: feasible by construction
    hard_pruned: float | None = None  # W under the final mask, before any refinement
    final: float | None = None  # the model the run ends with
    detail: dict[str, float] = {}  # every metric of the task for the final model
    unseen: float | None = None  # the final model on the examples that nothing was chosen by, where some were kept


STAGES: dict[str, str] = {  # the fields of Scores that are accuracies of one run, in words, in the order of a run
    "dense": "Dense",
    "one_shot": "One-shot magnitude",
    "admm_w": "W after ADMM",
    "admm_z": "Z after ADMM",
    "hard_pruned": "Hard-pruned",
    "final": "Final",
}


class Matrix(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the final model holds in one prunable matrix `[out, in]`."""

    name: str
    shape: tuple[int, int]
    density: float = 1.0  # share of weights kept
    violations: int = 0  # groups that break the pattern
    kept_energy: float = 1.0  # sum of kept w^2 over sum of w^2, on the dense parent's weights
    moved: float = 0.0  # share of mask entries that differ from plain magnitude's
    error: float | None = None  # relative output error on the calibration inputs, |X(W-W')'|^2 / |XW'|^2
    mask_sha256: str | None = None
    gram: str | None = None  # the matrix under whose name its Gram matrix is kept (itself, or one with the same input)
    gram_tokens: int | None = None  # rows of the calibration input behind that Gram matrix
    rank: int = 0  # of the correction beside its weight; 0: none. `error` is that of both together
    off_grid: int | None = None  # weights that are on no level of the grid (quantised runs), counted by the checker
    weight_sha256: str | None = None  # of the final float32 weights (quantised runs)


class Probe(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One of our probe sentences as the final model saw it."""

    id: str
    text: str
    text_pair: str | None = None
    tokens: list[str] = []
    logits: list[float] = []


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One kept moment of W: arrays `snapshot/<k>/...` of whole matrices, or `film/<k>/...` of their corners. See
    `core.runs.filmed`."""

    k: int
    step: int  # of the optimiser; with phase "layer-wise" the round
    rho: float  # 0 where the phase has none
    primal: float
    phase: str = "admm"  # one of `core.runs.phases.FILM`


class Moment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One moment of a run at which its feature maps were looked at. `quiet[map][layer]` is the share of quiet regions
    of the training sample; the probes' region norms are the arrays `region/<k>/<map>/<probe>/<layer>`."""

    k: int
    step: int
    phase: str  # one of `core.runs.phases.MOMENT`
    quiet: dict[str, list[float]] = {}
    median: dict[str, list[float]] = {}  # the dense model's median region norms, by map; at moment 0 alone
    loudness: dict[str, list[float]] = {}  # root mean square region norm of the sample, by map
    level: dict[str, list[float]] = {}  # quiet shares once every map is as loud as the dense model's


class Units(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is left of a model whose units were pruned as wholes (see `core.sparsity.units`), layer by layer. Which ones
    they are is in the arrays `unit/...`."""

    heads: list[int]  # left in every layer
    neurons: list[int]
    other_weights: int | None = None  # parameters of the shrunk model that are in none of the layers' matrices


class Environment(msgspec.Struct, kw_only=True):
    """Where a run was made."""

    python: str
    packages: dict[str, str]
    commit: str | None
    dirty: bool | None
    processor: str
    device: str
    threads: int


class Timing(msgspec.Struct, kw_only=True):
    """Seconds of wall time; `phases` in the order they ran. A resumed run sums its parts. What had been
    worked out before, most of it by other runs of the sweep, counts with the seconds it took then: `shared` of `total`
    were not spent again."""

    total: float = 0.0
    phases: dict[str, float] = {}
    shared: float = 0.0


OPENED = "Opened from a file: it was made elsewhere."  # the note of a run that was taken in


class RunRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`run.json`. `parent` is the dense run this one started from; its arrays are this run's *before*."""

    schema: int
    id: str
    status: Status
    created: str  # ISO 8601, UTC
    spec: RunSpec
    spec_given: dict[str, bool | int | float | str | dict[str, bool | int | float | str] | None] = {}
    parent: str | None = None
    environment: Environment | None = None
    timing: Timing = msgspec.field(default_factory=Timing)
    results: Scores | None = None
    matrices: list[Matrix] = []
    labels: list[str] = []  # class names; empty for regression
    layers: int = 0
    heads: int = 0
    probes: list[Probe] = []
    snapshots: list[Snapshot] = []  # of whole matrices
    film: list[Snapshot] = []  # of a corner of every matrix
    moments: list[Moment] = []
    units: Units | None = None  # of a run whose pattern is of whole units
    other_weights: int | None = None  # parameters that are never pruned: embeddings, norms, biases, pooler, classifier
    pid: int | None = None  # of the writing process, while running
    host: str | None = None  # the machine it is on, by name; none in records of before
    ticks: int | None = None  # when it began (`core.runs.signatures.ticks_of`): tells a reused id
    error: str | None = None
    processes: int = 1  # that trained it together: sums in another order than one process's
    notes: list[str] = []  # what to know of the model before its score is believed, a sentence each
    left_out: str = ""  # how much of the layers is prunable and what is not, in a sentence; empty when all of it is

    @property
    def said(self) -> list[str]:
        """All that is to be known of the model and the texts before a score is believed, a sentence each."""
        return [*self.notes, *([self.left_out] if self.left_out else [])]

    @property
    def made_elsewhere(self) -> bool:
        """Was it taken in from a file?"""
        return OPENED in self.notes

    @property
    def command(self) -> str:
        """The shell command that makes this run again."""
        return command_of(self.spec)

    @property
    def sparsity(self) -> float:
        """Share of zeros over all prunable matrices."""
        total = sum(m.shape[0] * m.shape[1] for m in self.matrices)
        kept = sum(m.shape[0] * m.shape[1] * m.density for m in self.matrices)
        return 1.0 - kept / total if total else 0.0


def command_of(spec: RunSpec) -> str:
    """Return the headless command for *spec*: what differs from the defaults, or might for this model."""
    defaults, own = RunSpec(task=spec.task), MODEL_DEFAULTS.get(spec.model, {})
    words = ["python", "-m", "core", "run", "--task", spec.task, "--model", spec.model, "--method", spec.method]
    if spec.method != "dense":
        words += ["--pattern", spec.pattern]
    words += ["--epochs", _plain(spec.epochs), "--seed", str(spec.seed)]
    said = {"task", "model", "method", "pattern", "epochs", "seed", "freeze_embeddings", "knobs"}
    if spec.method == "dense":  # it has no parent and reads no calibration text
        said |= {"dense_epochs", "dense_lr", "calibration"}
    if not spec.bits:
        said |= {"chunk"}
    for name in (f for f in spec.__struct_fields__ if f not in said):
        value = getattr(spec, name)
        if value != getattr(defaults, name) or name in own:
            words += [f"--{name.replace('_', '-')}", _plain(value)]
    if spec.freeze_embeddings != defaults.freeze_embeddings or "freeze_embeddings" in own:
        words.append("--freeze-embeddings" if spec.freeze_embeddings else "--train-embeddings")
    for key, value in sorted(spec.knobs.items()):
        words += ["--knob", f"{key}={value}"]
    return shlex.join(words)


def _plain(value: object) -> str:
    """The shortest text that reads back as the same value."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
