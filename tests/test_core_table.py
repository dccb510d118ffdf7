"""README's core table is what the recorded answers give, today."""

from __future__ import annotations

import subprocess
import sys

from tests.sources import ROOT


def test_the_table_in_readme_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "core_table.py"), "--check"], cwd=ROOT,
                          capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"run: make table\n{done.stderr}"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "| 2:4, minilm-l6 | CoLA | SST-2 | MRPC | STS-B | RTE | average |" in text and "| 1:4, minilm-l6 |" in text
    assert "ADMM in training over ASP, average:" in text
