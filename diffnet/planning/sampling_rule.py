"""What predict hands out, and how it samples where it samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plan import SamplingPlan
from .reasons import Reasons

if TYPE_CHECKING:
    from ..tasks import Task

STEPS = 20
DRAWS = 8


def plan_sampling(task: Task, reasons: Reasons) -> SamplingPlan:
    """Paired tasks, segmentation and denoising: the mean, one call. Generation: a sample."""
    told = bool(task.given) or task.purpose == "denoise"
    if told:
        reasons.add(
            "sampling.output",
            "mean",
            "where something is given, the posterior mean has the lowest error: one network call, "
            "where the recipe knows it",
            "a sample is 3.01 dB worse in PSNR, the mean of K samples loses 10 log10(1 + 1/K) dB",
            "samples are wanted for realism or uncertainty: --output sample or samples",
        )
    else:
        reasons.add(
            "sampling.output",
            "sample",
            "the mean of images out of nothing is a blur",
            f"{task.name} gives nothing",
            "nothing",
        )
    reasons.add(
        "sampling.sampler",
        f"unipc (order 2), log_uniform, {STEPS} steps",
        "second order with one call a step; uniform log-SNR reaches 5 % variance error in 17 calls",
        "measured on exact posteriors",
        "calibration on validation data",
    )
    output = "mean" if told else "sample"
    return SamplingPlan(output, "unipc", "log_uniform", STEPS, DRAWS if told else 1)
