"""A diffusion transformer: patches of an image as tokens, conditions in every normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .blocks import CONVOLUTIONS, zeroed
from .embedding import ConditionEmbedding
from .padding import beside, crop_to_size, pad_to_multiple
from .words import TextEncoder, with_words


class DiT(nn.Module):
    """F(x, time | image, label, scalars, text), x (B, C_x, *S) -> (B, out_channels, *S), any S.

    Blocks of `patch` voxels an axis become tokens of `width` channels with fixed sinusoidal places;
    `depth` transformer blocks are modulated by the embedding and start as the identity (Peebles
    and Xie, 2022, arXiv:2212.09748). Tokens of a text stand beside those of the image. Other
    arguments are those of UNet. Time and memory of attention: quadratic and linear in the tokens.
    Raises ValueError where the width does not suit heads and dimensions.
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        patch: int = 2,
        classes: int = 0,
        scalars: int = 0,
        words: int = 0,
        text_width: int = 0,
    ) -> None:
        super().__init__()
        if width % heads or width % (2 * dims):
            raise ValueError(
                f"a width of {width} is shared by {heads} heads, and by sine and cosine of {dims} "
                f"axes: it must be a multiple of {math.lcm(heads, 2 * dims)}"
            )
        self.dims, self.in_channels, self.out_channels = dims, in_channels, out_channels
        self.factor = (patch,) * dims
        self.embedding = ConditionEmbedding(width, classes, scalars)
        self.text = TextEncoder(words, width, text_width) if words else None
        context = self.text.width if words else 0
        self.stem = CONVOLUTIONS[dims](in_channels, width, patch, stride=patch)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, context) for _ in range(depth))
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.head = zeroed(nn.Linear(width, out_channels * patch**dims))

    def forward(
        self,
        x: Tensor,
        time: Tensor | None,
        image: Tensor | None = None,
        label: Tensor | None = None,
        scalars: Tensor | None = None,
        text: Tensor | None = None,
    ) -> Tensor:
        h = beside(x, image, self.dims, self.in_channels)
        size = h.shape[2:]
        embedding = self.embedding(len(h), time, label, scalars)
        embedding, words = with_words(embedding, self.text, text)
        h = self.stem(pad_to_multiple(h, self.factor))
        grid = h.shape[2:]
        h = h.flatten(2).transpose(1, 2)
        h = h + places(grid, h.shape[2], h)
        for block in self.blocks:
            h = block(h, embedding, *words)
        shift, scale = self.modulation(embedding)[:, None].chunk(2, 2)
        h = self.head(_unit(h) * (1 + scale) + shift)
        return crop_to_size(self._unfolded(h, grid), size)

    def _unfolded(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        """(B, N, out patch^d) tokens to the image they are blocks of."""
        n = self.dims
        h = tokens.reshape(len(tokens), *grid, self.out_channels, *self.factor)
        between = [axis for i in range(n) for axis in (1 + i, 2 + n + i)]
        h = h.permute(0, 1 + n, *between)
        return h.reshape(*h.shape[:2], *(g * f for g, f in zip(grid, self.factor, strict=True)))


class TransformerBlock(nn.Module):
    """Attention and two layers, each normalised, scaled, shifted and gated by the embedding.

    x (B, N, width); context (B, L, context) are further tokens to look at, `there` (B, L) says
    which of them are some. The gates start at zero.
    """

    def __init__(self, width: int, heads: int, context: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = zeroed(nn.Linear(width, 6 * width))
        self.query_key_value = nn.Linear(width, 3 * width)
        self.context = nn.Linear(context, 2 * width) if context else None
        self.out = nn.Linear(width, width)
        self.two = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        )

    def forward(
        self,
        x: Tensor,
        embedding: Tensor,
        context: Tensor | None = None,
        there: Tensor | None = None,
    ) -> Tensor:
        shift, scale, gate, shift_2, scale_2, gate_2 = (
            self.modulation(embedding)[:, None].to(x.dtype).chunk(6, 2)
        )
        seen = self._attend(_unit(x) * (1 + scale) + shift, context, there)
        x = x + gate * self.out(seen)
        return x + gate_2 * self.two(_unit(x) * (1 + scale_2) + shift_2)

    def _attend(self, h: Tensor, context: Tensor | None, there: Tensor | None) -> Tensor:
        query, key, value = self._split(self.query_key_value(h), 3)
        mask = None
        if self.context is not None and context is not None:
            more_key, more_value = self._split(self.context(context), 2)
            key, value = torch.cat([key, more_key], 2), torch.cat([value, more_value], 2)
            mask = torch.cat([there.new_ones(len(h), h.shape[1]), there], 1)[:, None, None]
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return seen.transpose(1, 2).flatten(2)

    def _split(self, h: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(B, N, parts width) to (B, heads, N, width / heads), one of each part."""
        return h.unflatten(2, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def places(grid: Sequence[int], width: int, like: Tensor) -> Tensor:
    """(1, prod(grid), width): sines and cosines of each token's place, equal shares an axis."""
    each = width // (2 * len(grid))
    frequencies = torch.exp(-math.log(10000) / each * torch.arange(each, device=like.device))
    axes = [torch.arange(n, device=like.device, dtype=torch.float32) for n in grid]
    angles = [a.flatten()[:, None] * frequencies for a in torch.meshgrid(*axes, indexing="ij")]
    return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], 1)[None].to(like.dtype)


def _unit(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=1e-6)
