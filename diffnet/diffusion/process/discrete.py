"""The published variance-preserving schedules of T discrete steps, continued between the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .gaussian import GaussianProcess, Triple

KINDS = ("linear", "scaled_linear", "cosine")


@dataclass(frozen=True)
class DiscreteVariancePreserving(GaussianProcess):
    """a = sqrt(alpha_bar), c = sqrt(1 - alpha_bar), alpha_bar_i = prod_{j <= i} (1 - beta_j).

    t = i / (steps - 1) is the published step i, exactly; in between, ln r runs linearly in t.

    kind: "linear", betas from beta_min to beta_max (Ho et al., 2020, arXiv:2006.11239);
        "scaled_linear", their roots do (Rombach et al., 2022, arXiv:2112.10752); "cosine",
        alpha_bar is a squared cosine and betas stay below 0.999 (Nichol and Dhariwal, 2021,
        arXiv:2102.09672).
    zero_terminal: move and stretch sqrt(alpha_bar) so that nothing of x_0 is left at the last step
        (Lin et al., 2024, arXiv:2305.08891). The last step is then put at the finite level
        `largest`.
    """

    kind: str = "linear"
    steps: int = 1000
    beta_min: float = 1e-4
    beta_max: float = 2e-2
    zero_terminal: bool = False
    largest: float = 1e4

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"schedule {self.kind!r} is unknown; there are {', '.join(KINDS)}")
        if self.steps < 2:
            raise ValueError(f"a discrete schedule of {self.steps} steps; it takes at least 2")

    def coefficients(self, t: Tensor) -> Triple:
        knots = self._knots(t)
        place = (t * (self.steps - 1)).clamp(0, self.steps - 1)
        left = place.floor().clamp(max=self.steps - 2)
        low, high = knots[left.long()], knots[left.long() + 1]
        level = (low + (high - low) * (place - left)).exp()
        a = (1 + level**2).rsqrt()
        return a, torch.zeros_like(t), level * a

    def time(self, level: Tensor) -> Tensor:
        knots, wanted = self._knots(level), level.log()
        right = torch.searchsorted(knots, wanted.contiguous()).clamp(1, self.steps - 1)
        low, high = knots[right - 1], knots[right]
        place = (right - 1) + (wanted - low) / (high - low)
        return (place / (self.steps - 1)).clamp(0.0, 1.0)

    def _knots(self, like: Tensor) -> Tensor:
        settings = (self.kind, self.steps, self.beta_min, self.beta_max)
        end = self.largest if self.zero_terminal else None
        return _log_levels(settings, end, like.dtype, like.device)


@lru_cache(maxsize=64)
def _log_levels(
    settings: tuple[str, int, float, float],
    zero_terminal: float | None,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """ln r at each published step, made once for every device."""
    with torch.inference_mode(False):
        log_a = torch.log1p(-betas(*settings)).cumsum(0) / 2
        if zero_terminal is None:
            # c^2 / a^2 = exp(-2 ln a) - 1 keeps its digits where alpha_bar is nearly one
            log_levels = torch.expm1(-2 * log_a).log() / 2
        else:
            a = log_a.exp()
            a = (a - a[-1]) * a[0] / (a[0] - a[-1])
            log_levels = ((1 - a[:-1] ** 2).sqrt() / a[:-1]).log()
            last = torch.tensor([math.log(zero_terminal)], dtype=torch.float64)
            log_levels = torch.cat([log_levels.clamp(max=last.item() - 1e-3), last])
        return log_levels.to(device, dtype)


def betas(kind: str, steps: int, beta_min: float, beta_max: float) -> Tensor:
    """The published one-step variances (steps,), float64."""
    if kind == "linear":
        return torch.linspace(beta_min, beta_max, steps, dtype=torch.float64)
    if kind == "scaled_linear":
        return torch.linspace(beta_min**0.5, beta_max**0.5, steps, dtype=torch.float64) ** 2
    place = torch.arange(steps + 1, dtype=torch.float64) / steps
    alpha_bar = torch.cos((place + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
