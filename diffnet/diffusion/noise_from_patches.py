"""The noise level of an image from the covariance of its patches."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 8
MOST = 20_000  # patches


def smallest_eigenvalue_level(image: Tensor, edge: int = EDGE) -> float:
    """Standard deviation of white noise in an image (B, C, *S), from its patches' eigenvalues.

    Patches of a clean image span few directions, so the smallest eigenvalues of their covariance
    are the noise variance: the largest are dropped until mean and median of the rest agree (Chen,
    Zhu, Heng, 2015, doi:10.1109/ICCV.2015.62). Patches lie in the last two axes.
    """
    height, width = image.shape[-2:]
    edge = min(edge, height, width)
    planes = image.reshape(-1, height, width)
    patches = planes.unfold(1, edge, 1).unfold(2, edge, 1).reshape(-1, edge * edge)
    patches = patches[:: max(1, len(patches) // MOST)].double()
    values = torch.linalg.eigvalsh(torch.cov(patches.T).reshape(edge**2, -1)).flip(0)
    for first in range(len(values)):
        rest = values[first:]
        if rest.mean() <= rest.median() * (1 + 1e-9):
            break
    return rest.mean().clamp(min=0).sqrt().item()
