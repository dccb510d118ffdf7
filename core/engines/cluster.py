"""Cells spread over the nodes of a Ray cluster. The only module that imports Ray.

On every node there are stations (`core.engines.station`), each an actor pinned to it. A thread here drives each busy
station: the dense parent goes there in chunks, the cell is made, its folder comes home in chunks and is put in its
place as a whole. A station that is lost takes nothing with it but the cell that it was at. What Ray itself sends it
pickles: our class by its name, our bytes as bytes; whoever can reach a cluster's ports can run code on it.
"""

from __future__ import annotations

import math
import os
import queue
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from core.engines.arriving import Arrival, File, files_of, piece
from core.engines.cells import Cell, End
from core.engines.loop import News
from core.engines.station import Station, Versions, differs, versions
from core.errors import InputError
from core.models.checkpoints import find_checkpoint
from core.runs.disk import ELSEWHERE, in_words
from core.runs.store import Store
from core.specs.resolving import dense_spec

KNOCK = 5.0  # seconds for a port to answer
# Ray's head speaks gRPC: HTTP/2, whose first word on either side is a frame of settings. Ray itself would wait for
# minutes for whatever else is at a port.
SETTINGS = b"\x04"
GREETED = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + SETTINGS + bytes(5)
GREETING = 120.0  # seconds for a station to start and say its versions
POLL = 1.0  # seconds after which a thread that waits for Ray looks whether we leave
DEATHS = 3  # stations that a node may lose before it is left out
START = "Start one: `ray start --head` here, `ray start --address=HOST:6379` on every other node (docs/cluster.md)."


def connect(address: str | None) -> Any:
    """Ray, joined to the cluster at *address* (host:port of its head; None: the one that this machine is part of).

    Raises InputError when Ray is not installed, when nobody answers, or when the cluster will not have us.
    """
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed", "the packages of requirements-cluster.txt",
                         "pip install -r requirements-cluster.txt, here and on every node.") from None
    if address is not None:
        _knock(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=address or "auto", log_to_driver=False, logging_level="CRITICAL")
    except Exception as error:  # Ray's own kinds are many and change
        said = " ".join(str(error).split())[:200]
        raise InputError(f"No Ray cluster could be joined at {address or 'this machine'} ({said})",
                         "a running cluster that this machine is part of", START) from None
    return ray


def _knock(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536 and "/" not in host):
        raise InputError(f"--address is {address[:80]!r}", "HOST:PORT of the cluster's head",
                         "For example 10.0.0.1:6379.")
    try:
        with socket.create_connection((host, int(port)), KNOCK) as knocking:
            knocking.sendall(GREETED)
            answer = b""
            while len(answer) < 4 and (more := knocking.recv(64)):
                answer += more
    except OSError as error:
        raise InputError(f"Nobody answers at {address} ({error.strerror or error})", "the head of a Ray cluster",
                         START) from None
    if answer[3:4] != SETTINGS and os.environ.get("RAY_USE_TLS", "0") == "0":
        raise InputError(f"What answers at {address} is no Ray cluster", "the head of a Ray cluster", START)


def _named(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"


class Leaving(Exception):
    """We leave the cluster: a thread that waits for Ray stops waiting."""


class Cluster:
    """Stations on all nodes that can be used: *jobs* on each, with *threads* threads, or an equal share of its cores.

    *say* hears a sentence about every node that is left out, once. Nodes that join later are found.
    """

    def __init__(self, ray: Any, store: Store, data_dir: Path | None, jobs: int = 1, threads: int | None = None,
                 say: Callable[[str], None] = lambda text: None) -> None:
        self.ray, self.store, self.jobs, self.threads, self.say = ray, store, jobs, threads, say
        self.data_dir = None if data_dir is None else str(data_dir.absolute())
        self.here = versions()
        self._lock = threading.Condition()
        self._living: dict[str, Any] = {}  # actors by worker
        self._node: dict[str, str] = {}  # node id by worker, those that are being greeted too
        self._out: dict[str, str] = {}  # why, by node id
        self._deaths: Counter[str] = Counter()
        self._news: queue.Queue[News] = queue.Queue()
        self._born = 0
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []
        self._greeted: dict[str, Any] = {}  # actors that have not said hello yet, by worker

    @property
    def nobody(self) -> str:
        """Why nothing is left that could work."""
        return "No node of the cluster is left" + "".join(f"; {why}" for why in self._out.values())

    def workers(self) -> list[str]:
        """All stations that have said hello. Waits for the first when some are about to.

        Raises InputError when the head no longer answers.
        """
        try:
            alive = {node["NodeID"]: node for node in self.ray.nodes() if node["Alive"]}
        except Exception as error:  # Ray's own kinds are many and change
            raise InputError(f"The head of the cluster no longer answers ({type(error).__name__})",
                             "a cluster that is there to the end",
                             "What came home stays: start the cluster, and give the command again.") from error
        with self._lock:
            for node_id, node in alive.items():
                held = sum(where == node_id for where in self._node.values())
                for _ in range(self.jobs - held if node_id not in self._out else 0):
                    self._born += 1
                    name = f"{_named(node)} ({self._born})"
                    self._node[name] = node_id
                    self._begin(self._greet, name, node)
            end = time.monotonic() + GREETING
            while not self._living and self._node and time.monotonic() < end:
                self._lock.wait(1.0)
            return list(self._living)

    def _begin(self, work: Callable[..., None], *given: Any) -> None:
        """Do *work* in a thread of its own."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, args=given, daemon=True))
        self._threads[-1].start()

    def _get(self, reference: Any, seconds: float = math.inf) -> Any:
        """What comes of *reference*, within *seconds*. Raises Leaving as soon as we leave: Ray ends a process of which
        a thread asks it for something after its shutdown."""
        end = time.monotonic() + seconds
        while not self._leaving.is_set():
            try:
                return self.ray.get(reference, timeout=max(0.0, min(POLL, end - time.monotonic())))
            except self.ray.exceptions.GetTimeoutError:
                if time.monotonic() >= end:
                    raise
        raise Leaving

    def _greet(self, name: str, node: dict[str, Any]) -> None:
        """Start a station and hear its versions; one that differs leaves its node out."""
        actor, why, where = None, "", f"node {_named(node)}"
        try:
            actor = self._greeted[name] = self._station(node)
            there = msgspec.msgpack.decode(self._get(actor.hello.remote(), GREETING), type=Versions)
            if different := differs(self.here, there):
                why = f"{where} has {different}"
        except Leaving:
            return
        except self.ray.exceptions.GetTimeoutError:
            why = f"{where} has no free core, or did not start within {GREETING:.0f} s"
        except Exception as error:  # it died, or SparseScope is not there to be imported
            said = " ".join(str(error).split())
            missing = "No module named 'core" in said
            why = f"{where} has no SparseScope on its PYTHONPATH" if missing else f"{where} failed ({said[:200]})"
        with self._lock:
            self._greeted.pop(name, None)
            if not why:
                self._living[name] = actor
            else:
                del self._node[name]
                if actor is not None:
                    self._kill(actor)
                if node["NodeID"] not in self._out:
                    self._out[node["NodeID"]] = why
                    self.say(f"Left out: {why}.")
            self._lock.notify_all()

    def _station(self, node: dict[str, Any]) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        resources = node["Resources"]
        cores, cards = int(resources.get("CPU", 1)), resources.get("GPU", 0.0)
        threads = self.threads or max(1, cores // self.jobs)
        share = min(1.0, cards / self.jobs)  # a run uses one card at most
        pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        kind = self.ray.remote(num_cpus=max(1, cores // self.jobs), num_gpus=share, max_restarts=0)(Station)
        return kind.options(scheduling_strategy=pinned).remote(self.data_dir, threads)

    def _kill(self, actor: Any) -> None:
        with suppress(Exception):  # it is gone already
            self.ray.kill(actor)

    def start(self, worker: str, cell: Cell) -> None:
        """Drive the station through the cell, in a thread."""
        self._begin(self._drive, worker, self._living[worker], cell)

    def _drive(self, worker: str, actor: Any, cell: Cell) -> None:
        errors = self.ray.exceptions
        try:
            with in_words(f"{cell.id} in {self.store.live}", ELSEWHERE):
                news = News(worker, self._made(worker, actor, cell))
        except InputError as error:
            news = News(worker, End(cell.id, error=str(error)))
        except errors.RayTaskError as error:  # a method of the station raised
            news = News(worker, End(cell.id, error=f"{worker}: {str(error).strip().splitlines()[-1][:300]}",
                                    fault=str(error)))
        except errors.RayError as error:
            news = News(worker, why=f"{worker} was lost ({type(error).__name__})")
        except Exception as error:  # our own: it must not leave the loop waiting for ever
            news = News(worker, End(cell.id, error=f"{type(error).__name__}: {error}"))
        self._news.put(news)

    def _made(self, worker: str, actor: Any, cell: Cell) -> End:
        """Send what the cell starts from, have it made, fetch it."""
        if cell.spec.method != "dense":
            self._send(actor, cell)
        end = msgspec.msgpack.decode(self._get(actor.carry.remote(msgspec.msgpack.encode(cell))), type=End)
        if end.error is not None:
            return msgspec.structs.replace(end, error=f"{worker}: {end.error}", record=None)
        record = self._fetch(actor, cell)
        self._get(actor.forget.remote(cell.id))
        return msgspec.structs.replace(end, record=record)

    def _send(self, actor: Any, cell: Cell) -> None:
        dense = dense_spec(cell.spec)
        checkpoint = find_checkpoint(dense, self.store)
        if checkpoint is None or self._get(actor.holds.remote(dense.run_id)):
            return
        files = files_of(checkpoint.parent)
        self._get(actor.expect.remote(dense.run_id, msgspec.msgpack.encode(files)))
        for file in files:
            sent = 0
            while sent < file.size:
                data = piece(checkpoint.parent, file.name, sent)
                self._get(actor.add.remote(file.name, data))
                sent += len(data)
        self._get(actor.arrived.remote())

    def _fetch(self, actor: Any, cell: Cell) -> Any:
        files = msgspec.msgpack.decode(self._get(actor.files.remote(cell.id)), type=list[File])
        with Arrival(self.store.live, cell.id, files) as arrival:
            for file in files:
                got = 0
                while got < file.size:
                    data = self._get(actor.piece.remote(cell.id, file.name, got))
                    if not data:
                        break  # said by `whole`
                    arrival.add(file.name, data)
                    got += len(data)
            return arrival.settle(self.store, cell.spec)

    def wait(self, seconds: float) -> list[News]:
        """The next thing that has happened to a station."""
        try:
            news = self._news.get(timeout=seconds)
        except queue.Empty:
            return []
        if news.end is None:
            self._bury(news.worker, news.why)
        return [news]

    def _bury(self, worker: str, why: str) -> None:
        with self._lock:
            actor, node = self._living.pop(worker), self._node.pop(worker)
            self._kill(actor)
            self._deaths[node] += 1
            self.say(f"Lost: {why}; its cell is made again.")
            if self._deaths[node] >= DEATHS:
                self._out.setdefault(node, f"a node lost {DEATHS} stations, the last: {why}")

    def close(self) -> None:
        """Have the stations tidy up, and leave the cluster."""
        with suppress(Exception):  # some are gone already; one that is busy cannot tidy up
            closing = [actor.close.remote() for actor in self._living.values()]
            self.ray.wait(closing, num_returns=len(closing), timeout=KNOCK)
        self._leaving.set()
        for actor in [*self._living.values(), *self._greeted.copy().values()]:
            self._kill(actor)
        self._living.clear()
        end = time.monotonic() + KNOCK
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        # Whoever is still inside Ray would take the process along: it then leaves the cluster when it ends by itself.
        if not any(thread.is_alive() for thread in self._threads):
            self.ray.shutdown()
