"""A Ray cluster of two nodes on this machine (`make cluster`): one of them is killed in the middle, and the sweep comes
out as if one process had made it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from core.runs.store import REPOSITORY
from tests.sweeping import command, environment, same_runs, sweep

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
PATIENCE = 120.0  # seconds for a node to start, on a busy machine


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses at this moment, below those that the system hands out."""
    found: list[int] = []
    port = 20_000 + os.getpid() % 5_000
    while len(found) < count:
        port += 1
        with closing(socket.socket()) as one:
            if one.connect_ex(("127.0.0.1", port)):
                found.append(port)
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a node with all that belongs to it, as if its plug were pulled."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


class Nodes:
    """Two nodes of one core each; the second one's name is `second`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.running: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Start both, the head first."""
        root = self.root
        head, first, second = free_ports(3)
        self.address = f"127.0.0.1:{head}"
        self.head = self.start("--head", "--port", str(head), "--node-manager-port", str(first), "--temp-dir",
                               str(root / "ray"), "--include-dashboard", "false")
        self.wait_for(head)
        self.other = self.start("--address", self.address, "--node-manager-port", str(second))
        self.wait_for(second)
        self.second = f":{second} "

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        common = ["--block", "--num-cpus", "1", "--object-store-memory", "100000000", "--disable-usage-stats",
                  "--node-ip-address", "127.0.0.1"]
        with (self.root / f"node{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen([str(Path(sys.executable).parent / "ray"), "start", *words, *common],
                                       env=environment(self.root, "unused"), stdout=log, stderr=log)
        self.running.append(process)
        return process

    def wait_for(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with closing(socket.socket()) as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.3)
        logs = "\n".join(path.read_text(errors="replace") for path in self.root.glob("node*.log"))
        raise AssertionError(f"no node at port {port}:\n{logs}")


@pytest.fixture(scope="module", autouse=True)
def token() -> Iterator[None]:
    """Nobody else on this machine may use the cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield


@pytest.fixture(scope="module")
def nodes(token: None) -> Iterator[Nodes]:
    root = Path(tempfile.mkdtemp(prefix="ss-ray-"))  # Ray's sockets need a short path
    made = Nodes(root)
    try:
        made.begin()
        yield made
    finally:
        for process in reversed(made.running):
            end(process)
        shutil.rmtree(root, ignore_errors=True)


def test_a_sweep_on_two_nodes_of_which_one_is_killed_gives_the_bits_of_one_process(nodes: Nodes,
                                                                                  tmp_path: Path) -> None:
    done = sweep(tmp_path, "one")
    assert done.returncode == 0, done.stderr
    words = ("--engine", "ray", "--address", nodes.address)
    process = subprocess.Popen(command(tmp_path, *words), env=environment(tmp_path, "two"), cwd=REPOSITORY,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None and process.stdout is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if nodes.second in line and ": agreement-tiny-ad" in line and nodes.other.poll() is None:
            time.sleep(1.0)  # until it is at work
            end(nodes.other)
    assert process.wait() == 0, "".join(said)
    text = "".join(said)
    assert nodes.other.poll() is not None and "its cell is made again" in text, text
    assert process.stdout.read().strip() == "3 made, 0 were there, 0 failed"
    ids = same_runs(tmp_path / "one", tmp_path / "two")
    assert sorted(re.findall(r"\] made: (\S+)", text)) == ids and len(ids) == 4
    assert [p.name for p in (tmp_path / "two").iterdir() if p.name.startswith(".")] == [".writers"]


def test_data_that_no_node_has_are_named_in_one_sentence_and_the_rest_is_made(nodes: Nodes, tmp_path: Path) -> None:
    file = tmp_path / "glue.toml"
    file.write_text('[[runs]]\ntask = "mrpc"\nmodel = "tiny"\nmethod = "magnitude"\n')
    (tmp_path / "cached_runs").mkdir()
    done = subprocess.run([sys.executable, "-m", "core", "sweep", str(file), "--engine", "ray", "--address",
                           nodes.address, "--data-dir", str(tmp_path / "nowhere")], env=environment(tmp_path, "three"),
                          cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert re.search(r"failed: mrpc-tiny-magnitude\S+: .*there is no folder .*nowhere", done.stdout), done.stdout
    assert "Traceback" not in done.stderr
