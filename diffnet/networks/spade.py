"""A U-Net whose decoder is told at every voxel what should be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from .blocks import convolution, zeroed
from .modulated_norm import group_count
from .padding import beside, crop_to_size, pad_to_multiple
from .unet import UNet, walk_down

HIDDEN = 64


class Spade(nn.Module):
    """(1 + gamma(m)) norm(x) + beta(m): a map m (B, maps, *M) scales and shifts x (B, width, *S).

    m is brought onto the grid of x by taking the nearest voxel (Park et al., 2019,
    arXiv:1903.07291).
    """

    def __init__(self, dims: int, width: int, maps: int, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(group_count(width), width, affine=False)
        self.seen = convolution(dims, maps, HIDDEN, kernel)
        self.gamma_beta = convolution(dims, HIDDEN, 2 * width, kernel)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        m = functional.interpolate(m, size=x.shape[2:], mode="nearest-exact")
        gamma, beta = self.gamma_beta(functional.silu(self.seen(m))).chunk(2, 1)
        return (1 + gamma) * self.norm(x) + beta


class SpadeBlock(nn.Module):
    """x + W_2 silu(spade(W_1 silu(spade(x)))); W_2 starts at zero."""

    def __init__(self, dims: int, width: int, maps: int, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.spade_1, self.spade_2 = (Spade(dims, width, maps, kernel) for _ in range(2))
        self.conv_1 = convolution(dims, width, width, kernel)
        self.conv_2 = zeroed(convolution(dims, width, width, kernel))

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        h = self.conv_1(functional.silu(self.spade_1(x, m)))
        return x + self.conv_2(functional.silu(self.spade_2(h, m)))


class SpadeUNet(nn.Module):
    """F(x, time | image, label, scalars, text) as UNet, but `image` is shown to the decoder alone.

    The coarsest stage and every stage of the decoder end with a SpadeBlock (Wang et al., 2022,
    arXiv:2207.00050). maps: channels of `image`; where it is None, it is taken to be 0. Other
    arguments are those of UNet, whose in_channels are those of x.
    """

    def __init__(
        self,
        maps: int,
        dims: int,
        in_channels: int,
        out_channels: int,
        widths: Sequence[int],
        strides: Sequence[tuple[int, ...]],
        kernels: Sequence[tuple[int, ...]],
        attention: Sequence[bool],
        **others: Any,
    ) -> None:
        super().__init__()
        self.maps = maps
        self.unet = UNet(
            dims, in_channels, out_channels, widths, strides, kernels, attention, **others
        )
        self.spades = nn.ModuleList(
            SpadeBlock(dims, w, maps, tuple(k)) for w, k in zip(widths, kernels, strict=True)
        )

    def forward(
        self,
        x: Tensor,
        time: Tensor | None,
        image: Tensor | None = None,
        label: Tensor | None = None,
        scalars: Tensor | None = None,
        text: Tensor | None = None,
    ) -> Tensor:
        unet = self.unet
        if image is None:
            image = x.new_zeros(len(x), self.maps, *x.shape[2:])
        if image.shape[1] != self.maps or image.shape[2:] != x.shape[2:]:
            raise ValueError(
                f"the map is {tuple(image.shape)} and x is {tuple(x.shape)}; expected are "
                f"{self.maps} channels on the grid of x"
            )
        h = beside(x, None, unet.dims, unet.in_channels)
        embedding, words = unet.told(len(h), time, label, scalars, text)
        m = pad_to_multiple(image.to(h.dtype), unet.factor)
        h = pad_to_multiple(h, unet.factor)
        skips = walk_down(unet.stem, unet.downs, unet.encoder, h, embedding, words)
        h = self.spades[-1](skips.pop(), m)
        for i in reversed(range(len(unet.decoder))):
            h = unet.decoder[i](unet.ups[i](h) + skips.pop(), embedding, words)
            h = self.spades[i](h, m)
        return crop_to_size(unet.head(unet.norm(h)), x.shape[2:])
