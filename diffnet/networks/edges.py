"""Where a label map's regions meet, shown to a network as one more channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class WithEdges(nn.Module):
    """F with the edges of `image`, a label map (B, maps, *S), as one more channel beside it.

    network: takes one more channel of image than it is given here.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, x: Tensor, time: Tensor | None, image: Tensor | None = None, **others: Any
    ) -> Tensor:
        if image is not None:
            image = torch.cat([image, edges(image).to(image.dtype)], 1)
        return self.network(x, time, image=image, **others)


def edges(image: Tensor) -> Tensor:
    """(B, 1, *S): 1 where a voxel of image (B, C, *S) differs from a neighbour along any axis."""
    found = torch.zeros_like(image[:, :1], dtype=torch.bool)
    for axis in range(2, image.ndim):
        n = image.shape[axis] - 1
        first, second = image.narrow(axis, 0, n), image.narrow(axis, 1, n)
        differ = (first != second).any(1, keepdim=True)
        found.narrow(axis, 0, n).logical_or_(differ)
        found.narrow(axis, 1, n).logical_or_(differ)
    return found
