"""The headless command. COMMANDS is the one list: name -> module of this package that holds it.

Every command is a thin twin of one function. Modules are imported when their command is asked for, and import torch
only where a model is trained, so `list`, `show` and `check` answer at once.
"""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "run": "run",
    "sweep": "sweep",
    "work": "work",
    "list": "browse",
    "show": "browse",
    "table": "table",
    "helps": "helps",
    "check": "check",
    "evaluate": "evaluate",
    "inspect": "inspect",
    "keep": "keep",
    "export": "export",
    "zip": "zip",
    "unzip": "zip",
    "figure": "figure",
    "deck": "deck",
    "cost": "cost",
    "methods": "methods",
    "patterns": "methods",
    "tasks": "methods",
    "task": "task",
    "models": "methods",
    "bench": "bench",
}
