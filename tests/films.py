"""Look into the films that a page shows."""

from __future__ import annotations

import json
import struct
from typing import Any

from streamlit.testing.v1 import AppTest


def films(app: AppTest) -> list[dict[str, Any]]:
    """What the films of the page say of themselves: panels, moments and settings."""
    found = []
    for element in app.get("bidi_component"):
        data = element.proto.bytes
        size = struct.unpack("<I", data[:4])[0]
        found.append(json.loads(data[4:4 + size]))
    return found


def header(app: AppTest) -> dict[str, Any]:
    """The same of the one film of a page."""
    found = films(app)
    assert len(found) == 1, f"{len(found)} films"
    return found[0]


def text(app: AppTest, panel: str, k: int = -1) -> str:
    """What a panel of words says at moment *k*; -1: the last."""
    return str(header(app)["panels"][panel]["texts"][k])
