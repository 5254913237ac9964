"""Guidance by a gradient: a classifier's, or that of any differentiable network's score of x_t."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser, WrappedDenoiser
from ..process import GaussianProcess, over

# (x_t, t, condition) -> gradient with respect to x_t, of x_t's shape
Gradient = Callable[[Tensor, Tensor, Condition], Tensor]


class GradientGuided(WrappedDenoiser):
    """D + w (c^2 / a) g, g = grad log p(. | x_t) (Dhariwal and Nichol, 2021, arXiv:2105.05233).

    By Tweedie's formula a term g of the score moves E[x_0 | x_t] by (c^2 / a) g. The factor is
    large near t = 1: start below 1, or clip inside.
    """

    def __init__(self, inner: Denoiser, gradient: Gradient, weight: float = 1.0) -> None:
        super().__init__(inner)
        if not isinstance(inner.process, GaussianProcess):
            raise TypeError(
                f"gradient guidance moves a score, and {type(inner.process).__name__} has none; "
                "it needs a GaussianProcess"
            )
        self.gradient, self.weight = gradient, weight

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        x_0, g = self.inner(x_t, t, condition), self.gradient(x_t, t, condition)
        a, _, c = self.process.coefficients(t)
        return x_0 + over(c**2 / a, x_t) * self.move(g, x_0, x_t, t, condition)

    def move(self, g: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """What is added to the score."""
        return self.weight * g


class RelativeGradient(GradientGuided):
    """The gradient's length is `weight` times the score's: s + w |s| g / |g|.

    The rule of Jalal et al., 2021, arXiv:2108.01368, for Langevin reconstruction; norms are per
    example.
    """

    def move(self, g: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        a, b, c = (over(k, x_t) for k in self.process.coefficients(t))
        y = 0.0 if condition.source is None else condition.source
        score = (a * x_0 + b * y - x_t) / c**2
        ratio = _length(score) / _length(g).clamp(min=torch.finfo(g.dtype).tiny)
        return self.weight * ratio * g


def class_gradient(classifier: torch.nn.Module, label: int | None = None) -> Gradient:
    """grad_x log p(label | x_t) of classifier(x_t, t) -> logits (B, classes).

    label: the class that is wanted; None takes the condition's.
    """

    def gradient(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if label is None and condition.label is None:
            raise ValueError("classifier guidance wants a label, and the condition has none")
        # a gradient is needed although sampling runs in inference mode
        with torch.inference_mode(False), torch.enable_grad():
            x = x_t.clone().requires_grad_()
            wanted = (
                torch.full_like(t, label).long() if label is not None else condition.label.clone()
            )
            chance = classifier(x, t.clone()).log_softmax(1).gather(1, wanted[:, None])
            return torch.autograd.grad(chance.sum(), x)[0]

    return gradient


def _length(x: Tensor) -> Tensor:
    return over(x.flatten(1).norm(dim=1), x)
