"""Run a notebook from its file, without Jupyter: its code cells, in order, as one script in a process of their own.

    .venv/bin/python tools/notebook.py docs/api.ipynb            run it and write what comes out into it
    .venv/bin/python tools/notebook.py docs/api.ipynb --check    run it and compare: exit code 1 where it differs

Words must be the same; numbers may differ by 2 %, as another processor adds up in another order. With Chromium
(CHROMIUM names it) every figure gets a picture beside it, for readers that draw no Plotly; --check does not look at it.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLOTLY, PICTURE = "application/vnd.plotly.v1+json", "image/png"
NUMBER = re.compile(r"\d+(?:\.\d+)?")
CLOSE = 0.02  # of a number; half a unit of three digits for small ones
SECONDS = 110
Output = dict[str, Any]


class Recorder:
    """Takes down what the cells of a script print and show. The script of `script_of` drives it."""

    def __init__(self) -> None:
        self.cells: list[list[Output]] = []
        self._text = io.StringIO()
        self._printing: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()

    def begin(self) -> None:
        """A cell begins."""
        self.cells.append([])
        self._text = io.StringIO()
        self._printing = contextlib.redirect_stdout(self._text)
        self._printing.__enter__()

    def shown(self, value: Any) -> None:
        """The value of a cell's last line."""
        if value is None:
            return
        for method, key in (("_repr_mimebundle_", ""), ("_repr_html_", "text/html")):
            if hasattr(value, method):
                found = getattr(value, method)()
                bundle = dict(found) if not key else {key: found}
                break
        else:
            bundle = {}
        bundle.setdefault("text/plain", str(value))
        if isinstance(bundle.get(PICTURE), bytes):
            bundle[PICTURE] = base64.b64encode(bundle[PICTURE]).decode()
        self.cells[-1].append({"output_type": "execute_result", "execution_count": len(self.cells),
                               "metadata": {}, "data": bundle})

    def end(self) -> None:
        """The cell is through: what it printed comes before what it showed."""
        self._printing.__exit__(None, None, None)
        if text := self._text.getvalue():
            self.cells[-1].insert(0, {"output_type": "stream", "name": "stdout", "text": text})


def script_of(sources: list[str], to: Path) -> str:
    """One script that runs the cells *sources* and writes their outputs to *to*, as JSON."""
    parts = ["import json, sys", f"sys.path.insert(0, {str(Path(__file__).parent)!r})", "from notebook import Recorder",
             "del sys.path[0]", "_cells = Recorder()"]
    for source in sources:
        tree = ast.parse(source)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body[-1] = ast.Expr(ast.Call(ast.parse("_cells.shown", mode="eval").body, [last.value], []))
        parts += ["_cells.begin()", ast.unparse(ast.fix_missing_locations(tree)), "_cells.end()"]
    return "\n".join([*parts, f"with open({str(to)!r}, 'w', encoding='utf-8') as file:",
                      "    json.dump(_cells.cells, file)", ""])


def run(notebook: dict[str, Any], folder: Path) -> list[list[Output]]:
    """The outputs of every code cell of *notebook*, run in *folder*. Raises RuntimeError with what a cell that failed
    says."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as place:
        script, to = Path(place) / "cells.py", Path(place) / "outputs.json"
        script.write_text(script_of(sources, to), encoding="utf-8")
        # The clone's own recorded runs, and nothing that was made on this machine.
        mine = {k: v for k, v in os.environ.items() if k not in ("SPARSESCOPE_CACHED", "PYTHONPATH")}
        done = subprocess.run(
            [sys.executable, str(script)], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False,
            env={**mine, "SPARSESCOPE_RUNS": f"{place}/runs", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-2000:])
        found: list[list[Output]] = json.loads(to.read_text(encoding="utf-8"))
    return found


def words_of(outputs: list[Output]) -> str:
    """What outputs say: their texts and tables, the titles of their figures and what kinds of traces are in them."""
    parts = []
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        parts += ["".join(data[key]) for key in ("text/plain", "text/html") if key in data]
        if figure := data.get(PLOTLY):
            parts += [figure["layout"]["title"]["text"], " ".join(trace["type"] for trace in figure["data"])]
    return "\n".join(parts)


def differs(written: str, now: str) -> str:
    """Where *now* says something else than *written*, in words; "" where they agree."""
    if NUMBER.sub("#", written) != NUMBER.sub("#", now):
        return f"it says {now[:400]!r}, the file {written[:400]!r}"
    for before, after in zip(NUMBER.findall(written), NUMBER.findall(now), strict=True):
        if not math.isclose(float(before), float(after), rel_tol=CLOSE, abs_tol=0.0006):
            return f"it says {after}, the file {before}"
    return ""


def add_pictures(cells: list[list[Output]]) -> None:
    """Give every figure a PNG beside it."""
    import plotly.graph_objects as go
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"])
        page = browser.new_page(viewport={"width": 980, "height": 900})
        for data in (output["data"] for cell in cells for output in cell if PLOTLY in output.get("data", {})):
            file = Path(place) / "figure.html"
            go.Figure(data[PLOTLY]).write_html(file, include_plotlyjs=True, config={"staticPlot": True})
            page.goto(file.as_uri())
            page.wait_for_selector(".main-svg")
            page.wait_for_timeout(400)
            data[PICTURE] = base64.b64encode(page.locator(".plotly-graph-div").screenshot()).decode()
        browser.close()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    notebook = json.loads(asked.file.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    try:
        found = run(notebook, asked.file.resolve().parent)
    except RuntimeError as error:
        print(f"{asked.file}: a cell failed\n{error}", file=sys.stderr)
        return 1
    if asked.check:
        wrong = [f"cell {k}: {text}" for k, (cell, outputs) in enumerate(zip(cells, found, strict=True), 1)
                 if (text := differs(words_of(cell["outputs"]), words_of(outputs)))]
        print("\n".join(wrong) or f"{asked.file}: {len(cells)} cells say what the file says",
              file=sys.stderr if wrong else sys.stdout)
        return 1 if wrong else 0
    if os.environ.get("CHROMIUM"):
        add_pictures(found)
    for number, (cell, outputs) in enumerate(zip(cells, found, strict=True), 1):
        cell["outputs"], cell["execution_count"] = outputs, number
    asked.file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
