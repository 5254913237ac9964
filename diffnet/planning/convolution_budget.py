"""nnU-Net's own measure of what a network costs: the output elements of all its convolutions.

nnU-Net instantiates a network for each patch it tries and adds up what its convolutions put out for
one example (Isensee et al., 2021, doi:10.1038/s41592-020-01008-z). Here the same sum is a formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .topology import Topology

WIDEST = {2: 512, 3: 320}
SMALLEST_BATCH = 2
LARGEST_BATCH = 64
COVERED = 0.05  # share of the training voxels in one batch


@dataclass(frozen=True)
class ConvolutionBudget:
    """Elements that a batch of `batch` examples of one patch may have in a 2-D or 3-D network.

    The preset sizes are nnU-Net's; they were found for `gigabytes` of GPU memory and scale with it.
    """

    elements: float
    batch: int
    gigabytes: float

    def at(self, gigabytes: float) -> float:
        """The budget in elements for another size of memory."""
        return self.elements * gigabytes / self.gigabytes

    def per_patch(self, gigabytes: float) -> float:
        """What one patch may cost, so that a batch of two of them stays within the budget."""
        return self.at(gigabytes) * self.batch / SMALLEST_BATCH


PLAIN = {2: ConvolutionBudget(85e6, 12, 8.0), 3: ConvolutionBudget(560e6, 2, 8.0)}
RESIDUAL_M = {2: ConvolutionBudget(135e6, 12, 8.0), 3: ConvolutionBudget(680e6, 2, 8.0)}
RESIDUAL_L = {2: ConvolutionBudget(380e6, 12, 24.0), 3: ConvolutionBudget(2.1e9, 2, 24.0)}
RESIDUAL_XL = {2: ConvolutionBudget(560e6, 12, 40.0), 3: ConvolutionBudget(3.6e9, 2, 40.0)}


def stage_widths(stages: int, dims: int) -> tuple[int, ...]:
    """nnU-Net's: 32, doubled at each stage, at most 512 in 2-D and 320 in 3-D."""
    return tuple(min(32 * 2**i, WIDEST[dims]) for i in range(stages))


def plain_elements(network: Topology, outputs: int) -> int:
    """nnU-Net's default U-Net: two convolutions a stage and side, transposed ones, one head."""
    widths, voxels = _grids(network)
    encoder = sum(2 * w * v for w, v in zip(widths, voxels, strict=True))
    return encoder + _decoder(widths, voxels, outputs, convolutions=2)


def residual_elements(network: Topology, outputs: int) -> int:
    """nnU-Net's residual-encoder U-Net: a stem, blocks of two convolutions, a light decoder.

    The first block of every stage but the first counts a third convolution, for its shortcut.
    """
    widths, voxels = _grids(network)
    blocks = (1, 3, 4, *(6 for _ in widths))
    total = widths[0] * voxels[0]
    for stage, (width, count, n) in enumerate(zip(widths, blocks, voxels, strict=False)):
        total += (2 * count + (stage > 0)) * width * n
    return total + _decoder(widths, voxels, outputs, convolutions=1)


def batch_size(
    elements: float, budget: float, reference_batch: int, patch_share: float, cap: bool = True
) -> int:
    """Examples in a batch. patch_share: voxels of one patch over all training voxels.

    nnU-Net's rule: what the budget holds, at most 5 % of the training voxels, at least 2. With
    `cap` at most 64 too: nnU-Net's residual presets answer batches of thousands for small images.
    """
    held = round(budget / elements * reference_batch)
    share = round(COVERED / patch_share)
    largest = LARGEST_BATCH if cap else held
    return max(min(held, share, largest), SMALLEST_BATCH)


def _grids(network: Topology) -> tuple[tuple[int, ...], list[int]]:
    size, voxels = list(network.patch), []
    for stride in network.strides:
        size = [n // s for n, s in zip(size, stride, strict=True)]
        voxels.append(prod(size))
    return stage_widths(network.stages, len(network.patch)), voxels


def _decoder(widths: tuple[int, ...], voxels: list[int], outputs: int, convolutions: int) -> int:
    pairs = zip(widths[:-1], voxels[:-1], strict=True)
    return sum((convolutions + 1) * w * v for w, v in pairs) + outputs * voxels[0]
