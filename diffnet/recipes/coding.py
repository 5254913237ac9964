"""A configuration seen from a codec's space: the grid, channels and noise levels of the code."""

from __future__ import annotations

import math
from dataclasses import replace

from ..diffusion import Codec, HaarWavelet
from ..planning import Configuration

EXCESS = 20.0  # largest noise level over the standard deviation, at least


def spread(c: Configuration) -> float:
    """The standard deviation that a code is whitened to: what the plan's noise levels are for."""
    return math.sqrt(sum(s**2 for s in c.noise.std) / len(c.noise.std))


def wavelet(c: Configuration) -> HaarWavelet:
    return HaarWavelet(c.dims, c.target_channels, spread(c))


def coded(c: Configuration, codec: Codec) -> Configuration:
    """What the network in the code's space is built from.

    A code of f^d times fewer positions with the same spread has a covariance whose largest
    eigenvalue is f^d times smaller: so is the square of the largest noise level. A configuration
    that was planned for codes has their levels already.
    """
    patch, std = codec.grid(c.patch), spread(c)
    fewer = math.prod(c.patch) / math.prod(patch)
    n = c.noise
    high = n.sigma_max
    if c.code is None:
        high = min(high, max(high / math.sqrt(fewer), EXCESS * std))
    noise = replace(n, std=(std,) * codec.channels, sigma_max=high)
    size = codec.grid(c.shape if c.dims == 3 else c.shape[1:])
    return replace(
        c,
        patch=patch,
        shape=size if c.dims == 3 else (c.shape[0], *size),
        target_channels=codec.channels,
        image_channels=codec.given_channels(c.image_channels) if c.image_channels else 0,
        noise=noise,
    )
