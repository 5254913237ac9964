"""A U-Net with a branch beside its encoder, through which an image steers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .blocks import convolution, zeroed
from .padding import beside, crop_to_size, pad_to_multiple
from .unet import UNet, walk_down


class ControlUNet(nn.Module):
    """F(x, time | image, label, scalars, text) as UNet, but `image` enters by the branch alone.

    The branch is an encoder of its own that sees x and image; what it finds on every grid is added
    to the trunk's skip connections through 1x1 convolutions that start at zero (Zhang, Rao,
    Agrawala, 2023, arXiv:2302.05543). Published with a trunk that is trained before and kept; here
    both learn together, and an image of 0 everywhere, or none, leaves the trunk alone.

    maps: channels of `image`. Other arguments are those of UNet, whose in_channels are those of x.
    """

    def __init__(self, maps: int, dims: int, in_channels: int, **shape: Any) -> None:
        super().__init__()
        self.maps = maps
        self.trunk = UNet(dims, in_channels, **shape)
        donor = UNet(dims, in_channels + maps, **shape)  # the branch is its way down
        self.stem, self.downs, self.encoder = donor.stem, donor.downs, donor.encoder
        widths = shape["widths"]
        self.links = nn.ModuleList(zeroed(convolution(dims, w, w, (1,) * dims)) for w in widths)

    def forward(
        self,
        x: Tensor,
        time: Tensor | None,
        image: Tensor | None = None,
        label: Tensor | None = None,
        scalars: Tensor | None = None,
        text: Tensor | None = None,
    ) -> Tensor:
        trunk = self.trunk
        h = pad_to_multiple(beside(x, None, trunk.dims, trunk.in_channels), trunk.factor)
        embedding, words = trunk.told(len(h), time, label, scalars, text)
        skips = walk_down(trunk.stem, trunk.downs, trunk.encoder, h, embedding, words)
        if image is not None:
            both = beside(x, image, trunk.dims, trunk.in_channels + self.maps)
            both = pad_to_multiple(both, trunk.factor)
            given = (image != 0).flatten(1).any(1).to(h.dtype)
            given = given.reshape(-1, *(1 for _ in range(h.ndim - 1)))
            found = walk_down(self.stem, self.downs, self.encoder, both, embedding, words)
            skips = [
                s + given * link(f) for s, link, f in zip(skips, self.links, found, strict=True)
            ]
        return crop_to_size(trunk.walk_up(skips, embedding, words), x.shape[2:])


class WithNumbers(nn.Module):
    """F with each number also shown as a channel of that value everywhere; not given is 0.

    network: takes `scalars` more channels of image than it is given here.
    """

    def __init__(self, network: nn.Module, scalars: int) -> None:
        super().__init__()
        self.network, self.scalars = network, scalars

    def forward(
        self,
        x: Tensor,
        time: Tensor | None,
        image: Tensor | None = None,
        scalars: Tensor | None = None,
        **others: Any,
    ) -> Tensor:
        numbers = x.new_zeros(len(x), self.scalars) if scalars is None else scalars.to(x.dtype)
        filled = numbers.nan_to_num(0.0).reshape(*numbers.shape, *(1 for _ in x.shape[2:]))
        filled = filled.expand(-1, -1, *x.shape[2:])
        image = filled if image is None else torch.cat([image.to(x.dtype), filled], 1)
        return self.network(x, time, image=image, scalars=scalars, **others)


class FromOneSlice(nn.Module):
    """F with the middle slice of `image` (along the first axis) repeated in place of all others."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, x: Tensor, time: Tensor | None, image: Tensor | None = None, **others: Any
    ) -> Tensor:
        if image is not None:
            middle = image.shape[2] // 2
            image = image[:, :, middle : middle + 1].expand_as(image)
        return self.network(x, time, image=image, **others)
