"""Conditions that are forgotten: by chance in training, on purpose in classifier-free guidance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from .classifier_free import ClassifierFree

STEERING = ("label", "scalars", "text", "image")


@dataclass(frozen=True)
class Forgotten:
    """What "not given" looks like: class index `classes`, NaN scalars, no words, images of 0.

    image: whether the image steers (a label map), and may be forgotten; where it determines the
    answer, as in translation, it may not.
    """

    classes: int = 0
    image: bool = False

    def fields(self, condition: Condition) -> list[str]:
        """The fields that are there and can be forgotten."""
        allowed = STEERING if self.image else STEERING[:-1]
        return [name for name in allowed if getattr(condition, name) is not None]

    def __call__(self, condition: Condition) -> Condition:
        """The condition with nothing given. ValueError: there was nothing to forget."""
        names = self.fields(condition)
        if not names:
            raise ValueError(
                "guidance compares the answer with a condition to the one without, and nothing is "
                "given here: leave guidance out, or give a condition"
            )
        return replace(condition, **{n: self.empty(n, getattr(condition, n)) for n in names})

    def empty(self, name: str, value: Tensor) -> Tensor:
        if name == "label":
            return torch.full_like(value, self.classes)
        if name == "scalars":
            return torch.full_like(value, torch.nan)
        return torch.zeros_like(value)

    def by_chance(self, condition: Condition, share: float) -> Condition:
        """Each example forgets everything with probability `share`, and else each of its
        conditions (each scalar, too) with probability `share`.

        A network trained so knows every subset of its conditions, and none of them (Ho and
        Salimans, 2022, arXiv:2207.12598).
        """
        names = self.fields(condition)
        if not names or share == 0:
            return condition
        every = torch.rand(len(getattr(condition, names[0]))) < share
        found = {}
        for name in names:
            value = getattr(condition, name)
            own = tuple(value.shape[:2]) if name == "scalars" else (len(value),)
            lost = torch.rand(own) < share
            lost = (lost | every.reshape(-1, *(1 for _ in own[1:]))).to(value.device)
            lost = lost.reshape(*own, *(1 for _ in value.shape[len(own) :]))
            found[name] = torch.where(lost, self.empty(name, value), value)
        return replace(condition, **found)


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance by all conditions at once; weight 1 is none.

    low, high: the noise levels r in (low, high] where it acts; None is no bound. rescale: as in
    ClassifierFree. forget: what is compared with.
    """

    weight: float = 1.0
    low: float = 0.0
    high: float | None = None
    rescale: float = 0.0
    forget: Callable[[Condition], Condition] = Forgotten()

    def around(self, denoiser: Denoiser) -> Denoiser:
        if self.weight == 1:
            return denoiser
        high = float("inf") if self.high is None else self.high
        return ClassifierFree(denoiser, self.weight, self.forget, self.low, high, self.rescale)
