"""ADMM in training, our recipe: start where the layers are already solved, pull W to Z outside
Adam, let rho grow.

    after every optimiser step:
        W <- (W + rho (Z - U)) / (1 + rho)    the exact proximal step
    every `interval` steps:
        Z <- P(W + U)                         P in the metric of the inputs' norms
        U <- W + U - Z
        rho <- growth * rho                   from rho_start to rho_end
        U <- U rho_old / rho_new              the force rho U stays what it was

After `share` of the steps the mask is fixed and the rest of the same schedule refines under it;
with `refine=sr-ste` it moves on, chosen from |W| at every forward pass in the same metric (see
`sr-ste`), and the last one is final. Off unless asked for: `metric=adam` weighs |W + U| by the root
of Adam's second moment, an estimate of how much the loss feels the weight (the objective-aware
projection of ELSA; before the first step, and on a grid's levels, the norms count); `sharpness`
takes a step's gradient at W + sharpness g / |g|, over all trained weights and until the hard prune,
so that W goes where the loss is flat (SAFE); `refine_lr` is a factor on the learning rate after it;
`match` trains the start solution on, an encoder layer at a time, its masks fixed, to put out what
that layer did dense (3BASiL).

Prunes: single weights, by |W + U| times the norm of their input; every pattern.
Sources: the split and its scaled dual: Boyd et al. 2011, section 3.1.1; ADMM on the task loss with
occasional Z- and U-steps: ELSA (arXiv 2510.01650); N:M by ADMM inside fine-tuning: NxMTransformer
(arXiv 2110.15766); ADMM on a sharpness-aware gradient: SAFE (arXiv 2506.06866);
matching blocks after the mask: 3BASiL (arXiv 2603.01376).
Where we differ: the penalty stays outside Adam, which would rescale it away (residual 0.64 with it
inside); U is rescaled with rho, or it winds up beyond W; W starts at the layer-wise solution,
because pulling a dense W through the loss landscape at 1:4 kills the model, and each layer is
solved on what comes through the layers already pruned (`core.inside.sequential`), which at 1:4 more
than halves the distance to the dense model's answers; P weighs |W + U| by the input columns' norms,
the diagonal of the layer-wise problem. With `start=dense` W begins dense and Z at P(W), as in ELSA:
at 2:4 that shows how a mask comes about, and costs little. Over GLUE it gives the dense model's
answers more often than ASP, at 2:4 too, where their scores are level. Training the layer-wise
solution on under its fixed mask is level with this method, at 2:4 and at 1:4: most of the gain is
the start. Of fifteen changes, searched at 1:4 on examples held out of train, only the start and the
learning rate move it. Twice the rate brings it clearly nearer to dense over three tasks, and no
score shows it: the defaults stand (decision 0013).
Cost: one interpolation of the pruned weights per step, one selection every `interval` steps, two
copies of the weights. With `sharpness` a step of ADMM takes two passes forward and backward instead
of one: as many steps are then not the same budget. `match` reads the calibration text forward and
backward that often.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.methods.base import Context
from core.methods.knob_sets import AdmmKnobs
from core.methods.splitting import Splitting
from core.methods.sr_ste import MovingMask


class Admm(Splitting):
    """See the module's text."""

    knobs: AdmmKnobs

    @property
    def start(self) -> str | None:
        """The layer-wise solution, or with start=dense none."""
        return "admm-layer" if self.knobs.start == "layers" else None

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """W = Z = the layer-wise solution, U = 0; with start=dense W stays as it is, Z = P(W)."""
        for name, result in context.solution.items():
            layers[name].weight.data.copy_(result.weight)
        super().prepare(layers, context)
        k = self.knobs
        self.hard_step = max(1, round(k.share * context.total_steps))
        self.rho = k.rho_start
        # Z - U, kept between two updates: the pull needs it at every step, Z and U move rarely.
        self.target = {name: w.clone() for name, w in zip(self.layers, self.w, strict=True)}
        self.pull = 0.0  # what an update is to begin with
        self.moving: MovingMask | None = None  # from the hard prune on, with refine=sr-ste
        if context.solution:
            self.support = {name: result.mask for name, result in context.solution.items()}
        else:
            self.update_split(rescale=0.0)  # Z = P(W); U, what that leaves, is dropped

    @property
    def radius(self) -> float:
        """`sharpness`, as long as ADMM lasts."""
        return 0.0 if self.masks else self.knobs.sharpness

    @property
    def lr_factor(self) -> float:
        """`refine_lr`, from the hard prune on."""
        return self.knobs.refine_lr if self.masks else 1.0

    @property
    def phase(self) -> str:
        """Name of the phase for the trace: "moving" from the hard prune on, with refine=sr-ste."""
        return "moving" if self.moving else super().phase

    def scores(self, name: str, v: Tensor, out: Tensor) -> Tensor:
        """|V| in the metric that the knob says: by default that of the inputs' column norms."""
        if self.knobs.metric == "none":
            return super().scores(name, v, out)
        if self.knobs.metric == "adam" and (seen := self.context.second_moment(name)) is not None:
            return torch.mul(v, seen.sqrt_(), out=out).abs_()
        return torch.mul(v, self.context.stats[name].norms, out=out).abs_()

    def importance(self, name: str) -> Tensor | None:
        """The metric `[in]` in which matrix *name* goes to the levels of a grid: the squares of its
        inputs' norms, as rounding counts squared errors; None with metric=none."""
        plain = self.knobs.metric == "none"
        return None if plain else self.context.stats[name].norms.square()

    def split_moves(self, name: str, w: Tensor) -> None:
        """The pull of the step that the update ends."""
        if self.pull:
            w.lerp_(self.target[name], self.pull)

    def split_moved(self, name: str, z: Tensor, u: Tensor) -> None:
        """Note Z - U, what W is pulled to until the next update."""
        torch.sub(z, u, out=self.target[name])

    def after_step(self, step: int) -> None:
        """The proximal pull; every `interval` steps the Z- and the U-step, and rho's growth."""
        if self.moving:
            return self.moving.step(self.context.lr(step))
        if self.masks:
            return super().after_step(step)
        k = self.knobs
        done, pull = step + 1, self.rho / (1.0 + self.rho)
        if done % k.interval and done != self.hard_step:
            torch._foreach_lerp_(self.w, list(self.target.values()), pull)
            return None
        grown = k.rho_start * (k.rho_end / k.rho_start) ** (done / self.hard_step)
        # Matrix by matrix, each pulled right before its update: it comes from memory once.
        self.pull = pull
        self.update_split(self.rho / grown if k.dual else 0.0)
        self.pull, self.rho = 0.0, grown
        return None

    def choose_masks(self) -> dict[str, Tensor]:
        """The final masks, as they would be now: the support of Z."""
        return dict(self.support)

    def hard_prune(self, masks: dict[str, Tensor]) -> None:
        """Fix *masks*; or let them go on moving, where refinement is by SR-STE: W then stays dense
        underneath."""
        k = self.knobs
        if k.refine == "mask" or self.hard_step >= self.context.total_steps:
            return super().hard_prune(masks)
        self.masks = masks
        # Differs from `sr-ste`: the sizes are weighed by the inputs' norms, and with a grid the
        # mask is followed by rounding. The decay is always that on the gradient.
        self.moving = MovingMask(
            self.layers, self.context.pattern, k.decay, "gradient", self.reference, self.scores,
            None if self.grid is None else self.rounded)
        return None

    def before_forward(self, step: int) -> None:
        """While the mask moves, choose it and show the model the weights under it."""
        if self.moving:
            self.moving.enter()
        else:
            super().before_forward(step)

    def after_backward(self, step: int) -> None:
        """Put the latent weights back; while the mask moves, with the decay on their gradients."""
        if self.moving:
            self.moving.leave()
        else:
            super().after_backward(step)

    def served(self) -> dict[str, Tensor] | None:
        """The weights the model would be used with now: while the mask moves, those under it."""
        return self.moving.served() if self.moving else super().served()

    def finish(self) -> None:
        """Leave in the model the weights it is to be used with; the last mask is the final one."""
        super().finish()
        if self.moving:
            self.masks, self.moving = self.moving.masks, None

    def measures(self) -> dict[str, float]:
        """Residuals and flips of the split; while the mask moves, how far it did."""
        return self.moving.measures() if self.moving else super().measures()

    def state(self) -> dict[str, Tensor]:
        """All that must survive a kill: the split's tensors, and those of a mask that moves."""
        moving = self.moving.state() if self.moving else {}
        return super().state() | {f"moving/{k}": v for k, v in moving.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`; the target follows from Z and U."""
        super().load_state(state)
        if self.moving:
            self.moving.load_state({k[7:]: v for k, v in state.items() if k.startswith("moving/")})
        for name, z, u in zip(self.layers, self.z, self.u, strict=True):
            self.split_moved(name, z, u)
