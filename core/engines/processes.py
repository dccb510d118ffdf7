"""Several cells at once on this machine: worker processes that live as long as there is work, so that each keeps what
its cells have in common."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from core.engines.cells import Cell, End
from core.engines.loop import News
from core.engines.worker import Order
from core.runs.store import REPOSITORY, Store

# A thread that waits for another sleeps: with more threads than cores, those that spin hold up the one they wait for.
IDLE = {"OMP_WAIT_POLICY": "PASSIVE"}
PATIENCE = 10.0  # seconds for a worker that was asked to stop to put its run in order


class Processes:
    """*jobs* worker processes, each with *threads* of torch's threads. A worker that dies is replaced."""

    def __init__(self, jobs: int, threads: int, store: Store, data_dir: Path | None,
                 command: tuple[str, ...] = (sys.executable, "-m", "core.engines.worker")) -> None:
        self.jobs, self.threads, self.store, self.command = jobs, threads, store, command
        self.data_dir = None if data_dir is None else str(data_dir.resolve())
        self._living: dict[str, subprocess.Popen[bytes]] = {}
        self._busy: set[str] = set()
        self._news: queue.Queue[News] = queue.Queue()
        self._born = 0

    @property
    def nobody(self) -> str:
        """Cannot be: who dies is replaced."""
        return "No worker process is left"

    def workers(self) -> list[str]:
        """All workers; those that are missing are started."""
        for name, process in list(self._living.items()):
            if process.poll() is not None and name not in self._busy:
                del self._living[name]
        while len(self._living) < self.jobs:
            self._born += 1
            paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._living[f"process {self._born}"] = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**IDLE, **os.environ, "PYTHONPATH": os.pathsep.join(paths)})
        return list(self._living)

    def start(self, worker: str, cell: Cell) -> None:
        """Send the cell, and listen for its end in a thread."""
        order = Order(cell, str(self.store.live.resolve()), str(self.store.recorded.resolve()), self.data_dir,
                      self.threads)
        self._busy.add(worker)
        threading.Thread(target=self._listen, args=(worker, self._living[worker], order), daemon=True).start()

    def _listen(self, worker: str, process: subprocess.Popen[bytes], order: Order) -> None:
        assert process.stdin is not None and process.stdout is not None
        line = b""
        with suppress(OSError, ValueError):  # it has died, or was sent home: there is no answer either
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        try:
            end = msgspec.json.decode(line, type=End)
            # What one of them cannot use, none of this machine can.
            self._news.put(News(worker, msgspec.structs.replace(end, unused=False)))
        except msgspec.MsgspecError:
            process.kill()
            self._news.put(News(worker, why=f"{worker} ended with {process.wait()}"))

    def wait(self, seconds: float) -> list[News]:
        """The next thing that a worker says."""
        try:
            news = self._news.get(timeout=seconds)
        except queue.Empty:
            return []
        self._busy.discard(news.worker)
        if news.end is None:
            self._living.pop(news.worker, None)
        return [news]

    def close(self) -> None:
        """End all workers: idle ones have nothing to lose, busy ones put their run in order first."""
        for name, process in self._living.items():
            with suppress(OSError):
                process.send_signal(signal.SIGINT if name in self._busy else signal.SIGTERM)
        for process in self._living.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self._living.clear()
