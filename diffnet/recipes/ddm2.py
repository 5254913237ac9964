"""DDM2: from noisy images alone, a first denoiser, a matched state and a diffusion model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..diffusion import (
    Ancestral,
    Batch,
    Condition,
    Diffusion,
    DiscreteVariancePreserving,
    EpsilonError,
    Method,
    NetworkDenoiser,
    Objective,
    Original,
    Sampler,
    TimeUniform,
    Uniform,
    Wrap,
    keep,
    over,
)
from ..planning import Configuration
from .recipe import Recipe

MATCHED = 200  # states that are compared


class MatchedDiffusion(Diffusion):
    """f_1 fills in hidden voxels; f learns to give the image from f_1 with the residual shuffled.

    The image enters the chain at the t whose noise is as strong as what f_1 takes away.
    """

    def __init__(
        self, first: nn.Module, hidden: float, denoiser, objective, sampler: Sampler
    ) -> None:
        super().__init__(denoiser, objective, sampler)
        self.first, self.hidden = first, hidden

    def players(self) -> dict[str, nn.Module]:
        return {"first": self.first, "model": self.denoiser}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        x, label = batch.target, batch.condition.label
        hide = torch.rand_like(x[:, :1]) < self.hidden
        error = (self.first(torch.where(hide, neighbour(x), x), None, label=label) - x).square()
        yield "first", (error * hide).sum() / (hide.sum() * x.shape[1]).clamp(min=1)
        with torch.no_grad():
            clean = self.first(x, None, label=label)
        t = torch.rand(len(x), device=x.device, dtype=x.dtype)
        a, _, c = (over(k, x) for k in self.denoiser.process.coefficients(t))
        noise = (x - a * clean) / c
        noise = shuffled(noise - noise.flatten(2).mean(2).reshape(*x.shape[:2], *_ones(x)))
        estimate = self.denoiser(a * clean + c * noise, t, batch.condition)
        yield "model", (estimate - x).square().mean()

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        if condition.source is None:
            raise ValueError("the noisy scan, condition.source, is missing")
        x, condition = condition.source, replace(condition, source=None)
        time = self.matched(x, condition.label)
        for step in self.sampler.walk(wrap(self.denoiser), x, condition, time):
            x = step
        return x

    @torch.no_grad()
    def matched(self, x: Tensor, label: Tensor | None = None) -> float:
        """The t at which c is the standard deviation of x - a f_1(x)."""
        clean = torch.cat([self.first(part, None, label=label) for part in x.split(16)])
        times = torch.linspace(0, 1, MATCHED, dtype=torch.float64)
        a, _, c = self.denoiser.process.coefficients(times)
        gaps = [abs(float(c[k]) - (x - float(a[k]) * clean).std().item()) for k in range(MATCHED)]
        return max(times[gaps.index(min(gaps))].item(), 1 / MATCHED)


def neighbour(x: Tensor) -> Tensor:
    """The image moved by one or two voxels along a random axis."""
    axis = 2 + int(torch.randint(0, x.ndim - 2, ()))
    return x.roll(int((1, 2, -1, -2)[int(torch.randint(0, 4, ()))]), axis)


def shuffled(noise: Tensor) -> Tensor:
    """Voxels in random order, within each example; channels stay together."""
    order = torch.randperm(noise.flatten(2).shape[2], device=noise.device)
    return noise.flatten(2)[..., order].reshape(noise.shape)


def _ones(x: Tensor) -> tuple[int, ...]:
    return tuple(1 for _ in x.shape[2:])


@dataclass(frozen=True)
class DDM2(Recipe):
    """Self-supervised denoising with a start that is matched to each scan.

    Linear betas 5e-5 to 1e-2 (published: the same range, flat first and then rising). hidden: share
    of voxels that the first network has to guess (published: it guesses a volume from others of the
    same patient). calls: of the network from the matched state down.
    """

    hidden: float = 0.06
    calls: int = 50
    steps: int = 1000

    purposes: ClassVar[frozenset[str]] = frozenset({"denoise"})
    papers: ClassVar[tuple[str, ...]] = (
        "Xiang, Yurt, Syed, Setsompop, Chaudhari (2023). DDM2: self-supervised diffusion MRI "
        "denoising with generative diffusion models. arXiv:2302.03018",
    )

    def build(self, c: Configuration) -> Method:
        process = DiscreteVariancePreserving("linear", self.steps, 5e-5, 1e-2)
        denoiser = NetworkDenoiser(self.network(c), process, Original(c.noise.std))
        objective = Objective(TimeUniform(process), weight=EpsilonError())
        first = self.unet(c, in_channels=c.target_channels)
        sampler = Ancestral(self.calls, Uniform())
        return MatchedDiffusion(first, self.hidden, denoiser, objective, sampler)
