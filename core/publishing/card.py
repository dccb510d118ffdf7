"""The model card of an exported run: README.md with the metadata that the Hugging Face hub reads.

Everything in it is read from the run: its header, its answers to the evaluation examples, its check, and the zeros of
the weights that are exported. What the run does not say (the licence of somebody's model, say) the card leaves out.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from core import methods, tasks
from core.errors import InputError
from core.evidence.cells import Cell
from core.evidence.quantities import SCORE
from core.evidence.single import between
from core.evidence.words import signed_interval, valued
from core.publishing.metadata import metadata
from core.runs import model_names
from core.runs.answers import read
from core.runs.bound import pattern_of
from core.runs.checks.folder_check import check
from core.runs.records import STAGES, RunRecord, command_of
from core.runs.store import Run, write_atomic
from core.sparsity.verify import verify_all
from core.statistics.interval import Interval
from core.statistics.measures import metric_words
from core.statistics.paired import of_draws

CARD = "README.md"
WEIGHTS = "model.safetensors"
DASH = "–"
MERGED = ("## Sparsity\n\nThe matrices here are dense: the correction fills the zeros of the pruned ones. The export "
          "without `--merge` keeps both apart.")


def write(run: Run, folder: Path, shrunk: bool, merged: bool = False) -> None:
    """Write the card of *run* into *folder*, which holds its exported model; *shrunk*: in smaller matrices; *merged*:
    with every correction added to its matrix.

    Raises OSError.
    """
    write_atomic(folder / CARD, text(run, folder, shrunk, merged).encode())


def text(run: Run, folder: Path, shrunk: bool, merged: bool = False) -> str:
    """The whole card, metadata first."""
    beside = 0 if merged else max((m.rank for m in run.record.matrices), default=0)
    parts = (f"---\n{metadata(run.record)}\n---", _head(run.record, shrunk, merged),
             _use_both(run.record) if beside else _use(run.record, shrunk), _scores(run),
             MERGED if merged else _sparsity(run, folder, shrunk), _verified(run), _made(run.record),
             _limits(run.record))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(record: RunRecord, shrunk: bool, merged: bool) -> str:
    spec, model = record.spec, model_names.title_of(record.spec.model)
    trained = f"{'trained' if model == 'tiny' else 'fine-tuned'} on {tasks.title_of(spec.task)}"
    if spec.method == "dense":
        return f"# {model}, dense\n\n`{model}` {trained}; nothing is pruned."
    entry = methods.METHODS[spec.method]
    name = f"{spec.pattern}, {spec.bits} bits" if spec.bits else spec.pattern
    total = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    fate = "gone" if shrunk else "zero"
    rank = max((m.rank for m in record.matrices), default=0)
    beside = f" Beside each stands a correction of rank {rank}{', added to it here' if merged else ''}." * bool(rank)
    return (f"# {model}, {name} by {entry.title}\n\n`{model}` {trained} and pruned: {record.sparsity:.1%} of the "
            f"{total:,} weights in {len(record.matrices)} linear layers are {fate}.{beside} {entry.idea}")


def _use(record: RunRecord, shrunk: bool) -> str:
    pair = record.probes[0].text_pair is not None if record.probes else _pairs(record.spec.task)
    asked = '{"text": "…", "text_pair": "…"}' if pair else '"…"'
    first = "from core.surgery import load\n\nload(\".\")  # its layers have different sizes, which it teaches " \
            "transformers\n" if shrunk else ""
    return (f"## Use\n\n```python\nfrom transformers import pipeline\n\n{first}"
            f"classify = pipeline(\"text-classification\", model=\".\")  # this folder, or its name on the hub\n"
            f"classify({asked})\n```")


def _use_both(record: RunRecord) -> str:
    """How a stranger loads the pruned model and its correction, with PEFT and by hand."""
    return (
        "## Use\n\nA layer computes `W x + B (C x)`: `W`, pruned, is in `model.safetensors`, `B` and `C` are in "
        "`correction/`. **`model.safetensors` alone is another model: its scores are not those below.**\n\n"
        "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForSequenceClassification\n\n"
        "model = AutoModelForSequenceClassification.from_pretrained(\".\")  # this folder\n"
        "model = PeftModel.from_pretrained(model, \"correction\")\n```\n\n"
        "Without PEFT, as one dense matrix for both:\n\n"
        "```python\nfrom safetensors.torch import load_file\nfrom transformers import "
        "AutoModelForSequenceClassification\n\n"
        "model = AutoModelForSequenceClassification.from_pretrained(\".\")\n"
        "factors = load_file(\"correction/adapter_model.safetensors\")\n"
        "for name, layer in model.named_modules():\n"
        "    key = f\"base_model.model.{name}.lora_\"\n"
        "    if key + \"A.weight\" in factors:\n"
        "        layer.weight.data += factors[key + \"B.weight\"] @ factors[key + \"A.weight\"]\n```")


def _pairs(task: str) -> bool:
    return task in tasks.TASKS and tasks.TASKS[task].columns[1] is not None


def _scores(run: Run) -> str:
    results = run.record.results
    if results is None:
        return ""
    held = {name: value for name in STAGES if (value := getattr(results, name)) is not None}
    known = {"final": _cell(run), "dense": None if run.parent is None else _cell(run.parent)}
    rows = []
    for name, value in held.items():
        cell = known.get(name)
        sure = None if cell is None else of_draws(cell.value(SCORE), cell.draws(SCORE))
        rows.append(f"| {STAGES[name]} | {_with(value, sure)} |")
    apart = between(run.parent, run) if run.parent is not None else None
    if apart is not None:
        rows.append(f"| Final against dense, in points, example by example | {signed_interval(SCORE, apart)} |")
    detail = [f"{metric_words(name)} {value:.4f}" for name, value in sorted(results.detail.items())]
    more = f" Of the final model: {', '.join(detail)}." if len(detail) > 1 else ""
    sure_words = "In brackets: 95 % intervals over the evaluation examples (bootstrap); this is one run with one " \
        "seed, and how far seeds scatter is not in them." if known["final"] is not None else \
        "The run keeps no answers, so how sure the scores are is not known."
    return (f"## Scores\n\n| {metric_words(results.metric)}, {results.n_eval:,} {results.split} examples of "
            f"{tasks.title_of(run.record.spec.task)} | |\n|---|---|\n" + "\n".join(rows) +
            f"\n\n{sure_words}{more}")


def _cell(run: Run) -> Cell | None:
    try:
        return Cell(run.record, read(run))
    except InputError:
        return None


def _with(value: float, sure: Interval | None) -> str:
    return f"{value:.3f}".replace("-", "−") if sure is None else valued(sure)


def _sparsity(run: Run, folder: Path, shrunk: bool) -> str:
    record = run.record
    if record.spec.method == "dense":
        return ""
    pattern = pattern_of(run)
    said = f"`{pattern.name}`: {pattern.title}."
    if shrunk:
        return f"## Sparsity\n\n{said} What is gone is cut out of the matrices here."
    found = _counted(run, folder)
    factors = sum(m.rank * sum(m.shape) for m in record.matrices)
    beside = f" The corrections hold {factors:,} numbers more." * bool(factors)
    return (f"## Sparsity\n\n{said} {found}{beside}\n\nThe zeros are stored as zeros: the file is as large as the "
            "dense one, and runs faster only where a kernel uses them.")


def _counted(run: Run, folder: Path) -> str:
    """What the exact check says of the exported weights' own zeros, in a sentence; "" where they cannot be read."""
    from safetensors import SafetensorError, safe_open

    support: dict[str, np.ndarray] = {}
    try:
        with safe_open(folder / WEIGHTS, framework="np") as file:
            for matrix in run.record.matrices:
                support[matrix.name] = file.get_tensor(f"{matrix.name}.weight") != 0
        verdicts = verify_all(support, pattern_of(run)).values()
    except (SafetensorError, OSError, InputError):
        return ""
    broken, groups = sum(v.violations for v in verdicts), sum(v.groups for v in verdicts)
    zeros = sum(int(kept.size - np.count_nonzero(kept)) for kept in support.values())
    return (f"Counted in `{WEIGHTS}` at export: {zeros:,} zeros; {broken:,} violation{'s' * (broken != 1)} in "
            f"{groups:,} group{'s' * (groups != 1)} of {len(support)} matrices.")


def _verified(run: Run) -> str:
    found = check(run)
    lines = [f"- problem: {problem}" for problem in found.problems] + [f"- {words}" for words in found.verified]
    count = len(found.problems)
    verdict = "no problem" if found.ok else f"{count} problem{'s' * (count != 1)}"
    return f"## Verified\n\n`python -m core check {run.record.id}`, from the run's files at export: {verdict}.\n\n" + \
        "\n".join(lines)


def _made(record: RunRecord) -> str:
    # A folder's path is its owner's business; what the model is called is enough.
    spec, named = record.spec, model_names.last_part(record.spec.model)
    own = (spec.model != named and model_names.folder_of(spec.model) is not None) or spec.model.startswith("/")
    command = command_of(msgspec.structs.replace(spec, model=named)) if own else record.command
    notes = [f"`{named}` is a folder of the author's." if own else "",
             "The data are the author's own." if tasks.OWN_TASK.fullmatch(spec.task) else ""]
    words = " ".join(note for note in notes if note)
    made = record.environment
    where = "" if made is None else (
        f"Made on {record.created[:10]} with Python {made.python}, "
        f"{', '.join(f'{name} {made.packages[name]}' for name in ('torch', 'transformers') if name in made.packages)}"
        f"{f', SparseScope at commit {made.commit[:12]}' if made.commit else ''}"
        f"{' with changes of its own' if made.dirty else ''}; {record.timing.total:.0f} s on {made.device}.")
    return f"## Made by\n\n```sh\n{command}\n```\n\n" + " ".join(part for part in (words, where) if part)


def _limits(record: RunRecord) -> str:
    synthetic = record.spec.task in tasks.TASKS and tasks.TASKS[record.spec.task].kind == "built-in"
    notes = [*record.said, *(["The task is synthetic: its sentences come from a grammar."] if synthetic else [])]
    return "## Good to know\n\n" + "\n".join(f"- {note}" for note in notes) if notes else ""
