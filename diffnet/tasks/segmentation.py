"""Segmentation: a label for every voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from .task import Task

SIZE = 0.5


@dataclass(frozen=True)
class Segmentation(Task):
    """Makes labelsTr from imagesTr. Labels are diffused as one-hot maps with values -0.5 and 0.5.

    classes: number of label values, background included (the planner sets it).
    """

    classes: int = 2

    name: ClassVar[str] = "segmentation"
    makes: ClassVar[str] = "label"
    given: ClassVar[tuple[str, ...]] = ("image",)
    offers: ClassVar[frozenset[str]] = frozenset({"image", "source"})
    metrics: ClassVar[tuple[str, ...]] = ("dice", "hd95", "nsd")

    def target_channels(self, made: int) -> int:
        return self.classes

    def as_target(self, array: Tensor) -> Tensor:
        """(B, 1, *S) class indices to (B, classes, *S)."""
        return (2 * one_hot(array, self.classes) - 1) * SIZE

    def as_result(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """(B, classes, *S) to the index of the likeliest class, (B, 1, *S)."""
        return x.argmax(1, keepdim=True)


def one_hot(array: Tensor, classes: int) -> Tensor:
    """(B, 1, *S) class indices to (B, classes, *S), 1 in the channel of the class."""
    return F.one_hot(array[:, 0].long(), classes).movedim(-1, 1).float()
