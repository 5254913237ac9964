"""Masked DDPM: besides noise, boxes of pixels or frequencies are missing in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..diffusion import (
    DiscreteVariancePreserving,
    Method,
    NetworkDenoiser,
    Original,
    PatchHealing,
    Simplex,
    TimeUniform,
    masked,
)
from ..planning import Configuration
from .pddpm import AUTO
from .recipe import Recipe
from .strength import strength_of


@dataclass(frozen=True)
class MDDPM(Recipe):
    """As pddpm, with pixels in boxes or a square of frequencies taken away before the noise.

    start: t; None chooses it (published: 0.5). box: side of the noised box as a share of the
    image's.
    """

    start: float | None = None
    box: float = 0.5

    purposes: ClassVar[frozenset[str]] = frozenset({"anomaly"})
    papers: ClassVar[tuple[str, ...]] = (
        "Iqbal, Khalid, Chen, Hua (2023). Unsupervised anomaly detection in medical images using "
        "masked diffusion model. arXiv:2305.19867",
    )

    def build(self, c: Configuration) -> Method:
        process = DiscreteVariancePreserving("cosine", noise=Simplex())
        denoiser = NetworkDenoiser(self.network(c), process, Original(c.noise.std))
        strength = strength_of(self.start, 0.5, AUTO)
        levels = TimeUniform(process)
        return PatchHealing(denoiser, levels, *strength, share=self.box, degrade=masked)
