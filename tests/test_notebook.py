"""The notebook in docs/ says what it does when it is run; and the tool that runs it notices when it does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sources import ROOT
from tests.test_documents import MACHINE

NOTEBOOK = ROOT / "docs" / "api.ipynb"


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "tools" / "notebook.py"), *words], cwd=ROOT, text=True,
                          capture_output=True, timeout=115, check=False)


def cells_of(file: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(file.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def written(place: Path, *sources: str) -> Path:
    """A notebook of those cells, not yet run."""
    file = place / "small.ipynb"
    file.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source, "outputs": []} for source in sources],
                                "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return file


def test_the_tool_takes_down_what_cells_print_and_show_and_finds_what_has_changed(tmp_path: Path) -> None:
    file = written(tmp_path, "x = 20\nprint('two', x)\nx + 1.5", "None", "class V:\n    def _repr_html_(self):\n"
                   "        return f'<b>{x}</b>'\n    def __str__(self):\n        return 'V'\nV()", "y = x")
    assert tool(str(file)).returncode == 0
    first, second, third, fourth = cells_of(file)
    assert [o.get("text") or o["data"] for o in first["outputs"]] == ["two 20\n", {"text/plain": "21.5"}]
    assert second["outputs"] == fourth["outputs"] == []
    assert third["outputs"][0]["data"]["text/html"] == "<b>20</b>"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"21.5"', '"21.6"'), encoding="utf-8")  # within two percent
    assert tool(str(file), "--check").returncode == 0
    file.write_text(text.replace('"21.5"', '"23.5"').replace('"<b>20</b>"', '"<i>20</i>"'), encoding="utf-8")
    done = tool(str(file), "--check")
    assert done.returncode == 1
    assert "cell 1: it says 21.5, the file 23.5\ncell 3: it says 'V\\n<b>20</b>'" in done.stderr
    file.write_text(text.replace('"y = x"', '"y = z"'), encoding="utf-8")
    done = tool(str(file), "--check")
    assert (done.returncode, "NameError: name 'z' is not defined" in done.stderr) == (1, True)


def test_the_notebook_is_small_run_in_order_and_holds_no_place_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    assert not MACHINE.search(re.sub(r'"image/png": "[^"]*"|"bdata": "[^"]*"', "", text))
    cells = cells_of(NOTEBOOK)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    shown = [output["data"] for cell in cells for output in cell["outputs"] if "data" in output]
    figures = [data for data in shown if "application/vnd.plotly.v1+json" in data]
    assert len(figures) >= 5
    assert all("image/png" in data for data in figures)  # for who draws no Plotly


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_its_file_says() -> None:
    done = tool(str(NOTEBOOK), "--check")
    assert done.returncode == 0, done.stderr
