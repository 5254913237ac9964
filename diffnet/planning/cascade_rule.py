"""A coarse image first, then the fine one from it: the grid between, and what is left open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..data import STD
from .fingerprint import Fingerprint
from .guess_rule import SMALLEST_STD, left_by_factor
from .noise_rule import ABOVE_RESIDUAL, ANCHOR, NARROWEST, SHARE_OF_STD, SMALLEST_LEVEL
from .plan import NoisePlan
from .reasons import Reasons

if TYPE_CHECKING:
    from ..tasks import Task

MOST_NOISE = 0.25  # of the std of images, that training adds to the coarse one at most
SMOOTHED = 2 / 3  # of white noise's variance is left by linear interpolation along an axis


def step_between(factor: Sequence[int]) -> tuple[int, ...] | None:
    """How much coarser the grid between a scan `factor` times coarser and the fine grid is.

    Along each axis the smallest divisor that leaves a factor of at least 2 to the first step; 1
    where there is none. None: no axis has one.
    """
    step = tuple(
        next((d for d in range(2, n // 2 + 1) if n % d == 0 and n // d >= 2), 1) for n in factor
    )
    return step if max(step) > 1 else None


def left_open(f: Fingerprint, coarsening: Sequence[float], dims: int) -> float:
    """Std of what a grid that is `coarsening` times coarser cannot hold, from the spectrum.

    Between whole factors the variance is interpolated.
    """
    lower = [math.floor(c + 1e-9) for c in coarsening]
    upper = [math.ceil(c - 1e-9) for c in coarsening]
    rest = [c - n for c, n in zip(coarsening, lower, strict=True) if c > n + 1e-9]
    weight = float(np.mean(rest)) if rest else 0.0
    variances = [left_by_factor(f, n, dims) ** 2 if max(n) > 1 else 0.0 for n in (lower, upper)]
    return math.sqrt((1 - weight) * variances[0] + weight * variances[1])


def plan_refining_noise(
    plain: NoisePlan, f: Fingerprint, task: Task, coarsening: Sequence[float], reasons: Reasons
) -> tuple[NoisePlan, float]:
    """(levels about the enlarged coarse image, largest std of the noise that is added to it)."""
    dims = f.dims
    left = max(left_open(f, coarsening, dims), SMALLEST_STD)
    noise = min(left, MOST_NOISE * STD)
    coarse = sum(c > 1 for c in coarsening)
    std = math.sqrt(left**2 + noise**2 / 3 * SMOOTHED**coarse)
    high, low = ABOVE_RESIDUAL * std, min(plain.sigma_min, SHARE_OF_STD * std)
    mean = math.log(std) + ANCHOR
    blank = plain.blank if task.given else 0.0
    times = " x ".join(f"{c:.3g}" for c in coarsening)
    reasons.add(
        "cascade.noise",
        noise,
        "white noise up to what the coarse grid leaves open is added to the coarse image in "
        "training, so that errors of the first step are not copied (Ho et al., 2022); the network "
        "is told how much, and prediction adds half of it",
        f"a grid {times} coarser leaves std {left:.3g} of {STD} open, by the power spectrum",
        "another coarse grid",
    )
    for name, value in (("std", std), ("sigma_min", low), ("sigma_max", high)):
        reasons.add(
            f"noise.{name}",
            value,
            f"about the coarse image: std of what it leaves open and of the noise added; up to "
            f"{ABOVE_RESIDUAL:g} x that",
            f"std {left:.3g} open, noise up to {noise:.3g}",
            "another coarse grid",
        )
    reasons.add(
        "noise.even",
        0.0,
        "refining begins at the coarse image",
        f"sigma_max {high:.3g} is near the levels that training looks at",
        "nothing",
    )
    found = replace(
        plain,
        sigma_min=max(low, min(SMALLEST_LEVEL, SHARE_OF_STD * std)),
        sigma_max=high,
        level_mean=mean,
        level_std=NARROWEST,
        std=(std,) * len(plain.std),
        blank=blank,
        even=0.0,
    )
    return found, noise
