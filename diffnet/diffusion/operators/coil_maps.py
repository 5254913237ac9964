"""Coil sensitivities, estimated from the fully sampled centre of k-space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .fourier import centred_ifft


def calibration_size(mask: Tensor) -> tuple[int, int]:
    """Sides of the largest fully sampled block about frequency 0 of a mask (*, Y, X).

    It grows on all sides by one while it is full, first alike, then along each axis alone.
    """
    mask = mask.reshape(-1, *mask.shape[-2:]).bool().all(0)
    centre = [n // 2 for n in mask.shape]
    half = [0, 0]

    def full(y: int, x: int) -> bool:
        if y > centre[0] or x > centre[1]:
            return False
        (y0, x0), (y1, x1) = (centre[0] - y, centre[1] - x), (centre[0] + y, centre[1] + x)
        return bool(mask[y0:y1, x0:x1].all())

    for step in ((1, 1), (1, 0), (0, 1)):
        while full(half[0] + step[0], half[1] + step[1]):
            half = [half[0] + step[0], half[1] + step[1]]
    return 2 * half[0], 2 * half[1]


def low_resolution(kspace: Tensor, size: tuple[int, int]) -> Tensor:
    """Coil images (B, coils, Y, X), complex, of the centre block alone, tapered by a Hann
    window.
    """
    window = kspace.new_zeros(kspace.shape[-2:], dtype=kspace.real.dtype)
    places, tapers = [], []
    for n, m in zip(kspace.shape[-2:], size, strict=True):
        places.append(slice(n // 2 - m // 2, n // 2 + m - m // 2))
        ramp = torch.arange(m, dtype=window.dtype, device=window.device) - m // 2
        tapers.append(0.5 + 0.5 * torch.cos(2 * torch.pi * ramp / (m + 1)))
    window[places[0], places[1]] = tapers[0][:, None] * tapers[1]
    return centred_ifft(window * kspace)


def coil_maps(kspace: Tensor, mask: Tensor, smooth: int = 5) -> Tensor:
    """Sensitivities (B, coils, Y, X), complex, sum over coils of |S|^2 = 1, from k-space (B, coils,
    Y, X).

    The strongest eigenvector of the coils' covariance in a neighbourhood of `smooth` voxels (Walsh
    et al., 2000) of the images of the calibration block, by power iteration. Its phase is that of
    the coils' mean, weighted by the eigenvector, so the image that belongs to the maps is real up
    to what the centre of k-space does not resolve. ValueError: no calibration block of 8 x 8.
    """
    size = calibration_size(mask)
    if min(size) < 8:
        raise ValueError(
            f"the fully sampled centre of k-space is {size[0]} x {size[1]}; coil maps need at "
            "least 8 x 8: give the maps with the measurement"
        )
    images = low_resolution(kspace, size)
    pairs = images[:, :, None] * images[:, None].conj()
    covariance = _mean(pairs.flatten(1, 2), smooth).unflatten(1, pairs.shape[1:3])
    vector = images / _norm(images)
    for _ in range(10):
        vector = torch.einsum("bij...,bj...->bi...", covariance, vector)
        vector = vector / _norm(vector)
    # the eigenvector's phase is free: give it the one that makes the image real
    image = (vector.conj() * images).sum(1, keepdim=True)
    return vector * torch.polar(torch.ones_like(image.real), image.angle())


def _mean(x: Tensor, width: int) -> Tensor:
    """The mean over a window of `width`, of complex images."""
    parts = [
        F.avg_pool2d(F.pad(p, [width // 2] * 4, mode="replicate"), width, stride=1)
        for p in (x.real, x.imag)
    ]
    return torch.complex(*parts)


def _norm(x: Tensor) -> Tensor:
    return x.abs().square().sum(1, keepdim=True).sqrt().clamp(min=1e-12)
