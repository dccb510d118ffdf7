"""What does a class wait for? Bytes of a first visit, and the time of a page switch: `python -m core bench
page-switch`; `python -m benchmarks.page_switch BEFORE [PAGE...]` holds this version against another one in the folder
BEFORE (`git worktree add BEFORE COMMIT`), both measured in turn in one run.

A first visit has an empty cache and follows a link to the page: all bytes that the browser hands over, of files as they
travel and of the websocket, and the requests that were refused. A page switch is a click in the side bar, from the page
*Runs*, on a server and in a tab that have shown the page before: until its script has ended, every chart is drawn and
two frames have passed. A busy machine stretches that time; so beside it stands the processor time that it took, of the
server and of the tab's main thread together, which is what two quiet cores would wait at most. *Cold* is the same
processor time of the server for the first visitor of all, once it has worked ahead; when that is, is measured too. Who
comes earlier waits for what is still missing of it.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.first_picture import LIMIT, ROOT, browser, served
from benchmarks.viewers import Session, children
from ui.pages import PAGES

SIZE = {"width": 1366, "height": 768}
WALK = ("accuracy", "compare", "lab", "weights", "methods")  # the pages with most on them
AWAY = "runs"
ROUNDS = 3
TIME_BAR = 0.8  # s of processor time
BYTES_BAR = 3.4  # MB: Plotly alone is 1.4
START = 6.0  # s: by then a server has begun to work ahead
CALM, LATEST = 1.0, 60.0  # s: so long it does nothing once it is done; so long it may take
# True as soon as the page asked for is there, whole.
THERE = """title => new Promise((done, late) => {
    const began = performance.now();
    const look = () => {
        if (performance.now() - began > 120000) late(new Error(`${title} did not come within two minutes`));
        const main = document.querySelector('[data-testid="stMain"]');
        const ok = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
            && main?.querySelector('h1')?.innerText === title
            && !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')
            && [...main.querySelectorAll('[data-testid="stPlotlyChart"]')].every(
                c => c.querySelector('.main-svg .plot, .main-svg .layer-above'))
            && [...document.images].every(i => i.complete);
        requestAnimationFrame(ok ? () => requestAnimationFrame(() => done(true)) : look);
    };
    look();
})"""
CLICK = """path => [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')]
    .find(a => new URL(a.href).pathname === path).click()"""


class Tab:
    """A browser tab on one server, and what both have spent."""

    def __init__(self, running: Any, address: str) -> None:
        context = running.new_context(viewport=SIZE)
        context.set_default_timeout(LIMIT * 1000)
        self.page = context.new_page()
        self._tools = context.new_cdp_session(self.page)
        self._tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._port = address.rpartition(":")[2]
        self.page.goto(f"{address}/{AWAY}")
        self.page.evaluate(THERE, PAGES[AWAY].title)

    def switch(self, key: str) -> tuple[float, float]:
        """Go to page *key*, and back: seconds until it is there, and processor seconds."""
        spent, began = self._spent(), time.perf_counter()
        self.page.evaluate(CLICK, "/" if key == "overview" else f"/{key}")
        self.page.evaluate(THERE, PAGES[key].title)
        took, cost = time.perf_counter() - began, self._spent() - spent
        self.page.evaluate(CLICK, f"/{AWAY}")
        self.page.evaluate(THERE, PAGES[AWAY].title)
        return took, cost

    def _spent(self) -> float:
        found = {m["name"]: m["value"] for m in self._tools.send("Performance.getMetrics")["metrics"]}
        return float(found["TaskDuration"]) + server_seconds(self._port)


def server_seconds(port: str) -> float:
    """Processor seconds so far of the server that this process has started on *port*."""
    total = 0
    for pid in children():
        with contextlib.suppress(OSError, IndexError, ValueError):
            if port.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def first_visit(running: Any, address: str, key: str) -> tuple[float, list[str]]:
    """MB of a first visit to page *key*, and the addresses that were refused."""
    context = running.new_context(viewport=SIZE)
    context.set_default_timeout(LIMIT * 1000)
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    size, refused = [0.0], list[str]()

    def add(count: float) -> None:
        size[0] += count

    tools.on("Network.loadingFinished", lambda e: add(e["encodedDataLength"]))
    tools.on("Network.webSocketFrameReceived",  # handed over in base64
             lambda e: add(len(e["response"]["payloadData"]) * 3 / 4))
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}/{'' if key == 'overview' else key}")
    page.evaluate(THERE, PAGES[key].title)
    page.wait_for_timeout(1000)
    context.close()
    return size[0] / 1e6, refused


def calm(addresses: Sequence[str]) -> list[float]:
    """Wait until the servers at *addresses* have worked ahead; seconds after the call when each last did something."""
    began = time.perf_counter()
    ports = [address.rpartition(":")[2] for address in addresses]
    spent, last = [server_seconds(port) for port in ports], [0.0] * len(ports)
    while (now := time.perf_counter() - began) < START + LATEST:
        for i, port in enumerate(ports):
            if (more := server_seconds(port)) - spent[i] > 0.05:
                spent[i], last[i] = more, now
        if now > max(START, *last) + CALM:
            return last
        time.sleep(0.2)
    raise RuntimeError(f"a server still works after {now:.0f} s")


def cold(address: str, key: str) -> float:
    """Processor seconds of the server for page *key*, for the first of all its visitors."""
    tab, port = Session(address), address.rpartition(":")[2]
    with contextlib.closing(tab):
        tab.open(AWAY)
        spent = server_seconds(port)
        errors = tab.open(key)
        if errors:
            raise RuntimeError(f"{key}: {errors[0]}")
        return server_seconds(port) - spent


@contextlib.contextmanager
def recorded_only() -> Iterator[None]:
    """What else lies on this machine is not in it."""
    before = os.environ.get("SPARSESCOPE_RUNS")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["SPARSESCOPE_RUNS"] = empty
        try:
            yield
        finally:
            os.environ.pop("SPARSESCOPE_RUNS")
            if before is not None:
                os.environ["SPARSESCOPE_RUNS"] = before


def compared(folders: Sequence[Path], keys: Sequence[str] = WALK) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Page by page of *keys*, what each of *folders* (copies of this repository) needs: megabytes, refused, seconds,
    cost and cold. All in turn, on a fresh server a page; the times of a switch are medians."""
    with recorded_only(), browser() as running:
        for key in keys:
            out: list[dict[str, Any]] = [{} for _ in folders]
            with contextlib.ExitStack() as stack:
                servers = [stack.enter_context(served("app.py", folder)) for folder in folders]
                for found, address, ready in zip(out, servers, calm(servers), strict=True):
                    found["ready"], found["cold"] = ready, cold(address, key)
                    found["megabytes"], found["refused"] = first_visit(running, address, key)
                tabs = [Tab(running, address) for address in servers]
                rounds = [[tab.switch(key) for tab in tabs] for _ in range(ROUNDS + 1)][1:]  # the first one warms
                for tab, found, times in zip(tabs, out, zip(*rounds, strict=True), strict=True):
                    found["seconds"], found["cost"] = map(statistics.median, zip(*times, strict=True))
                    tab.page.context.close()
            yield key, out


def measure() -> list[dict[str, Any]]:
    """The rows of `core bench`. About two minutes."""
    rows: list[dict[str, Any]] = []
    for key, (found,) in compared([ROOT]):
        rows.append({"name": f"first visit to {PAGES[key].title}", "figure": round(found["megabytes"], 2), "unit": "MB",
                     "against": f"all that travels; {len(found['refused'])} requests refused", "bar": BYTES_BAR,
                     "ok": found["megabytes"] <= BYTES_BAR and not found["refused"]})
        clock = f"server and tab, of processor time; {found['seconds']:.2f} s by the clock"
        for name, figure, words in (("switch to", found["cost"], clock),
                                    ("first of all to see", found["cold"],
                                     f"the server's processor time, {found['ready']:.0f} s after its start")):
            rows.append({"name": f"{name} {PAGES[key].title}", "figure": round(figure, 2), "unit": "s",
                         "against": words, "bar": TIME_BAR, "ok": figure <= TIME_BAR})
    return rows


def main(words: Sequence[str]) -> int:
    """The table of this version against another one."""
    if not words:
        print(__doc__)
        return 2
    heads = {"first visit, MB": "megabytes", "ready, s": "ready", "cold, cpu s": "cold", "switch, cpu s": "cost",
             "switch, s": "seconds"}
    print(f"{'page':12}" + "".join(f"{head:>19}" for head in heads) + f"{'refused':>11}")
    for key, (before, after) in compared([Path(words[0]).resolve(), ROOT], words[1:] or WALK):
        print(f"{key:12}" + "".join(f"{before[name]:>10.2f} → {after[name]:6.2f}" for name in heads.values())
              + f"{len(before['refused']):>6} → {len(after['refused']):2}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
