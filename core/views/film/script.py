"""The script that plays a film, and its look: the files in `player/`, joined. No build, no network.

A page of the dashboard mounts SCRIPT as a module; a page that is taken away holds PLAYER as it is. Both get the same
films, and both give the script a *component*: {parentElement, data, setStateValue(name, value), setTriggerValue(name,
value)}, where `parentElement` holds an element of the class `film` and *data* is what `Film.packed` makes.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent / "player"
PARTS = ("base", "pixels", "bars", "curves", "columns", "wall", "plane", "layout", "player")
PLAYER = "\n".join((HERE / f"{part}.js").read_text(encoding="utf-8") for part in PARTS)  # ends with `mounted`
SCRIPT = f"{PLAYER}\nexport default mounted;\n"
CSS = (HERE / "film.css").read_text(encoding="utf-8")
