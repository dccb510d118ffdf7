"""A dashboard server on a free port, and a headless browser to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
QUIET_SECONDS = 0.6  # nothing may move this long before a page counts as painted


def chromium() -> str:
    """Path of the browser: CHROMIUM, or the first Chromium or Chrome on the path."""
    found = os.environ.get("CHROMIUM") or next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError("No Chromium was found. Install one (apt-get install chromium) or name it in CHROMIUM.")
    return found


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(script: Path = ROOT / "app.py", environment: Mapping[str, str] | None = None,
            port: int | None = None) -> tuple[subprocess.Popen[bytes], str]:
    """Start `streamlit run` on *script*; its process and its address, once it answers. Whoever calls ends it."""
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)], cwd=ROOT,
        env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(process, address)
    except BaseException:
        process.kill()
        process.wait(timeout=20)
        raise
    return process, address


@contextmanager
def server(script: Path = ROOT / "app.py", environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start `streamlit run` on *script*; yields the address. The process ends with the block."""
    process, address = started(script, environment)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_up(process: subprocess.Popen[bytes], address: str, limit: float = 180.0) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode} before it answered")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {limit:g} s")


@contextmanager
def browser() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield made
        finally:
            made.close()


def painted(page: Any, limit: float = 180.0) -> None:
    """Wait until the script has run, every picture is loaded, every Plotly figure is drawn, and nothing moves."""
    page.wait_for_selector("[data-testid=stMainBlockContainer] h1, [data-testid=stException]", timeout=limit * 1000)
    page.wait_for_function(
        """quiet => {
            const main = document.querySelector('[data-testid=stMain]');
            const busy = document.querySelector(
                '[data-testid=stStatusWidget], [data-testid=stSkeleton], [data-stale=true]');
            const images = [...document.images].every(i => i.complete && i.naturalWidth > 0);
            const charts = [...document.querySelectorAll('[data-testid=stPlotlyChart]')]
                .every(c => c.querySelector('.main-svg .plot, .main-svg .layer-above'));
            const shape = main ? main.innerText.length + ':' + main.scrollHeight : '';
            const now = performance.now();
            if (busy || !images || !charts || shape !== window.__shape) {
                window.__shape = shape;
                window.__since = now;
            }
            return now - (window.__since ?? now) > quiet * 1000;
        }""", arg=QUIET_SECONDS, timeout=limit * 1000, polling=100)


def complaints(page: Any) -> list[str]:
    """Texts of the exceptions that a page shows (a red box with a person's mistake is none)."""
    return [box.inner_text() for box in page.query_selector_all("[data-testid=stException]")]
