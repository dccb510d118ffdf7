"""`run`: make one run folder. Its options are the fields of RunSpec, with the words of `core.specs.settings`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from core.cli.output import echo_json, json_option, note, printable, record_object, table
from core.cli.places import THREADS, Place, check_folder
from core.cli.progress import reporter, stoppable
from core.errors import InputError
from core.models.named import source_of
from core.running.progress import Report
from core.runs.records import STAGES, RunRecord, RunSpec
from core.runs.store import Store, default_store
from core.specs.resolving import resolve
from core.specs.settings import choices_of, help_of, kind_of, range_words, read

TRACKING = ".tracking"  # of the live root: no run's folder begins with a dot


def spec_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option per field of RunSpec, in its order. An option that is not given stays None."""
    for info in reversed(msgspec.structs.fields(RunSpec)):
        command = _option(info)(command)
    return command


class Setting(click.ParamType):
    """A field of RunSpec as an option, with the field's own reader: a value out of its range is refused here."""

    def __init__(self, field: str) -> None:
        self.field, self.name = field, {int: "integer", float: "float"}.get(kind_of(field), "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value. Raises InputError."""
        return read(self.field, value)


def _option(info: Any) -> Callable[[Any], Any]:
    flag, help_text = f"--{info.name.replace('_', '-')}", help_of(info.name)
    if info.name == "knobs":
        return click.option("--knob", "knobs", multiple=True, metavar="KEY=VALUE", help=help_text)
    if info.name == "freeze_embeddings":  # a flag each way: which one is the default depends on the model
        return click.option("--freeze-embeddings/--train-embeddings", "freeze_embeddings", default=None,
                            help=help_text)
    shape = click.Choice(choices_of(info.name)) if choices_of(info.name) else Setting(info.name)
    notes = [range_words(info.name)]
    if not info.required:
        default = f"{info.default:g}" if isinstance(info.default, float) else info.default
        notes.append(f"default: {'all' if default is None else default}")
    help_text += f"  [{'; '.join(filter(None, notes))}]" if any(notes) else ""
    return click.option(flag, info.name, type=shape, required=info.required, help=help_text)


def given_of(options: dict[str, Any]) -> dict[str, Any]:
    """What was typed, as fields of RunSpec: options left out are absent, knobs are a table."""
    given = {k: v for k, v in options.items() if v is not None and k != "knobs"}
    return given | ({"knobs": parse_knobs(options["knobs"])} if options.get("knobs") else {})


def parse_knobs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`("rho=0.1", "warm=true")` -> values of the closest type. Raises InputError for a pair that is none."""
    knobs: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key.strip() and equals and text.strip()):
            raise InputError(f"Knob {pair[:80]!r}", "key=value", "For example --knob rho=0.1.")
        if key.strip() in knobs:
            raise InputError(f"Knob {key.strip()[:80]!r} twice", "each knob once", "Leave one of them out.")
        knobs[key.strip()] = _value(text.strip())
    return knobs


def _value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def set_threads(threads: int | None) -> None:
    """Let torch use *threads* processor cores; None leaves it as it is."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def run_one(options: dict[str, Any], *, data_dir: Path | None, resume: bool, again: bool, store: Store,
            report: Report, track: tuple[str, ...] = (), track_dir: Path | None = None) -> RunRecord:
    """Resolve what was typed and run it. The twin of `core.running.pipeline.run`. *track*: trackers that hear the
    trace, which keep their files in *track_dir*.

    What can be seen to be no use is refused before torch is loaded and before a folder of the run is there.
    """
    given = given_of(options)
    spec = resolve(given)
    source_of(spec.model)
    if data_dir is not None:
        check_folder(data_dir)
    from core.running import pipeline, tracking

    carry_out = partial(pipeline.run, spec, store=store, data_dir=data_dir, resume=resume, again=again, report=report,
                        given=given)
    if not track:
        return carry_out()
    with tracking.tracked(spec, list(dict.fromkeys(track)), track_dir or store.live / TRACKING) as curves:
        record = carry_out(heard=curves)
    if curves.problem:
        note(f"Note: tracking stopped {curves.problem}; the run is whole.")
    return record


def helping() -> bool:
    """Is this one of several processes of `accelerate launch`, and not the main one? Told without torch."""
    return "RANK" in os.environ and os.environ["RANK"] != "0"


def help_run(data_dir: Path | None, resume: bool, again: bool, options: dict[str, Any]) -> None:
    """Help the main process, which alone speaks: what cannot be used it says too."""
    try:
        run_one(options, data_dir=data_dir, resume=resume, again=again, store=default_store(), report=lambda p: None)
    except InputError:
        raise SystemExit(2) from None


def score_table(record: RunRecord) -> str:
    """The accuracies that exist, under the metric and what it was measured on; "" without results."""
    scores = record.results
    if scores is None:
        return ""
    rows = [(words, value) for name, words in STAGES.items() if (value := getattr(scores, name)) is not None]
    return table([f"{scores.metric} on {scores.n_eval} {scores.split} examples", "score"], rows)


def summary(record: RunRecord) -> str:
    """What a run came to: its accuracies, its sparsity, and where to look next."""
    head = f"{record.id}: {record.status}, {record.sparsity:.1%} zeros, {record.timing.total:.0f} s"
    body = score_table(record)
    notes = "\n".join(f"Note: {printable(note)}" for note in record.said)
    tail = f"Error: {record.error}" if record.error else f"Next: python -m core check {record.id}"
    return "\n".join(part for part in (head, body, notes, tail) if part)


@click.command("run")
@spec_options
@click.option("--data-dir", type=Place(), help="Folder with <task>/{train,validation}.parquet.")
@click.option("--resume", is_flag=True, help="Continue the unfinished run of this very spec.")
@click.option("--again", is_flag=True, help="Make the run again though it exists.")
@click.option("--progress-file", type=Place(dir_okay=False),
              help="Write where the run stands into this file, as JSON, while it goes on.")
@click.option("--track", multiple=True, metavar="TRACKER",
              help="Send the training curves to this tracker of accelerate too, e.g. tensorboard; repeatable. The run "
                   "stays the same bit for bit.")
@click.option("--track-dir", type=Place(file_okay=False),
              help="Where trackers keep their files; default: .tracking among the live runs.")
@click.option("--threads", type=THREADS, help="Processor cores that torch may use.")
@json_option
def run_command(data_dir: Path | None, resume: bool, again: bool, progress_file: Path | None, track: tuple[str, ...],
                track_dir: Path | None, threads: int | None, as_json: bool, **options: Any) -> None:
    """Train, prune, evaluate and record one model.

    The dense parent is made first when it is not on this machine. A finished run of the same settings is not made
    twice. The defaults below are those of `minilm-l6`; `tiny` and one-shot methods have some of their own, and the
    run's record says what was used.

    \b
    Example:
      python -m core run --task mrpc --model minilm-l6 --method admm --pattern 2:4 --epochs 4 --seed 0
    """
    set_threads(threads)
    if helping():
        return help_run(data_dir, resume, again, options)
    with stoppable(), reporter(file=progress_file) as report:
        record = run_one(options, data_dir=data_dir, resume=resume, again=again, store=default_store(), report=report,
                         track=track, track_dir=track_dir)
    if as_json:
        echo_json(record_object(record))
    else:
        click.echo(summary(record))
    if record.status != "succeeded":
        raise SystemExit(1)
