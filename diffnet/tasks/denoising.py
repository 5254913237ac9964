"""Denoising: the clean image behind a noisy one of the same modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..data import UserError
from .task import Task


@dataclass(frozen=True)
class Denoising(Task):
    """Makes targetsTr from imagesTr; or, with noise > 0, makes imagesTr from itself with noise
    added.

    noise: standard deviation of the added white Gaussian noise, in units of the images' own
    standard deviation; 0 means that the dataset has noisy images (imagesTr) and clean ones
    (targetsTr).
    """

    noise: float = 0.0

    name: ClassVar[str] = "denoising"
    given: ClassVar[tuple[str, ...]] = ("image",)
    offers: ClassVar[frozenset[str]] = frozenset({"image", "source"})
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise UserError(
                f"denoising: noise is {self.noise}; it is a standard deviation, 0 or more"
            )

    @property
    def makes(self) -> str:  # type: ignore[override]
        return "image" if self.noise > 0 else "target"

    def simulate(self, target: Tensor) -> Tensor | None:
        if self.noise == 0:
            return None
        return target + 0.5 * self.noise * torch.randn_like(target)
