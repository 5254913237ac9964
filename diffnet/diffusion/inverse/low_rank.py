"""Low rank: slices or frames of one object are mixtures of few images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .consistencies import Krylov
from .measured import Consistency, Question


@dataclass(frozen=True)
class LowRank(Consistency):
    """`inner` on estimates whose small singular values are taken away: D, then low rank, then data.

    The matrix has a row for each slice: slices are the batch of 2-D images, or axis Z of volumes.
    Its singular values lose `share` of the largest (the proximal map of the nuclear norm, Cai,
    Candes and Shen, 2010); a single slice has nothing to share and stays.
    """

    inner: Consistency = field(default_factory=Krylov)
    share: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"singular values less {self.share} of the largest; it is 0 to 1")

    def fresh(self) -> Consistency:
        return replace(self, inner=self.inner.fresh())

    def __call__(self, q: Question) -> Tensor:
        def ask(z: Tensor) -> Tensor:
            rows = q.ask(z)
            slices = rows if rows.ndim == 4 else rows.transpose(1, 2).flatten(0, 1)
            if len(slices) == 1:
                return rows
            made = shrunk(slices, self.share)
            if rows.ndim == 4:
                return made
            return made.unflatten(0, (len(rows), -1)).transpose(1, 2)

        return self.inner(replace(q, ask=ask))


def shrunk(x: Tensor, share: float) -> Tensor:
    """argmin_z |z - x|^2 / 2 + share s_1 |z|_*, s_1 the largest singular value of x (rows, ...)."""
    left, values, right = torch.linalg.svd(x.flatten(1), full_matrices=False)
    kept = (values - share * values[0]).clamp(min=0)
    return ((left * kept) @ right).reshape(x.shape)
