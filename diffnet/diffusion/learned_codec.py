"""A trained autoencoder as the way to the space where diffusion works."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .codec import Codec

AT_ONCE = {2: 1024, 3: 96}  # voxels along an axis; larger images go through by tiles


class LearnedCodec(Codec):
    """The mean of what a network encodes to, whitened by channel.

    network: has factor, encode(x, tile) and decode(z, tile), as networks.Autoencoder. codebook:
    takes a code to its nearest vector before it is decoded; None is none. Images whose size is no
    multiple of the factor are padded by repeating their border. What is given is folded: every
    block of voxels that belongs to one of the code becomes channels, and nothing is lost.
    """

    def __init__(
        self,
        network: nn.Module,
        dims: int,
        channels: int,
        codebook: nn.Module | None = None,
        std: float = 0.5,
    ) -> None:
        super().__init__(channels, std)
        self.network, self.dims, self.codebook = network, dims, codebook
        self.scale.fill_(1 / std)  # codes of unit spread, until it is measured

    def raw_code(self, x: Tensor) -> Tensor:
        x = self.padded(x)
        return self.network.encode(x, self._tile(x.shape[2:]))[:, : self.channels]

    def from_raw(self, z: Tensor, size: Sequence[int]) -> Tensor:
        if self.codebook is not None:
            nearest = self.codebook.lookup(self.codebook.index(z))
            z = z + (nearest - z).detach()  # gradients pass as if nothing had been rounded
        whole = [n * f for n, f in zip(z.shape[2:], self.network.factor, strict=True)]
        x = self.network.decode(z, self._tile(whole))
        return x[(..., *(slice(0, n) for n in size))]

    def grid(self, size: Sequence[int]) -> tuple[int, ...]:
        return tuple(-(-n // f) for n, f in zip(size, self.network.factor, strict=True))

    def given_channels(self, channels: int) -> int:
        return channels * math.prod(self.network.factor)

    def given(self, image: Tensor) -> Tensor:
        return folded(self.padded(image), self.network.factor)

    def padded(self, x: Tensor) -> Tensor:
        missing = [-n % f for n, f in zip(x.shape[2:], self.network.factor, strict=True)]
        if not any(missing):
            return x
        sides = [side for m in reversed(missing) for side in (0, m)]
        return functional.pad(x, sides, mode="replicate")

    def _tile(self, size: Sequence[int]) -> int | None:
        return AT_ONCE[self.dims] if max(size) > AT_ONCE[self.dims] else None


def folded(x: Tensor, factor: Sequence[int]) -> Tensor:
    """(B, C, *S) to (B, C prod(factor), *S / factor): blocks become channels."""
    for axis, f in enumerate(factor, start=2):
        x = torch.cat(x.unflatten(axis, (-1, f)).unbind(axis + 1), 1)
    return x
