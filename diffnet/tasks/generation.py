"""Generation: images out of nothing, or out of a class, numbers, words and label maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..diffusion import Condition
from .segmentation import SIZE, one_hot
from .task import Task


@dataclass(frozen=True)
class Generation(Task):
    """Makes images like those of imagesTr; columns of cases.csv may say which kind.

    maps: label maps (labelsTr) say what is where. classes: number of label values, background
    included (the planner sets it). Maps are shown one-hot with values -0.5 and 0.5; 0 everywhere
    means that no map is given.
    """

    maps: bool = False
    classes: int = 2

    name: ClassVar[str] = "generation"
    makes: ClassVar[str] = "image"
    metrics: ClassVar[tuple[str, ...]] = ("mmd", "fid", "precision_recall", "ms_ssim")

    @classmethod
    def variants(cls) -> list[Task]:
        return [cls(), cls(maps=True)]

    @property
    def steers(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("label",) if self.maps else ()

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"label", "scalars", "text", *(("image",) if self.maps else ())})

    def image_channels(self, given: int) -> int:
        return self.classes if self.maps else 0

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        """given: (B, 1, *S) class indices of the voxels, or None."""
        image = None if given is None else (2 * one_hot(given, self.classes) - 1) * SIZE
        return Condition(image=image, label=label)
