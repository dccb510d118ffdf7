"""Makers of complete, consistent run folders. numpy only: a page, a check or a list is tested without a training.

Everything a folder holds follows from its spec: the dense weights from task, model and seed; the masks from the method
and the pattern; the figures of the header from the masks. So a run made here passes every check that a trained one
passes, and a test that damages it knows exactly what it damaged.
"""

from __future__ import annotations

import math
import os
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.runs import arrays as enc
from core.runs import store as st
from core.runs.records import Environment, Matrix, Probe, RunRecord, RunSpec, Scores, Snapshot, Timing
from tests.making import (
    attention_of,
    dense_weights,
    gram_of,
    group_counts,
    moved_scores,
    multiple_of,
    select,
    trace_rows,
)
from tests.making_answers import answers_for
from tests.making_moments import moments_of

METRICS = {"cola": "matthews_correlation", "mrpc": "accuracy_f1_mean"}
LABELS = {
    "entailment": ["entailment", "neutral", "contradiction"],
    "mrpc": ["not_equivalent", "equivalent"],
    "sentiment": ["negative", "positive"],
}
SENTENCES = {
    "entailment": (("every dog sleeps", "some dog sleeps"), ("no cat runs", "a cat runs")),
    "mrpc": (("the shop opened on monday", "on monday the shop opened"), ("she sold the car", "she kept the car")),
}
PLAIN = (("the keys to the cabinet are here", None), ("the dogs near the tree barks", None))
FINAL = {"dense": 1.0, "magnitude": 0.8, "wanda": 0.86, "sparsegpt": 0.91, "asp": 0.93, "admm-layer": 0.96,
         "nxm-admm": 0.92, "admm": 0.98, "sr-ste": 0.94}
ADMM = ("admm", "nxm-admm")  # the methods with an ADMM phase in training: snapshots, residuals, W and Z scores
LEVELS = ("answers", "summary", "masks", "full", "lab")


def make_run(
    root: Path, *, id: str | None = None, task: str = "agreement", model: str = "tiny", method: str = "admm",
    pattern: str = "2:4", seed: int = 0, parent: str | None = None, status: str = "succeeded", record: str = "full",
    layers: int = 2, hidden: int = 64, ffn: int = 256, heads: int = 4, scores: dict[str, Any] | None = None,
    snapshots: int = 5, watched: bool = False, answers: bool = True, **overrides: Any,
) -> str:
    """Write one run folder under *root* and return its id.

    *scores* replaces fields of the results; *overrides* are fields of RunSpec (epochs, lr, knobs ...) or of RunRecord
    (created, error, pid, environment ...). A run that did not succeed has a trace, and neither results nor arrays.
    A *watched* one keeps its feature maps at nine moments. Answers are kept (see `tests.making_answers`) where the main
    metric is accuracy and the header's scores are a count of examples, as those of 2:4 are; else, or without *answers*,
    there are none, as in an old recording.
    """
    spec = _spec(task, model, method, pattern, seed, record, overrides)
    header = {k: v for k, v in overrides.items() if k in RunRecord.__struct_fields__}
    run_id = id or spec.run_id
    folder = Path(root) / run_id
    folder.mkdir(parents=True)
    made = sum(1 for _ in Path(root).parent.glob("*/*/" + st.HEADER))  # over all roots: later made = newer
    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=made)
    rows = trace_rows(method, zlib.crc32(run_id.encode()))
    done = status == "succeeded"
    (folder / st.TRACE).write_bytes(
        b"".join(msgspec.json.encode(r) + b"\n" for r in (rows if done else rows[: len(rows) // 2])))
    base = RunRecord(
        schema=1, id=run_id, status=status, created=created.isoformat(timespec="seconds"), spec=spec,  # type: ignore
        spec_given={"task": task, "method": method, "pattern": pattern}, parent=parent, environment=_environment(),
        timing=Timing(total=42.5, phases={"load": 1.5, "prune": 11.0, "evaluate": 30.0}),
        labels=LABELS.get(task, ["unacceptable", "acceptable"]), layers=layers, heads=heads,
        pid=os.getpid() if status == "running" else None,
        error="The loss became NaN at step 12" if status == "failed" else None)
    if done:
        arrays, fields = _body(spec, layers, hidden, ffn, heads, snapshots, rows)
        if watched:
            regions, fields["moments"] = moments_of(fields.get("probes", []), layers, hidden, ffn)
            arrays |= regions
        base = msgspec.structs.replace(base, results=_scores(task, method, pattern, scores or {}), **fields)
        arrays |= _answers(base) if answers else {}
        st.write_arrays(folder, arrays)
    st.write_header(folder, msgspec.structs.replace(base, **header))
    return run_id


def make_dense(root: Path, **fields: Any) -> str:
    """Write a dense parent under *root* and return its id."""
    return make_run(root, method="dense", pattern="dense", **fields)


def make_store(tmp_path: Path) -> st.Store:
    """A dense parent and magnitude, asp, admm-layer and admm at 2:4 and 1:4, for `agreement` and `cola`.

    18 runs; all recorded but the ADMM runs of `cola`, which are live (their parent is recorded).
    """
    store = empty_store(tmp_path)
    for task in ("agreement", "cola"):
        parent = make_dense(store.recorded, task=task)
        for method in ("magnitude", "asp", "admm-layer", "admm"):
            for pattern in ("2:4", "1:4"):
                root = store.live if (task, method) == ("cola", "admm") else store.recorded
                make_run(root, task=task, method=method, pattern=pattern, parent=parent)
    return store


def empty_store(tmp_path: Path) -> st.Store:
    """A store with two empty roots under *tmp_path*."""
    store = st.Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    store.recorded.mkdir()
    store.live.mkdir()
    return store


def run_named(store: st.Store, *, task: str = "agreement", method: str = "admm", pattern: str = "2:4") -> str:
    """The id of the newest readable run of *store* with this task, method and pattern (any pattern for dense)."""
    for r in store.records():
        if (r.spec.task, r.spec.method) == (task, method) and (method == "dense" or r.spec.pattern == pattern):
            return r.id
    raise LookupError(f"no {method} run at {pattern} for {task}")


def _spec(task: str, model: str, method: str, pattern: str, seed: int, record: str, given: dict[str, Any]) -> RunSpec:
    fields = {"epochs": 0.0 if method in ("dense", "magnitude", "wanda", "sparsegpt", "admm-layer") else 4.0}
    fields |= {k: v for k, v in given.items() if k in RunSpec.__struct_fields__}
    extra = set(given) - set(RunSpec.__struct_fields__) - set(RunRecord.__struct_fields__)
    if extra:
        raise TypeError(f"neither a field of RunSpec nor of RunRecord: {sorted(extra)}")
    return RunSpec(task=task, model=model, method=method, pattern=pattern, seed=seed, record=record, **fields)  # type: ignore[arg-type]


def _environment() -> Environment:
    return Environment(python="3.11.9", packages={"torch": "2.13.0", "numpy": "2.4.6"}, commit="0" * 40, dirty=False,
                       processor="a test's processor", device="cpu", threads=2)


def _scores(task: str, method: str, pattern: str, given: dict[str, Any]) -> Scores:
    """Plausible accuracies: dense 0.9 of one, less at lower density, ADMM above ASP above magnitude."""
    density = 1.0 if method == "dense" else 0.5 if pattern.startswith(("2:4", "4:8")) else 0.25
    dense, keep = 0.9, 1.0 if method == "dense" else FINAL.get(method, 0.9) - 0.1 * (0.5 - density)
    fields: dict[str, Any] = {"dense": dense, "final": round(dense * keep, 4)}
    if method != "dense":
        fields["one_shot"] = round(dense * (FINAL["magnitude"] - 0.1 * (0.5 - density)), 4)
        fields["hard_pruned"] = fields["one_shot"] if method in ("magnitude", "asp") else round(dense * keep - 0.02, 4)
    if method in ADMM:
        fields |= {"admm_w": round(dense * keep - 0.01, 4), "admm_z": round(dense * keep - 0.02, 4)}
    metric = METRICS.get(task, "accuracy")
    fields = {"metric": metric, "n_eval": 1000, **fields, **given}
    return Scores(**({"detail": {"score": fields["final"], metric: fields["final"]}} | fields))


def _answers(record: RunRecord) -> dict[str, np.ndarray]:
    """What the model says to every example, if any count of right answers gives the header's scores."""
    spec, results = record.spec, record.results
    assert results is not None
    if results.metric != "accuracy" or results.dense is None or results.final is None or len(record.labels) < 2:
        return {}
    said = answers_for(spec.task, spec.seed, len(record.labels), results.n_eval, results.dense, results.final,
                       spec.method != "dense", spec.run_id)
    return {} if said is None else {"answers/logits": said[0], "answers/labels": said[1]}


def _body(spec: RunSpec, layers: int, hidden: int, ffn: int, heads: int, snapshots: int,
          rows: list[dict[str, Any]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a finished run, and the header's fields that follow from them."""
    level = LEVELS.index(spec.record) - 1  # 0 is summary
    before = dense_weights(f"{spec.task}/{spec.model}/{spec.seed}", layers, hidden, ffn)
    rng = np.random.default_rng(zlib.crc32(spec.run_id.encode()))
    pruned = spec.method != "dense"
    magnitude = select(spec.pattern, {k: np.abs(w) for k, w in before.items()}) if pruned else {}
    moving = pruned and spec.method not in ("magnitude", "asp")
    masks = select(spec.pattern, moved_scores(before, rng)) if moving else magnitude
    still = spec.method in ("dense", "magnitude")
    after = {k: w if still else w + rng.normal(0, 0.004, w.shape).astype(np.float32) for k, w in before.items()}
    out: dict[str, np.ndarray] = {}
    matrices, multiple = [], math.lcm(8, multiple_of(spec.pattern))
    free = select("unstructured", {k: np.abs(w) for k, w in before.items()}, like=masks) if pruned else {}
    for name, w in before.items():
        mask = masks.get(name)
        held = after[name] if mask is None else after[name] * mask
        full = enc.pack_mask(np.ones(w.shape, np.uint8))
        entry = Matrix(name=name, shape=w.shape, mask_sha256=enc.mask_digest(full))
        if level >= 0:
            out[f"thumbnail/{name}"] = enc.thumbnail(held, multiple)
        if mask is not None:
            bits = enc.pack_mask(mask)
            if level >= 0:
                out[f"occupancy/{name}"] = group_counts(mask, spec.pattern)
                out[f"occupancy.free/{name}"] = group_counts(free[name], spec.pattern)
            entry = Matrix(
                name=name, shape=w.shape, density=float(mask.mean()), mask_sha256=enc.mask_digest(bits),
                kept_energy=float((mask * w**2).sum() / (w**2).sum()), moved=float((mask != magnitude[name]).mean()),
                error=0.06 if spec.method == "magnitude" else 0.012)
            if level >= 1:
                out[f"mask/{name}"] = bits
        if level >= 2:
            enc.put_weight(out, name, held, mask)
        if level >= 3 and pruned:  # query, key and value read the same input
            twin = name.replace(".key", ".query").replace(".value", ".query")
            if twin == name:
                out[f"gram/{name}"] = enc.upper_triangle(gram_of(w.shape[1], rng))
            entry = msgspec.structs.replace(entry, gram=twin, gram_tokens=4 * w.shape[1])
        matrices.append(entry)
    fields: dict[str, Any] = {"matrices": matrices}
    if level >= 1:
        fields["probes"] = _probes(out, spec.task, layers, hidden, heads, 0.0 if not pruned else 0.3)
    if level >= 2 and spec.method in ADMM:
        fields["snapshots"] = _snapshots(out, spec.pattern, before, after, masks, snapshots, rows, rng)
    return out, fields


def _probes(out: dict[str, np.ndarray], task: str, layers: int, hidden: int, heads: int, shift: float) -> list[Probe]:
    """Two sentences; the pruned model's activations are the dense ones with *shift* of noise added."""
    probes = []
    for i, (text, pair) in enumerate(SENTENCES.get(task, PLAIN)):
        tokens = ["[CLS]", *text.split(), "[SEP]"] + ([*pair.split(), "[SEP]"] if pair else [])
        rng, noise = np.random.default_rng(i), np.random.default_rng(100 + i)
        for layer in range(layers + 1):
            x = rng.normal(0, 1, (len(tokens), hidden)) + shift * noise.normal(0, 1, (len(tokens), hidden))
            scale = np.float32(np.abs(x).max() / 127)
            out[f"activation/p{i}/{layer}"] = np.rint(x / scale).astype(np.int8)
            out[f"activation/p{i}/{layer}.scale"] = np.array([scale], np.float32)
            if layer:
                out[f"attention/p{i}/{layer}"] = attention_of(heads, len(tokens), shift, rng)
        logits = [1.5 - shift, -1.0] if len(LABELS.get(task, [0, 1])) == 2 else [1.5 - shift, 0.2, -1.0]
        probes.append(Probe(id=f"p{i}", text=text, text_pair=pair, tokens=tokens, logits=logits))
    return probes


def _snapshots(out: dict[str, np.ndarray], pattern: str, before: dict[str, np.ndarray], after: dict[str, np.ndarray],
               masks: dict[str, np.ndarray], count: int, rows: list[dict[str, Any]],
               rng: np.random.Generator) -> list[Snapshot]:
    """W walks from the dense weights to the pruned ones; U is what is left to pull; the mask is Z's support."""
    phase = [r for r in rows if r["phase"] == "admm"]
    taken = []
    for k in range(count):
        share = k / max(count - 1, 1)
        supports = masks if k == count - 1 else select(pattern, moved_scores(before, rng))
        for name, w in before.items():
            kept = supports[name]
            moment = (1 - share) * w + share * after[name] * np.where(masks[name], 1.0, 0.01)
            for what, values in (("w", moment), ("u", (1 - share) * (moment - moment * kept))):
                codes, scale = enc.encode_rows(values)
                out[f"snapshot/{k}/{what}/{name}"], out[f"snapshot/{k}/{what}/{name}.scale"] = codes, scale
            out[f"snapshot/{k}/mask/{name}"] = enc.pack_mask(kept)
        row = phase[round(share * (len(phase) - 1))]
        taken.append(Snapshot(k=k, step=row["step"], rho=row["rho"], primal=row["primal"]))
    return taken
