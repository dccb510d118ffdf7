"""A film: every moment of a picture as whole numbers, sent to the browser once.

    reel = Reel(moments=["dense", "step 10", "final"])
    w = reel.numbers(weights)                      # float32 [moments, rows, cols] -> int16 and one scale
    reel.add("w", panels.pixels("W", w, limit=0.2))
    film = reel.film(claim, alt, table, rows=[row(column("w"))])

The script that plays it (`player/`) knows panels, not runs: whatever is drawn stands in the header (plain JSON) and in
the payload (the arrays, one after the other). What an array holds for one moment alone stands still in the film.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the first page must not wait for pandas
    import pandas as pd

Part = dict[str, Any]
MOST_BYTES = 1_500_000  # of one film on the wire: a second on a slow line
STEPS = 32_767  # of an int16
STAGE, LEAD = 400, 200  # pixels that the rows of a film have on the stage; what a row of leading pictures takes of them


@dataclass(frozen=True)
class Film:
    """What a page shows, with the words and numbers that stand still around it."""

    claim: str  # one sentence made from the data: what to see
    alt: str  # alternative text made from the data
    table: pd.DataFrame | None  # the numbers, a row a moment; None: another page has them
    header: Part  # what is drawn, and where: plain JSON
    payload: bytes  # all arrays

    @property
    def last(self) -> int:
        """The last moment."""
        return len(self.header["moments"]) - 1

    def packed(self, **more: Any) -> bytes:
        """What travels: the header's length, the header (with *more* in it), the payload."""
        header = json.dumps(self.header | more, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        return struct.pack("<I", len(header)) + header + self.payload

    def silent(self, alt: str) -> Film:
        """The same moments without what they come to: no words, no table, curves up to the present one only. *alt*
        takes the place of what would tell. For whoever is to guess first."""
        told = {}
        for name, panel in self.header["panels"].items():
            less: Part = {"alt": alt} if panel.get("alt") else {}
            if panel.get("tells"):
                less["texts"] = [""]
            if panel.get("entries"):
                less["entries"] = None
            if panel["kind"] == "curves":  # a level is what curves are going to, or are judged by
                less["strips"] = [strip | {"level": None} for strip in panel["strips"]]
            told[name] = panel | less
        header = self.header | {"panels": told, "named": [], "alt": alt, "silent": True,
                                "id": f"{self.header['id']}/silent"}
        return replace(self, claim="", alt=alt, table=None, header=header)

    @property
    def opens(self) -> int:
        """The moment that it opens with where nobody asks for one: its own, else the last."""
        return int(self.header.get("opens", self.last))

    @property
    def speaks(self) -> bool:
        """Does it say itself, moment by moment, what to see?"""
        return any(panel["kind"] == "words" and panel.get("large") for panel in self.header["panels"].values())

    def staged(self, said: bool) -> Film:
        """The same film for a hall: the rows that lead it, as far as there is room. *said*: the words over it are
        somebody else's."""
        panels = self.header["panels"]

        def stays(name: str) -> bool:
            return panels[name]["kind"] != "words" or (bool(panels[name].get("large")) and not said)

        rows: list[Part] = []
        bar, high, drawn = 0, 0, False
        for place, each in enumerate(self.header["rows"]):
            columns = [part | {"panels": [name for name in part["panels"] if stays(name)]} for part in each["columns"]]
            columns = [part for part in columns if part["panels"]]
            pictured = any(panels[name]["kind"] != "words" for part in columns for name in part["panels"])
            # A sentence over the pictures stands where the stage's claim would: it takes nothing of their room.
            high += (each["height"] or LEAD) if pictured or drawn else 0
            if columns and (not pictured or not drawn or high <= STAGE):
                rows.append(each | {"columns": columns})
                bar = len(rows) - 1 if place <= self.header["bar"] else bar
                drawn = drawn or pictured
        mark = f"{self.header['id']}/stage{int(said)}"
        return replace(self, header=self.header | {"rows": rows, "bar": bar, "id": mark})

    def array(self, at: int) -> NDArray[Any]:
        """Array number *at*, in the numbers that it stands for: float32 where it has a scale; bits as 0 and 1."""
        entry = self.header["arrays"][at]
        kind, shape, start = entry["kind"], entry["shape"], entry["at"]
        if kind == "bits":
            count = int(np.prod(shape[1:]))
            packed = np.frombuffer(self.payload, np.uint8, shape[0] * -(-count // 8), start)
            return np.unpackbits(packed.reshape(shape[0], -1), axis=1, count=count).reshape(shape)
        values = np.frombuffer(self.payload, kind, int(np.prod(shape)), start).reshape(shape)
        return values * np.float32(entry["scale"]) if "scale" in entry else values


@dataclass
class Reel:
    """A film in the making. *moments*: what each is called; *phases*: (name, first, last) of them, in order.

    *pace*: seconds that a moment stays at the speed 1.
    """

    moments: Sequence[str]
    phases: Sequence[tuple[str, int, int]] = ()
    pace: float = 0.5
    arrays: list[Part] = field(default_factory=list)
    panels: dict[str, Part] = field(default_factory=dict)
    palettes: dict[str, list[int]] = field(default_factory=dict)
    _payload: bytearray = field(default_factory=bytearray)

    def numbers(self, values: NDArray[np.floating]) -> int:
        """Keep *values* `[moments or 1, ...]` as int16 with one scale; returns the number of the array."""
        values = np.asarray(values, np.float32)
        top = float(np.abs(values).max(initial=0.0)) or 1.0
        return self._keep("int16", np.rint(values * (STEPS / top)).astype("<i2"), scale=top / STEPS)

    def counts(self, values: NDArray[np.integer]) -> int:
        """Keep whole numbers `[moments or 1, ...]` exactly."""
        return self._keep("int32", np.asarray(values).astype("<i4"))

    def codes(self, values: NDArray[np.uint8]) -> int:
        """Keep places in a palette `[moments or 1, rows, cols]`."""
        return self._keep("uint8", np.asarray(values, np.uint8))

    def bits(self, values: NDArray[Any]) -> int:
        """Keep zeros and ones `[moments or 1, ...]`, eight to a byte; every moment begins with a byte of its own."""
        flat = (np.asarray(values) != 0).reshape(len(values), -1)
        return self._keep("bits", np.packbits(flat, axis=1), shape=np.asarray(values).shape)

    def palette(self, name: str, colours: Sequence[Sequence[int]]) -> str:
        """Keep a palette of RGBA colours (0..255 each) under *name*, once."""
        self.palettes[name] = [int(channel) for colour in colours for channel in colour]
        return name

    def add(self, name: str, panel: Part) -> str:
        """Keep a panel under *name*."""
        self.panels[name] = panel
        return name

    def film(self, claim: str, alt: str, table: pd.DataFrame | None, rows: Sequence[Part], *, bar: int = 0,
             opens: int | None = None, named: Sequence[tuple[int, str]] = ()) -> Film:
        """The finished film, its panels placed in *rows* (see `row` and `column`); the scrubber under row *bar*.

        *opens*: the moment to open with, None for the last; *named*: moments that have a button of their own, with what
        it says.
        """
        payload = bytes(self._payload)
        header: Part = {
            "moments": list(self.moments), "phases": [list(phase) for phase in self.phases], "pace": self.pace,
            "arrays": self.arrays, "palettes": self.palettes, "panels": self.panels, "rows": list(rows), "alt": alt,
            "bar": bar, **({} if opens is None else {"opens": opens}),
            **({"named": [list(each) for each in named]} if named else {})}
        mark = hashlib.blake2b(json.dumps(header, sort_keys=True).encode() + payload, digest_size=8)
        return Film(claim, alt, table, header | {"id": mark.hexdigest()}, payload)

    def _keep(self, kind: str, values: NDArray[Any], shape: tuple[int, ...] | None = None, **more: float) -> int:
        self._payload += b"\0" * (-len(self._payload) % 4)
        self.arrays.append({"kind": kind, "shape": list(shape or values.shape), "at": len(self._payload), **more})
        self._payload += np.ascontiguousarray(values).tobytes()
        return len(self.arrays) - 1


def row(*columns: Part, height: int = 0) -> Part:
    """One row of the film. *height* in pixels; 0: as high as its pixels want to be, which the window decides."""
    return {"columns": list(columns), "height": height}


def column(*names: str, weight: float = 1.0, least: int = 200) -> Part:
    """One column of a row: panels one above the other. *weight*: its share of the room; *least*: pixels it needs."""
    return {"panels": list(names), "weight": weight, "least": least}


def evenly(count: int, most: int, keep: Sequence[int] = ()) -> list[int]:
    """At most *most* of *count* places, evenly spread, the first and the last with them, and all of *keep*."""
    if count <= most:
        return list(range(count))
    spread = np.unique(np.linspace(0, count - 1, max(most - len(keep), 2)).round().astype(int))
    return sorted({*map(int, spread), *keep})
