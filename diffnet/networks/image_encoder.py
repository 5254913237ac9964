"""A small encoder from an image to a unit vector, for telling images apart."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from .blocks import CONVOLUTIONS


class ImageEncoder(nn.Module):
    """x (B, channels, *S) to (B, size) of norm 1; S a multiple of 16.

    Four convolutions of stride 2, each behind a norm over the image; their last grid is laid out
    and not averaged, because where things are tells images apart.
    """

    def __init__(self, dims: int, channels: int, side: int, size: int = 64, width: int = 16):
        super().__init__()
        if side % 16:
            raise ValueError(f"The side {side} is not a multiple of 16.")
        self.channels = channels
        widths = (channels, width, 2 * width, 4 * width, 4 * width)
        stages: list[nn.Module] = []
        for a, b in pairwise(widths):
            stages += [CONVOLUTIONS[dims](a, b, 3, stride=2, padding=1), nn.GroupNorm(4, b)]
            stages.append(nn.SiLU())
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(widths[-1] * (side // 16) ** dims, size)

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(self.head(self.stages(x).flatten(1)), dim=1)
