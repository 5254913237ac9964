"""How an estimate of x_0 is compared with the truth: one number for each example."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..network_denoiser import per_channel


class Loss(ABC):
    """Compares D with x_0, both (B, C, *S); `scale` (B, C) or (B, 1) is the root of the weight."""

    @abstractmethod
    def __call__(self, estimate: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """(B,)."""


@dataclass(frozen=True)
class Square(Loss):
    """The mean of e^2, e = scale (D - x_0): its minimum is the posterior mean, as sampling needs
    it.
    """

    def __call__(self, estimate: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        return _scaled(estimate, target, scale).square().flatten(1).mean(1)


@dataclass(frozen=True)
class Absolute(Loss):
    """The mean of |e|: its minimum is the median; good for one call, biased for sampling."""

    def __call__(self, estimate: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        return _scaled(estimate, target, scale).abs().flatten(1).mean(1)


@dataclass(frozen=True)
class Huber(Loss):
    """e^2 below `width`, width (2 |e| - width) above: a square that outliers cannot dominate."""

    width: float = 1.0

    def __call__(self, estimate: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        e = _scaled(estimate, target, scale)
        loss = F.huber_loss(e, e.new_zeros(()).expand_as(e), reduction="none", delta=self.width)
        return 2 * loss.flatten(1).mean(1)


@dataclass(frozen=True)
class DiceCrossEntropy(Loss):
    """Dice and cross-entropy of probabilities, plus the square, for one-hot targets size * {-1, 1}.

    D / (2 size) + 1/2 is taken as the probability of each class; one channel is a class by itself.
    The square keeps a slope where D leaves the range of probabilities. All three are multiplied by
    the level's weight, the mean of scale^2.

    size: half the distance between the two values of the target.
    """

    size: float = 0.5
    dice: float = 1.0
    cross_entropy: float = 1.0
    square: float = 1.0
    smallest: float = 1e-5

    def __call__(self, estimate: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        # With many classes each line here costs as much as the network: no more than is needed.
        p = self._chance(estimate).clamp(self.smallest, 1 - self.smallest)
        truth = self._chance(target)
        loss = p.new_zeros(len(p))
        if self.dice:
            overlap = (p * truth).flatten(2).sum(2)
            total = p.flatten(2).sum(2) + truth.flatten(2).sum(2)
            loss = loss + self.dice * (1 - (2 * overlap + 1) / (total + 1)).mean(1)
        if self.cross_entropy:
            entropy = (truth * p.log()).flatten(1).sum(1)
            if target.shape[1] == 1:
                entropy = entropy + ((1 - truth) * (1 - p).log()).flatten(1).sum(1)
            loss = loss - self.cross_entropy * entropy / p[0, 0].numel()
        if self.square:
            square = ((estimate - target) / (2 * self.size)).float().square().flatten(1).mean(1)
            loss = loss + self.square * square
        return scale.float().square().mean(1) * loss

    def _chance(self, x: Tensor) -> Tensor:
        """0 and 1 where x is -size and size."""
        return torch.add(x.new_tensor(0.5, dtype=torch.float32), x.float(), alpha=0.5 / self.size)


LOSSES: dict[str, type[Loss]] = {
    "square": Square,
    "absolute": Absolute,
    "huber": Huber,
    "dice_cross_entropy": DiceCrossEntropy,
}


def _scaled(estimate: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    return (estimate - target) * per_channel(scale, target)
