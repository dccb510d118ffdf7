"""`python -m core`: the headless command. See `docs/cli.md`."""

from __future__ import annotations

import sys

from core.cli.group import and_leave

if __name__ == "__main__":
    and_leave(sys.argv[1:])
