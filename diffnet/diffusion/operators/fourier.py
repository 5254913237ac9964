"""Magnetic resonance: masked Fourier coefficients, of one coil or of many."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .operator import Number, Operator, divided
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


class RealFourier(MaskedFourier):
    """M F of real images (B, C, *S): the sampled coefficients, (B, 2C, *S).

    A coefficient and its mirror image at the opposite frequency say the same, so the eigenvalues of
    A^H A are 1 where both were sampled, 1/2 where one was and 0 elsewhere; its eigenvectors are
    waves, and all solves have closed forms.
    """

    gram = None

    def __init__(self, mask: Tensor, axes: int = 2) -> None:
        super().__init__(mask, axes)
        dims = tuple(range(-axes, 0))
        there = torch.fft.ifftshift(self.mask, dim=dims)
        opposite = there.flip(dims).roll([1] * axes, dims)
        self.register_buffer("eigenvalues", (there + opposite) / 2, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return as_real(self.mask * centred_fft(x + 0j, self.axes))

    def adjoint(self, y: Tensor) -> Tensor:
        return centred_ifft(self.mask * as_complex(y), self.axes).real

    def normal(self, x: Tensor) -> Tensor:
        return self.filtered(x, lambda e: e)

    def ridge(self, y: Tensor, shift: Number, iterations: int | None = None) -> Tensor:
        """In closed form where the shift is one number an example."""
        if isinstance(shift, Tensor) and shift[0].numel() > 1:
            return super().ridge(y, shift, iterations)
        return self.filtered(self.adjoint(y), lambda e: inverse(e, shift))

    def filtered(self, x: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
        dims = tuple(range(-self.axes, 0))
        spectrum = torch.fft.fftn(x, dim=dims)
        return torch.fft.ifftn(response(self.eigenvalues.to(x.dtype)) * spectrum, dim=dims).real

    def first_look(self, y: Tensor) -> Tensor:
        """Zero-filled."""
        return self.adjoint(y)


class MovedFourier(MaskedFourier):
    """`MaskedFourier` of an image that lay elsewhere for every sample: translations between shots.

    shifts: (2, *S), the image's displacement in voxels (along Y, along X) while each coefficient
    was read; commonly the same along a line. A translation is a phase, so A A^H stays the mask.
    """

    def __init__(self, mask: Tensor, shifts: Tensor) -> None:
        super().__init__(mask)
        size = tuple(mask.shape[-2:])
        if tuple(shifts.shape) != (2, *size):
            raise ValueError(f"shifts of {tuple(shifts.shape)}; needed: (2, {size[0]}, {size[1]})")
        rows, columns = ((torch.arange(n, device=shifts.device) - n // 2) / n for n in size)
        phase = -2 * torch.pi * (rows[:, None] * shifts[0] + columns * shifts[1])
        self.register_buffer("phase", phase)

    def forward(self, x: Tensor) -> Tensor:
        return as_real(as_complex(super().forward(x)) * self._turn(1.0))

    def adjoint(self, y: Tensor) -> Tensor:
        return super().adjoint(as_real(as_complex(y) * self._turn(-1.0)))

    def _turn(self, sign: float) -> Tensor:
        return torch.polar(torch.ones_like(self.phase), sign * self.phase)


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
        dims = tuple(range(-axes, 0))
        self.register_buffer("moved", torch.fft.ifftshift(self.mask, dim=dims), persistent=False)
        # along an axis where all or nothing is sampled, transforms there and back cancel
        self.mixed = [d for d in dims if bool((self.mask != self.mask.narrow(d, 0, 1)).any())]

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

    def normal(self, x: Tensor) -> Tensor:
        """A^H A x. The phases of a centred transform cancel here, and its moves are spared, and so
        are transforms along lines of k-space.
        """
        coils = self.maps * as_complex(x)
        if self.mixed:
            spectrum = self.moved * torch.fft.fftn(coils, dim=self.mixed)
            coils = torch.fft.ifftn(spectrum, dim=self.mixed)
        else:
            coils = self.moved * coils
        return as_real((self.maps.conj() * coils).sum(1, keepdim=True))

    def first_look(self, y: Tensor) -> Tensor:
        """The coils' images of the zero-filled k-space, combined by least squares."""
        power = self.maps.abs().square().sum(1, keepdim=True)
        image = as_complex(self.adjoint(y))
        return as_real(torch.where(power > 1e-6, image / power.clamp(min=1e-6), 0.0))


def inverse(eigenvalues: Tensor, shift: Number) -> Tensor:
    """1 / (e + s) where e > 0, and 0 elsewhere: nothing was measured there."""
    return torch.where(
        eigenvalues > 0, divided(torch.ones_like(eigenvalues), eigenvalues + shift), 0.0
    )
