"""Write the tables of docs/decisions/ that are counted from what `cached_runs/` keeps.

    <!-- search: TASKS, EPOCHS -->       what helps ADMM, where a search was made
    <!-- across: TASKS, QUANTITY -->     ADMM in training less every other training, at every pattern

TASKS have a plus between them; a table ends with `<!-- end -->`. `python tools/decision_tables.py` writes them; with
`--check` it only says whether they are up to date (exit code 1: no).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.evidence.across import across  # noqa: E402
from core.evidence.cells import cells  # noqa: E402
from core.evidence.quantities import KL  # noqa: E402
from core.evidence.search import SEARCHED, choice, effects, places, row_name, searched  # noqa: E402
from core.evidence.words import key_name, signed_interval  # noqa: E402
from core.runs.store import Entry, Store  # noqa: E402

DECISIONS = ROOT / "docs" / "decisions"
MODEL = "minilm-l6"
BLOCK = re.compile(r"(<!-- (search|across): ([a-z0-9+]+), ([a-z0-9.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Table = Callable[[tuple[str, ...], str], str]


def search_table(entries: list[Entry]) -> Table:
    """Every change and every other method, the best first; bold what the search chooses."""
    found = searched(entries)

    def table(tasks: tuple[str, ...], epochs: str) -> str:
        place = next(p for p in places(found, SEARCHED) if p.epochs == float(epochs) and set(tasks) <= set(p.tasks))
        chosen = {effect.key for effect in choice(found, place, tasks, SEARCHED)}
        rows = [["change", "where it is chosen", "unseen", "p"]]
        for row in effects(found, place, tasks, SEARCHED):
            name = row_name(row, SEARCHED) + (" *" if row.chose.idle else "")
            told = ["" if one is None or one.versus is None else signed_interval(KL, one.versus.interval)
                    for one in (row.chose, row.unseen)]
            rows.append([f"**{name}**" if row.key in chosen else name, *told, f"{row.p:.3f}"])
        return _markdown(rows)

    return table


def across_table(entries: list[Entry]) -> Table:
    """A row a pattern, fewest zeros first; bold what is clear when so many are looked at."""
    found = cells(entries, model=MODEL)

    def table(tasks: tuple[str, ...], quantity: str) -> str:
        made = across(found, tasks, MODEL, quantity)
        assert made.tasks == tasks, f"{'+'.join(tasks)}: only {'+'.join(made.tasks)} have all methods"
        rows = [["pattern", "zeros", *(f"over {key_name(other)}" for other in made.others)]]
        for pattern, row in made.rows.items():
            told = [signed_interval(quantity, gap.apart.interval) for gap in row]
            rows.append([pattern, f"{100 * made.zeros[pattern]:.0f} %",
                         *(f"**{text}**" if gap.clear else text for text, gap in zip(told, row, strict=True))])
        return _markdown(rows)

    return table


def _markdown(rows: list[list[str]]) -> str:
    head, *rest = (f"| {' | '.join(row)} |\n" for row in rows)
    return f"{head}|{'---|' * len(rows[0])}\n{''.join(rest)}"


def main(asked: list[str]) -> int:
    """Run from the command line."""
    entries = Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder").entries()
    tables = {"search": search_table(entries), "across": across_table(entries)}
    stale = 0
    for path in sorted(DECISIONS.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda m: f"{m[1]}\n{tables[m[2]](tuple(m[3].split('+')), m[4])}\n{m[5]}", old)
        stale += new != old
        if "--check" not in asked:
            path.write_text(new, encoding="utf-8")
    return int("--check" in asked and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
