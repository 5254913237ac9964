"""Conjugate gradients for a batch of symmetric positive systems, each with steps of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LOOK = 5  # steps between two looks at the residual, each of which waits for a graphics card


def conjugate_gradients(
    system: Callable[[Tensor], Tensor],
    b: Tensor,
    start: Tensor | None = None,
    iterations: int = 30,
    tolerance: float = 1e-6,
) -> Tensor:
    """x with system(x) = b, for b (B, ...) and `system` symmetric positive (semi)definite.

    Ends after `iterations`, or once |b - system(x)| <= tolerance |b| in every example (looked at
    every 5 steps on a graphics card). Hestenes and Stiefel, 1952.
    """
    x = torch.zeros_like(b) if start is None else start
    residual = b if start is None else b - system(start)
    direction, square = residual, _dot(residual, residual)
    # below rounding there is no direction left, only noise to be blown up
    enough = max(tolerance, torch.finfo(b.dtype).eps) ** 2 * _dot(b, b)
    look = 1 if b.device.type == "cpu" else LOOK
    for i in range(iterations):
        if i % look == 0 and bool((square <= enough).all()):
            break
        moved = system(direction)
        size = torch.where(square > enough, _ratio(square, _dot(direction, moved)), 0.0)
        x = x + size * direction
        residual = residual - size * moved
        before, square = square, _dot(residual, residual)
        direction = residual + _ratio(square, before) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Per example, shaped to multiply a."""
    return (a * b).flatten(1).sum(1).reshape(-1, *(1 for _ in a.shape[1:]))


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 once an example is solved."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1.0), 0.0)
