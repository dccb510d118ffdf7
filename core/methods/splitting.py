"""W, Z and U inside training: the state that every in-training ADMM shares, its updates, residuals and how it is saved.

    Z = P(W + U);   U = W + U - Z          (scaled dual; Boyd et al. 2011, section 3.1.1)

primal = |W - Z| / |W| and dual = rho |Z_k - Z_(k-1)| / |W|, over all matrices together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.methods.base import Context, TrainingMethod
from core.sparsity.select import select_all


class Splitting(TrainingMethod):
    """The state that every in-training ADMM shares: Z and U, their updates, the residuals, and how they are saved."""

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Set U = 0 and note plain magnitude's mask, against which *moved* counts."""
        super().prepare(layers, context)
        self.rho = 0.0
        self.w = [layer.weight.data for layer in layers.values()]
        self.u = [torch.zeros_like(w) for w in self.w]
        self.z = [w.clone() for w in self.w]
        self.reference = select_all(context.pattern, {n: w.abs() for n, w in context.dense.items()})
        self.support = dict(self.reference)
        self.seen: dict[str, float] = {}

    def project(self) -> dict[str, Tensor]:
        """Support of the projection of W + U, by matrix. Subclasses may change the metric."""
        return select_all(self.context.pattern, {n: (w + u).abs() for n, w, u in zip(self.layers, self.w, self.u,
                                                                                     strict=True)})

    def update_split(self) -> None:
        """The Z- and the U-step: Z = P(W + U), U = W + U - Z; residuals and flips are noted."""
        support = self.project()
        size = sum(w.numel() for w in self.w)
        norm = sum(float(w.norm()) ** 2 for w in self.w) ** 0.5 or 1.0
        primal = dual = flips = moved = 0.0
        for i, name in enumerate(self.layers):
            self.u[i].add_(self.w[i])
            z = self.u[i] * support[name]
            self.u[i].sub_(z)
            primal += float((self.w[i] - z).norm()) ** 2
            dual += float((z - self.z[i]).norm()) ** 2
            flips += float((support[name] != self.support[name]).sum())
            moved += float((support[name] != self.reference[name]).sum())
            self.z[i] = z
        self.support = support
        self.seen = {"primal": primal**0.5 / norm, "dual": self.rho * dual**0.5 / norm, "flips": flips,
                     "moved": moved / size}

    def feasible(self) -> dict[str, Tensor]:
        """Z."""
        return dict(zip(self.layers, self.z, strict=True))

    def primal(self) -> float:
        """|W - Z| / |W| of this moment, W as it is now."""
        gap = sum(float((w - z).norm()) ** 2 for w, z in zip(self.w, self.z, strict=True)) ** 0.5
        return gap / (sum(float(w.norm()) ** 2 for w in self.w) ** 0.5 or 1.0)

    def measures(self) -> dict[str, float]:
        """rho and what the last update noted; after the hard prune only what the mask is."""
        if self.masks:
            return {k: v for k, v in self.seen.items() if k == "moved"}
        return {"rho": self.rho, **self.seen, "primal": self.primal()}

    def state(self) -> dict[str, Tensor]:
        """Masks, Z, U, support, rho and the last measures."""
        out = super().state()
        if not self.masks:
            for i, name in enumerate(self.layers):
                out[f"z/{name}"], out[f"u/{name}"] = self.z[i], self.u[i]
                out[f"support/{name}"] = self.support[name].to(torch.uint8)
        out["rho"] = torch.tensor(self.rho, dtype=torch.float64)
        for key, value in self.seen.items():
            out[f"seen/{key}"] = torch.tensor(value, dtype=torch.float64)
        return out

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`."""
        for i, name in enumerate(self.layers):
            if f"z/{name}" in state:
                self.z[i].copy_(state[f"z/{name}"])
                self.u[i].copy_(state[f"u/{name}"])
                self.support[name] = state[f"support/{name}"].bool().to(self.w[i].device)
        self.rho = float(state["rho"])
        self.seen = {k[5:]: float(v) for k, v in state.items() if k.startswith("seen/")}
        super().load_state(state)
