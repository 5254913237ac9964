"""Operators that act on every voxel by itself: identity, weights, holes, complex and real parts."""

from __future__ import annotations

import torch
from torch import Tensor

from .operator import Operator


class Identity(Operator):
    """A = I: denoising."""

    gram = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        return y


class Weighted(Operator):
    """A = diag(w), w real and broadcastable to x: whitening, dose, sensitivities."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    @property
    def gram(self) -> Tensor:  # type: ignore[override]
        return self.weights**2

    def forward(self, x: Tensor) -> Tensor:
        return self.weights * x

    def adjoint(self, y: Tensor) -> Tensor:
        return self.weights * y


class Masked(Weighted):
    """What is known of an image with holes: x where the mask is 1, 0 where it is 0.

    mask: (1 or B, 1 or C, *S) of 0 and 1. ValueError: other values, or nothing known.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__(binary(mask).float())

    @property
    def sampled(self) -> Tensor:  # type: ignore[override]
        return self.weights


class Phased(Operator):
    """Complex images times a complex number of modulus 1 in every voxel; `phase` in radians.

    phase broadcasts to (B, C / 2, *S).
    """

    gram = 1.0

    def __init__(self, phase: Tensor) -> None:
        super().__init__()
        self.register_buffer("phase", phase)

    def forward(self, x: Tensor) -> Tensor:
        return as_real(as_complex(x) * torch.polar(torch.ones_like(self.phase), self.phase))

    def adjoint(self, y: Tensor) -> Tensor:
        return as_real(as_complex(y) * torch.polar(torch.ones_like(self.phase), -self.phase))


class Sensitivities(Operator):
    """One complex image (B, 2, *S) as every coil sees it, (B, 2 coils, *S).

    maps: (1 or B, coils, *S), complex. For sampling patterns that `Sense` does not know.
    """

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        if not maps.is_complex():
            raise ValueError(f"coil maps are complex (B, coils, *S), these are {maps.dtype}")
        self.register_buffer("maps", maps)

    def forward(self, x: Tensor) -> Tensor:
        return as_real(self.maps * as_complex(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return as_real((self.maps.conj() * as_complex(y)).sum(1, keepdim=True))


class FromReal(Operator):
    """A real image (B, C, *S) as a complex one (B, 2C, *S) with imaginary part 0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x, torch.zeros_like(x)], 2).flatten(1, 2)

    def adjoint(self, y: Tensor) -> Tensor:
        return y.unflatten(1, (-1, 2))[:, :, 0]


def as_complex(x: Tensor) -> Tensor:
    """(B, 2C, *S) real, channels (re, im, re, im, ...), to (B, C, *S) complex."""
    if x.shape[1] % 2:
        raise ValueError(
            f"complex images have an even number of channels (real, imaginary), not {x.shape[1]}"
        )
    return torch.view_as_complex(x.unflatten(1, (-1, 2)).movedim(2, -1).contiguous())


def as_real(x: Tensor) -> Tensor:
    """The inverse of `as_complex`."""
    return torch.view_as_real(x).movedim(-1, 2).flatten(1, 2)


def binary(mask: Tensor) -> Tensor:
    """The mask, of 0 and 1. ValueError: other values, or nothing in it."""
    found = torch.unique(mask)
    if not bool(torch.isin(found, torch.tensor([0, 1]).to(found)).all()):
        raise ValueError(
            f"a mask holds 0 and 1, this one {found[:5].tolist()} and {len(found)} values in all"
        )
    if not bool(mask.any()):
        raise ValueError("the mask is 0 everywhere: nothing was measured")
    return mask
