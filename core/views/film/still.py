"""The last moment of a film as one PNG: what a browser shows that does not run the film's script."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.views.drawing import style
from core.views.film.reel import Film, Part

SIDE = 256  # pixels that a picture is at least high
GAP = 16  # pixels between two


def png(film: Film) -> bytes | None:
    """The pictures that lead the film, side by side, at its last moment; None for a film without any."""
    leading = [p for p in film.header["panels"].values() if p["kind"] == "pixels" and p["lead"]]
    if not leading:
        return None
    palette = film.header["palettes"][leading[0]["palette"]]
    pictures = [codes(film, panel, film.last) for panel in leading if panel["palette"] == leading[0]["palette"]]
    scale = max(SIDE // max(p.shape[0] for p in pictures), 1)
    high = max(p.shape[0] for p in pictures) * scale
    parts: list[NDArray[np.uint8]] = []
    for picture in pictures:
        large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
        parts += [np.pad(large, ((0, high - len(large)), (0, 0)), constant_values=style.ZERO_CODE),
                  np.full((high, GAP), style.ZERO_CODE, np.uint8)]
    colours = [(palette[i], palette[i + 1], palette[i + 2], palette[i + 3]) for i in range(0, len(palette), 4)]
    return style.to_png(np.hstack(parts[:-1]), colours)


def codes(film: Film, panel: Part, k: int) -> NDArray[np.uint8]:
    """What a panel of pixels shows at moment *k*, as the script works it out: places in its palette `[rows, cols]`."""
    values = _at(film, panel["values"], k)
    if panel["scale"] == "codes":
        return values.astype(np.uint8)
    diverging = panel["scale"] == "diverging"
    top, zero = (127, style.ZERO_CODE) if diverging else (254, 0)
    limit = panel["limit"] or 1.0
    out: NDArray[np.uint8] = np.rint(np.clip(values / limit, -1.0 if diverging else 0.0, 1.0) * top + zero).astype(
        np.uint8)
    if "mask" in panel:
        out[_at(film, panel["mask"], k) == 0] = style.PRUNED_CODE
    return out


def _at(film: Film, array: int, k: int) -> NDArray[Any]:
    """Moment *k* of an array; the only one of what stands still."""
    values = film.array(array)
    return values[min(k, len(values) - 1)]
