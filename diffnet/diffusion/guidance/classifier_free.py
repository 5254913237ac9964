"""Guidance by the difference of two estimates: with and without a condition, of a good and a
weak network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser, WrappedDenoiser
from ..process import GaussianProcess, over


class _Extrapolated(WrappedDenoiser):
    """weak + w (strong - weak) while r is in (low, high], strong elsewhere and at BLANK."""

    def __init__(
        self,
        inner: Denoiser,
        weight: float,
        low: float = 0.0,
        high: float = math.inf,
        rescale: float = 0.0,
    ) -> None:
        super().__init__(inner)
        if not 0 <= rescale <= 1:
            raise ValueError(f"rescale is a share, {rescale} is not in [0, 1]")
        if low >= high:
            raise ValueError(
                f"guidance between the levels {low} and {high}: the first must be less"
            )
        if (low > 0 or high < math.inf) and not isinstance(inner.process, GaussianProcess):
            raise TypeError(
                f"an interval of noise levels needs a GaussianProcess, and the process here is "
                f"{type(inner.process).__name__}; guidance without an interval fits every process"
            )
        self.weight, self.low, self.high, self.rescale = weight, low, high, rescale

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if self.weight == 1:
            return self.inner(x_t, t, condition)
        strong, weak = self.both(x_t, t, condition)
        guided = weak + self.weight * (strong - weak)
        if self.rescale:
            axes = tuple(range(1, x_t.ndim))
            ratio = strong.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
            guided = self.rescale * ratio * guided + (1 - self.rescale) * guided
        return torch.where(over(self.weights(t, x_t), x_t) > 0, guided, strong)

    def weights(self, t: Tensor, x_t: Tensor) -> Tensor:
        """(B,), 1 where guidance acts."""
        blank = torch.isinf(t)
        if not isinstance(self.process, GaussianProcess):
            return (~blank).to(x_t.dtype)
        r = self.process.level(torch.where(blank, 1.0, t))
        return ((r > self.low) & (r <= self.high) & ~blank).to(x_t.dtype)

    def both(self, x_t: Tensor, t: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class ClassifierFree(_Extrapolated):
    """D_0 + w (D_c - D_0), w = 1 is no guidance (Ho and Salimans, 2022, arXiv:2207.12598).

    drop: makes the condition "not given": `without_label(classes)`, `without("image")`.
    low, high: the noise levels r in (low, high] where guidance acts (Kynkaanniemi et al., 2024,
        arXiv:2404.07724).
    rescale: how far the standard deviation of D_c is restored (Lin et al., 2024, arXiv:2305.08891).

    The two estimates are one call of a batch twice as large; `together=False` makes two calls. It
    samples no posterior: keep w = 1 for reconstruction, translation and segmentation.
    """

    def __init__(
        self,
        inner: Denoiser,
        weight: float,
        drop: Callable[[Condition], Condition],
        low: float = 0.0,
        high: float = math.inf,
        rescale: float = 0.0,
        together: bool = True,
    ) -> None:
        super().__init__(inner, weight, low, high, rescale)
        self.drop, self.together = drop, together

    def both(self, x_t: Tensor, t: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        empty = self.drop(condition)
        if not (self.together and _same_fields(condition, empty)):
            return self.inner(x_t, t, condition), self.inner(x_t, t, empty)
        pair = Condition.cat([condition, empty])
        strong, weak = self.inner(torch.cat([x_t, x_t]), torch.cat([t, t]), pair).chunk(2)
        return strong, weak


class Autoguided(_Extrapolated):
    """D_weak + w (D - D_weak), the weak one a smaller or less trained network of the same
    condition.

    Karras et al., 2024, arXiv:2406.02507: it sharpens without giving up diversity.
    """

    def __init__(
        self,
        inner: Denoiser,
        weak: Denoiser,
        weight: float,
        low: float = 0.0,
        high: float = math.inf,
        rescale: float = 0.0,
    ) -> None:
        super().__init__(inner, weight, low, high, rescale)
        if weak.process != inner.process:
            raise ValueError(
                f"autoguidance needs one process for both denoisers; there are {inner.process} "
                f"and {weak.process}"
            )
        self.weak = weak

    def both(self, x_t: Tensor, t: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        return self.inner(x_t, t, condition), self.weak(x_t, t, condition)


def without_label(classes: int) -> Callable[[Condition], Condition]:
    """Drops the label: the class index `classes` means "not given"."""

    def drop(condition: Condition) -> Condition:
        if condition.label is None:
            raise ValueError("classifier-free guidance by label, and the condition has no label")
        return replace(condition, label=torch.full_like(condition.label, classes))

    return drop


def without(*names: str) -> Callable[[Condition], Condition]:
    """Drops fields: images become zero, scalars not a number."""

    def drop(condition: Condition) -> Condition:
        for name in names:
            value = getattr(condition, name, None)
            if value is None or name == "label":
                there = [
                    f.name for f in fields(condition) if getattr(condition, f.name) is not None
                ]
                raise ValueError(
                    f"{name} cannot be dropped: this condition has {', '.join(there) or 'nothing'} "
                    "and a label is dropped by without_label"
                )
            empty = torch.full_like(value, torch.nan if name == "scalars" else 0.0)
            condition = replace(condition, **{name: empty})
        return condition

    return drop


def _same_fields(one: Condition, two: Condition) -> bool:
    return all(
        (getattr(one, f.name) is None) == (getattr(two, f.name) is None) for f in fields(one)
    )
