"""Denoising: the clean image behind a noisy one of the same modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..data import UserError
from ..diffusion import Condition
from .task import Task

LEARNS = ("pairs", "noisy", "clean")


@dataclass(frozen=True)
class Denoising(Task):
    """Makes targetsTr from imagesTr; or, with noise > 0, makes imagesTr from itself with noise
    added; or learns without pairs.

    noise: standard deviation of the added white Gaussian noise, in units of the images' own
    standard deviation; 0 means that the dataset has noisy images (imagesTr) and clean ones
    (targetsTr). learns: pairs, noisy (from imagesTr alone: nothing clean is ever seen) or clean
    (from targetsTr alone).
    """

    noise: float = 0.0
    learns: str = "pairs"

    name: ClassVar[str] = "denoising"
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise UserError(
                f"denoising: noise is {self.noise}; it is a standard deviation, 0 or more"
            )
        if self.learns not in LEARNS:
            raise UserError(f"denoising: learns is {self.learns!r}; there are {', '.join(LEARNS)}")
        if self.noise > 0 and self.learns != "pairs":
            raise UserError(
                f"denoising: noise is added to make pairs; learns = {self.learns} has none. Leave "
                "one of the two out"
            )

    @classmethod
    def variants(cls) -> list[Task]:
        return [cls(), *(cls(learns=way) for way in LEARNS[1:])]

    @property
    def paired(self) -> bool:
        return self.learns == "pairs"

    @property
    def makes(self) -> str:  # type: ignore[override]
        if self.learns == "noisy" or self.noise > 0:
            return "image"
        return "target"

    @property
    def judged_by(self) -> str:
        return "image" if self.noise > 0 else "target"

    @property
    def given(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("image",) if self.paired else ()

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"image", "source"}) if self.paired else frozenset()

    @property
    def starts(self) -> bool:  # type: ignore[override]
        return not self.paired

    @property
    def purpose(self) -> str:  # type: ignore[override]
        return "image" if self.paired else "denoise"

    @property
    def recipe(self) -> str:  # type: ignore[override]
        return "edm" if self.paired else {"noisy": "ddm2", "clean": "pet_ddpm"}[self.learns]

    def simulate(self, target: Tensor) -> Tensor | None:
        if self.noise == 0:
            return None
        return target + 0.5 * self.noise * torch.randn_like(target)

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        if self.paired:
            return super().condition(given, label)
        return Condition(source=given, label=label)
