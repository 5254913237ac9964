"""Small constants on the device that needs them, copied there once."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def constant(values: tuple[float, ...], like: Tensor) -> Tensor:
    """`values` as a tensor of like's dtype and device.

    A copy from host to device waits for the device; kept copies keep sampling loops free of waits.
    """
    return _constant(values, like.dtype, like.device)


@lru_cache(maxsize=256)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # A tensor born in inference mode could never take part in training afterwards.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float64).to(device, dtype)
