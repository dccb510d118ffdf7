"""Look into the films that a page shows."""

from __future__ import annotations

import json
import struct
from typing import Any

from streamlit.testing.v1 import AppTest


def header(app: AppTest) -> dict[str, Any]:
    """What the one film of the page says of itself: its panels, moments and settings."""
    films = app.get("bidi_component")
    assert len(films) == 1, f"{len(films)} films"
    data = films[0].proto.bytes
    size = struct.unpack("<I", data[:4])[0]
    return dict(json.loads(data[4:4 + size]))


def text(app: AppTest, panel: str, k: int = -1) -> str:
    """What a panel of words says at moment *k*; -1: the last."""
    return str(header(app)["panels"][panel]["texts"][k])
