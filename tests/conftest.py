"""Stores for every test, and no network for any."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports a hub client
os.environ["HF_DATASETS_OFFLINE"] = "1"

import pytest

from core.runs.store import Store
from tests import makers
from tests.damage import damage_all


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
