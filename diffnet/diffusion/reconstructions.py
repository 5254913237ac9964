"""Reconstructions from many start levels: how badly a model rebuilds what it has never seen."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .batch import Condition
from .denoiser import Denoiser, Wrap, keep
from .healing import Healed, NoiseAndReturn, dissimilarity, residual
from .objective import Objective
from .samplers import Sampler

MEASURES = ("error", "dissimilarity")


class Reconstructions(NoiseAndReturn):
    """Every image is noised to each of `starts` and brought back (Graham et al., 2023).

    arXiv:2211.07740. `errors` are to be z-scored by those of held-out images of the known kind.
    The way back from t takes the share t of the sampler's steps. Healed is the last start's.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        sampler: Sampler,
        starts: tuple[float, ...],
    ) -> None:
        if not starts or not all(0 < t <= 1 for t in starts):
            raise ValueError(f"reconstructions start at {starts}; one t or more, in (0, 1]")
        super().__init__(denoiser, objective, sampler, starts[-1])
        self.starts = tuple(starts)

    @torch.no_grad()
    def errors(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """(B, 2 * starts): the mean squared error from each start, then the dissimilarities."""
        denoiser, found = wrap(self.denoiser), []
        for time in self.starts:
            back = self.returned(denoiser, image, condition, time)
            found.append(measures(back, image))
        return torch.stack(found, 2).flatten(1)

    def returned(
        self, denoiser: Denoiser, image: Tensor, condition: Condition, time: float
    ) -> Tensor:
        whole = self.sampler
        self.sampler = _shortened(whole, time)
        try:
            return super().returned(denoiser, image, condition, time)
        finally:
            self.sampler = whole

    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        healed = self.returned(wrap(self.denoiser), image, condition, self.strength)
        return Healed(healed, residual(image, healed))


def measures(back: Tensor, image: Tensor) -> Tensor:
    """(B, 2): the mean squared error, and the mean dissimilarity."""
    square = (back - image).square().flatten(1).mean(1)
    return torch.stack([square, dissimilarity(back, image).flatten(1).mean(1)], 1)


def _shortened(sampler: Sampler, time: float) -> Sampler:
    return replace(sampler, steps=max(2, round(sampler.steps * time)))
