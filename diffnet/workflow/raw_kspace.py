"""K-space from a file as a measurement of real, positive images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion import (
    FromReal,
    GaussianNoise,
    Measurement,
    Sense,
    as_real,
    calibration_size,
    centred_ifft,
    coil_maps,
    low_resolution,
)
from ..planning import Configuration, Plan
from .suitable import UnsuitableScan

EDGE = 0.7  # beyond this share of the largest frequency, k-space is mostly noise


def from_kspace(
    fields: dict[str, Any], plan: Plan, c: Configuration
) -> tuple[Measurement, tuple[float, float, float]]:
    """(measurement of (slices, 1, Y, X) in the units of k-space, spacing in mm).

    Coil maps are estimated from the calibration block where the file has none; the image's phase at
    low resolution is theirs, so that what is left to find is real. UnsuitableScan: shapes disagree,
    nothing sampled.
    """
    kspace = torch.from_numpy(np.ascontiguousarray(fields["kspace"], np.complex64))
    if not np.iscomplexobj(fields["kspace"]) or not 2 <= kspace.ndim <= 4:
        raise UnsuitableScan(
            f"kspace is {fields['kspace'].dtype} {tuple(kspace.shape)}; it has to be complex, "
            "(Y, X), (coils, Y, X) or (slices, coils, Y, X)"
        )
    kspace = kspace[(None,) * (4 - kspace.ndim)]
    mask = _mask(fields.get("mask"), kspace)
    kspace = kspace * mask
    maps = _maps(fields.get("maps"), kspace, mask)
    operator = Sense(maps, mask) @ FromReal()
    std = float(fields["noise_std"]) if "noise_std" in fields else edge_noise(kspace, mask)
    measurement = Measurement(as_real(kspace), operator, GaussianNoise(std))
    spacing = np.broadcast_to(fields.get("spacing", c.spacing), 3)
    return measurement, tuple(float(s) for s in spacing)


def _mask(given: Any, kspace: Tensor) -> Tensor:
    """(1, 1, Y, X)."""
    size = tuple(kspace.shape[-2:])
    if given is None:
        mask = (kspace.abs().sum((0, 1)) > 0).float()
    else:
        mask = torch.from_numpy(np.asarray(given, np.float32))
        if tuple(mask.shape) not in (size, size[1:]):
            raise UnsuitableScan(
                f"the mask is {tuple(mask.shape)} and k-space {size}: give (Y, X) or (X,)"
            )
    mask = mask.expand(size)[None, None].contiguous()
    if not bool(mask.any()):
        raise UnsuitableScan("nothing was sampled: the mask, or k-space, is 0 everywhere")
    return mask


def _maps(given: Any, kspace: Tensor, mask: Tensor) -> Tensor:
    if given is None:
        try:
            return coil_maps(kspace, mask)
        except ValueError as error:
            raise UnsuitableScan(str(error)) from error
    maps = torch.from_numpy(np.ascontiguousarray(given, np.complex64))
    maps = maps[(None,) * (4 - maps.ndim)]
    if maps.shape[1:] != kspace.shape[1:] or len(maps) not in (1, len(kspace)):
        raise UnsuitableScan(
            f"coil maps of {tuple(maps.shape)} and k-space of {tuple(kspace.shape)} (slices, "
            "coils, Y, X): coils and sizes must agree"
        )
    return with_phase(maps, kspace, mask)


def with_phase(maps: Tensor, kspace: Tensor, mask: Tensor) -> Tensor:
    """The maps times the phase of the image at low resolution: what is left to find is real."""
    size = calibration_size(mask)
    coils = low_resolution(kspace, size) if min(size) >= 8 else centred_ifft(kspace)
    image = (maps.conj() * coils).sum(1, keepdim=True)
    return maps * torch.polar(torch.ones_like(image.real), image.angle())


def edge_noise(kspace: Tensor, mask: Tensor) -> float:
    """Standard deviation of real and imaginary parts where frequencies are high; of all that was
    sampled, where nothing was sampled there.
    """
    rows, columns = (torch.linspace(-1, 1, n) for n in kspace.shape[-2:])
    high = (rows[:, None].square() + columns.square()).sqrt() > EDGE
    there = (mask[0, 0] > 0) & high
    values = torch.view_as_real(kspace[..., there if bool(there.any()) else mask[0, 0] > 0])
    return max(values.abs().median().item() / 0.6745, 1e-12)
