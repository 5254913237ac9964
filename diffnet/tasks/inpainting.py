"""Inpainting: what would be inside a hole, given all around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..data import UserError
from .task import Task


@dataclass(frozen=True)
class Inpainting(Task):
    """Makes imagesTr from copies with ellipsoidal holes; at prediction the holes are the user's
    masks.

    holes: the most holes an example has. smallest, largest: half-axes of a hole as a share of the
    side. What is given is the image with 0 (its mean) inside the holes, and the mask (1 inside) as
    last channel.
    """

    holes: int = 3
    smallest: float = 0.06
    largest: float = 0.22

    name: ClassVar[str] = "inpainting"
    makes: ClassVar[str] = "image"
    given: ClassVar[tuple[str, ...]] = ("image",)
    offers: ClassVar[frozenset[str]] = frozenset({"image", "source"})
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.holes < 1 or not 0 < self.smallest <= self.largest <= 0.5:
            raise UserError(
                f"inpainting: holes = {self.holes}, smallest = {self.smallest}, "
                f"largest = {self.largest}; needed: holes >= 1, 0 < smallest <= largest <= 0.5"
            )

    def image_channels(self, given: int) -> int:
        return given + 1

    def simulate(self, target: Tensor) -> Tensor:
        mask = self.masks(target)
        return with_holes(target, mask)

    def masks(self, like: Tensor) -> Tensor:
        """(B, 1, *S), 1 inside a union of one to `holes` ellipsoids, 0 elsewhere."""
        size = like.shape[2:]
        shape = (len(like), self.holes, len(size), 1)
        centre = 0.15 + 0.7 * torch.rand(shape, device=like.device, dtype=like.dtype)
        share = torch.rand(shape, device=like.device, dtype=like.dtype)
        radius = self.smallest + (self.largest - self.smallest) * share
        distance = like.new_zeros(())
        for i, n in enumerate(size):
            axis = torch.linspace(0, 1, n, device=like.device, dtype=like.dtype)
            along = ((axis - centre[:, :, i]) / radius[:, :, i]).square()
            spread = [n if k == i else 1 for k in range(len(size))]
            distance = distance + along.reshape(len(like), self.holes, *spread)
        inside = distance <= 1
        count = torch.randint(1, self.holes + 1, (len(like), 1), device=like.device)
        used = torch.arange(self.holes, device=like.device)[None] < count
        used = used.reshape(*used.shape, *(1 for _ in size))
        return (inside & used).any(1, keepdim=True).to(like.dtype)

    def as_result(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """The made image inside the holes, the given one, untouched, outside."""
        if given is None:
            return x
        image, mask = given[:, :-1], given[:, -1:]
        return x * mask + image * (1 - mask)


def with_holes(image: Tensor, mask: Tensor) -> Tensor:
    """What inpainting is given: (B, C, *S) and (B, 1, *S) to (B, C + 1, *S)."""
    return torch.cat([image * (1 - mask), mask], 1)
