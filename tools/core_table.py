"""Write the core table into README.md, between its marks, from what `cached_runs/` keeps.

`python tools/core_table.py` writes it; with `--check` it only says whether README is up to date (exit code 1: no).
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.cli.table import markdown  # noqa: E402
from core.evidence.cells import cells  # noqa: E402
from core.evidence.grid import core_grid  # noqa: E402
from core.runs.store import Store  # noqa: E402

MODEL, PATTERNS = "minilm-l6", ("2:4", "1:4")
BEGIN, END = "<!-- core table: make table -->", "<!-- end of the core table -->"


def text() -> str:
    """The tables of all patterns, as they stand in README."""
    found = cells(Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder").entries(), None, MODEL)
    return "\n\n".join(markdown(core_grid(found, MODEL, pattern)) for pattern in PATTERNS)


def main(asked: list[str]) -> int:
    """Run from the command line."""
    path = ROOT / "README.md"
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"README.md has no {BEGIN} and {END}", file=sys.stderr)
        return 1
    new = f"{before}{BEGIN}\n\n{text()}\n\n{END}{after}"
    if "--check" in asked:
        return int(new != path.read_text(encoding="utf-8"))
    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
