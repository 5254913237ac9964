"""The corruption that a diffusion model learns to undo, seen through three verbs."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Process(ABC):
    """A family q(x_t | x_0), t in [0, 1]: t = 0 is clean, t = 1 is where sampling starts.

    x is (B, C, *S), t is (B,). `source` is the paired image y of processes that end in one.
    """

    @abstractmethod
    def corrupt(self, x_0: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Draw x_t ~ q(x_t | x_0)."""

    @abstractmethod
    def reverse(
        self,
        x_0: Tensor,
        x_t: Tensor,
        t: Tensor,
        s: Tensor,
        source: Tensor | None = None,
        eta: float = 1.0,
    ) -> Tensor:
        """Draw x_s ~ q(x_s | x_t, x_0) for s < t; eta scales the variance that is drawn anew."""

    @abstractmethod
    def start(self, like: Tensor, source: Tensor | None = None) -> Tensor:
        """Draw x_1; `like` gives shape, dtype and device."""


def over(values: Tensor, x: Tensor) -> Tensor:
    """Shape (B,) values so that they multiply (B, C, *S)."""
    return values.to(x.dtype).reshape(-1, *(1 for _ in range(x.ndim - 1)))
