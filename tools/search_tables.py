"""Write what helps ADMM into its decision, docs/decisions/0013-what-helps-admm.md, from what `cached_runs/` keeps.

Every table stands between `<!-- search: TASKS, EPOCHS -->` (tasks with a plus between them) and `<!-- end -->`.
`python tools/search_tables.py` writes them; with `--check` it only says whether they are up to date (exit code 1: no).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.evidence.quantities import KL  # noqa: E402
from core.evidence.search import SEARCHED, Searched, choice, effects, places, row_name, searched  # noqa: E402
from core.evidence.words import signed_interval  # noqa: E402
from core.runs.store import Store  # noqa: E402

DECISION = ROOT / "docs" / "decisions" / "0013-what-helps-admm.md"
BLOCK = re.compile(r"(<!-- search: ([a-z0-9+]+), ([0-9.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| change | where it is chosen | unseen | p |\n|---|---|---|---|\n"


def table(found: Searched, tasks: tuple[str, ...], epochs: float) -> str:
    """Every change and every other method, the best first; bold what the search chooses."""
    place = next(p for p in places(found, SEARCHED) if p.epochs == epochs and set(tasks) <= set(p.tasks))
    chosen = {effect.key for effect in choice(found, place, tasks, SEARCHED)}
    lines = []
    for row in effects(found, place, tasks, SEARCHED):
        name = row_name(row, SEARCHED) + (" *" if row.chose.idle else "")
        told = ["" if one is None or one.versus is None else signed_interval(KL, one.versus.interval)
                for one in (row.chose, row.unseen)]
        lines.append(f"| {f'**{name}**' if row.key in chosen else name} | {told[0]} | {told[1]} | {row.p:.3f} |\n")
    return HEAD + "".join(lines)


def main(asked: list[str]) -> int:
    """Run from the command line."""
    found = searched(Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder").entries())
    old = DECISION.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda m: f"{m[1]}\n{table(found, tuple(m[2].split('+')), float(m[3]))}\n{m[4]}", old)
    if "--check" in asked:
        return int(new != old)
    DECISION.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
