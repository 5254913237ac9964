"""A prior together with the solver that brings it and a measurement together."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .batch import Condition
from .inverse import on_codes
from .method import Diffusion


class Solved(Diffusion):
    """`solver`: the name of its sampler among SOLVERS.

    In the space of a codec the measurement is one of codes; ValueError: the codec is not linear and
    the solver needs that.
    """

    solver = ""

    def _asked(self, like: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
        inner, known = super()._asked(like, condition)
        if self.codec is None or condition.measurement is None:
            return inner, known
        if not self.codec.linear and not getattr(self.sampler, "nonlinear", False):
            raise ValueError(
                f"{self.solver or type(self.sampler).__name__} solves linear problems, and codes "
                "of a trained first stage are decoded in another way: use --sampler resample or dps"
            )
        return inner, replace(known, measurement=on_codes(condition.measurement, self.codec, like))
