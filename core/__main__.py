"""`python -m core`: the headless command. See `docs/cli.md`."""

from __future__ import annotations

from core.cli.group import main

if __name__ == "__main__":
    main(prog_name="python -m core")
