"""How soon is the first picture there, and what does a recorded page weigh? `python -m benchmarks.first_picture`

First picture: the time from starting the server to a painted picture in headless Chromium, for the home page of this
dashboard and for a bare Streamlit script that shows the very same PNG. The two alternate, each time with a fresh server
and a fresh browser context (nothing cached, nothing shared but the running browser); the figure is the median of the
paired ratios. Our server runs in the repository, the bare one in an empty folder with Streamlit's own settings.

Bytes: all websocket frames of a page's first visit, both ways, as the browser hands them over (before any compression,
so at least what travels), and all responses except Streamlit's own bundle under /static/, which every Streamlit page
shares and the browser keeps.

Needs Chromium (CHROMIUM names another one) and recorded runs; SPARSESCOPE_CACHED and SPARSESCOPE_RUNS choose the store.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import InputError
from ui.pages import PAGES

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 5
RATIO_BAR = 1.25
BYTES_BAR = 1.0  # MB
LIMIT = 180.0  # seconds until a server or a picture counts as missing; generous, for a busy machine
QUIET = 1.0  # seconds without a byte after which a page has arrived
BROWSER_WORDS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# True as soon as a picture of the main area, or a film that took its place, is laid out, and two frames have been drawn
# since.
PAINTED = """() => new Promise(done => {
    const look = () => {
        const films = [...document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')].flatMap(
            film => [...film.shadowRoot?.querySelectorAll('canvas') ?? []]);
        const shown = films.some(c => c.width >= 64 && c.getBoundingClientRect().height > 0)
            || [...document.querySelectorAll('[data-testid="stMain"] img')].some(
                i => i.complete && i.naturalWidth >= 64 && i.getBoundingClientRect().height > 0);
        requestAnimationFrame(shown ? () => requestAnimationFrame(() => done(true)) : look);
    };
    look();
})"""
# True when the script has written its heading and has ended, and nothing on the page waits for its content.
IDLE = """() => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
    && document.querySelector('[data-testid="stMain"] h1')
    && !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')"""
TAKE = """async () => {
    const img = [...document.querySelectorAll('[data-testid="stMain"] img')].find(i => i.naturalWidth >= 64);
    const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
    return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
}"""
BARE = 'import streamlit as st\n\nst.image("picture.png", width="stretch")\n'


def chromium() -> str:
    """Path of the browser. Raises InputError when there is none."""
    named = os.environ.get("CHROMIUM")
    names = (named,) if named else ("chromium", "chromium-browser", "google-chrome")
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise InputError(f"No browser was found (tried {', '.join(names)})", "Chromium",
                     "Install it (Debian, Ubuntu: apt-get install chromium), or name it in CHROMIUM.")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """A running headless Chromium. Raises InputError when it, or Playwright, is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("Playwright is not installed", "the packages of requirements-dev.txt",
                         "Run `make bench`, which installs them.") from None
    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=BROWSER_WORDS)
        try:
            yield running
        finally:
            running.close()


@contextlib.contextmanager
def served(script: str, folder: Path) -> Iterator[str]:
    """Serve a Streamlit script from *folder*; yields the address once it answers. Ends the server with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port),
               "--server.headless", "true", "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address, end = f"http://127.0.0.1:{port}", time.monotonic() + LIMIT
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"streamlit run {script} did not answer within {LIMIT:g} s") from None
                time.sleep(0.02)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def time_to_picture(running: Any, script: str, folder: Path, take: Path | None = None) -> float:
    """Seconds from starting the server to the first painted picture; with *take*, its bytes are written there.

    Raises InputError when the page shows no picture, as with an empty store.
    """
    from playwright.sync_api import TimeoutError as TooLong

    start = time.perf_counter()
    with served(script, folder) as address:
        context = running.new_context(viewport={"width": 1366, "height": 768})
        context.set_default_timeout(LIMIT * 1000)
        try:
            page = context.new_page()
            page.goto(address, wait_until="commit")
            page.wait_for_selector('[data-testid="stMain"] img', state="attached")
            page.evaluate(PAINTED)
            seconds = time.perf_counter() - start
            if take is not None:
                take.write_bytes(base64.b64decode(page.evaluate(TAKE)))
            return seconds
        except TooLong:
            raise InputError(f"{script} showed no picture within {LIMIT:g} s", "a home page with recorded runs",
                             "See that cached_runs/ holds a run with weights: `python -m core list`.") from None
        finally:
            context.close()


def paired_times(running: Any, pairs: int = PAIRS) -> list[tuple[float, float]]:
    """(ours, bare) in seconds for each pair, after one visit each that warms the disk and is not counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        time_to_picture(running, "app.py", ROOT, take=folder / "picture.png")
        (folder / "bare.py").write_text(BARE)
        time_to_picture(running, "bare.py", folder)
        return [(time_to_picture(running, "app.py", ROOT), time_to_picture(running, "bare.py", folder))
                for _ in range(pairs)]


class Meter:
    """Counts the bytes of one browser page."""

    def __init__(self, page: Any) -> None:
        self.page, self.frames, self.responses = page, 0, 0
        self.last = time.monotonic()
        self._urls: dict[str, str] = {}
        devtools = page.context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.on("Network.webSocketFrameReceived", self._frame)
        devtools.on("Network.webSocketFrameSent", self._frame)
        devtools.on("Network.responseReceived", lambda e: self._urls.update({e["requestId"]: e["response"]["url"]}))
        devtools.on("Network.loadingFinished", self._loaded)

    def _frame(self, event: dict[str, Any]) -> None:
        data = event["response"]["payloadData"]
        binary = event["response"]["opcode"] == 2  # handed over in base64
        self.frames += len(base64.b64decode(data)) if binary else len(data.encode())
        self.last = time.monotonic()

    def _loaded(self, event: dict[str, Any]) -> None:
        if not urlsplit(self._urls.get(event["requestId"], "")).path.startswith("/static/"):
            self.responses += int(event["encodedDataLength"])
        self.last = time.monotonic()

    def megabytes(self) -> float:
        """All bytes, in MB of a million, once the script has ended and nothing has come for a second."""
        self.page.wait_for_function(IDLE)
        while time.monotonic() - self.last < QUIET:
            self.page.wait_for_timeout(100)
        return (self.frames + self.responses) / 1e6


def page_megabytes(running: Any, address: str) -> float:
    """MB of the first visit to *address*."""
    context = running.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(LIMIT * 1000)
    try:
        page = context.new_page()
        meter = Meter(page)
        page.goto(address)
        return meter.megabytes()
    finally:
        context.close()


def measure() -> list[dict[str, Any]]:
    """The paired ratio of the first picture, and the bytes of every page. About two minutes."""
    rows: list[dict[str, Any]] = []
    with browser() as running:
        times = paired_times(running)
        ratio = statistics.median(ours / bare for ours, bare in times)
        ours, bare = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append({"name": "start to first picture", "figure": round(ratio, 3), "unit": "x",
                     "against": f"a bare Streamlit script with the same picture ({ours:.2f} s against {bare:.2f} s)",
                     "bar": RATIO_BAR, "ok": ratio <= RATIO_BAR})
        with served("app.py", ROOT) as address:
            for entry in PAGES.values():
                size = page_megabytes(running, address if entry.key == "overview" else f"{address}/{entry.key}")
                rows.append({"name": f"bytes of the page {entry.title}", "figure": round(size, 3), "unit": "MB",
                             "against": "websocket and media, without Streamlit's own bundle",
                             "bar": BYTES_BAR, "ok": size <= BYTES_BAR})
    return rows


if __name__ == "__main__":
    for row in measure():
        print(f"{row['name']}: {row['figure']} {row['unit']} (bar {row['bar']}; {row['against']})"
              f"{'' if row['ok'] else '  NOT MET'}")
