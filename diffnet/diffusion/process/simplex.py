"""Simplex noise in two and three dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import Noise

TABLE = 256


@dataclass(frozen=True)
class Simplex(Noise):
    """sum_k persistence^k simplex noise of wave length frequency / 2^k voxels, at variance 1 on
    average.

    Gradient noise on a lattice of simplices (Perlin, 2001), for anomaly detection as in Wyatt et
    al.,
    2022: 6 octaves, persistence 0.8, frequency 64. Every example and channel has a lattice of its
        own.
    """

    octaves: int = 6
    persistence: float = 0.8
    frequency: float = 64.0

    def __call__(self, like: Tensor) -> Tensor:
        dims = like.ndim - 2
        if dims not in (2, 3):
            raise ValueError(f"simplex noise is made in 2 and 3 dimensions, not {dims}")
        axes = [torch.arange(n, device=like.device, dtype=torch.float32) for n in like.shape[2:]]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        total = torch.zeros(like.shape[0] * like.shape[1], *like.shape[2:], device=like.device)
        for field in total:
            for k in range(self.octaves):
                offset = TABLE * torch.rand(dims, device=like.device)
                place = grid * (2**k / self.frequency) + offset
                field += self.persistence**k * simplex(place)
        power = sum(self.persistence ** (2 * k) for k in range(self.octaves))
        return (total / math.sqrt(power * mean_square(dims))).reshape(like.shape).to(like.dtype)


def simplex(place: Tensor) -> Tensor:
    """Gradient noise at `place` (*S, n) on a fresh random lattice of period 256, shape *S.

    sum over the n + 1 corners of (1/2 - |d|^2)_+^4 (g . d), d from the corner, g its unit gradient.
    """
    n = place.shape[-1]
    gradients = torch.randn(TABLE, n, device=place.device)
    gradients = gradients / gradients.norm(dim=1, keepdim=True)
    hashes = torch.randperm(TABLE, device=place.device)
    # skewing turns simplices into halves and sixths of unit cells
    skew = (math.sqrt(n + 1) - 1) / n
    back = (1 - 1 / math.sqrt(n + 1)) / n
    cell = (place + place.sum(-1, keepdim=True) * skew).floor()
    inside = place - (cell - cell.sum(-1, keepdim=True) * back)
    rank = inside.argsort(-1, descending=True).argsort(-1)
    total = torch.zeros(place.shape[:-1], device=place.device)
    for corner in range(n + 1):
        step = (rank < corner).to(place.dtype)
        d = inside - step + step.sum(-1, keepdim=True) * back
        falloff = (0.5 - d.square().sum(-1)).clamp(min=0) ** 4
        total += falloff * (_gradient(cell + step, hashes, gradients) * d).sum(-1)
    return total


def _gradient(vertex: Tensor, hashes: Tensor, gradients: Tensor) -> Tensor:
    index = torch.zeros(vertex.shape[:-1], dtype=torch.long, device=vertex.device)
    for coordinate in vertex.long().unbind(-1):
        index = hashes[(index + coordinate) % TABLE]
    return gradients[index]


def mean_square(n: int) -> float:
    """The mean of simplex noise squared: the kernel's integral over the volume a corner has.

    int (1/2 - rho^2)^8 rho^2 / n over the ball, divided by the cell's volume 1 / sqrt(n + 1).
    """
    sphere = 2 * math.pi ** (n / 2) / math.gamma(n / 2)
    beta = math.gamma(9) * math.gamma(n / 2 + 1) / math.gamma(10 + n / 2)
    return sphere / n * 0.5 * beta * 0.5 ** (9 + n / 2) * math.sqrt(n + 1)
