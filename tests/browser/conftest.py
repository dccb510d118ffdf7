"""One browser and one dashboard over the recorded runs for every process of tests: to start either takes longer than
most tests. Files that need a store of their own serve it themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.serving import ROOT, browser, server


@pytest.fixture(scope="session")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the recorded runs are served, and no others: their names are the longest there are."""
    places = {"SPARSESCOPE_CACHED": str(ROOT / "cached_runs"), "SPARSESCOPE_RUNS": str(tmp_path_factory.mktemp("none"))}
    with server(environment=places) as where:
        yield where


@pytest.fixture(scope="module")
def address(recorded: str) -> str:
    """The dashboard of a file of tests; some serve a store of their own under this name."""
    return recorded
