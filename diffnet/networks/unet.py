"""The planned U-Net: strides and kernels per axis, attention where wanted, any input size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .blocks import CONVOLUTIONS, ResidualBlock, SelfAttention, Up, convolution, zeroed
from .embedding import ConditionEmbedding
from .modulated_norm import ModulatedNorm
from .padding import Shape, beside, crop_to_size, pad_to_multiple
from .words import TextEncoder, with_words


class Stage(nn.Module):
    """Residual blocks on one grid, then self-attention where wanted."""

    def __init__(self, blocks: Sequence[nn.Module], attention: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = attention
        self.checkpointing = False

    def forward(self, x: Tensor, embedding: Tensor, words: tuple[Tensor, ...] = ()) -> Tensor:
        for block in self.blocks:
            x = self._run(block, x, embedding)
        return x if self.attention is None else self._run(self.attention, x, *words)

    def _run(self, module: nn.Module, *arguments: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(module, *arguments, use_reentrant=False)
        return module(*arguments)


class UNet(nn.Module):
    """F(x, time | image, label, scalars, text), x (B, C_x, *S) -> (B, out_channels, *S), for any S.

    A residual U-Net (Ronneberger et al., 2015, arXiv:1505.04597) with scale-shift conditioning.
    Stage i has `blocks` residual blocks of widths[i] channels and kernel kernels[i]; entering it
    shrinks the grid by strides[i] (a convolution whose kernel is its stride); strides[0] is 1.
    Kernel and stride 1 along the coarse axis serve thick slices. attention[i] adds self-attention
    after the blocks of stage i, on the way down and up; every stage may do without, the coarsest
    too.

    Skip connections are added, not concatenated: the decoder's first convolutions then cost half,
    nothing of double width is stored, and all residual blocks keep identity shortcuts.

    Inputs are padded by repeating their border to a multiple of the product of strides; the result
    is cropped back. With `checkpointing` only each block's input is kept for the backward pass.

    in_channels counts x and image together. classes: labels are 0 .. classes - 1, and `classes`
    means "not given". scalars: numbers an example, NaN means "not given". Raises ValueError where
    the arguments do not fit each other, and where an input does not fit the network.
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        widths: Sequence[int],
        strides: Sequence[Shape],
        kernels: Sequence[Shape],
        attention: Sequence[bool],
        blocks: int = 2,
        classes: int = 0,
        scalars: int = 0,
        dropout: float = 0.0,
        checkpointing: bool = False,
        words: int = 0,
        text_width: int = 0,
    ) -> None:
        super().__init__()
        strides, kernels = [tuple(s) for s in strides], [tuple(k) for k in kernels]
        refuse_misfits(dims, widths, strides, kernels, attention, blocks)
        self.dims, self.in_channels, self.out_channels = dims, in_channels, out_channels
        self.factor = tuple(math.prod(axis) for axis in zip(*strides, strict=True))
        width = 4 * widths[0]
        self.embedding = ConditionEmbedding(width, classes, scalars)
        self.text = TextEncoder(words, width, text_width) if words else None
        context = self.text.width if words else 0

        def stage(i: int) -> Stage:
            parts = [
                ResidualBlock(dims, widths[i], kernels[i], width, dropout) for _ in range(blocks)
            ]
            return Stage(parts, SelfAttention(widths[i], context) if attention[i] else None)

        pairs = list(zip(widths, widths[1:], strides[1:], strict=False))
        self.stem = convolution(dims, in_channels, widths[0], kernels[0])
        self.downs = nn.ModuleList(CONVOLUTIONS[dims](a, b, s, stride=s) for a, b, s in pairs)
        self.encoder = nn.ModuleList(stage(i) for i in range(len(widths)))
        self.ups = nn.ModuleList(Up(dims, b, a, s) for a, b, s in pairs)
        self.decoder = nn.ModuleList(stage(i) for i in range(len(widths) - 1))
        self.norm = ModulatedNorm(widths[0])
        self.head = zeroed(convolution(dims, widths[0], out_channels, kernels[0]))
        self.checkpointing = checkpointing

    @property
    def checkpointing(self) -> bool:
        """Whether blocks are computed again in the backward pass instead of being remembered."""
        return all(stage.checkpointing for stage in self._stages())

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        for stage in self._stages():
            stage.checkpointing = on

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
        embedding, words = self.told(len(h), time, label, scalars, text)
        h = pad_to_multiple(h, self.factor)
        skips = walk_down(self.stem, self.downs, self.encoder, h, embedding, words)
        return crop_to_size(self.walk_up(skips, embedding, words), size)

    def walk_up(
        self, skips: list[Tensor], embedding: Tensor, words: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """From what every stage of the encoder found, finest first, to the output.

        The list is emptied on the way, so that prediction keeps no grid longer than it needs it.
        """
        h = skips.pop()
        for i in reversed(range(len(self.decoder))):
            h = self.decoder[i](self.ups[i](h) + skips.pop(), embedding, words)
        return self.head(self.norm(h))

    def told(
        self,
        batch: int,
        time: Tensor | None,
        label: Tensor | None,
        scalars: Tensor | None,
        text: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What every block is told, (batch, width), and the tokens of the text for attention."""
        return with_words(self.embedding(batch, time, label, scalars), self.text, text)

    def _stages(self) -> list[Stage]:
        return [*self.encoder, *self.decoder]


def walk_down(
    stem: nn.Module,
    downs: nn.ModuleList,
    encoder: nn.ModuleList,
    h: Tensor,
    embedding: Tensor,
    words: tuple[Tensor, ...] = (),
) -> list[Tensor]:
    """What every stage of an encoder finds in h (B, C, *S), finest first."""
    h, found = stem(h), []
    for i, stage in enumerate(encoder):
        h = stage(h if i == 0 else downs[i - 1](h), embedding, words)
        found.append(h)
    return found


def refuse_misfits(
    dims: int,
    widths: Sequence[int],
    strides: Sequence[Shape],
    kernels: Sequence[Shape],
    attention: Sequence[bool],
    blocks: int,
) -> None:
    """Raise ValueError where the description of a U-Net does not fit itself."""
    if dims not in CONVOLUTIONS:
        raise ValueError(f"dims is {dims}; a U-Net has 2 or 3 dimensions.")
    counts = {len(widths), len(strides), len(kernels), len(attention)}
    if len(counts) != 1 or not widths:
        raise ValueError(
            f"widths, strides, kernels and attention have {len(widths)}, {len(strides)}, "
            f"{len(kernels)} and {len(attention)} entries; each needs one a stage."
        )
    if any(len(s) != dims for s in [*strides, *kernels]):
        raise ValueError(f"Each stride and kernel needs {dims} entries: {strides}, {kernels}.")
    if any(s != 1 for s in strides[0]):
        raise ValueError(f"Stage 0 works on the input's grid: its stride is 1, not {strides[0]}.")
    if any(k % 2 == 0 for kernel in kernels for k in kernel):
        raise ValueError(f"Kernels must be odd to keep the grid; found {kernels}.")
    if min(widths) < 1 or min(min(s) for s in strides) < 1 or blocks < 1:
        raise ValueError(
            f"Widths, strides and blocks are at least 1: {widths}, {strides}, {blocks}."
        )
