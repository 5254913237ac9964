"""Slices made of one volume: total variation across them, one step of ADMM at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..operators import conjugate_gradients, largest_eigenvalue
from .measured import Consistency, Question
from .total_variation import differences, transposed


@dataclass(frozen=True)
class SliceCoupled(Consistency):
    """argmin |A x - y|^2 / (2 |A|^2) + weight |differences of neighbouring slices|_1, begun at D.

    One iteration of ADMM a call, whose variables are kept from level to level, with `iterations`
    conjugate gradient steps (Chung et al., 2023, arXiv:2211.10655). Slices are the batch of 2-D
    images, or axis Z of volumes. A single slice has no neighbours, and is brought near the data
    only.
    """

    weight: float = 0.005
    rho: float = 0.01
    iterations: int = 5

    def __post_init__(self) -> None:
        if self.weight < 0 or self.rho <= 0 or self.iterations < 1:
            raise ValueError(
                f"slices coupled with weight {self.weight}, rho {self.rho} and {self.iterations} "
                "iterations; needed: weight >= 0, the others positive"
            )

    def fresh(self) -> Consistency:
        return _Coupling(self)

    def __call__(self, q: Question) -> Tensor:
        return self.fresh()(q)


class _Coupling(Consistency):
    """The variables of one walk: `jump` the differences across slices, and its multiplier."""

    def __init__(self, knobs: SliceCoupled) -> None:
        self.knobs = knobs
        self.jump: Tensor | None = None
        self.multiplier: Tensor | None = None

    def __call__(self, q: Question) -> Tensor:
        x, knobs = q.ask(q.z), self.knobs
        axes = [0 if x.ndim == 4 else 2]
        size = largest_eigenvalue(q.operator, x)
        if self.jump is None:
            self.jump = self.multiplier = torch.zeros_like(differences(x, axes))

        def system(v: Tensor) -> Tensor:
            # one system for all slices: conjugate gradients take the first axis for examples
            v = v[0]
            coupled = transposed(differences(v, axes), axes)
            return (q.operator.normal(v) / size + knobs.rho * coupled)[None]

        held = transposed(self.jump - self.multiplier, axes)
        wanted = q.operator.adjoint(q.y) / size + knobs.rho * held
        x = conjugate_gradients(system, wanted[None], x[None], knobs.iterations)[0]
        found = differences(x, axes) + self.multiplier
        self.jump = found.sign() * (found.abs() - knobs.weight / knobs.rho).clamp(min=0)
        self.multiplier = found - self.jump
        return x
