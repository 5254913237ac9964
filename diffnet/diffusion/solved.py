"""A prior together with the solver that brings it and a measurement together."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .batch import Condition
from .inverse import on_codes
from .method import Diffusion
from .operators import Measurement


class Solved(Diffusion):
    """`solver`: the name of its sampler among SOLVERS.

    In the space of a codec the measurement is one of codes. ValueError: the codec is not linear and
    the solver needs that, or it needs singular vectors that are not known.
    """

    solver = ""

    def _asked(self, like: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
        inner, known = super()._asked(like, condition)
        if condition.measurement is None:
            return inner, known
        self._refuse_unknown_spectrum(condition.measurement)
        if self.codec is None:
            return inner, known
        if not self.codec.linear and not getattr(self.sampler, "nonlinear", False):
            raise ValueError(
                f"{self.solver or type(self.sampler).__name__} solves linear problems, and codes "
                "of a trained first stage are decoded in another way: use --sampler resample or dps"
            )
        return inner, replace(known, measurement=on_codes(condition.measurement, self.codec, like))

    def _refuse_unknown_spectrum(self, measurement: Measurement) -> None:
        operator, _, _ = measurement.linear()
        known = operator.spectral and self.codec is None
        if getattr(self.sampler, "spectral", False) and not known:
            raise ValueError(
                f"{type(self.sampler).__name__} (ddrm, ddnm_plus) mixes singular components, which "
                "are known of one coil's Cartesian k-space, blur, block means and plain noise, not "
                f"of {'codes' if self.codec else operator.name}: use --sampler daps, dds or pigdm"
            )
