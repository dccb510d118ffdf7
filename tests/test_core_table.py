"""README's core table is what the recorded answers give, today."""

from __future__ import annotations

import subprocess
import sys

from core.evidence.cells import cells
from core.evidence.places import averaged
from core.evidence.tables import table
from core.lessons.admm import ADMM
from core.methods.cards import text_of
from core.runs.store import Store
from tests.sources import ROOT


def test_the_table_in_readme_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "core_table.py"), "--check"], cwd=ROOT,
                          capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"run: make table\n{done.stderr}"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "| 2:4, minilm-l6 | CoLA | SST-2 | MRPC | STS-B | RTE | average |" in text and "| 1:4, minilm-l6 |" in text
    assert "ADMM in training over ASP, average:" in text
    assert "ADMM in training over ASP, agreement with dense where there are classes: +" in text


def test_at_2_4_the_answers_tell_what_no_score_does_as_readme_and_the_card_say() -> None:
    found = cells(Store(ROOT / "cached_runs", ROOT / "none").entries())
    for quantity, clear in (("score", False), ("agreement", True)):
        rows = table(found, averaged(found, "minilm-l6", quantity), "minilm-l6", "2:4", quantity, "asp").rows
        for row in (r for r in rows if r.method in ("admm", "admm-layer") and r.trained):
            assert row.versus is not None and row.versus.interval.clear == clear, (row.method, quantity)
            assert not clear or 0.02 < row.versus.interval.value < 0.04
    assert "than ASP, at 2:4 too, where their scores are level" in text_of("admm").differs


def test_masked_training_is_level_with_admm_as_the_card_and_the_lesson_say() -> None:
    found = cells(Store(ROOT / "cached_runs", ROOT / "none").entries())
    tasks = averaged(found, "minilm-l6")
    for pattern in ("2:4", "1:4"):
        rows = table(found, tasks, "minilm-l6", pattern, reference="admm").rows
        masked = next(row for row in rows if row.method == "admm-layer" and row.trained)
        assert masked.versus is not None and not masked.versus.interval.clear
    steep = next(step for step in ADMM.steps if step.id == "steep").question
    assert steep is not None and "is level with it" in steep.reveal
    assert "is level with this method" in text_of("admm").differs
