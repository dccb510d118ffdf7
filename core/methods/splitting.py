"""W, Z and U inside training: the state that every in-training ADMM shares, its updates, residuals
and how it is saved.

    Z = P(W + U);   U = W + U - Z          (scaled dual; Boyd et al. 2011, section 3.1.1)

With a grid P keeps the largest and then goes to the nearest level (NxMiFormer, arXiv 2206.15014).

primal = |W - Z| / |W| and dual = rho |Z_k - Z_(k-1)| / |W|, over all matrices together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.methods.base import Context
from core.methods.gridded import Gridded
from core.sparsity.select import numbers, select, select_all


class Splitting(Gridded):
    """The state that every in-training ADMM shares: Z and U, their updates, the residuals, and how
    they are saved."""

    splits = True

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Set U = 0 and note plain magnitude's mask, against which *moved* counts."""
        super().prepare(layers, context)
        self.rho = 0.0
        self.w = [layer.weight.data for layer in layers.values()]
        self.u = [torch.zeros_like(w) for w in self.w]
        self.z = [w.clone() for w in self.w]
        # One buffer for two things: scratch in an update, the Z before it afterwards.
        self.spare = [torch.empty_like(w) for w in self.w]
        self.reference = select_all(context.pattern, {n: w.abs() for n, w in context.dense.items()})
        self.support = self.before = dict(self.reference)
        self.seen: dict[str, float] = {}
        self.unread = False  # an update happened whose residuals nobody has asked for yet

    def scores(self, name: str, v: Tensor, out: Tensor) -> Tensor:
        """What matrix *name* is projected by: |V|, written to *out*. Subclasses may change the
        metric."""
        return torch.abs(v, out=out)

    def update_split(self, rescale: float = 1.0) -> None:
        """The Z- and the U-step: Z = P(W + U), U = (W + U - Z) rescale.

        This runs inside training, so one matrix is finished before the next begins: its buffers
        then stay in the cache, where seven passes over all matrices would each come from memory.
        Residuals wait until they are read.
        """
        pattern, self.before = self.context.pattern, self.support
        together: dict[str, Tensor] = {}
        if pattern.scope == "model":  # the choice needs all matrices at once
            for name, w in zip(self.layers, self.w, strict=True):
                self.split_moves(name, w)
            together = select_all(pattern, {
                name: self.scores(name, w + u, torch.empty_like(w))
                for name, w, u in zip(self.layers, self.w, self.u, strict=True)})
        chosen = {}
        for name, w, u, z in zip(self.layers, self.w, self.u, self.spare, strict=True):
            if not together:
                self.split_moves(name, w)
            u.add_(w)
            mask = together[name] if together else select(pattern.of(name), self.scores(name, u, z))
            torch.mul(u, numbers(mask), out=z)
            if self.grid is not None:
                z.copy_(self.rounded(name, z, mask))
            u.sub_(z)
            if rescale != 1.0:
                u.mul_(rescale)
            self.split_moved(name, z, u)
            chosen[name] = mask
        self.support = chosen
        self.z, self.spare = self.spare, self.z
        self.rho_then, self.unread = self.rho, True

    def split_moves(self, name: str, w: Tensor) -> None:
        """Called by `update_split` for every matrix before its W, *w*, is looked at."""

    def split_moved(self, name: str, z: Tensor, u: Tensor) -> None:
        """Called by `update_split` for every matrix whose new Z and U are known, while they are in
        the cache."""

    def _read(self) -> None:
        """Note the dual residual, flips and moved share of the last update."""
        if not self.unread:
            return
        self.unread = False
        pairs = zip(self.z, self.spare, strict=True)
        gap = sum(float((z - old).norm()) ** 2 for z, old in pairs) ** 0.5
        flips = sum(int((self.support[n] ^ self.before[n]).count_nonzero()) for n in self.layers)
        moved = sum(int((self.support[n] ^ self.reference[n]).count_nonzero()) for n in self.layers)
        self.seen = {"dual": self.rho_then * gap / self._norm(), "flips": float(flips),
                     "moved": moved / sum(w.numel() for w in self.w)}

    def _norm(self) -> float:
        return sum(float(w.norm()) ** 2 for w in self.w) ** 0.5 or 1.0

    def feasible(self) -> dict[str, Tensor]:
        """Z, the feasible copy, `[out, in]` by matrix."""
        return dict(zip(self.layers, self.z, strict=True))

    def primal(self) -> float:
        """|W - Z| / |W| of this moment, W as it is now."""
        gap = sum(float((w - z).norm()) ** 2 for w, z in zip(self.w, self.z, strict=True)) ** 0.5
        return gap / self._norm()

    def measures(self) -> dict[str, float]:
        """rho and what the last update noted; after the hard prune only what the mask is."""
        self._read()
        if self.masks:
            return {k: v for k, v in self.seen.items() if k == "moved"}
        return {"rho": self.rho, "primal": self.primal(), **self.seen}

    def state(self) -> dict[str, Tensor]:
        """Masks, Z, U, support, rho and the last measures."""
        self._read()
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
        """Undo `state`; residuals are those that were noted last."""
        for i, name in enumerate(self.layers):
            if f"z/{name}" in state:
                self.z[i].copy_(state[f"z/{name}"])
                self.u[i].copy_(state[f"u/{name}"])
                self.support[name] = state[f"support/{name}"].bool().to(self.w[i].device)
        self.rho, self.unread = float(state["rho"]), False
        self.seen = {k[5:]: float(v) for k, v in state.items() if k.startswith("seen/")}
        super().load_state(state)
