"""The driver of a cluster with a stand-in for Ray: what a node lacks, differs in or takes to its grave is said, and
nothing is lost with it."""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from core.engines import cluster as cluster_module
from core.engines import station as station_module
from core.engines.cells import Cell, End, cells_of
from core.engines.cluster import Cluster, connect
from core.engines.loop import make
from core.engines.station import Station, versions
from core.errors import InputError
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.specs.recipes import Planned
from core.specs.resolving import dense_spec, resolve
from tests import makers


class Lost(Exception):
    pass


class Ray:
    """A stand-in: a reference is a call that is carried out when it is asked for."""

    exceptions = SimpleNamespace(GetTimeoutError=TimeoutError, RayTaskError=ZeroDivisionError, RayError=Lost)

    def __init__(self, names: str = "ab") -> None:
        self.alive = dict.fromkeys(names, True)
        self.closed = False
        self.late = 0  # asked for something after its shutdown: Ray itself would end the process

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": name, "Alive": alive, "NodeManagerAddress": name, "NodeManagerPort": 1,
                 "Resources": {"CPU": 1.0}} for name, alive in self.alive.items()]

    def get(self, reference: Callable[[], Any], timeout: float = 0) -> Any:
        self.late += self.closed
        return reference()

    def wait(self, references: list[Callable[[], Any]], num_returns: int, timeout: float) -> None:
        for reference in references:
            reference()

    def kill(self, actor: Any) -> None:
        pass

    def shutdown(self) -> None:
        self.closed = True


class Actor:
    """A station behind calls from afar, on node *name*."""

    def __init__(self, station: Station, ray: Ray, name: str) -> None:
        self.station, self.ray, self.name = station, ray, name

    def __getattr__(self, method: str) -> Any:
        def remote(*args: Any) -> Callable[[], Any]:
            def call() -> Any:
                if not self.ray.alive[self.name]:
                    raise Lost
                return getattr(self.station, method)(*args)

            return call

        return SimpleNamespace(remote=remote)


class Nodes(Cluster):
    """A cluster whose stations live here; *able* says what comes of a cell on which node, None: it is made."""

    def __init__(self, ray: Ray, store: Store, able: Callable[[str, Cell], End | None]) -> None:
        super().__init__(ray, store, None, say=self.heard)
        self.said: list[str] = []
        self.able = able

    def heard(self, text: str) -> None:
        self.said.append(text)

    def _station(self, node: dict[str, Any]) -> Any:
        name, station = node["NodeID"], Station(None, 1)

        def carry(order: bytes) -> bytes:
            cell = msgspec.msgpack.decode(order, type=Cell)
            end = self.able(name, cell)
            if end is None:
                made(station.store, cell)
            if not self.ray.alive[name]:
                raise Lost
            return msgspec.msgpack.encode(end or End(cell.id))

        station.carry = carry  # type: ignore[method-assign]
        return Actor(station, self.ray, name)


def made(store: Store, cell: Cell) -> None:
    """What a station leaves: a folder, whose parent has come before it."""
    if cell.spec.method == "dense":
        folder = store.live / makers.make_run(store.live, **plain(cell))
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "model.safetensors").write_bytes(b"weights of " + cell.id.encode())
    else:
        assert (store.live / cell.family / "checkpoint" / "model.safetensors").read_bytes().endswith(
            cell.family.encode())
        folder = store.live / makers.make_run(store.live, parent=cell.family, **plain(cell))
    assert folder.name == cell.id


def plain(cell: Cell) -> dict[str, Any]:
    """The fields of its spec, for a maker (`film` is to it a field of the header)."""
    return {k: v for k, v in msgspec.structs.asdict(cell.spec).items() if k != "film"}


def cells() -> list[Cell]:
    specs = [resolve({"task": "agreement", "model": "tiny", "method": m, "seed": s}) for s in (0, 1)
             for m in ("asp", "admm")]
    return cells_of([Planned(spec, {}, "new") for spec in specs], lambda spec: False)


def test_cells_come_home_whole_though_a_node_dies(empty_store: Store) -> None:
    ray, asked, died = Ray(), [], threading.Event()

    def able(name: str, cell: Cell) -> None:
        asked.append(cell.id)
        if cell.spec.method != "dense":
            if name == "b":
                ray.alive["b"] = False
                died.set()
            assert died.wait(20)

    hands = Nodes(ray, empty_store, able)
    ends = make(cells(), hands)
    assert [e.error for e in ends.values()] == [None] * 6 and ray.closed
    assert sorted(p.name for p in empty_store.live.iterdir() if p.name != ".writers") == sorted(ends)
    assert len(asked) == 7  # one of them twice
    assert [text for text in hands.said if "its cell is made again" in text] == hands.said
    for run_id in ends:
        assert check(empty_store.open(run_id)).problems == []


def test_a_node_that_never_says_hello_is_not_waited_for_and_ray_is_left_in_peace_afterwards(
        empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray ends the whole process, its last words unsaid, when a thread asks it for something after its shutdown."""
    monkeypatch.setattr("core.engines.cluster.POLL", 0.05)
    ray, killed = Ray(), []
    ray.kill = killed.append  # type: ignore[method-assign]

    class HalfSilent(Nodes):
        def _station(self, node: dict[str, Any]) -> Any:
            actor = super()._station(node)
            if node["NodeID"] == "b":
                def hello() -> bytes:
                    time.sleep(0.05)
                    raise ray.exceptions.GetTimeoutError
                actor.station.hello = hello
            return actor

    hands = HalfSilent(ray, empty_store, lambda name, cell: None)
    ends = make(cells(), hands)
    assert [e.error for e in ends.values()] == [None] * 6
    assert ray.closed and ray.late == 0 and not any(thread.is_alive() for thread in hands._threads)
    assert {actor.name for actor in killed} == {"a", "b"} and hands.said == []
    time.sleep(0.2)
    assert ray.late == 0


def test_ray_is_not_shut_down_under_a_thread_that_does_not_come_back(empty_store: Store,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engines.cluster.KNOCK", 0.2)
    ray, back = Ray(), threading.Event()
    hands = Nodes(ray, empty_store, lambda name, cell: None)
    hands._begin(back.wait, 20)
    hands.close()
    assert not ray.closed
    back.set()
    hands.close()
    assert ray.closed


def test_what_ray_prints_of_its_nodes_is_not_among_the_results(tmp_path: Path, cli: Any,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    class Noisy(Nodes):
        def __init__(self, ray: Ray, store: Store, *rest: Any) -> None:
            super().__init__(ray, store, lambda name, cell: None)

        def workers(self) -> list[str]:
            print("(raylet) Raylet is terminated.")
            return super().workers()

    monkeypatch.setattr(cluster_module, "connect", lambda address: Ray())
    monkeypatch.setattr(cluster_module, "Cluster", Noisy)
    file = tmp_path / "one.toml"
    file.write_text('[[runs]]\ntask = "agreement"\nmodel = "tiny"\nmethod = "magnitude"\n')
    done = cli("sweep", str(file), "--engine", "ray", "--json")
    assert done.exit_code == 0 and ["error" in row for row in json.loads(done.stdout)] == [False]
    assert "(raylet) Raylet is terminated." in done.stderr


def test_what_only_one_node_has_is_made_there_and_what_none_has_is_said(empty_store: Store) -> None:
    both = threading.Barrier(2)

    def able(name: str, cell: Cell) -> End | None:
        if cell.spec.method == "dense":
            both.wait(20)  # nobody makes all before the other one is there
        if cell.spec.method != "dense" and cell.spec.seed == 1 and (cell.spec.method == "admm" or name == "a"):
            return End(cell.id, error="there is no folder /data", unused=True)
        return None

    hands = Nodes(Ray(), empty_store, able)
    ends = make(cells(), hands)
    wrong = {c.spec.method: ends[c.id].error for c in cells() if ends[c.id].error}
    assert list(wrong) == ["admm"]
    assert sorted(part.split(":")[0] + part.split(")")[1] for part in (wrong["admm"] or "").split("; ")) == [
        "a: there is no folder /data", "b: there is no folder /data"]


def test_a_node_that_differs_is_left_out_and_with_none_left_nothing_is_lost(
        empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = msgspec.structs.replace(versions(), packages={"torch": "1.0"})
    hands = Nodes(Ray("a"), empty_store, lambda name, cell: None)
    monkeypatch.setattr(station_module, "versions", lambda: other)
    ends = make(cells(), hands)
    assert len(hands.said) == 1 and hands.said[0].startswith("Left out: node a:1 has torch 1.0 instead of ")
    assert all("No node of the cluster is left; node a:1 has torch" in (e.error or "") for e in ends.values())
    assert not any(empty_store.live.iterdir())


def test_a_head_that_is_gone_ends_the_sweep_in_one_sentence(empty_store: Store) -> None:
    ray = Ray()
    ray.nodes = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(InputError, match=r"The head of the cluster no longer answers .* What came home stays"):
        make(cells(), Nodes(ray, empty_store, lambda name, cell: None))
    assert ray.closed


def test_an_address_where_nobody_answers_is_said_before_ray_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    monkeypatch.setattr(cluster_module, "KNOCK", 0.2)
    for address, words in (("127.0.0.1:9", r"Nobody answers at 127.0.0.1:9 \("), ("here", "--address is 'here'"),
                           ("ray://host:1", "--address is"), ("host:99999", "--address is")):
        with pytest.raises(InputError, match=words):
            connect(address)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            with other.accept()[0] as caller:
                caller.recv(1000)
                caller.sendall(b"HTTP/1.0 400 Bad")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(InputError, match=rf"What answers at 127.0.0.1:{port} is no Ray cluster"):
            connect(f"127.0.0.1:{port}")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"Ray is not installed.*requirements-cluster.txt"):
        connect("127.0.0.1:9")


@pytest.fixture(autouse=True)
def tidy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Stations keep their folders under the test's own."""
    monkeypatch.setattr(station_module.tempfile, "mkdtemp", lambda prefix: str(_new(tmp_path / "stations")))
    yield
    shutil.rmtree(tmp_path / "stations", ignore_errors=True)


NUMBERS = itertools.count()  # stations begin side by side: none may count what another is about to make


def _new(root: Path) -> Path:
    folder = root / str(next(NUMBERS))
    folder.mkdir(parents=True)
    return folder


def test_the_dense_spec_of_a_cell_is_its_family() -> None:
    assert {dense_spec(c.spec).run_id for c in cells() if c.needs} == {c.id for c in cells() if not c.needs}
