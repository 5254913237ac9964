"""Vector quantisation with a codebook that follows the codes by moving averages."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch import distributed as processes


class Codebook(nn.Module):
    """z (B, width, *S) to the nearest of `size` vectors, and how far it was.

    The vectors are moving averages of the codes that chose them, with `decay` (van den Oord et al.,
    2017, arXiv:1711.00937, appendix A). A vector that is chosen less than `rare` times a step on
    average is replaced by a code of the current batch.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, size: int, width: int, decay: float = 0.99, rare: float = 0.01) -> None:
        super().__init__()
        if size < 2 or not 0 < decay < 1:
            raise ValueError(f"a codebook of {size} with decay {decay}: at least 2, in (0, 1)")
        self.decay, self.rare = decay, rare
        vectors = torch.randn(size, width)
        self.register_buffer("vectors", vectors)
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("sums", vectors.clone())

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(the nearest vectors, with the gradient of z; mean squared distance of z to them)."""
        index = self.index(z)
        nearest = self.lookup(index).to(z.dtype)
        if self.training:
            self._follow(z.detach().float(), index)
        distance = (z - nearest.detach()).square().mean()
        return z + (nearest - z).detach(), distance

    def index(self, z: Tensor) -> Tensor:
        """(B, *S): which vector is nearest."""
        flat = z.detach().float().movedim(1, -1)
        away = self.vectors.square().sum(1) - 2 * flat @ self.vectors.T
        return away.argmin(-1)

    def lookup(self, index: Tensor) -> Tensor:
        """(B, width, *S)."""
        return self.vectors[index].movedim(-1, 1)

    @torch.no_grad()
    def _follow(self, z: Tensor, index: Tensor) -> None:
        flat, chosen = z.movedim(1, -1).flatten(0, -2), index.flatten()
        counts = torch.zeros_like(self.counts).index_add_(
            0, chosen, torch.ones_like(chosen, dtype=self.counts.dtype)
        )
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, flat)
        spare = flat[torch.randint(len(flat), (len(counts),), device=flat.device)]
        if processes.is_available() and processes.is_initialized():
            processes.all_reduce(counts)
            processes.all_reduce(sums)
            processes.broadcast(spare, 0)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        dead = self.counts < self.rare
        self.sums[dead], self.counts[dead] = spare[dead], 1.0
        self.vectors.copy_(self.sums / self.counts[:, None])
