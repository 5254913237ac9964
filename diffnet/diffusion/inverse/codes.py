"""Measurements of images, asked about their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..operators import GaussianNoise, Measurement, Operator

if TYPE_CHECKING:
    from ..codec import Codec


class Coded(Operator):
    """z -> A dec(z) - A dec(0) for codes z of images of spatial `size`; linear where the codec is.

    Where it is not, `adjoint` is that of the derivative at z = 0, which tells its scale; solvers
    then have to differentiate `forward`.
    """

    def __init__(self, operator: Operator, codec: Codec, size: tuple[int, ...]) -> None:
        super().__init__()
        # held beside the modules: they belong to the method and to the measurement
        self.parts = (operator, codec, size)
        self.iterations, self.tolerance = operator.iterations, operator.tolerance

    @property
    def sampled(self) -> Tensor | None:  # type: ignore[override]
        return self.parts[0].sampled

    def forward(self, z: Tensor) -> Tensor:
        operator, codec, size = self.parts
        return operator(codec.decode(z, size)) - self.offset(z)

    def adjoint(self, y: Tensor) -> Tensor:
        operator, codec, size = self.parts
        with torch.inference_mode(False), torch.enable_grad():
            z = y.new_zeros(len(y), codec.channels, *codec.grid(size)).requires_grad_()
            (back,) = torch.autograd.grad(codec.decode(z, size), z, operator.adjoint(y).clone())
        return back

    def offset(self, z: Tensor) -> Tensor:
        """A dec(0), for codes like these."""
        operator, codec, size = self.parts
        return operator(codec.decode(torch.zeros_like(z), size)).detach()

    def first_look(self, y: Tensor) -> Tensor:
        operator, codec, _ = self.parts
        zero = y.new_zeros(len(y), codec.channels, *codec.grid(self.parts[2]))
        return codec.encode(operator.first_look(y + self.offset(zero)))


def on_codes(measurement: Measurement, codec: Codec, like: Tensor) -> Measurement:
    """The same measurement, of the codes of images like `like` (B, C, *S)."""
    operator, y, sigma = measurement.linear()
    coded = Coded(operator, codec, tuple(like.shape[2:]))
    zero = like.new_zeros(len(like), codec.channels, *codec.grid(like.shape[2:]))
    return Measurement(y - coded.offset(zero), coded, GaussianNoise(sigma))
