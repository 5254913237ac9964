"""Magnetic resonance: masked Fourier coefficients, of one coil or of many."""

from __future__ import annotations

import torch
from torch import Tensor

from .operator import Operator
from .pointwise import as_complex, as_real, binary


def centred_fft(x: Tensor, axes: int = 2) -> Tensor:
    """Unitary Fourier transform over the last `axes` axes; frequency 0 and the image's centre lie
    at index n // 2.
    """
    dims = tuple(range(-axes, 0))
    return torch.fft.fftshift(
        torch.fft.fftn(torch.fft.ifftshift(x, dim=dims), dim=dims, norm="ortho"), dim=dims
    )


def centred_ifft(k: Tensor, axes: int = 2) -> Tensor:
    """The inverse of `centred_fft`."""
    dims = tuple(range(-axes, 0))
    return torch.fft.fftshift(
        torch.fft.ifftn(torch.fft.ifftshift(k, dim=dims), dim=dims, norm="ortho"), dim=dims
    )


class MaskedFourier(Operator):
    """M F: the sampled coefficients of complex images (B, 2C, *S), 0 where nothing was sampled.

    mask: (1 or B, 1, *S) of 0 and 1, frequency 0 at index n // 2; axes: how many of the last axes
    are transformed. A A^H = M, so all solves have closed forms on what is sampled.
    """

    def __init__(self, mask: Tensor, axes: int = 2) -> None:
        super().__init__()
        self.register_buffer("mask", binary(mask).float())
        self.axes = axes

    @property
    def gram(self) -> Tensor:  # type: ignore[override]
        return self.mask

    @property
    def sampled(self) -> Tensor:  # type: ignore[override]
        return self.mask

    def forward(self, x: Tensor) -> Tensor:
        return as_real(self.mask * centred_fft(as_complex(x), self.axes))

    def adjoint(self, y: Tensor) -> Tensor:
        return as_real(centred_ifft(self.mask * as_complex(y), self.axes))


class Sense(Operator):
    """M F S: k-space (B, 2 coils, *S) of one complex image (B, 2, *S) (Pruessmann et al., 1999).

    maps: (1 or B, coils, *S) complex sensitivities; mask as in `MaskedFourier`. All coils are
    transformed at once.
    """

    def __init__(self, maps: Tensor, mask: Tensor, axes: int = 2) -> None:
        super().__init__()
        if not maps.is_complex():
            raise ValueError(f"coil maps are complex (B, coils, *S), these are {maps.dtype}")
        if maps.shape[2:] != mask.shape[2:]:
            raise ValueError(
                f"coil maps of {tuple(maps.shape[2:])} and a mask of {tuple(mask.shape[2:])}: "
                "they must agree"
            )
        self.register_buffer("maps", maps)
        self.register_buffer("mask", binary(mask).float())
        self.axes = axes

    @property
    def sampled(self) -> Tensor:  # type: ignore[override]
        return self.mask

    def forward(self, x: Tensor) -> Tensor:
        image = as_complex(x)
        if image.shape[1] != 1:
            raise ValueError(f"Sense looks at one complex image, not at {image.shape[1]}")
        return as_real(self.mask * centred_fft(self.maps * image, self.axes))

    def adjoint(self, y: Tensor) -> Tensor:
        coils = centred_ifft(self.mask * as_complex(y), self.axes)
        return as_real((self.maps.conj() * coils).sum(1, keepdim=True))

    def first_look(self, y: Tensor) -> Tensor:
        """The coils' images of the zero-filled k-space, combined by least squares."""
        power = self.maps.abs().square().sum(1, keepdim=True)
        image = as_complex(self.adjoint(y))
        return as_real(torch.where(power > 1e-6, image / power.clamp(min=1e-6), 0.0))
