"""The operators of a reconstruction's settings: what its scanner does to images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from ..data import UserError
from ..diffusion import (
    MASKS,
    TRAJECTORIES,
    BlockMean,
    Blurred,
    Cone,
    ConeBeam,
    Fan,
    FromReal,
    GaussianNoise,
    Identity,
    MaskedFourier,
    Measurement,
    NonUniformFourier,
    Operator,
    Parallel,
    Projector,
    RealFourier,
    TransmissionNoise,
    gaussian_kernel,
)

WATER = 0.0192  # linear attenuation of water, 1 / mm, near 70 keV


class Settings(Protocol):
    """What is asked of the scanner, as `Reconstruction` describes it."""

    setting: str
    mask: str
    acceleration: float
    centre: float
    complex: bool
    views: int
    arc: float
    source: float
    detector: float
    blur: float
    factor: int


@dataclass(frozen=True)
class Units:
    """From network units to Hounsfield units, factor x + shift; the side of a voxel in mm, and how
    many sides apart slices are.
    """

    shift: float
    factor: float
    spacing: float
    depth: float = 1.0


def operator_of(task: Settings, image: Tensor, units: Units | None = None) -> Operator:
    """What is done to images like this one (B, C, *S); random masks are drawn anew.

    UserError: an image that the settings do not fit.
    """
    if task.setting == "mri":
        return _fourier(task, image)
    if task.setting == "ct":
        return _tomograph(task, image, units)
    size, dims = tuple(image.shape[2:]), image.ndim - 2
    said = "x".join(map(str, size))
    if task.setting == "deblur":
        kernel = gaussian_kernel(task.blur)[(None,) * (dims - 2)]
        if any(k > n for k, n in zip(kernel.shape, size, strict=True)):
            raise UserError(
                f"reconstruction: a blur of {task.blur} voxels is too wide for images of {said}"
            )
        return Blurred(kernel, size).to(image.device)
    if task.setting == "super_resolution":
        factor = (1,) * (dims - 2) + (task.factor,) * 2
        if any(n % f for n, f in zip(size, factor, strict=True)):
            raise UserError(
                f"reconstruction: images of {said} do not divide into blocks of {task.factor}; "
                "crop them or take another factor"
            )
        return BlockMean(factor)
    return Identity()


def _fourier(task: Settings, image: Tensor) -> Operator:
    size, channels = tuple(image.shape[-2:]), image.shape[1]
    if task.complex and channels % 2:
        raise UserError(
            "reconstruction: complex images have a real and an imaginary channel, and these have "
            f"{channels}: give both, or leave out complex"
        )
    if task.mask in TRAJECTORIES:
        if image.ndim == 5:
            raise UserError(
                f"reconstruction: {task.mask} trajectories are of slices: train --configuration 2d"
            )
        read = trajectory(task.mask, task.acceleration, size, str(image.device))
        return read if task.complex else read @ FromReal()
    seed = int(torch.randint(2**31, (1,)))
    mask = MASKS[task.mask](size, task.acceleration, task.centre, seed)
    return (MaskedFourier if task.complex else RealFourier)(mask[None, None]).to(image.device)


def _tomograph(task: Settings, image: Tensor, units: Units | None) -> Operator:
    spacing, depth = (1.0, 1.0) if units is None else (units.spacing, units.depth)
    device = str(image.device)
    if not task.source:
        return projector(task.views, task.arc, tuple(image.shape[-2:]), spacing, device)
    away = (task.source, task.detector)
    shape = tuple(image.shape[2:])
    return diverging(task.views, task.arc, shape, spacing, depth, away, device)


def from_line_integrals(
    y: Tensor, noise: TransmissionNoise | GaussianNoise, operator: Operator, units: Units
) -> Measurement:
    """Line integrals of attenuation (no unit), operator in mm, as a measurement of network units.

    attenuation = WATER (1 + HU / 1000), HU = factor x + shift.
    """
    gain = 1000 / units.factor
    ones = torch.ones_like(operator.adjoint(y))
    spread = torch.as_tensor(noise.spread(y), device=y.device) * (gain / WATER)
    shifted = gain * (y / WATER - (1 + units.shift / 1000) * operator(ones))
    return Measurement(shifted, operator, GaussianNoise(spread.expand_as(y)))


@lru_cache(maxsize=2)
def projector(
    views: int, arc: float, size: tuple[int, int], spacing: float, device: str
) -> Projector:
    """Parallel beams over `arc` degrees, a detector as wide as the image's diagonal."""
    bins = math.ceil(math.hypot(*size)) + 1
    return Projector(Parallel(_angles(views, arc), bins, spacing), size, spacing).to(device)


@lru_cache(maxsize=2)
def diverging(
    views: int,
    arc: float,
    shape: tuple[int, ...],
    spacing: float,
    depth: float,
    away: tuple[float, float],
    device: str,
) -> Projector | ConeBeam:
    """Fan beams through images (Y, X), cone beams through volumes (Z, Y, X), on a detector that
    sees all of them with elements of one voxel; away: source and detector, in image widths.
    """
    width = shape[-1] * spacing
    source, detector = (a * width for a in away)
    reach = 0.5 * math.hypot(*shape[-2:]) * spacing
    if source <= reach:
        raise UserError(
            f"reconstruction: a source {away[0]:g} image widths from the axis lies inside of the "
            f"image, whose corners are {reach / width:.2f} away: take 1 or more"
        )
    larger = (source + detector) / source
    bins = math.ceil(2 * source * math.tan(math.asin(reach / source)) / spacing) + 2
    beam, angles = (larger * spacing, source, detector), _angles(views, arc)
    if len(shape) == 2:
        return Projector(Fan(angles, bins, *beam), shape, spacing).to(device)
    rows = math.ceil((shape[0] + 1) * depth * source / (source - reach)) + 2
    return ConeBeam(Cone(angles, rows, bins, *beam), shape, spacing, depth).to(device)


@lru_cache(maxsize=2)
def trajectory(
    name: str, acceleration: float, size: tuple[int, int], device: str
) -> NonUniformFourier:
    """Samples along a trajectory, 1 / acceleration of what the image's largest side asks for."""
    points = TRAJECTORIES[name](max(size), acceleration)
    return NonUniformFourier(points, size).to(device)


def _angles(views: int, arc: float) -> tuple[float, ...]:
    return tuple(math.radians(arc * k / views) for k in range(views))
