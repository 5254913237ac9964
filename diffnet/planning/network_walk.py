"""Counts over a planned U-Net that is not built: parameters, operations, activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, prod

from .plan import NetworkPlan
from .spacing import Shape

TIME_FEATURES = 64  # sines and cosines of the noise level
ATTENTION_COPIES = 7  # tensors of a stage's size that self-attention keeps for its backward pass


@dataclass(frozen=True)
class Stage:
    """One grid of the network. voxels: of one example. decoded: also visited on the way up.

    values: numbers in one tensor of this stage, width times voxels.
    """

    index: int
    width: int
    voxels: int
    kernel: int
    attention: bool
    decoded: bool

    @property
    def values(self) -> int:
        return self.width * self.voxels

    @property
    def visits(self) -> int:
        """Once on the way down, once more on the way up."""
        return 2 if self.decoded else 1


def stages(network: NetworkPlan, size: Shape) -> Iterator[Stage]:
    """The grids, finest first, for examples of `size` voxels, padded as the network pads them."""
    factor = [prod(axis) for axis in zip(*network.strides, strict=True)]
    at = [ceil(n / f) * f for n, f in zip(size, factor, strict=True)]
    rows = zip(network.widths, network.strides, network.kernels, network.attention, strict=True)
    for index, (width, stride, kernel, attention) in enumerate(rows):
        at = [n // s for n, s in zip(at, stride, strict=True)]
        last = index == len(network.widths) - 1
        yield Stage(index, width, prod(at), prod(kernel), attention, not last)


def count_parameters(
    network: NetworkPlan, in_channels: int, out_channels: int, classes: int = 0, scalars: int = 0
) -> int:
    """Exactly the parameters of the U-Net that is built from the plan."""
    widths, embedding = network.widths, 4 * network.widths[0]
    first = prod(network.kernels[0]) * widths[0]
    total = first * (in_channels + out_channels) + widths[0] + out_channels + 2 * widths[0]
    total += _two_layers(TIME_FEATURES, embedding)
    total += (classes + 1) * embedding if classes else 0
    total += _two_layers(2 * scalars, embedding) if scalars else 0
    for stage in stages(network, tuple(1 for _ in network.kernels[0])):
        w = stage.width
        block = 2 * (stage.kernel * w * w + w) + 4 * w + (embedding + 1) * 2 * w
        attention = (4 * w * w + 4 * w + 2 * w) if stage.attention else 0
        total += stage.visits * (network.blocks * block + attention)
    for a, b, stride in zip(widths, widths[1:], network.strides[1:], strict=False):
        total += prod(stride) * a * b + b + a * b + a
    return total


def count_operations(
    network: NetworkPlan,
    in_channels: int,
    out_channels: int,
    size: Shape,
    classes: int = 0,
    scalars: int = 0,
) -> int:
    """Floating point operations (two for a multiply-add) of one forward pass for one example.

    Convolutions, matrix products and attention; norms and activations are not counted. A training
    step takes three times as many, four times with checkpointing.
    """
    embedding, blocks, total = 4 * network.widths[0], network.blocks, 0
    features = [TIME_FEATURES] + ([2 * scalars] if scalars else [])
    for inputs in features:
        total += 2 * embedding * (inputs + embedding)
    grids = list(stages(network, size))
    for stage in grids:
        w, v = stage.width, stage.voxels
        block = 2 * 2 * stage.kernel * w * w * v + 2 * embedding * 2 * w
        attention = (2 * 4 * w * w * v + 4 * w * v * v) if stage.attention else 0
        total += stage.visits * (blocks * block + attention)
    first = grids[0]
    total += 2 * first.kernel * first.values * (in_channels + out_channels)
    for fine, coarse, stride in zip(grids, grids[1:], network.strides[1:], strict=False):
        total += 2 * fine.width * coarse.width * coarse.voxels * (prod(stride) + 1)
    return total


def kept_values(network: NetworkPlan, in_channels: int, size: Shape) -> int:
    """Numbers that one example leaves behind for the backward pass.

    A block keeps its input, the input of each convolution and of the second norm; with
    checkpointing its input alone, and, while it is computed again, the rest of the largest block.
    """
    grids, again = list(stages(network, size)), 0
    total = grids[0].voxels * in_channels + 2 * grids[0].values
    for stage in grids:
        block, attention = 4, ATTENTION_COPIES if stage.attention else 0
        if network.checkpointing:
            again = max(again, 3 * stage.values, (attention - 1) * stage.values)
            block, attention = 1, min(attention, 1)
        total += stage.visits * stage.values * (network.blocks * block + attention)
        total += stage.values  # what enters the next change of grid
    return total + again


def _two_layers(inputs: int, width: int) -> int:
    return (inputs + 1) * width + (width + 1) * width
