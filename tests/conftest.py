"""Stores for every test, and no network for any."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports a hub client
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["SPARSESCOPE_SPARE"] = "0"  # no page of a test loads torch for a run that never comes

import pytest
from click.testing import CliRunner, Result

from core.runs.store import Store
from tests import makers
from tests.damage import damage_all

# A test cannot pull the plug, so it need not wait for the disk: half of a small run's time was that. Those that ask
# what happens when a disk is full put a failing one in.
os.fsync = lambda file: None  # type: ignore[assignment]


# Files with few and long tests. Files are dealt out to two processes: what comes last would run while one is idle.
LONGEST_FIRST = ("test_recorded_pages.py", "test_run.py", "test_first_figure.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LONGEST_FIRST, and all else in its order; see the targets slow and browser of the Makefile."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_collection_finish() -> None:
    """Whoever opens pages looks once for packages with Streamlit components, not at every opening: it reads the
    metadata of everything installed, and took longer than the page."""
    if "streamlit" in sys.modules:
        from streamlit.components.v2 import manifest_scanner

        manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture
def empty_store(tmp_path: Path) -> Store:
    """Two empty roots."""
    return makers.empty_store(tmp_path)


@pytest.fixture
def good_store(tmp_path: Path) -> Store:
    """18 whole runs over two tasks; see `tests.makers.make_store`."""
    return makers.make_store(tmp_path)


@pytest.fixture
def damaged_store(tmp_path: Path) -> Store:
    """One whole dense run and its ADMM run, and one folder of every damage in `tests.damage.DAMAGES`."""
    store = makers.empty_store(tmp_path)
    parent = makers.make_dense(store.recorded)
    makers.make_run(store.recorded, parent=parent)
    damage_all(store)
    return store


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command in this process, on the store under tmp_path."""
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(tmp_path / "cached_runs"))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path / "runs"))

    def call(*words: str) -> Result:
        from core.cli.group import main

        return CliRunner().invoke(main, list(words), prog_name="python -m core")

    return call


@pytest.fixture
def small_store(empty_store: Store) -> Store:
    """A dense run and three pruned ones at three record levels."""
    parent = makers.make_dense(empty_store.recorded)
    makers.make_run(empty_store.recorded, parent=parent, record="masks", method="magnitude")
    makers.make_run(empty_store.recorded, parent=parent, record="summary", method="asp", pattern="1:4")
    makers.make_run(empty_store.live, parent=parent, snapshots=2)
    return empty_store
