"""`python -m core`: the headless command. See `docs/cli.md`."""

from __future__ import annotations

from core.cli.group import leave, main

if __name__ == "__main__":
    try:
        main(prog_name="python -m core")
    except SystemExit as end:  # click ends with one; what no command foresees keeps its traceback
        leave(end)
