"""The dense teacher beside the student: what it feels and where it looks, as further terms of the loss.

    hidden      weight * mean over layers of   mean over real tokens and features of  (h_student - h_teacher)^2
    attention   weight * sum over layers of    mean over heads and pairs of real tokens of  (a_student - a_teacher)^2

h: a layer's output (the embeddings' too, when they are trained); a: attention probabilities. Padding has no part in
either.

Source: both squared errors and the sum over layers are MLPruning's (Yao et al. 2021, arXiv 2105.14636), whose loss is
0.9 (soft targets + attention + hidden) + 0.1 cross-entropy: `distill` and `distill_attention` at 0.9, `distill_hidden`
at 0.9 times the number of layers.
Where we differ: hidden states are averaged over the layers, so that the weight means the same in a deep model;
attention is compared as probabilities.
Cost: a forward pass of the dense model a step; the attention term also makes both models compute attention the plain
way ("eager"), the only way that gives its weights back. A step takes 1.3 times as long with either or both (minilm-l6,
32 x 12 tokens, one thread), 1.4 to 1.6 times on tiny.
"""

from __future__ import annotations

import copy
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.runs.records import RunSpec


class LiveTeacher:
    """A frozen copy of *model* as it is now, to be run on every batch of its student's training.

    *hidden*, *attention*: weights of the terms; *skip*: hidden states left out at the start (1: the embeddings'). Used
    as a context around the training: inside, both models give back what the terms need; afterwards the student is as it
    was.
    """

    def __init__(self, model: Any, hidden: float, attention: float, skip: int) -> None:
        self.student, self.hidden, self.attention, self.skip = model, hidden, attention, skip
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.asks: dict[str, bool] = {}  # further arguments of a forward pass, the same for both
        if hidden:
            self.asks["output_hidden_states"] = True
        if attention:
            self.asks["output_attentions"] = True
        self.before = ""

    def __enter__(self) -> LiveTeacher:
        if self.attention:
            self.before = self.student.config._attn_implementation
            for model in (self.student, self.model):
                model.set_attn_implementation("eager")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.attention:
            self.student.set_attn_implementation(self.before)

    def term(self, batch: dict[str, Tensor], out: Any) -> Tensor:
        """The terms, weighted, for the student's output *out* of *batch*: a scalar, float32.

        Raises InputError for a model that does not give back its hidden states or its attention.
        """
        with torch.no_grad():
            taught = self.model(**batch, **self.asks)
        real = batch["attention_mask"].bool()
        total = torch.zeros((), device=real.device)
        if self.hidden:
            pairs = self._both("hidden_states", out, taught)[self.skip :]
            total = total + self.hidden * sum(hidden_gap(s, t, real) for s, t in pairs) / len(pairs)
        if self.attention:
            pairs = self._both("attentions", out, taught)
            total = total + self.attention * sum(attention_gap(s, t, real) for s, t in pairs)
        return total

    def _both(self, what: str, out: Any, taught: Any) -> list[tuple[Tensor, Tensor]]:
        student, teacher = getattr(out, what, None), getattr(taught, what, None)
        if not student or not teacher or any(x is None for x in (*student, *teacher)):
            option = "distill_hidden" if what == "hidden_states" else "distill_attention"
            raise InputError(f"{option} with {type(self.student).__name__}",
                             f"a model that gives back its {what.replace('_', ' ')}", f"Leave {option} at 0.")
        return list(zip(student, teacher, strict=True))


def hidden_gap(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of `[batch, tokens, features]` over the tokens of *real*, bool `[batch, tokens]`."""
    gap = (student.float() - teacher.float()).square().mean(-1)
    return (gap * real).sum() / real.sum()


def attention_gap(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of `[batch, heads, tokens, tokens]` over heads and pairs of real tokens of a sentence."""
    gap = (student.float() - teacher.float()).square().mean(1)
    both = real.unsqueeze(2) & real.unsqueeze(1)  # [batch, looks, is looked at]
    return (gap * both).sum() / both.sum()


def live_teacher(model: nn.Module, spec: RunSpec) -> LiveTeacher | None:
    """The live teacher that *spec* asks for, a copy of *model*, which must hold the dense weights; None for none."""
    if not spec.distill_hidden and not spec.distill_attention:
        return None
    return LiveTeacher(model, spec.distill_hidden, spec.distill_attention, skip=1 if spec.freeze_embeddings else 0)
