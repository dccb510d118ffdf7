"""Where the model that a name stands for would come from, told before anything is loaded. No torch, no network.

Loading itself is `core.models.loading.load_model`; what is refused here is refused there too.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import InputError
from core.models import MODELS
from core.models.class_names import listed, numbered, said_by
from core.models.identity import located, settled
from core.models.loading import HUB_ID
from core.models.weights import inner_words, refuse_adapter, refuse_correction, refuse_packed

FILES = "a folder with config.json, model.safetensors and the tokenizer's files"
LARGEST = 4 << 20  # bytes of a configuration
LONGEST = 1000  # characters of a path


@dataclass(frozen=True)
class Source:
    """What a model's name stands for. `name`: as a run should be given it; a folder by its whole path, so that it means
    the same wherever the command is given. `words`: one line for the form, empty for a model of the list."""

    kind: Literal["list", "folder", "cache", "hub"]
    name: str
    words: str = ""


def source_of(name: str) -> Source:
    """What *name* stands for: a model of MODELS, a folder, or a hub id, at hand or to be fetched.

    Raises InputError for a folder that holds no configuration or no weights in safetensors, and for what is neither a
    folder nor a hub id. Whether the hub knows an id is not asked here.
    """
    if name in MODELS:
        return Source("list", name)
    if not name or len(name) > LONGEST:
        raise InputError(f"A model's name of {len(name)} characters", f"1 to {LONGEST}", "Choose one of the list.")
    found = located(name)
    if found is not None:
        folder, digest = found
        return Source("folder", str(folder) if digest is None else settled(name), _folder_words(folder))
    shown = repr(name[-80:])
    try:
        file = Path(name).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # too long for a path, ~nobody's home, a zero byte
        file = False
    if file:
        raise InputError(f"Model {shown} is a file", FILES, "Name the folder that holds it.")
    close = difflib.get_close_matches(name.lower(), MODELS, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    if not HUB_ID.fullmatch(name) or ".." in name:
        raise InputError(f"Model {shown} is no folder on this machine, and no hub id either",
                         f"one of {', '.join(MODELS)}, a folder, or a hub id such as 'bert-base-uncased'",
                         hint + "Correct it.")
    if _in_cache(name):
        return Source("cache", name, f"{hint}Hub id {name}: in this machine's cache, nothing is fetched.")
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Source("hub", name, f"{hint}Hub id {name}: not in this machine's cache, and HF_HUB_OFFLINE forbids to "
                                   "fetch it. The run would fail.")
    return Source("hub", name, f"{hint}No folder {name} here, so it is taken for a hub id: fetched by the run.")


def _folder_words(folder: Path) -> str:
    shown = f"Model folder {str(folder)[-80:]!r}"
    refuse_adapter(folder)
    refuse_correction(folder)
    config = _json(folder / "config.json")
    if config is None:
        raise InputError(f"{shown} has no config.json that can be read", FILES, inner_words(folder))
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"{shown} has no weights in safetensors (pickled weights are not opened)", FILES,
                         "Save it again with save_pretrained.")
    refuse_packed(folder.name, config)
    own_code = any("auto_map" in (found or {}) for found in (config, _json(folder / "tokenizer_config.json")))
    kind = str(config.get("model_type", "not said"))[:40]
    names = said_by(config).names
    classes = f" It names its classes: {listed(names)}. With 0 dense epochs it is pruned as it is." \
        if names is not None and not numbered(names) else ""
    return f"Folder found: {folder.name}, kind {kind}.{classes}" + (
        " It brings code of its own, which is never run: it works only if its kind is known without it."
        if own_code else "")


def _json(file: Path) -> dict[str, Any] | None:
    try:
        if file.stat().st_size > LARGEST:
            return None
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _in_cache(hub_id: str) -> bool:
    """Does the hub's cache hold a snapshot of *hub_id*? Its place is that of the hub's client."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    try:
        return any((cache / f"models--{hub_id.replace('/', '--')}" / "snapshots").iterdir())
    except OSError:
        return False
