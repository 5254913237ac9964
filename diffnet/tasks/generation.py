"""Generation: images, label maps, or both, out of nothing or out of what is wished for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..diffusion import Condition
from .segmentation import SIZE, one_hot
from .task import Task

WHAT = ("images", "labels", "pairs")


@dataclass(frozen=True)
class Generation(Task):
    """Makes what is like imagesTr or labelsTr; columns of cases.csv may say which kind.

    what: images, labels (maps alone), or pairs (an image and its map at once). maps: label maps
    (labelsTr) say what is where. classes: number of label values, background included (the planner
    sets it). Maps are one-hot with values -0.5 and 0.5, made or given; a given map that is 0
    everywhere means that none is given. earlier: how many images before it are shown of an image's
    series: the cases of its group, in the order of the numbers in the column `order`.
    """

    what: str = "images"
    maps: bool = False
    classes: int = 2
    earlier: int = 0  # type: ignore[misc]
    order: str = "frame"  # type: ignore[misc]

    name: ClassVar[str] = "generation"
    metrics: ClassVar[tuple[str, ...]] = ("mmd", "fid", "precision_recall", "ms_ssim")

    def __post_init__(self) -> None:
        if self.what not in WHAT:
            raise ValueError(f"generation makes {', '.join(WHAT)}; what={self.what!r} is unknown")
        if self.maps and self.what != "images":
            raise ValueError(f"maps=true gives label maps, and what={self.what} makes them: choose")
        if self.earlier < 0:
            raise ValueError(f"earlier={self.earlier}: 0 or more images before one can be shown")
        if self.earlier and (self.maps or self.what == "pairs"):
            raise ValueError("earlier=N shows images or maps alone, without maps=true and pairs")

    @classmethod
    def variants(cls) -> list[Task]:
        return [cls(), cls(maps=True), cls(what="labels"), cls(what="pairs")]

    @property
    def makes(self) -> str:  # type: ignore[override]
        return "label" if self.what == "labels" else "image"

    @property
    def beside(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("label",) if self.what == "pairs" else ()

    @property
    def steers(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("label",) if self.maps else ()

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"label", "scalars", "text", *(("image",) if self.steered else ())})

    def target_channels(self, made: int) -> int:
        return {"images": made, "labels": self.classes, "pairs": made + self.classes}[self.what]

    def image_channels(self, given: int) -> int:
        return self.classes if self.maps else 0

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        """given: (B, 1, *S) class indices of the voxels, or None."""
        image = None if given is None else self._shown(given)
        return Condition(image=image, label=label)

    def as_target(self, array: Tensor) -> Tensor:
        """Labels (B, 1, *S) become one-hot; of pairs (B, C + 1, *S) the last channel does."""
        if self.what == "images":
            return array
        return torch.cat([array[:, :-1].float(), self._shown(array[:, -1:])], 1)

    def as_result(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """The inverse of as_target; of every voxel the likeliest class."""
        if self.what == "images":
            return x
        image, scores = x[:, : -self.classes], x[:, -self.classes :]
        return torch.cat([image, scores.argmax(1, keepdim=True).to(x.dtype)], 1)

    def _shown(self, indices: Tensor) -> Tensor:
        return one_hot(indices, self.classes, -SIZE, SIZE)
