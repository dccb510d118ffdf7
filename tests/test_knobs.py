"""Knobs: what is read from text and numbers, what is refused and in which words, what a spec and a run's id make of
it."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import InputError
from core.lab import choices_layer
from core.live import asking
from core.methods import METHODS, build
from core.methods.knob_sets import AdmmKnobs, AdmmLayerKnobs, PatternAdmmKnobs
from core.methods.knobs import Knobs, knob, knobs_of, knobs_to_spec, make_knobs
from core.runs.store import read_header
from core.specs.recipes import read_sweep
from core.specs.resolving import resolve
from tests.sources import ROOT

RUN = {"task": "agreement", "model": "tiny"}
RECORDED = sorted((ROOT / "cached_runs").glob("*/run.json"))


@dataclass(frozen=True)
class Toy(Knobs):
    """One knob of every kind, and a rule over two of them."""

    rounds: int = knob(3, "rounds", 1, 40, "rounds")
    rate: float = knob(0.5, "rate", 0.1, 2.0)
    warm: bool = knob(True, "warm start")
    way: str = knob("up", "way to go", choices=("up", "down"))
    name: str = knob("*", "layers by name", later=True)

    def fit_together(self) -> None:
        super().fit_together()
        if self.way == "down" and self.rounds > 30:
            raise InputError("more than 30 rounds down", "fewer", "Go up.")


@pytest.mark.parametrize(("name", "given", "value"), [
    ("rounds", "7", 7), ("rounds", 7, 7), ("rounds", 7.0, 7), ("rounds", " 7 ", 7), ("rounds", "1e1", 10),
    ("rate", "1", 1.0), ("rate", 1, 1.0), ("rate", "5e-1", 0.5), ("rate", 2, 2.0), ("rate", 0.1, 0.1),
    ("warm", "false", False), ("warm", "No", False), ("warm", "0", False), ("warm", False, False), ("warm", 0, False),
    ("warm", "TRUE", True), ("warm", "yes", True), ("way", "down", "down"), ("name", "7", "7"),
    ("name", "true", "true")])
def test_a_text_and_a_number_are_the_same_value_of_the_right_kind(name: str, given: Any, value: Any) -> None:
    read = getattr(make_knobs(Toy, {name: given}), name)
    assert read == value and type(read) is type(value)


HUGE = 16 ** 6000  # more digits than Python writes
WRONG: list[tuple[str, Any, str]] = [
    ("rounds", 3.7, "a whole number"), ("rounds", "3.7", "a whole number"), ("rounds", "inf", "a whole number"),
    ("rounds", math.inf, "a whole number"), ("rounds", math.nan, "a whole number"),
    ("rounds", "1e400", "a whole number"), ("rounds", "9" * 5000, "a whole number"), ("rounds", True, "a whole number"),
    ("rounds", "true", "a whole number"),
    ("rounds", None, "a whole number"), ("rounds", [3], "a whole number"), ("rounds", "", "a whole number"),
    ("rounds", HUGE, "1 to 40"), ("rounds", 0, "1 to 40"), ("rounds", "41", "1 to 40"), ("rounds", 1e300, "1 to 40"),
    ("rate", "nan", "0.1 to 2.0"), ("rate", "inf", "0.1 to 2.0"), ("rate", "-inf", "0.1 to 2.0"),
    ("rate", "1e400", "0.1 to 2.0"), ("rate", HUGE, "0.1 to 2.0"), ("rate", -HUGE, "0.1 to 2.0"),
    ("rate", "0.0999", "0.1 to 2.0"), ("rate", False, "a number"), ("rate", "much", "a number"),
    ("warm", 2, "true or false"), ("warm", 0.5, "true or false"), ("warm", 1.0, "true or false"),
    ("warm", "on", "true or false"), ("warm", None, "true or false"), ("way", 1, "a text"), ("name", True, "a text"),
    ("way", "dwon", "Did you mean 'down'?"), ("raet", 1, "Did you mean 'rate'?")]


@pytest.mark.parametrize(("name", "given", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_value_of_a_knob_is_refused_in_words(name: str, given: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        make_knobs(Toy, {name: given})
    assert words in str(caught.value) and len(str(caught.value)) < 300


def test_a_class_of_knobs_refuses_what_its_reader_refuses() -> None:
    for given in ({"rounds": 3.7}, {"warm": 2}, {"rate": 9.0}, {"way": "left"}):
        with pytest.raises(InputError):
            Toy(**given)  # type: ignore[arg-type]


def test_values_are_judged_together_once_each_is_read() -> None:
    assert make_knobs(Toy, {"rounds": "40"}) == Toy(rounds=40)
    with pytest.raises(InputError, match="more than 30 rounds down"):
        make_knobs(Toy, {"way": "down", "rounds": "40"})
    with pytest.raises(InputError, match="1 to 40"):  # the range first: the rule is about values that are fine alone
        make_knobs(Toy, {"way": "down", "rounds": "41"})
    for given in ({"mix": "0.5"}, {"mix": 0.5, "inputs": "pruned"}):
        with pytest.raises(InputError, match=r"mix = 0\.5 with inputs = 'pruned'"):
            resolve({**RUN, "method": "pattern-admm", "knobs": given})
    assert resolve({**RUN, "method": "pattern-admm", "knobs": {"mix": 0.5, "inputs": "dense"}}).knobs["mix"] == 0.5


def test_a_number_without_both_ends_of_its_range_is_a_fault_of_ours() -> None:
    for ends in ({}, {"low": 0.0}, {"high": 1.0}):
        with pytest.raises(TypeError, match="both ends"):
            knob(0.5, "share", **ends)


def test_a_spec_names_every_knob_but_the_later_ones_at_their_default() -> None:
    assert knobs_to_spec(Toy(rate=1)) == {"rounds": 3, "rate": 1.0, "warm": True, "way": "up"}
    assert knobs_to_spec(Toy(name="a*"))["name"] == "a*"


@pytest.mark.parametrize("name", METHODS)
def test_the_spec_of_any_knobs_gives_the_same_knobs_again(name: str) -> None:
    kind = METHODS[name].knobs
    lowest = {k.name: k.choices[-1] if k.choices else k.low if k.low is not None else k.default for k in knobs_of(kind)}
    lowest |= {"mix": 0.0} if "mix" in lowest else {}
    for given in ({}, lowest):
        knobs = make_knobs(kind, given)
        assert make_knobs(kind, {k: str(v) for k, v in knobs_to_spec(knobs).items()}) == knobs


# By class of knobs: the ends of every range, and the choices of what has none. A range that widens lets in what nobody
# tried; one that narrows refuses recorded runs.
ADMM = {"share": (0.05, 1.0), "rho_start": (1e-6, 10.0), "rho_end": (1e-6, 10.0), "interval": (1, 1000),
        "dual": "true false", "inputs": "dense pruned", "metric": "norms none adam", "refine": "mask sr-ste",
        "decay": (0.0, 1.0), "start": "layers dense", "sharpness": (0.0, 1.0), "refine_lr": (0.01, 100.0),
        "match": (0, 100)}
LAYER: dict[str, tuple[float, float] | str] = {
    "iterations": (1, 300), "rho_start": (1e-4, 1e3), "rho_end": (1e-4, 1e3), "stages": (1, 12),
    "damping": (1e-6, 1.0), "polish": (0, 100), "rise": "stages support fixed", "scaled": "true false",
    "ramp": (0, 300), "settle": (0, 300), "metric": "norms inverse", "inputs": "dense pruned", "match": (0, 100)}
RANGES: dict[str, dict[str, tuple[float, float] | str]] = {
    "dense": {}, "magnitude": {}, "wanda": {}, "asp": {},
    "sparsegpt": {"damping": (1e-6, 1.0), "block": (1, 4096)},
    "admm-layer": LAYER, "admm-lowrank": {**LAYER, "rank": (0, 1024)},
    "besa": {"passes": (0, 100), "sequences": (1, 256), "lr": (1e-5, 10.0), "granularity": "row matrix",
             "metric": "wanda magnitude", "candidates": "centred published", "smooth": "true false",
             "inputs": "dense pruned"},
    "sr-ste": {"decay": (0.0, 1.0), "form": "gradient weights"},
    "group-lasso": {"share": (0.05, 1.0), "strength": (0.0, 10.0), "form": "penalty proximal", "dose": (0.0, 100.0),
                    "refreshes": (1, 100)},
    "mlpruning": {"share": (0.05, 1.0), "start": (0.0, 10.0), "lr": (0.0, 10.0), "strength": (0.0, 1e6),
                  "blocks": (0.0, 0.9), "size": (2, 256)},
    "dpp": {"share": (0.05, 1.0), "lr": (1e-6, 1.0), "noise": (0.0, 10.0), "warm": (0.0, 100.0),
            "tau_start": (0.01, 100.0), "tau_end": (0.01, 100.0), "entropy": (0.0, 100.0), "order": "value index",
            "certainty": "choice softmax", "samples": (0, 100)},
    "policy-gradient": {"steps": (1, 100_000), "lr": (1e-6, 10.0), "window": (1, 1000), "push": (0.0, 10.0)},
    "taylor": {"score": "taylor magnitude", "level": "none layer"},
    "pip": {"eps": (1e-4, 10.0), "rounds": (1, 50), "least": (0.0, 1.0)},
    "identity-prior": {"share": (0.05, 1.0), "strength": (0.0, 10.0), "spectral": (0.0, 10.0),
                       "memory": (0.0, 0.9999), "skip": "true false"},
    "nxm-admm": {"rho": (1e-6, 1e3), "trains": "spec linears"},
    "admm": ADMM,
    "pattern-admm": ADMM | {"strength": (0.0, 100.0), "maps": "ffn attention block all", "layers": "* encoder.layer.3",
                            "rho_a": (0.1, 1e3), "unit": "own dense", "until": "prune end", "mix": (0.0, 1.0)}}


@pytest.mark.parametrize("name", METHODS)
def test_both_ends_of_every_range_are_taken_and_nothing_beyond_them(name: str) -> None:
    """By the value and by its text; of a text every choice, and no other."""
    found = {each.name: each for each in knobs_of(METHODS[name].knobs)}
    assert set(found) == set(RANGES[name])
    for key, ends in RANGES[name].items():
        if isinstance(ends, str):
            values = [found[key].read(text) for text in ends.split()]
            assert len(set(values)) == len(values) and set(found[key].choices) in (set(), set(values))
            continue
        whole = isinstance(found[key].default, int)
        for end, beyond in zip(ends, (ends[0] - 1, ends[1] + 1) if whole else
                               (math.nextafter(ends[0], -1.0), math.nextafter(ends[1], 1e9)), strict=True):
            assert found[key].read(end) == found[key].read(repr(end)) == end
            for given in (beyond, repr(beyond)):
                with pytest.raises(InputError, match=f"{key} = "):
                    found[key].read(given)


# -- everywhere a knob is given ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["3.7", "inf", "nan", "1e400", "9" * 300, "true"], ids=lambda text: text[:5])
def test_iterations_that_are_none_are_a_message_wherever_they_are_given(text: str, cli: Any, tmp_path: Path) -> None:
    result = cli("run", "--task", "agreement", "--method", "admm-layer", "--knob", f"iterations={text}")
    assert result.exit_code == 2 and "iterations = " in result.stderr and "Traceback" not in result.stderr
    with pytest.raises(InputError, match="iterations = "):
        asking.checked(asking.given_of({**RUN, "method": "admm-layer", "knob.iterations": text}))
    choices, problems = choices_layer.read({"iterations": text}, "2:4")
    assert choices.knobs == () and [p.given.partition("=")[0] for p in problems] == ["iterations"]
    for written in (text, f'"{text}"'):
        sweep = tmp_path / "sweep.toml"
        sweep.write_text(f'[[runs]]\ntask = "agreement"\nmodel = "tiny"\nmethod = "admm-layer"\n'
                         f"knobs = {{ iterations = {written} }}\n")
        with pytest.raises(InputError, match="iterations = "):
            [resolve(given) for given in read_sweep(sweep).runs]


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000], ids=["decimal", "hexadecimal"])
def test_a_number_of_thousands_of_digits_in_a_sweep_is_a_message(number: str, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(f'[[runs]]\ntask = "agreement"\nmodel = "tiny"\nknobs = {{ interval = {number} }}\n')
    with pytest.raises(InputError, match=r"sweep\.toml is not TOML|interval = a number of thousands of digits"):
        [resolve(given) for given in read_sweep(sweep).runs]


@pytest.mark.parametrize("name", ["seed", "epochs", "lr"])
def test_a_setting_of_thousands_of_digits_is_a_message(name: str) -> None:
    with pytest.raises(InputError, match=name):
        resolve({**RUN, name: HUGE})


def test_a_link_of_the_layer_lab_is_read_to_its_last_digit() -> None:
    """A number is never cut to the length that was expected."""
    choices, problems = choices_layer.read({"damping": "0.1000000000000000000e-2"}, "2:4")
    assert problems == [] and dict(choices.knobs) == {"damping": 0.001}
    assert dict(choices_layer.read({"iterations": "000000000000000000000030"}, "2:4")[0].knobs) == {"iterations": 30}
    for key, text in (("bits", "000000000004"), ("bits", "4.0")):
        assert choices_layer.read({key: text}, "2:4")[0].bits == 4
    for text in ("4.5", "inf", "true", "1e400"):
        choices, problems = choices_layer.read({"bits": text}, "2:4")
        assert choices.bits == 0 and [p.expected for p in problems] == ["a whole number"]


# -- one schema, without torch -------------------------------------------------------------------------------------


def test_every_method_is_built_resolved_and_listed_from_one_class_without_torch() -> None:
    """In a fresh interpreter: every spec that can be asked for by default, every list of knobs, no torch."""
    code = """
import sys
from core.cli.methods import described
from core.methods import METHODS
from core.specs.resolving import resolve
for name in METHODS:
    spec = resolve({"task": "agreement", "model": "tiny", "method": name})
    assert set(spec.knobs) <= {knob["name"] for knob in described(name)}
resolve({"task": "agreement", "model": "tiny", "method": "admm", "bits": 4})
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100,
                          check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_inputs_a_layer_is_solved_on_are_known_of_every_method() -> None:
    """The running part asks every method, also one that leaves no choice."""
    asked = {name: build(name).knobs.inputs for name, entry in METHODS.items() if entry.target}
    assert {name for name, inputs in asked.items() if inputs == "pruned"} == {"admm", "pattern-admm", "besa"}
    assert set(asked.values()) == {"dense", "pruned"}
    assert AdmmLayerKnobs(inputs="pruned").inputs == PatternAdmmKnobs().inputs == "pruned"
    for kind in (AdmmKnobs, AdmmLayerKnobs, PatternAdmmKnobs):
        with pytest.raises(InputError, match="value of inputs"):
            make_knobs(kind, {"inputs": "sparse"})
    assert "inputs" not in {knob.name for knob in knobs_of(METHODS["sparsegpt"].knobs)}


# -- recorded runs keep their names --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted({path.parent.name.partition("-dense-")[1] or "pruned" for path in RECORDED}))
def test_every_recorded_spec_resolves_to_itself(method: str) -> None:
    """From all of its fields, and again with its knobs as texts: the same spec, hence the same id."""
    paths = [p for p in RECORDED if ("-dense-" in p.parent.name) == (method == "-dense-")]
    assert len(paths) >= 20
    for path in paths:
        header = read_header(path.parent)
        given = {k: v for k, v in msgspec.to_builtins(header.spec).items() if v is not None}
        texts = {**given, "knobs": {name: str(value) for name, value in given["knobs"].items()}}
        assert resolve(given) == resolve(texts) == header.spec
        assert resolve(given).run_id == header.id == path.parent.name


@pytest.mark.parametrize(("given", "run"), [
    ({"task": "agreement", "model": "tiny"}, "agreement-tiny-admm-2of4-e4-s0-e8baeec4"),
    ({"task": "mrpc", "method": "pattern-admm", "pattern": "1:4", "knobs": {"mix": 0.25, "inputs": "dense"}},
     "mrpc-minilm-l6-pattern-admm-1of4-e4-s0-6734d9d6"),
    ({"task": "cola", "method": "sparsegpt", "pattern": "4:8", "knobs": {"block": 64}, "seed": 3},
     "cola-minilm-l6-sparsegpt-4of8-e0-s3-1b97d963")])
def test_a_digest_is_what_it_was(given: dict[str, Any], run: str) -> None:
    """Literal: a default, a knob's kind or an order that changes would give recorded runs other names."""
    assert resolve(given).run_id == run
