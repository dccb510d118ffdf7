"""Everything that the layer lab shows of one moment: `moment` is what one move of the scrubber costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.lab.results_layer import LayerPath
from core.views.drawing.view import View
from core.views.touch.layerlab_curves import error_curve, rounds
from core.views.touch.layerlab_groups import groups_of_z
from core.views.touch.layerlab_levels import levels_of_w
from core.views.touch.layerlab_maps import layer_maps


@dataclass(frozen=True)
class Pictures:
    """The pictures of one stop."""

    maps: View  # weights before, Z, and what every output loses
    error: View  # the error against the rounds, all methods as lines
    rounds: View  # residuals, change of the support, rho
    groups: View  # what the groups hold
    levels: View | None  # how far W is from the grid's levels; None without a grid

    @property
    def below(self) -> dict[str, View]:
        """The views of the whole width under the curves, from the top."""
        return {name: view for name, view in (("levels", self.levels), ("groups", self.groups)) if view is not None}


def moment(path: LayerPath, k: int, lines: Mapping[str, float], pinned: LayerPath | None = None) -> Pictures:
    """Stop *k* of *path*. *lines*: the error of every layer method at its defaults; *pinned*: a path of the same layer
    to compare with."""
    return Pictures(layer_maps(path, k, pinned), error_curve(path, k, lines, pinned), rounds(path, k),
                  groups_of_z(path, k), levels_of_w(path, k) if path.grid else None)
