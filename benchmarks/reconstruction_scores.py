"""How reconstructions and their samples are judged: accuracy, agreement with y, calibration."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from diffnet.data import foreground_of
from diffnet.diffusion.operators import Measurement
from diffnet.metrics import psnr, spread_skill, ssim

WINDOWS = {"ct": (-1024.0, 1500.0), "mri": (0.0, 1.0)}  # of values; its width is PSNR's range


class Answer(NamedTuple):
    """images: (K, C, Z, Y, X) in file units. x: (K, C, Y, X) in network units. seconds: a sample.

    calls: of the network, a sample.
    """

    images: np.ndarray
    x: Tensor
    seconds: float
    calls: int


class Scores(NamedTuple):
    """psnr, ssim: of the mean of K samples; one_psnr, one_ssim: of single ones, averaged.

    residual: |y - A x| of one sample; over the expected noise where there is noise, else in percent
    of |y|. ratio: spread-skill. covered: share of voxels in the 90 % interval.
    """

    psnr: float
    ssim: float
    one_psnr: float
    one_ssim: float
    residual: float
    ratio: float
    covered: float
    seconds: float
    calls: int


def scores(question: Any, answer: Answer) -> Scores:
    """question: truth (C, Z, Y, X), task and scan of what was measured."""
    low, high = WINDOWS[question.task.setting]
    truth = question.truth.clip(low, high)
    images = answer.images.clip(low, high)
    each = [similarity(image, truth, high - low) for image in images]
    mean = similarity(images.mean(0), truth, high - low)
    one = np.mean(each, axis=0)
    ratio = covered = float("nan")
    if len(images) > 1:
        inside = foreground_of(truth)
        ratio = spread_skill(images, truth, inside)
        covered = coverage(images[..., inside], truth[..., inside])
    residual = float(residuals(question, answer.x).mean())
    return Scores(*mean, *one, residual, ratio, covered, answer.seconds, answer.calls)


def similarity(image: np.ndarray, truth: np.ndarray, width: float) -> tuple[float, float]:
    return psnr(image, truth, width), ssim(image, truth, width)


def coverage(samples: np.ndarray, truth: np.ndarray, level: float = 0.9) -> float:
    """Share of `truth` inside mean +- t sqrt(1 + 1 / K) std of K samples (K, ...).

    Student's interval for one more draw: exact for Gaussian samples whatever their number. With
    few samples no order statistics reach 90 %.
    """
    k = len(samples)
    reach = student.ppf((1 + level) / 2, k - 1) * math.sqrt(1 + 1 / k)
    return float((np.abs(truth - samples.mean(0)) <= reach * samples.std(0, ddof=1)).mean())


def residuals(question: Any, x: Tensor) -> Tensor:
    """(K,), as in `Scores`. In percent of the line integrals of attenuation, or of k-space."""
    measurement: Measurement = question.scan.measurement
    spread = measurement.noise.spread(measurement.y)
    if float(torch.as_tensor(spread).max()) > 0:
        return torch.stack([measurement.residual(each[None])[0] for each in x])
    operator, scale = measurement.operator, question.scan.scale
    gap = (measurement.y - operator(x)).flatten(1).norm(dim=1)
    zero = 1000.0 if question.task.setting == "ct" else 0.0  # HU of water above those of nothing
    shift = (scale.shifts[0] + zero) / scale.factors[0]
    whole = measurement.y + operator(torch.full_like(x[:1], shift))
    return 100 * gap / whole.norm()
