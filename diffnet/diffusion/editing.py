"""Editing by the gradient of a task network: any differentiable network can be the guide."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .batch import Batch, Condition
from .counterfactual import Inverting, NoisyClassifier
from .denoiser import Denoiser, Wrap, WrappedDenoiser, keep
from .guidance import GradientGuided
from .healing import Healed, residual

SMALLEST = 1e-3  # variance of a number that the guide can claim


class Guide(nn.Module):
    """log p(class, numbers | x_t) of a network with classes + 2 numbers outputs.

    Of each number it gives a mean and a log-variance. What the condition leaves open (the label
    behind the last class, NaN) takes no part.
    """

    def __init__(self, network: NoisyClassifier, classes: int, numbers: int) -> None:
        super().__init__()
        self.network, self.classes, self.numbers = network, classes, numbers

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition, fixed: bool = False) -> Tensor:
        """(B,). fixed: variances are taken as they are, so that no gradient makes them larger."""
        found = self.network(x_t, t).float()
        logits, mean, spread = found.split([self.classes, self.numbers, self.numbers], 1)
        total = found.new_zeros(len(x_t))
        if self.classes and condition.label is not None:
            known = condition.label < self.classes
            label = condition.label.clamp(max=self.classes - 1)
            total = total - known * F.cross_entropy(logits, label, reduction="none")
        if self.numbers and condition.scalars is not None:
            known = ~condition.scalars.isnan()
            away = torch.where(known, condition.scalars - mean, 0.0)
            variance = F.softplus(spread) + SMALLEST
            variance = variance.detach() if fixed else variance
            total = total - 0.5 * (known * (away.square() / variance + variance.log())).sum(1)
        return total

    def gradient(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Of the log-likelihood with respect to x_t, of its shape."""
        # a gradient is needed although sampling runs in inference mode
        with torch.inference_mode(False), torch.enable_grad():
            x = x_t.clone().requires_grad_()
            wanted = condition.map(torch.clone)
            return torch.autograd.grad(self(x, t.clone(), wanted, fixed=True).sum(), x)[0]


class Blind(WrappedDenoiser):
    """A denoiser that is told nothing: the same one serves every question."""

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return self.inner(x_t, t, Condition())


class TaskGradient(Inverting):
    """Up the ODE to t = `strength` and down with `weight` times the guide's gradient.

    Wolleb, Sandkuehler, Bieder, Cattin, 2022, arXiv:2204.02641. The denoiser knows no condition;
    the guide learns beside it from noisy images.
    """

    def __init__(self, *parts, guide: Guide, weight: float) -> None:
        super().__init__(*parts)
        self.guide, self.weight = guide, weight

    def players(self) -> dict[str, nn.Module]:
        return {"model": nn.ModuleList([self.denoiser, self.objective]), "guide": self.guide}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield from super().losses(Batch(batch.target, Condition()))
        x_0 = batch.target
        t = torch.rand(len(x_0), device=x_0.device, dtype=x_0.dtype)
        x_t = self.denoiser.process.corrupt(x_0, t)
        yield "guide", -self.guide(x_t, t, batch.condition).mean()

    def upward(self, condition: Condition) -> Condition:
        return Condition()

    def guided(self, denoiser: Denoiser) -> Denoiser:
        return GradientGuided(Blind(denoiser), self.guide.gradient, self.weight)

    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        x = self.around(wrap(self.denoiser), image, condition)
        return Healed(x, residual(image, x))
