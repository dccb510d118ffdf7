"""The check of a run folder: does it hold what its header says, and does its model obey its pattern?

It works from the files alone (numpy; no model, no data) and says in words what the record level let it verify. The
pattern is judged by `core.sparsity.verify`, which shares no code with the selection that made the masks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs import answers, gridded
from core.runs import grams
from core.runs import arrays as enc
from core.runs.bound import joined
from core.runs.checks import low_rank_check, told_check
from core.runs.checks.film_check import check_films
from core.runs.checks.moment_check import check_moments
from core.runs.checks.unit_check import check_units
from core.runs.levels import holds
from core.runs.records import STAGES, Matrix
from core.runs.store import ARRAYS, Run
from core.sparsity.occupancy import groups_of, occupancy
from core.sparsity.patterns import Dense, Pattern, parse_pattern
from core.sparsity.verify import ALL, Verdict, verify_all

EXAMPLES = 3  # groups spelled out per matrix

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class CheckReport:
    """What `check` found: *verified* in words, *problems* with matrix, group and count."""

    run_id: str
    level: str  # the record level
    verified: list[str]
    problems: list[str]
    seconds: float

    @property
    def ok(self) -> bool:
        """No problem was found."""
        return not self.problems


def check(run: Run) -> CheckReport:
    """Check *run* from its files alone. Damage is a problem in the report, never an exception."""
    began = time.perf_counter()
    job = _Check(run)
    try:
        job.carry_out()
    except InputError as error:  # a damaged array file, a pattern that does not fit a matrix
        job.problems.append(str(error))
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        # numbers and shapes that no part below expects: the files of another run, or a hand's
        job.problems.append(f"its files do not fit together ({type(error).__name__}: {str(error)[:200]})")
    return CheckReport(run.record.id, run.record.spec.record, job.verified, job.problems,
                       round(time.perf_counter() - began, 3))


def number(value: int) -> str:
    """An integer in groups of three digits."""
    return f"{value:,}".replace(",", " ")


class _Check:
    """One check on its way: what was verified, what is wrong."""

    def __init__(self, run: Run) -> None:
        self.run, self.record, self.spec = run, run.record, run.record.spec
        self.dense = self.spec.method == "dense"
        self.pattern: Pattern = Dense()
        self.held: dict[str, np.ndarray] = {}
        self.verified: list[str] = []
        self.problems: list[str] = []

    def carry_out(self) -> None:
        """All parts, the cheap ones first."""
        if self.record.status != "succeeded":
            reason = f": {self.record.error}" if self.record.error else ""
            self.problems.append(f"the run has not succeeded, it is {self.record.status}{reason}")
            return
        self.pattern = Dense() if self.dense else parse_pattern(self.spec.pattern)
        self._scores()
        if not self._matrices():
            return
        self._parent()
        self.held = self.run.arrays()
        if not self.held:
            self.problems.append(f"{ARRAYS} is missing or empty")
            return
        self._readable()
        self.pattern = joined(self.pattern.restored(self.held), self.record)
        if self.pattern.learns:
            cell = self.pattern.grouping.cell or ()
            self.verified.append(f"learned library: {number(self.pattern.budget.ways or 0)} supports that all "
                                 f"differ, each of {self.pattern.allowed} in {' x '.join(map(str, cell))}")
        if self.dense:
            self._part("the header says that nothing is pruned", self._dense_digest)
        elif holds(self.spec.record, "masks"):
            self._masks()
        elif holds(self.spec.record, "summary"):
            self._summary()
        else:
            self.verified.append("not verified: neither masks nor counts per group were kept, so only the header speaks "
                                 "for the pattern")
        if self.spec.bits and holds(self.spec.record, "summary"):
            self._add(gridded.check(self.spec, self.record.matrices, self.held))
        elif holds(self.spec.record, "full"):
            self._part("int8 weights fit their matrices" if self.dense else "kept weights fit their masks",
                       lambda m: gridded.check_plain(m, self.spec, self.held))
        if holds(self.spec.record, "lab"):
            self._add(grams.check(self.record.matrices, self.held))
        if holds(self.spec.record, "summary"):
            self._part("thumbnails are there and finite", self._thumbnail)
        self._add(answers.check(self.record, self.held))
        self._add(check_units(self.record, self.held))
        self._probes()
        self._add(check_films(self.record, self.pattern, self.held, _violations))
        self._add(told_check.check(self.pattern, self.record.matrices, self.held))
        self._add(low_rank_check.check(self.record, self.held))
        check_moments(self.record, self.held, self.verified, self.problems)

    def _add(self, found: tuple[list[str], list[str]]) -> None:
        """What a module of its own verified, and its problems."""
        self.verified += found[0]
        self.problems += found[1]

    def _part(self, words: str, one: Callable[[Matrix], str | None]) -> None:
        """Check every matrix with *one* (its problem, or None); claim *words* when all are fine."""
        found = [f"{m.name}: {text}" for m in self.record.matrices if (text := one(m))]
        self.problems += found
        if not found:
            self.verified.append(f"{words} ({len(self.record.matrices)} matrices)")

    def _scores(self) -> None:
        results = self.record.results
        if results is None:
            self.problems.append("the header has no results")
            return
        held = {name: value for name in STAGES if (value := getattr(results, name)) is not None}
        wrong = [f"score {n} is {v}, not a number from -1 to 1" for n, v in held.items()
                 if not (math.isfinite(v) and -1.0 <= v <= 1.0)]
        wrong += [f"detail {n} is {v}, not finite" for n, v in results.detail.items() if not math.isfinite(v)]
        wanted = ("final", "dense") if self.dense else ("final", "dense", "one_shot", "hard_pruned")
        wrong += [f"score {name} is missing" for name in wanted if name not in held]
        if results.n_eval < 1:
            wrong.append("no evaluation examples")
        self.problems += wrong
        if not wrong:
            self.verified.append(f"{len(held)} scores ({results.metric}, {number(results.n_eval)} examples): finite")

    def _matrices(self) -> bool:
        """The header's own list; nothing else can be checked without it."""
        matrices, before = self.record.matrices, len(self.problems)
        if not matrices:
            self.problems.append("the header lists no matrices")
        if len({m.name for m in matrices}) < len(matrices):
            self.problems.append("the header lists a matrix twice")
        for m in matrices:
            self.pattern.fits(m.name, m.shape)
            if not (0.0 <= m.density <= 1.0 and 0.0 <= m.kept_energy <= 1.0 + 1e-4 and 0.0 <= m.moved <= 1.0):
                self.problems.append(f"{m.name}: density, kept energy or moved is no share from 0 to 1")
            if m.violations:
                self.problems.append(f"{m.name}: the header itself counts {m.violations} violations")
            if m.mask_sha256 is None:
                self.problems.append(f"{m.name}: the header has no SHA-256 of the mask")
        return len(self.problems) == before

    def _parent(self) -> None:
        if self.dense:
            return
        parent = self.run.parent
        if parent is None:
            self.problems.append(f"its dense parent {self.record.parent} is not in the store" if self.record.parent
                                 else "it names no dense parent")
            return
        other, wrong = parent.record, []
        if other.spec.method != "dense" or other.status != "succeeded":
            wrong.append(f"its parent {other.id} is no finished dense run")
        if [(m.name, m.shape) for m in other.matrices] != [(m.name, m.shape) for m in self.record.matrices]:
            wrong.append(f"its parent {other.id} has other matrices")
        if (other.spec.task, other.spec.model, other.spec.seed) != (self.spec.task, self.spec.model, self.spec.seed):
            wrong.append(f"its parent {other.id} has another task, model or seed")
        self.problems += wrong
        if not wrong:
            self.verified.append("dense parent: in the store, same task, model, seed and matrices")

    def _readable(self) -> None:
        """Every array was read; where it holds fractions, they are finite."""
        broken = [key for key, a in sorted(self.held.items()) if a.dtype.kind == "f" and not np.isfinite(a).all()]
        self.problems += [f"array {key} is not finite" for key in broken]
        if not broken:
            self.verified.append(f"{number(len(self.held))} arrays: readable, finite")

    def _dense_digest(self, m: Matrix) -> str | None:
        if m.density != 1.0:
            return f"the header says density {m.density:.4f} in a dense run"
        same = m.mask_sha256 == enc.mask_digest(enc.pack_mask(np.ones(m.shape, np.uint8)))
        return None if same else "the SHA-256 is not that of a full mask"

    def _masks(self) -> None:
        """Every mask against the pattern, its SHA-256, its density and its occupancy."""
        masks: dict[str, Mask] = {}
        for m in self.record.matrices:
            bits = self.held.get(f"mask/{m.name}")
            packed = (m.shape[0], -(-m.shape[1] // 8))
            if bits is None:
                self.problems.append(f"{m.name}: the mask is missing, though the record level is {self.spec.record!r}")
            elif bits.dtype != np.uint8 or bits.shape != packed:
                self.problems.append(f"{m.name}: the packed mask is {bits.dtype} {list(bits.shape)}, not uint8 "
                                     f"{list(packed)}")
            else:
                masks[m.name] = enc.unpack_mask(bits, m.shape[1])
        if len(masks) < len(self.record.matrices):
            return
        verdicts = verify_all(masks, self.pattern)
        broken = [text for v in verdicts.values() if (text := _violations(v))]
        self.problems += broken
        if not broken:
            groups, short = (sum(getattr(v, field) for v in verdicts.values()) for field in ("groups", "short"))
            few = f"; groups that keep fewer than allowed: {number(short)}" if short else ""
            unit = "group" if groups == 1 else "groups"
            self.verified.append(f"masks of {len(masks)} matrices, {number(groups)} {unit} at {self.pattern.name}: "
                                 + ("exact" if not short else "none over") + few)
        self._part("SHA-256 of every mask equals the header's", lambda m: self._digest(m, masks[m.name]))
        self._part("density of every mask equals the header's", lambda m: _density(m, masks[m.name]))
        self._part("occupancy of every mask equals what is kept", lambda m: self._occupancy(m, masks[m.name]))

    def _digest(self, m: Matrix, mask: Mask) -> str | None:
        """The kept bytes are judged, unused bits at the end of a row included."""
        bits = self.held.get(f"mask/{m.name}")
        assert bits is not None
        if enc.mask_digest(bits) == m.mask_sha256:
            return None
        text = "the mask's SHA-256 is not the header's"
        if (most := self.pattern.allowed) is not None:  # a cleared bit leaves a group short: say where
            few = _short(mask, self.pattern, most)
            text += f": {'; '.join(few[:EXAMPLES])}" if few else ""
            text += f"; and {number(len(few) - EXAMPLES)} more" if len(few) > EXAMPLES else ""
        return text

    def _occupancy(self, m: Matrix, mask: Mask) -> str | None:
        return _same_counts(self.held.get(f"occupancy/{m.name}"), occupancy(mask, self.pattern).histogram)

    def _summary(self) -> None:
        """Without masks, the counts per group still tell whether the pattern holds, if they are true."""
        self._part(f"summary only: the recorded counts per group obey {self.pattern.name} and give the header's "
                   "density", self._counts)
        if self.pattern.scope == "model":
            size = sum(math.prod(m.shape) for m in self.record.matrices)
            kept = sum(round(m.density * math.prod(m.shape)) for m in self.record.matrices)
            if kept > (allowed := self.pattern.budget.kept(size)):
                self.problems.append(f"{ALL}: keep {kept}, allowed {allowed}")
        supports = ", nor which support a block took" if self.pattern.budget.ways is not None else ""
        self.verified.append(f"not verified: masks were not kept, so their SHA-256 cannot be recomputed{supports}")

    def _counts(self, m: Matrix) -> str | None:
        counts = self.held.get(f"occupancy/{m.name}")
        rows, columns = groups_of(self.pattern)
        size, cells = math.prod(m.shape), rows * columns
        if counts is None or counts.shape != (cells + 1,) or counts.dtype != np.int64:
            return f"no occupancy counts 0..{cells}"
        kept = int((counts * np.arange(cells + 1)).sum())
        if self.pattern.grouping.cell and int(counts.sum()) != size // cells:
            return f"occupancy counts {number(int(counts.sum()))} groups, the matrix has {number(size // cells)}"
        most = self.pattern.allowed
        if most is not None and (over := int(counts[most + 1:].sum())):
            return f"occupancy counts {number(over)} groups that keep more than {most}"
        if self.pattern.scope == "matrix" and most is None:
            grouping = self.pattern.grouping
            allowed = self.pattern.budget.kept(grouping.units_in(m.shape)) * grouping.weights_in(m.shape)
            if kept > allowed:
                return f"occupancy counts {number(kept)} kept weights, allowed {number(allowed)}"
        if kept != round(m.density * size):
            return f"occupancy counts {number(kept)} kept weights, the header {number(round(m.density * size))}"
        return None

    def _thumbnail(self, m: Matrix) -> str | None:
        picture = self.held.get(f"thumbnail/{m.name}")
        return None if picture is not None and picture.ndim == 2 and picture.size else "the thumbnail is missing"

    def _probes(self) -> None:
        """Activations and attention agree in shape with the probes' tokens, layer by layer."""
        if not holds(self.spec.record, "masks"):
            return
        wrong, layers = [], range(self.record.layers + 1)
        for p in self.record.probes:
            for layer in layers:
                a = self.held.get(f"activation/{p.id}/{layer}")
                b = self.held.get(f"attention/{p.id}/{layer}")
                if a is None or a.ndim != 2 or a.shape[0] != len(p.tokens):
                    wrong.append(f"probe {p.id}: no activation of layer {layer} for its {len(p.tokens)} tokens")
                if layer and (b is None or b.shape != (self.record.heads, len(p.tokens), len(p.tokens))):
                    wrong.append(f"probe {p.id}: no attention of layer {layer} for {self.record.heads} heads")
        self.problems += wrong
        if not wrong and self.record.probes:
            self.verified.append(f"activations and attention of {len(self.record.probes)} probe sentences: "
                                 "shapes agree")


def _violations(verdict: Verdict) -> str | None:
    """One line: how many groups of which matrix keep too much, the first of them with row, inputs and count."""
    if verdict.ok:
        return None
    shown = "; ".join(str(e).partition(": ")[2] for e in verdict.examples[:EXAMPLES])
    more = verdict.violations - min(len(verdict.examples), EXAMPLES)
    unit = "group breaks" if verdict.violations == 1 else "groups break"
    return (f"{verdict.matrix}: {number(verdict.violations)} {unit} {verdict.pattern}: {shown}"
            + (f"; and {number(more)} more" if more > 0 else ""))


def _short(mask: Mask, pattern: Pattern, most: int) -> list[str]:
    """The groups of `[out, in]` that keep fewer than *most*, in words."""
    rows, columns = groups_of(pattern)
    kept = pattern.counts(mask)
    where = "rows {}..{}" if rows > 1 else "row {}"
    return [f"{where.format(i * rows, (i + 1) * rows - 1)}, inputs {j * columns}..{(j + 1) * columns - 1} keep "
            f"{kept[i, j]} of {most}" for i, j in np.argwhere(kept < most).tolist()]


def _density(m: Matrix, mask: Mask) -> str | None:
    kept, said = int(mask.sum()), round(m.density * mask.size)
    return None if kept == said else f"the mask keeps {number(kept)} weights, the header says {number(said)}"


def _same_counts(held: NDArray[np.generic] | None, found: NDArray[np.int64]) -> str | None:
    if held is None:
        return "the occupancy counts are missing"
    return None if np.array_equal(held, found) else \
        f"the occupancy counts are {held.tolist()}, the mask gives {found.tolist()}"
