"""The range of noise levels, and where in it training looks most, from what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..data import STD, LinearGuess
from .fingerprint import Fingerprint
from .guess_rule import SMALLEST_STD, by_comma, simulated
from .plan import NoisePlan
from .reasons import Reasons
from .spectrum import useful_levels

if TYPE_CHECKING:
    from ..tasks import Task

SMALLEST_LEVEL, LARGEST_LEVEL = 0.002, 1000.0
SHARE_OF_STD = 0.2  # sigma_min stays below this share of the smallest std that is to be sampled
ABOVE_EIGENVALUE = 2.4  # sigma_max / sqrt(lambda_max): prior mismatch below 0.01 nat
ABOVE_RESIDUAL = 20.0  # sigma_max / residual std for pairs
SHIFT = -0.75  # from the spectrum's estimate to what trains best, by the one anchor that is known
NARROWEST = 1.2
ANCHOR = -0.51  # mean of ln(level / std) in EDM: exp(-1.2) at std 0.5
EVEN = 0.15  # see the study of sigma_max in documentation/evidence.md
FROM_NOISE = ("image", "reconstruct")  # purposes whose samples begin at sigma_max
BLANK = {"image": 0.5, "label": 0.75}  # of labels the mean is wanted, and samples hardly ever


def plan_noise(
    f: Fingerprint, task: Task, guess: LinearGuess | None, patch: Sequence[int], reasons: Reasons
) -> NoisePlan:
    """Levels in network units for images of `patch` voxels."""
    std = _std(f, task, guess, len(patch), reasons)
    low = _smallest(f, task, std, reasons)
    high = _largest(f, task, std, patch, reasons)
    mean, spread = _centre(f, task, std, patch, reasons)
    blank = BLANK["label" if task.makes == "label" else "image"] if task.given else 0.0
    reasons.add(
        "noise.blank",
        blank,
        "half of the examples (of labels three quarters) see no x_t where something is given: one "
        "call then gives the mean",
        f"{task.name} gives {', '.join(task.given) or 'nothing'}",
        "a task that wants samples only",
    )
    even = 0.0 if task.given or task.purpose not in FROM_NOISE else EVEN
    reasons.add(
        "noise.even",
        even,
        f"where samples begin at sigma_max, {EVEN:.0%} of the levels in training are spread evenly "
        "over the whole range: the others hardly ever come near it",
        f"sigma_max lies {(math.log(high) - mean) / spread:.1f} spreads above the mean of ln r",
        "a task whose answers begin elsewhere",
    )
    return NoisePlan(low, high, mean, spread, std, blank, even)


def _std(
    f: Fingerprint, task: Task, guess: LinearGuess | None, dims: int, reasons: Reasons
) -> tuple[float, ...]:
    if guess is None:
        std = (STD,) * made_channels(f, task)
        rule, because = "the data's own", "scales bring every made channel to this std"
    elif task.makes == "image" and dims != f.dims and guess.degree > 0:
        _, left, because = simulated(f, task, dims)
        std = (max(left, SMALLEST_STD),) * len(guess.std)
        rule = "what the guess leaves open in slices"
    else:
        std = guess.std
        rule, because = "what the guess leaves open", "see guess"
    reasons.add("noise.std", by_comma(std), rule, because, "another guess")
    return std


def _smallest(f: Fingerprint, task: Task, std: Sequence[float], reasons: Reasons) -> float:
    """Half of the noise floor: below it a network learns the scanner's noise."""
    bound = SHARE_OF_STD * min(std)
    floor = 0.0 if task.makes == "label" else noise_floor(f, task.makes)
    low = min(max(floor / 2, SMALLEST_LEVEL), bound)
    reasons.add(
        "noise.sigma_min",
        low,
        f"half the noise floor, at least {SMALLEST_LEVEL}, at most {SHARE_OF_STD} x the std",
        "label maps have no noise" if task.makes == "label" else f"noise floor {floor:.3g}",
        "noisier or cleaner images" if low < bound else "a guess that leaves more open",
    )
    return low


def noise_floor(f: Fingerprint, role: str) -> float:
    """Std of the noise in network units: the lower of two estimates, at least quantisation's."""
    found = []
    for c in f.roles[role].channels:
        known = [v for v in (c.floor, c.noise) if v > 0]
        step = c.quantum / math.sqrt(12) / (c.std or 1.0)
        found.append(STD * max(min(known, default=0.0), step if step < 0.1 else 0.0))
    return float(min(found))


def _largest(
    f: Fingerprint, task: Task, std: Sequence[float], patch: Sequence[int], reasons: Reasons
) -> float:
    if task.given:
        high = ABOVE_RESIDUAL * max(std)
        reasons.add(
            "noise.sigma_max",
            high,
            f"{ABOVE_RESIDUAL:g} x the std that the guess leaves open",
            f"std {by_comma(std)}",
            "a better or worse guess",
        )
        return high
    values = math.prod(patch) * made_channels(f, task)
    share = _share(f, task, len(patch))
    eigenvalue = share * values
    high = min(max(ABOVE_EIGENVALUE * math.sqrt(eigenvalue), ABOVE_RESIDUAL * STD), LARGEST_LEVEL)
    reasons.add(
        "noise.sigma_max",
        high,
        f"{ABOVE_EIGENVALUE} x sqrt(largest eigenvalue of the images' covariance)",
        f"lambda_max {eigenvalue:.4g} = {share:.3g} x {values} values",
        "larger images, or images that differ more as a whole",
    )
    return high


def _share(f: Fingerprint, task: Task, dims: int) -> float:
    """Largest eigenvalue over the number of values. Most of one-hot maps is what all share, their
    mean: its square, which is less than that of all values, is the bound.
    """
    if task.makes == "label":
        return STD**2
    role = f.roles[task.makes]
    return role.volume_share if dims == 3 and role.volume_share > 0 else role.plane_share


def made_channels(f: Fingerprint, task: Task) -> int:
    """Channels that are diffused."""
    role = f.roles.get(task.makes)
    return task.target_channels(len(role.channels) if role else 1)


def _centre(
    f: Fingerprint, task: Task, std: Sequence[float], patch: Sequence[int], reasons: Reasons
) -> tuple[float, float]:
    typical = float(np.sqrt(np.mean(np.square(std))))
    power = _power(f, task, len(patch))
    if power is None:
        mean, spread = math.log(typical) + ANCHOR, NARROWEST
        rule, because = "EDM's, in units of the std that is left open", f"std {typical:.3g}"
    else:
        levels = useful_levels(power, [min(n, 128) for n in patch], typical)
        mean, spread = levels.mean + SHIFT, max(NARROWEST, levels.std)
        rule = f"where the spectrum can be told from noise, {SHIFT} ; at least {NARROWEST} wide"
        because = f"ln r = {levels.mean:.2f} +- {levels.std:.2f} from the power spectrum"
    reasons.add(
        "noise.levels", f"ln r = {mean:.2f} +- {spread:.2f}", rule, because, "another spectrum"
    )
    return mean, spread


def _power(f: Fingerprint, task: Task, dims: int) -> np.ndarray | None:
    """The spectrum of what is made; None for pairs: that of the residual is not measured."""
    if task.makes == "label":
        deep, flat = f.label_volume, f.label_plane
    elif not task.given:
        deep, flat = f.roles[task.makes].volume, f.roles[task.makes].plane
    else:
        return None
    chosen = deep if dims == 3 and deep else flat
    return np.asarray(chosen) if chosen else None
