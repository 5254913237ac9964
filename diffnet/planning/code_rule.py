"""Diffusion in another space than the images' own: which codes, and the noise levels on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..data import STD
from .fingerprint import Fingerprint
from .noise_rule import (
    ABOVE_EIGENVALUE,
    ABOVE_RESIDUAL,
    LARGEST_LEVEL,
    NARROWEST,
    SHARE_OF_STD,
    SHIFT,
    SMALLEST_LEVEL,
    noise_floor,
)
from .plan import CodePlan, NoisePlan
from .reasons import Reasons
from .spectrum import bin_of, frequencies, levels_of, mode_powers

if TYPE_CHECKING:
    from ..tasks import Task

WAVELET = "wavelet"
KINDS = ("ae_kl", "vq")  # first stages
CHANNELS = {"ae_kl": 4, "vq": 8}
LATENT_MEAN, LATENT_STD = 0.29, 1.0  # of ln(r / std) on codes: N(-0.4, 1) at std 0.5, as in EDM2
MOST = 64  # voxels along an axis that the spectrum is looked at on


def wavelet_code(dims: int, given: int, made: int) -> CodePlan:
    """One level of the Haar transform: every axis halved, 2^dims bands for each channel."""
    bands = 2**dims
    return CodePlan(WAVELET, (2,) * dims, made * bands, given * bands)


def learned_code(
    kind: str, factor: Sequence[int], given: int, channels: int | None, otherwise: str
) -> CodePlan:
    """The code of a first stage; what is given is folded: blocks of voxels become channels."""
    return CodePlan(
        kind,
        tuple(factor),
        channels or CHANNELS[kind],
        given * prod(factor),
        "first_stage",
        otherwise,
    )


@dataclass(frozen=True)
class Bands:
    """A Haar code's spectrum. share: of the variance, by band; band 0 holds the means. levels: mean
    and std of ln r where structure can be told from noise, when every band has the same std.
    """

    share: tuple[float, ...]
    mean: float
    std: float


def haar_bands(power: np.ndarray, shape: Sequence[int], std: float = STD) -> Bands:
    """Of images with this radial power on `shape` voxels.

    Along an axis the sums of neighbours take the part cos^2(pi f) of the power at frequency f and
    their differences sin^2(pi f); both appear at 2 f, where f and f + 1/2 fall together.
    """
    size = [2 * math.ceil(min(n, MOST) / 2) for n in shape]
    eigenvalues, _ = mode_powers(power, size, std)
    f = frequencies(size)
    spectrum = np.where(f > 0, eigenvalues[bin_of(f)], eigenvalues[0])
    bands = [spectrum]
    for axis, n in enumerate(size):
        side = [-1 if k == axis else 1 for k in range(len(size))]
        low = (np.cos(np.pi * np.fft.fftfreq(n)) ** 2).reshape(side)
        bands = [_folded(b * gain, axis) for b in bands for gain in (low, 1 - low)]
    energies = np.asarray([b.mean() for b in bands])
    white = [b.ravel() * std**2 / max(e, 1e-12) for b, e in zip(bands, energies, strict=True)]
    found = levels_of(*_binned(np.concatenate(white)), std)
    shares = energies / energies.sum()
    return Bands(tuple(float(s) for s in shares), found.mean, found.std)


def _binned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(value, how many) of hundreds of thousands: means of narrow classes of their logarithms."""
    index = np.digitize(np.log(values), np.linspace(-25, 25, 1000))
    count = np.bincount(index)
    total = np.bincount(index, values)
    return total[count > 0] / count[count > 0], count[count > 0].astype(float)


def _folded(spectrum: np.ndarray, axis: int) -> np.ndarray:
    """f and f + 1/2 along an axis onto one."""
    n = spectrum.shape[axis]
    parts = np.take(spectrum, range(n // 2), axis), np.take(spectrum, range(n // 2, n), axis)
    return parts[0] + parts[1]


def plan_code_noise(
    plain: NoisePlan,
    f: Fingerprint,
    task: Task,
    code: CodePlan,
    patch: Sequence[int],
    reasons: Reasons,
) -> NoisePlan:
    """Levels on whitened codes. plain: those on images of `patch` voxels."""
    if code.kind == WAVELET:
        return plain if task.given else _on_bands(plain, f, task, code, patch, reasons)
    std = (STD,) * len(plain.std)
    fewer = prod(code.factor)
    high = min(
        max(_largest(f, task, patch) / math.sqrt(fewer), ABOVE_RESIDUAL * STD), LARGEST_LEVEL
    )
    _say(
        reasons,
        (SMALLEST_LEVEL, high, math.log(STD) + LATENT_MEAN, LATENT_STD),
        f"codes of std {STD}: the images' largest eigenvalue on {fewer} times fewer positions; "
        "levels as published for codes (EDM2)",
        f"code of {code.channels} channels; what a first stage makes of the spectrum is not known "
        "before it is trained",
    )
    return replace(
        plain,
        std=std,
        sigma_min=SMALLEST_LEVEL,
        sigma_max=high,
        level_mean=math.log(STD) + LATENT_MEAN,
        level_std=LATENT_STD,
    )


def _on_bands(
    plain: NoisePlan,
    f: Fingerprint,
    task: Task,
    code: CodePlan,
    patch: Sequence[int],
    reasons: Reasons,
) -> NoisePlan:
    """Generation: whitening divides the band of means, where the largest eigenvalue and the least
    noise are, by its std of sqrt(2^d share) times the images' own.
    """
    role = f.roles[task.makes]
    deep = len(patch) == 3 and len(role.volume) > 0
    power = np.asarray(role.volume if deep else role.plane)
    bands = haar_bands(power, patch) if len(power) else Bands((0.5,), math.log(STD), NARROWEST)
    lowered = math.sqrt(max(prod(code.factor) * bands.share[0], 1.0))
    floor = noise_floor(f, task.makes) / lowered
    low = min(max(floor / 2, SMALLEST_LEVEL), SHARE_OF_STD * STD)
    high = min(max(_largest(f, task, patch) / lowered, ABOVE_RESIDUAL * STD), LARGEST_LEVEL)
    mean, spread = bands.mean + SHIFT, max(NARROWEST, bands.std)
    _say(
        reasons,
        (low, high, mean, spread),
        "every band is divided by its std, so that the band of means, where the largest eigenvalue "
        "and the least noise are, becomes smaller",
        f"the band of means holds {bands.share[0]:.1%} of the variance and is divided by "
        f"{lowered:.3g}; the finest holds {bands.share[-1]:.2%}",
    )
    return replace(plain, sigma_min=low, sigma_max=high, level_mean=mean, level_std=spread)


def _largest(f: Fingerprint, task: Task, patch: Sequence[int]) -> float:
    """2.4 sqrt(lambda_max) of images of `patch` voxels."""
    role = f.roles[task.makes]
    share = role.volume_share if len(patch) == 3 and role.volume_share > 0 else role.plane_share
    return ABOVE_EIGENVALUE * math.sqrt(share * prod(patch) * len(role.channels))


def _say(
    reasons: Reasons, found: tuple[float, float, float, float], rule: str, because: str
) -> None:
    low, high, mean, spread = found
    change = "another spectrum, or another code"
    reasons.add("noise.sigma_min", low, rule, because, change)
    reasons.add("noise.sigma_max", high, rule, because, change)
    reasons.add("noise.levels", f"ln r = {mean:.2f} +- {spread:.2f}", rule, because, change)
