"""Thirty viewers at once on recorded pages: how long does each wait, and what does the server hold? `python -m
core bench viewers`; `python -m benchmarks.viewers VIEWERS ROUNDS` for a smaller look.

A real `streamlit run app.py` on loopback, and as many real websocket sessions as there are viewers, in Streamlit's own
protocol: what a browser asks and what it gets, without the painting. Every viewer walks over all pages of the group
See and the Layer lab, in an order of its own, on runs of its own choosing. The time of a page is from the request to
the end of its script, all of its pictures received. An exception on a page or a red box is an error.

Two paces: a page every PAUSE seconds, as people look, and back to back, which is how many pages a second the server
gives. Memory is the resident set of the server and its children, at its peak over both. The viewers run on the same
cores, and cost some of them.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.first_picture import ROOT, served
from core.runs.store import Store
from ui.pages import PAGES

VIEWERS = 30
PAUSE = 5.0  # seconds between two pages of one viewer; a person looks longer
ROUNDS = 2  # walks over all pages, at each pace
MEDIAN_BAR = 1.0  # s
MEMORY_BAR = 1500.0  # MB
LIMIT = 120.0  # seconds after which a page counts as an error
WALK = tuple(entry.key for entry in PAGES.values() if entry.group == "See" or entry.key == "lab")


@dataclass
class Seen:
    """What one viewer, or all of them, met."""

    seconds: list[float] = field(default_factory=list)  # of every page
    pages: list[str] = field(default_factory=list)  # their keys, in the same order
    errors: list[str] = field(default_factory=list)
    megabytes: float = 0.0  # received

    def add(self, other: Seen) -> None:
        """Take in what another viewer met."""
        self.seconds += other.seconds
        self.pages += other.pages
        self.errors += other.errors
        self.megabytes += other.megabytes


class Session:
    """One browser tab, as the server sees it."""

    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect

        self._stack = contextlib.ExitStack()
        self._socket: Any = self._stack.enter_context(connect(
            address.replace("http", "ws", 1) + "/_stcore/stream", max_size=None, open_timeout=LIMIT,
            subprotocols=["streamlit"]))  # type: ignore[list-item]
        self.received = 0  # bytes

    def close(self) -> None:
        """Close the tab."""
        self._stack.close()

    def open(self, page: str, **query: str) -> list[str]:
        """Open *page* with a link's choices and wait until it is all there; the errors on it, in words."""
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        ask = BackMsg()
        ask.rerun_script.query_string = urlencode(query)
        ask.rerun_script.page_name = "" if page == "overview" else page
        self._socket.send(ask.SerializeToString())
        errors, end = [], time.monotonic() + LIMIT
        while True:
            raw = self._socket.recv(timeout=max(end - time.monotonic(), 0.01), decode=False)
            self.received += len(raw)
            message = ForwardMsg()
            message.ParseFromString(bytes(raw))
            kind = message.WhichOneof("type")
            if kind == "delta":
                errors += _errors(message.delta.new_element)
            elif kind == "page_not_found":
                errors.append("the page is not there")
            elif kind == "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return errors
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    return [*errors, "the page does not compile"]


def _errors(element: Any) -> list[str]:
    if element.WhichOneof("type") == "exception":
        return [f"{element.exception.type}: {element.exception.message}"[:200]]
    if element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
        return [element.alert.body[:200]]
    return []


def look(address: str, number: int, rounds: int, pause: float, runs: list[str], start: threading.Event) -> Seen:
    """What viewer *number* meets on *rounds* walks over all pages, one every *pause* seconds."""
    chance, seen = random.Random(number), Seen()
    start.wait()
    time.sleep(chance.uniform(0.0, pause))  # not all in the same moment
    try:
        session = Session(address)
    except (OSError, TimeoutError) as error:
        seen.errors.append(f"no session: {error}")
        return seen
    with contextlib.closing(session):
        for _ in range(rounds):
            for page in chance.sample(WALK, len(WALK)):
                query = {"run": chance.choice(runs)} if runs and page != "lab" and chance.random() < 0.5 else {}
                began = time.perf_counter()
                try:
                    seen.errors += [f"{page} {query}: {words}" for words in session.open(page, **query)]
                except Exception as error:  # a session that breaks is an error of the server's, of whatever kind
                    seen.errors.append(f"{page} {query}: {type(error).__name__} {error}")
                    return seen
                took = time.perf_counter() - began
                seen.seconds.append(took)
                seen.pages.append(page)
                time.sleep(max(pause - took, 0.0))
    seen.megabytes = session.received / 1e6
    return seen


def crowd(address: str, viewers: int, rounds: int, pause: float, runs: list[str]) -> tuple[Seen, float]:
    """What *viewers* at once meet, and the seconds it took them."""
    all_seen, start, lock = Seen(), threading.Event(), threading.Lock()

    def one(number: int) -> None:
        seen = look(address, number, rounds, pause, runs, start)
        with lock:
            all_seen.add(seen)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(viewers)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    start.set()
    for thread in threads:
        thread.join()
    return all_seen, time.perf_counter() - began


def children() -> list[int]:
    """All processes that descend from this one: the server and what it started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def resident() -> float:
    """Resident memory of all of them, in 10^6 bytes; shared pages count once for each."""
    total = 0
    for pid in children():
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total / 1e6


@contextlib.contextmanager
def weighed(every: float = 0.5) -> Iterator[Callable[[], float]]:
    """Watch the server's memory; what is yielded gives its peak so far in MB."""
    over, most = threading.Event(), [0.0]

    def watch() -> None:
        while not over.wait(every):
            most[0] = max(most[0], resident())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: most[0]
    finally:
        over.set()
        thread.join()


def measure(viewers: int = VIEWERS, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Median and slowest page at both paces, errors, and the peak of memory. About five minutes."""
    recorded = Path(os.environ.get("SPARSESCOPE_CACHED", ROOT / "cached_runs"))
    runs = [r.id for r in Store(recorded, recorded).records() if r.spec.method != "dense" and r.status == "succeeded"]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as empty:
        before = os.environ.get("SPARSESCOPE_RUNS")
        os.environ["SPARSESCOPE_RUNS"] = empty  # recorded pages: what else lies on this machine is not in it
        try:
            with served("app.py", ROOT) as address, weighed() as peak:
                crowd(address, 1, 1, 0.0, runs)  # a server in use has its libraries loaded
                for pause in (PAUSE, 0.0):
                    rows += _rows(*crowd(address, viewers, rounds, pause, runs), viewers, pause)
                rows.append({"name": "viewers: memory of the server", "figure": round(peak()), "unit": "MB",
                             "against": f"peak resident set, {viewers} viewers", "bar": MEMORY_BAR,
                             "ok": 0 < peak() <= MEMORY_BAR})
        finally:
            if before is None:
                del os.environ["SPARSESCOPE_RUNS"]
            else:
                os.environ["SPARSESCOPE_RUNS"] = before
    return rows


def _rows(seen: Seen, took: float, viewers: int, pause: float) -> list[dict[str, Any]]:
    pace = f"a page every {pause:g} s" if pause else "back to back"
    seconds = sorted(seen.seconds) or [float("inf")]
    median, late = statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))]
    by_page = {page: statistics.median(s for s, p in zip(seen.seconds, seen.pages, strict=True) if p == page)
               for page in set(seen.pages)}
    slow = ", ".join(f"{page} {by_page[page]:.2f}" for page in sorted(by_page, key=by_page.__getitem__)[-3:])
    head = f"viewers: {viewers}, {pace}"
    first = {"name": f"{head}: median page", "figure": round(median, 3), "unit": "s",
             "against": f"{len(seconds)} pages, 95 of 100 within {late:.2f} s, slowest medians {slow}, "
                        f"{os.cpu_count()} cores", "bar": MEDIAN_BAR, "ok": median <= MEDIAN_BAR}
    if not pause:  # nobody looks like this: the rate is the figure, and a rate of people is its bar
        rate, bar = len(seen.seconds) / took, round(viewers / PAUSE, 2)
        size = seen.megabytes / max(len(seen.seconds), 1)
        first = {"name": f"{head}: pages", "figure": round(rate, 2), "unit": "1/s",
                 "against": f"what {viewers} viewers ask for at a page every {PAUSE:g} s; median {median:.2f} s, "
                            f"{size:.2f} MB a page", "bar": bar, "ok": rate >= bar}
    return [first, {"name": f"{head}: errors", "figure": len(seen.errors), "unit": "errors",
                    "against": seen.errors[0][:160] if seen.errors else "exceptions, red boxes, broken sessions",
                    "bar": 0, "ok": not seen.errors}]


if __name__ == "__main__":
    for row in measure(*map(int, sys.argv[1:3])):
        print(f"{row['name']}: {row['figure']} {row['unit']} (bar {row['bar']}; {row['against']})"
              f"{'' if row['ok'] else '  NOT MET'}")
