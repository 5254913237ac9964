"""The waist: everything that samples, guides or fuses speaks E[x_0 | x_t, condition]."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from .batch import Condition
from .process import Process

BLANK = float("inf")


class Denoiser(nn.Module, ABC):
    """E[x_0 | x_t, condition] for x_t (B, C, *S) and t (B,).

    t = BLANK (infinity) asks for E[x_0 | condition] alone: x_t then carries nothing and is not
    looked at.
    """

    process: Process

    @abstractmethod
    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor: ...


class WrappedDenoiser(Denoiser):
    """A denoiser around another: guidance, windows, clipping, mirrors, folds."""

    def __init__(self, inner: Denoiser) -> None:
        super().__init__()
        self.inner = inner

    @property
    def process(self) -> Process:
        return self.inner.process


Wrap = Callable[[Denoiser], Denoiser]


def keep(denoiser: Denoiser) -> Denoiser:
    """The wrap that changes nothing."""
    return denoiser


class Remembering(WrappedDenoiser):
    """Shows its previous estimate to the next call, as `condition.estimate`.

    It goes around everything else and lives for one walk, so that windows see crops of the whole.
    """

    def __init__(self, inner: Denoiser) -> None:
        super().__init__(inner)
        self.estimate: Tensor | None = None

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.estimate = self.inner(x_t, t, replace(condition, estimate=self.estimate))
        return self.estimate
