"""A browser for a file of tests, and the dashboard over the recorded runs where a file serves no store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.serving import browser, server


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The dashboard over the recorded runs: their names are the longest there are."""
    with server() as where:
        yield where
