"""Healing: an image is brought back to what a model of healthy images would show instead."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .batch import Condition
from .denoiser import Denoiser, Wrap, keep
from .method import Diffusion, Method
from .objective import Objective
from .samplers import Sampler


class Healed(NamedTuple):
    """image: (B, C, *S), what would be there in health. map: (B, 1, *S), 0 or more: how
    abnormal.
    """

    image: Tensor
    map: Tensor


class Healing(Method):
    """Learns from healthy images and heals the image that it is given as `condition.source`.

    strength: how far the image is taken away before it is brought back, in the method's own unit
    (t of a process, mostly). candidates: strengths among which to choose once it is trained; empty:
    nothing is to be chosen. random: whether one pass differs from the next, so that their mean is
    worth more than one of them.
    """

    strength: float = 1.0
    candidates: tuple[float, ...] = ()
    random: bool = True

    @abstractmethod
    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        """One pass over image (B, C, *S); `condition` is without a source."""

    def settle(self, healthy: Iterable[tuple[Tensor, Condition, Wrap]]) -> bool:
        """Take from healthy images (B, C, *S), asked as `heal` is, what gradients do not teach.

        Once, after training. Returns whether anything was taken and has to be saved.
        """
        return False

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        return self.heal(*source_of(condition), wrap).image

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        return self.sample(like, condition, wrap)


class NoiseAndReturn(Healing, Diffusion):
    """x_t ~ q(x_t | x), t = `strength`, then the sampler's way back (AnoDDPM, SDEdit, DiffPure).

    The map is |x - healed|, mean over the channels.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        sampler: Sampler,
        strength: float,
        candidates: tuple[float, ...] = (),
    ) -> None:
        super().__init__(denoiser, objective, sampler)
        self.strength, self.candidates = strength, tuple(candidates)

    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        healed = self.returned(wrap(self.denoiser), image, condition, self.strength)
        return Healed(healed, residual(image, healed))

    def returned(
        self, denoiser: Denoiser, image: Tensor, condition: Condition, time: float
    ) -> Tensor:
        """The image (or its code) noised to t = `time` and brought back."""
        t = image.new_full((len(image),), time)
        x = denoiser.process.corrupt(self.encoded(image), t)
        for step in self.sampler.walk(denoiser, x, condition, time):
            x = step
        return self.decoded(x, image)


def source_of(condition: Condition) -> tuple[Tensor, Condition]:
    """The image to start from, and the condition without it. ValueError: there is none."""
    if condition.source is None:
        raise ValueError("healing starts from condition.source, the image, which is missing")
    return condition.source, replace(condition, source=None)


def residual(image: Tensor, healed: Tensor) -> Tensor:
    """(B, 1, *S): |image - healed|, mean over the channels."""
    return (image - healed).abs().mean(1, keepdim=True)


def dissimilarity(x: Tensor, y: Tensor, window: int = 7, small: float = 0.02) -> Tensor:
    """(B, 1, *S): (1 - SSIM) / 2 in box windows, mean over the channels (Wang et al., 2004).

    It stands where papers take LPIPS, which needs downloaded weights. small: the constant of SSIM,
    about (0.03 range)^2 + (0.01 range)^2 for images of std 0.5.
    """
    pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
    sides = [min(window, n - 1 + n % 2) for n in x.shape[2:]]

    def mean(v: Tensor) -> Tensor:
        padding = tuple(s // 2 for s in sides)
        return pool(v, sides, stride=1, padding=padding, count_include_pad=False)

    a, b = mean(x), mean(y)
    variance_x, variance_y = (mean(x * x) - a * a).clamp(min=0), (mean(y * y) - b * b).clamp(min=0)
    covariance = mean(x * y) - a * b
    contrast = (2 * covariance + small) / (variance_x + variance_y + small)
    brightness = (2 * a * b + small) / (a * a + b * b + small)
    return ((1 - contrast * brightness) / 2).clamp(0, 1).mean(1, keepdim=True)


def dilated(mask: Tensor, size: int = 3) -> Tensor:
    """The largest value in a box of `size` voxels an axis, (B, C, *S)."""
    pool = F.max_pool2d if mask.ndim == 4 else F.max_pool3d
    return pool(mask, size, stride=1, padding=size // 2)


def quantile_of(x: Tensor, share: float) -> Tensor:
    """(B, 1, ...): the value below which lies the share `share` of each example."""
    flat = x.flatten(1)
    rank = min(max(1, round(share * flat.shape[1])), flat.shape[1])
    # the k-th value, because torch.quantile is limited to 16 million numbers
    value = flat.kthvalue(rank, dim=1).values
    return value.reshape(-1, *(1 for _ in range(x.ndim - 1)))


def times_of(denoiser: Denoiser, levels: tuple[float, ...]) -> tuple[float, ...]:
    """The t of a Gaussian process's noise levels r."""
    wanted = torch.tensor(levels, dtype=torch.float64)
    return tuple(round(t, 4) for t in denoiser.process.time(wanted).clamp(1e-3, 1).tolist())
