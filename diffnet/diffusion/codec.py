"""Codecs: the space that diffusion works in, and the way to it and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from .batch import Batch, Condition
from .network_denoiser import per_channel


class Codec(nn.Module, ABC):
    """x (B, C, *S) to its whitened code z (B, channels, *grid(S)) and back.

    z = (raw code - shift) / scale, by channel; `measure` finds shift and scale on training data, so
    that the code has zero mean and standard deviation `std`. They are saved with the weights.
    linear: whether decode(E[z]) = E[decode(z)], so that means and sources pass through.
    """

    linear: bool = False
    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int, std: float = 0.5) -> None:
        super().__init__()
        self.channels, self.std = channels, std
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    @abstractmethod
    def raw_code(self, x: Tensor) -> Tensor:
        """The code before whitening."""

    @abstractmethod
    def from_raw(self, z: Tensor, size: Sequence[int]) -> Tensor:
        """An image (B, C, *size) of a code before whitening."""

    @abstractmethod
    def grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """The code's size for an image of `size`."""

    @abstractmethod
    def given_channels(self, channels: int) -> int:
        """Channels that `channels` given ones take on the code's grid."""

    @abstractmethod
    def given(self, image: Tensor) -> Tensor:
        """What the network is shown beside the code, (B, given_channels(C), *grid(S))."""

    def encode(self, x: Tensor) -> Tensor:
        with torch.no_grad(), in_full_precision(x):
            raw = self.raw_code(x)
            return (raw - over_channels(self.shift, raw)) / over_channels(self.scale, raw)

    def decode(self, z: Tensor, size: Sequence[int]) -> Tensor:
        """The image of spatial `size` that has the code z."""
        with in_full_precision(z):
            raw = z * over_channels(self.scale, z) + over_channels(self.shift, z)
            return self.from_raw(raw, size)

    def condition(self, condition: Condition) -> Condition:
        """The same condition on the code's grid. A source passes where the codec is linear."""
        image, source, estimate = condition.image, condition.source, condition.estimate
        return replace(
            condition,
            image=None if image is None else self.given(image),
            source=self.encode(source) if source is not None and self.linear else None,
            estimate=None if estimate is None else self.encode(estimate),
        )

    def batch(self, batch: Batch) -> Batch:
        return Batch(self.encode(batch.target), self.condition(batch.condition))

    @torch.no_grad()
    def measure(self, batches: Iterable[Batch]) -> None:
        """Set shift and scale from training examples; where a source is passed on, the scale is
        that of what it leaves open. ValueError: no example, or a channel that never changes.
        """
        count, total, square, mean = 0, 0.0, 0.0, 0.0
        for batch in batches:
            raw = self.raw_code(batch.target.float())
            source = batch.condition.source if self.linear else None
            open_ = raw if source is None else raw - self.raw_code(source.float())
            axes = (0, *range(2, raw.ndim))
            count += raw.numel() // raw.shape[1]
            # Sums over batches are kept on the CPU: not every device has double precision.
            mean = mean + raw.sum(axes).cpu().double()
            total = total + open_.sum(axes).cpu().double()
            square = square + open_.square().sum(axes).cpu().double()
        if count < 2:
            raise ValueError("a codec is measured on training examples, and there are none")
        variance = (square / count - (total / count) ** 2).clamp(min=0)
        # A band in which nothing ever happens keeps a scale that divides by something.
        floor = 1e-4 * variance.max()
        if floor == 0:
            raise ValueError("the training examples are all constant: there is nothing to learn")
        self.shift.copy_((mean / count).float())
        self.scale.copy_((variance.clamp(min=float(floor)).sqrt() / self.std).float())


class HaarWavelet(Codec):
    """The orthonormal Haar wavelet transform: C channels to C 2^d on a grid half as fine.

    Along each axis (a, b) -> ((a + b), (a - b)) / sqrt 2. Channel k of the code is the image's
    channel k mod C in band k div C; band 0 holds the means. An odd axis is padded by repeating its
    last voxel. As in Friedrich et al., 2024, arXiv:2402.19043, with each band whitened.
    """

    linear = True

    def __init__(self, dims: int, channels: int, std: float = 0.5) -> None:
        super().__init__(channels * 2**dims, std)
        self.dims = dims
        self.scale[:channels] = 2 ** (dims / 2)  # until it is measured

    def raw_code(self, x: Tensor) -> Tensor:
        return haar(made_even(x))

    def from_raw(self, z: Tensor, size: Sequence[int]) -> Tensor:
        x = inverse_haar(z)
        return x[(..., *(slice(0, n) for n in size))]

    def grid(self, size: Sequence[int]) -> tuple[int, ...]:
        return tuple(-(-n // 2) for n in size)

    def given_channels(self, channels: int) -> int:
        return channels * 2**self.dims

    def given(self, image: Tensor) -> Tensor:
        code = haar(made_even(image))
        low = image.shape[1]
        # Band 0 would be 2^(d/2) times as large as the image; the network wants inputs of its size.
        return torch.cat([code[:, :low] / 2 ** (self.dims / 2), code[:, low:]], 1)


def haar(x: Tensor) -> Tensor:
    """(B, C, *S), S even, to (B, C 2^d, *S/2); orthonormal."""
    for axis in range(2, x.ndim):
        a, b = x.unflatten(axis, (-1, 2)).unbind(axis + 1)
        x = torch.cat([a + b, a - b], 1) * 0.5**0.5
    return x


def inverse_haar(z: Tensor) -> Tensor:
    """The inverse of `haar`, which is its transpose."""
    for axis in reversed(range(2, z.ndim)):
        low, high = z.chunk(2, 1)
        pair = torch.stack([low + high, low - high], axis + 1) * 0.5**0.5
        z = pair.flatten(axis, axis + 1)
    return z


def made_even(x: Tensor) -> Tensor:
    """Repeat the last voxel of odd axes."""
    odd = [n % 2 for n in x.shape[2:]]
    if not any(odd):
        return x
    sides = [side for n in reversed(odd) for side in (0, n)]
    return nn.functional.pad(x, sides, mode="replicate")


def over_channels(values: Tensor, x: Tensor) -> Tensor:
    """(C,) values so that they multiply (B, C, *S)."""
    return per_channel(values[None], x)


def in_full_precision(x: Tensor) -> AbstractContextManager[None]:
    """Codes are exact to float32 even where the network works in less."""
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()
