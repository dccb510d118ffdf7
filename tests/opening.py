"""Run one page on a store, with a link's choices."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import Store
from ui import cache

ROOT = Path(__file__).resolve().parents[1]


def open_page(monkeypatch: pytest.MonkeyPatch, store: Store, page: str, /, **query: str) -> AppTest:
    """The page as it stands after one run; it has raised nothing."""
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    cache._looked.clear()  # a test changes its store faster than a page looks at it again
    app = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return ran(app)


def ran(app: AppTest) -> AppTest:
    """*app*, run once more; it has raised nothing."""
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def whole_app(monkeypatch: pytest.MonkeyPatch, store: Store) -> AppTest:
    """The whole app on *store*, not yet run: in it pages can be switched."""
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)


def charts(app: AppTest) -> int:
    """How many figures the page shows."""
    return len(app.get("plotly_chart"))


def said(app: AppTest) -> str:
    """All words of the page that a view or the frame writes."""
    blocks = (app.header, app.info, app.error, app.warning, app.caption)
    return " ".join(str(element.value) for block in blocks for element in block)
