"""Where a model comes from: a folder, a package, the hub. And how its final weights are written down.

Code from a model's folder never runs (`trust_remote_code` stays False) and weights are read from safetensors only.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import InputError, ours
from core.models import MODELS, ModelEntry, class_names, corrected, identity, tokens, weights
from core.models.library import problem_type, quiet_transformers
from core.models.shrunk import register_folder
from core.models.tiny import tiny_model, tiny_tokenizer
from core.runs.disk import whole_folder

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class Loaded:
    """A classifier ready to train: the model (float32, on the CPU, in eval mode), its tokenizer, and its source.
    `note`: what became of the source's own head, in words; "" where there is nothing to say. `drawn`: the modules of
    head and pooler that the source has no weights for."""

    model: Any
    tokenizer: Any
    source: str
    note: str = ""
    drawn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """The classifier that is asked for. `labels`: outputs, 1 for a regression; `classes`: their names, if it has any.
    `whole`: a checkpoint of ours, in which no weight may be missing and whose outputs are in order. `own_head`: it is
    used as it is, so that no weight may be drawn."""

    labels: int
    seed: int
    classes: tuple[str, ...] = ()
    whole: bool = False
    own_head: bool = False


def load_model(name: str, *, labels: int, seed: int, checkpoint: Path | None = None, classes: Sequence[str] = (),
               own_head: bool = False) -> Loaded:
    """Load *name* (a name in MODELS, a folder, or a hub id) as a classifier with *labels* outputs (1 = regression).

    Order: folder, offline package, hub cache, hub. What the source has no weights for, the new head above all, is
    drawn from *seed*; the global generator is left alone. *classes*: the names of the outputs; a head of the source's
    own is put into their order, or drawn anew where it is for other classes (`core.models.class_names`), and with
    *own_head* refused then. *checkpoint*: a folder that `save_checkpoint` wrote, whose weights are loaded instead.
    Raises InputError when nothing can be reached or used, with what was tried, and for a folder whose content is not
    the one that *name* says.
    """
    wanted = Wanted(labels, seed, tuple(classes), whole=checkpoint is not None, own_head=own_head)
    if checkpoint is not None:
        return _from_folder(Path(checkpoint), wanted, "checkpoint")
    if name == "tiny":
        with _seeded(seed):
            model = tiny_model(labels)
        class_names.put(model.config, classes)
        return Loaded(model, tiny_tokenizer(), f"random start from seed {seed}")
    entry = MODELS.get(name)
    found = identity.located(name)
    if found is not None:
        identity.settled(name)  # refuses what has changed since the run was asked for
        return _from_folder(found[0], wanted, f"folder {found[0].name}")
    packed = _package_folder(entry.package) if entry and entry.package else None
    if entry and packed is not None:
        loaded = _from_folder(packed, wanted, f"package {entry.package}")
    else:
        loaded = _from_hub(name, entry, wanted)
    return replace(loaded, note="", drawn=()) if entry else loaded  # of a model of the list it is known: it has no head


def _from_hub(name: str, entry: ModelEntry | None, wanted: Wanted) -> Loaded:
    hub_id = (entry.hub_id or name) if entry else name
    tried = [f"package {entry.package} (not installed)" if entry and entry.package else f"folder {name[:80]!r} (none)"]
    remedy = "Go online once, or give a folder with config.json, model.safetensors and the tokenizer's files."
    if entry and entry.package:
        remedy = f"Install the package {entry.package} (it is in requirements-offline.txt), or go online once."
    if close := difflib.get_close_matches(name.lower(), [n for n in MODELS if n != name], n=1):
        remedy = f"Did you mean {close[0]!r}? {remedy}"
    if not HUB_ID.fullmatch(hub_id):
        raise InputError(f"Model {name[:80]!r} is no folder, and no hub id either",
                         f"one of {', '.join(MODELS)}, a folder, or a hub id such as 'bert-base-uncased'", remedy)
    for only_cache, place in ((True, "hub cache"), (False, "hub")):
        try:
            return _load(hub_id, wanted, only_cache, f"{place} {hub_id}")
        except InputError:
            raise
        except Exception as error:  # the hub's client has no common base: OSError, httpx errors, its own kinds
            if ours(error):
                raise
            tried.append(f"{place} {hub_id!r} ({_first_line(error)})")
    raise InputError(f"Model {name[:80]!r} cannot be found: tried {'; '.join(tried)}", "one of them to hold the model",
                     remedy)


def _package_folder(package: str) -> Path | None:
    """The folder `model/` of an installed package, found without running the package's code."""
    spec = importlib.util.find_spec(package.replace("-", "_"))
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    return None


def _from_folder(folder: Path, wanted: Wanted, said: str) -> Loaded:
    """Load a Hugging Face folder; *said*: what to call the source."""
    expected = "a folder with config.json, model.safetensors and the tokenizer's files"
    shown = f"Model folder {str(folder)[-80:]!r}"
    weights.refuse_adapter(folder)
    if not wanted.whole:
        weights.refuse_correction(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"{shown} has no config.json", expected, weights.inner_words(folder))
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"{shown} has no weights in safetensors (pickled weights are not opened)", expected,
                         "Save it again with save_pretrained.")
    register_folder(folder)
    try:
        return _load(str(folder), wanted, True, said)
    except InputError:
        raise
    except Exception as error:  # whatever a foreign folder makes its readers say
        if ours(error):
            raise
        raise InputError(f"{shown} cannot be loaded ({_first_line(error)})", expected,
                         "Fetch or save it anew.") from None


def _load(source: str, wanted: Wanted, only_cache: bool, said: str) -> Loaded:
    import torch

    transformers = quiet_transformers()
    shared = {"local_files_only": only_cache, "trust_remote_code": False}
    config, name = transformers.PretrainedConfig.get_config_dict(source, **shared)[0], Path(source).name
    weights.refuse_packed(name, config)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, use_fast=True, **shared)
    labels, whole = wanted.labels, wanted.whole
    open_it = partial(
        transformers.AutoModelForSequenceClassification.from_pretrained, source, num_labels=labels,
        problem_type=problem_type(labels), dtype=torch.float32, use_safetensors=True, ignore_mismatched_sizes=True,
        output_loading_info=True, **shared)
    with _seeded(wanted.seed):
        model, info = open_it()
        if model.config.is_encoder_decoder:
            raise InputError(f"{name!r} has a decoder beside its encoder", "an encoder such as BERT",
                             "Choose an encoder model.")
        prefix = weights.prefix_of(model, info)
        if prefix:
            opened, info = open_it(key_mapping={f"^{re.escape(prefix)}": ""})
            # A model keeps the names that it was read under and would be saved under them: a new one does not.
            model = type(opened)(opened.config).eval()
            model.load_state_dict(opened.state_dict())
        lacking = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
        if whole and lacking:
            raise InputError(f"{name!r} lacks {len(lacking)} weights ({lacking[0]!r} first)",
                             f"a whole checkpoint with {labels} outputs", "Make the run again.")
        header = weights.header_of(_folder_of(source), prefix)
        fresh = weights.checked(model, name, header, info)
        head = class_names.Head("") if whole else class_names.fit_head(
            model, class_names.said_by(config), wanted.classes, labels, fresh, wanted.seed)
        if wanted.own_head and not whole:
            class_names.refuse_new(name, head, fresh, wanted.classes)
        drawn = sorted({*fresh, *head.drawn})
        weights.draw(model, drawn)
    if whole:
        corrected.restore(model, Path(source))
    class_names.put(model.config, wanted.classes)
    tokens.fit(tokenizer, model, name)
    return Loaded(model, tokenizer, said, head.note, tuple(dict.fromkeys(key.rpartition(".")[0] for key in drawn)))


def _folder_of(source: str) -> Path:
    """The folder that *source*, a folder or the id of a model that was loaded from the hub, lies in."""
    if Path(source).is_dir():
        return Path(source)
    return Path(quiet_transformers().utils.cached_file(source, "config.json", local_files_only=True)).parent


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from *seed* on the CPU, then put the global generator back."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def preload() -> None:
    """Have all of transformers loaded that a run uses. Importing it is not enough: it loads its parts on use."""
    transformers = quiet_transformers()
    for part in ("AutoModelForSequenceClassification", "AutoTokenizer", "BertTokenizerFast"):
        getattr(transformers, part)
    load_model("tiny", labels=2, seed=0)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def save_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save a folder that `AutoModelForSequenceClassification.from_pretrained` and `load_model(checkpoint=)` load. What
    layers have beside their weight lies in a folder of its own there (`core.models.corrected`)."""
    quiet_transformers()
    with whole_folder(folder) as building:
        model.save_pretrained(building, state_dict=corrected.without(model))
        corrected.save(model, building)
        tokenizer.save_pretrained(building)
