"""A finished run scored again from its checkpoint: is the recorded score the model's own? And what does the model say
to each example, for runs that were made before answers were kept?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError
from core.models.checkpoints import find_checkpoint, open_model
from core.models.encoding import encode
from core.running.devices import accelerator
from core.running.preparing import data_of
from core.running.training import predict
from core.runs.answers import EXACT, LABELS, LOGITS, Answers, answers_of
from core.runs.disk import ELSEWHERE, in_words
from core.runs.records import RunRecord
from core.runs.store import Run, Store, write_arrays
from core.runs.writers import alone
from core.tasks.metrics import score


@dataclass(frozen=True)
class Evaluation:
    """What the model of a run scores now. Scores are fractions of the task's main metric."""

    run_id: str
    metric: str
    split: str
    recorded: float  # the final score in the header
    found: float  # the score of the checkpoint, now
    detail: dict[str, float]  # every measure of the task, now
    answers: Answers
    seconds: float

    @property
    def difference(self) -> float:
        """The score now minus the recorded one."""
        return self.found - self.recorded

    @property
    def reproduced(self) -> bool:
        """Whether the recorded score was found again, up to rounding."""
        return abs(self.difference) <= EXACT


def evaluate(record: RunRecord, store: Store, data_dir: Path | None = None) -> Evaluation:
    """Score the checkpoint of the run *record* on its evaluation split, read as for the run itself (*data_dir*: a
    folder with the task's data).

    Raises InputError when the run is not finished, no checkpoint is at hand, or the data are not the run's own.
    """
    results = record.results
    if record.status != "succeeded" or results is None or results.final is None:
        raise InputError(f"{record.id} is {record.status}", "a finished run", "Finish it: run it with --resume.")
    began = time.perf_counter()
    loaded, spec = open_model(record, store), record.spec
    data = data_of(spec, data_dir)
    if len(data.evaluation) != results.n_eval or data.split != results.split:
        raise InputError(f"The data hold {len(data.evaluation)} examples to score on ({data.split}), {record.id} was "
                         f"scored on {results.n_eval} ({results.split})", "the data of the run",
                         "Choose its --data-dir.")
    loaded.model.to(accelerator().device)
    examples = encode(loaded.tokenizer, data.evaluation, spec.max_length)
    logits = predict(loaded.model, examples, int(loaded.tokenizer.pad_token_id or 0))
    detail = score(data.entry, logits, examples.labels)
    return Evaluation(record.id, results.metric, results.split, results.final, detail.pop("score"), detail,
                      answers_of(logits, examples.labels), round(time.perf_counter() - began, 2))


def keep_answers(run: Run, evaluation: Evaluation, store: Store) -> bool:
    """Add the answers of *evaluation* to the folder of the live *run*; nothing else in it changes. False when it holds
    answers already: they stay.

    Raises InputError for a recorded run, for a checkpoint that lies elsewhere, when the recorded score was not
    reproduced (such answers would contradict the header), and when another process writes the run or has made it again.
    """
    run_id = run.record.id
    assert evaluation.run_id == run_id
    folder = find_checkpoint(run.record.spec, store)
    if run.recorded or folder is None or folder.parent != run.path:
        raise InputError(f"{run_id} is a recorded run, or its checkpoint lies elsewhere", "a run made on this machine",
                         f"Make it here: {run.record.command}")
    if not evaluation.reproduced and not {LOGITS, LABELS} & run.keys:
        raise InputError(f"The checkpoint of {run_id} scores {evaluation.found:.6f}, the run recorded "
                         f"{evaluation.recorded:.6f}: its answers are not added", "the recorded score",
                         "Evaluate it on the machine that made it, or make it again.")
    with in_words(f"The answers of {run_id}", ELSEWHERE), alone(store, run_id):
        fresh = store.open(run_id)  # scoring took a while
        if fresh.record != run.record:
            raise InputError(f"{run_id} was made again while it was scored", "a run that stays as it is",
                             "Give the command again.")
        if {LOGITS, LABELS} & fresh.keys:
            return False
        write_arrays(fresh.path, {**fresh.arrays(), **evaluation.answers.arrays()})
    return True
