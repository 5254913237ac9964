"""What U-Nets are made of, in 2-D and 3-D: residual blocks, attention, changes of grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .modulated_norm import ModulatedNorm, group_count

HEAD = 32
SMALL = 20480  # channels x depth x height up to which torch convolves one volume by columns
WORTH = (8, 4096)  # channels and numbers from which columns are the slower way; measured


class Convolution3d(nn.Conv3d):
    """nn.Conv3d whose speed does not break down for one small volume on a CPU.

    A single example of at most SMALL channels x depth x height in fp32 is convolved by torch as a
    matrix product over columns, which are 27 x its numbers and take 2 to 6 x the time of a direct
    convolution, that two examples get. So the volume is given an empty neighbour.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self._by_columns(x):
            return super().forward(x)
        return super().forward(torch.cat([x, torch.zeros_like(x)]))[:1]

    def _by_columns(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return False
        small = len(x) == 1 and x.shape[:4].numel() <= SMALL and math.prod(self.kernel_size) > 1
        return small and x.shape[1] >= WORTH[0] and x.numel() >= WORTH[1]


CONVOLUTIONS = {2: nn.Conv2d, 3: Convolution3d}


def convolution(
    dims: int, inputs: int, outputs: int, kernel: tuple[int, ...], stride: tuple[int, ...] | int = 1
) -> nn.Module:
    """Same-size convolution for odd kernels and stride 1."""
    padding = tuple(k // 2 for k in kernel) if stride == 1 else 0
    return CONVOLUTIONS[dims](inputs, outputs, kernel, stride=stride, padding=padding)


def zeroed(module: nn.Module) -> nn.Module:
    """The module with all its parameters at zero, so that what it ends starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class ResidualBlock(nn.Module):
    """x + W_2 silu(m(e) norm(W_1 silu(norm(x)))), where m scales and shifts each channel.

    x is (B, width, *S), the embedding e is (B, embedding). W_2 starts at zero, so that a new block
    is the identity. Scale-shift conditioning as in Dhariwal and Nichol, 2021, arXiv:2105.05233.
    """

    def __init__(
        self, dims: int, width: int, kernel: tuple[int, ...], embedding: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm_1 = ModulatedNorm(width)
        self.conv_1 = convolution(dims, width, width, kernel)
        self.modulation = nn.Linear(embedding, 2 * width)
        self.norm_2 = ModulatedNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.conv_2 = zeroed(convolution(dims, width, width, kernel))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv_1(self.norm_1(x))
        h = self.norm_2(h, *self.modulation(embedding).chunk(2, dim=1))
        return x + self.conv_2(self.dropout(h))


class SelfAttention(nn.Module):
    """x + W_o softmax(q k^T / sqrt(d)) v over all voxels, in heads of at most 32 channels.

    x is (B, width, *S). W_o starts at zero. Memory is linear in the voxels, time is quadratic.
    context: width of further tokens (B, L, context) that voxels look at beside each other, as in
    Nichol et al., 2021, arXiv:2112.10741; `there` (B, L) says which of them are tokens at all.
    """

    def __init__(self, width: int, context: int = 0) -> None:
        super().__init__()
        self.heads = math.ceil(width / HEAD)
        while width % self.heads:
            self.heads += 1
        self.norm = nn.GroupNorm(group_count(width), width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = zeroed(nn.Linear(width, width))
        self.context = nn.Linear(context, 2 * width) if context else None

    def forward(
        self, x: Tensor, context: Tensor | None = None, there: Tensor | None = None
    ) -> Tensor:
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        parts = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mask = None
        if self.context is not None and context is not None:
            more = self.context(context).unflatten(2, (2, self.heads, -1))
            more_key, more_value = more.permute(2, 0, 3, 1, 4).unbind(0)
            key, value = torch.cat([key, more_key], 2), torch.cat([value, more_value], 2)
            voxels = there.new_ones(len(x), tokens.shape[1])
            mask = torch.cat([voxels, there], 1)[:, None, None]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        h = self.out(mixed.transpose(1, 2).flatten(2))
        return x + h.transpose(1, 2).reshape(x.shape)


class Up(nn.Module):
    """A 1x1 convolution on the coarse grid, then each voxel repeated `stride` times on each axis.

    Equal to repeating first and mixing channels afterwards, at 1 / prod(stride) of the cost;
    repeating cannot leave the checkerboards of overlapping transposed convolutions.
    """

    def __init__(self, dims: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> None:
        super().__init__()
        self.stride = tuple(float(s) for s in stride)
        self.conv = convolution(dims, inputs, outputs, (1,) * dims)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        if all(s == 1 for s in self.stride):
            return h
        return functional.interpolate(h, scale_factor=self.stride, mode="nearest")
