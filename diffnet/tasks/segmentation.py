"""Segmentation: a label for every voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

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
        return one_hot(array, self.classes, -SIZE, SIZE)

    def as_result(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """(B, classes, *S) to the index of the likeliest class, (B, 1, *S)."""
        return x.argmax(1, keepdim=True)


def one_hot(array: Tensor, classes: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """(B, 1, *S) class indices to (B, classes, *S): `high` in the channel of the class, else `low`.

    RuntimeError: an index that is no class.
    """
    size = (len(array), classes, *array.shape[2:])
    empty = torch.full(size, low, device=array.device)
    return empty.scatter_(1, array.long(), high)
