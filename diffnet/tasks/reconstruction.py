"""Reconstruction: the image behind what a scanner measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from ..data import UserError
from ..diffusion import (
    MASKS,
    BlockMean,
    Blurred,
    Condition,
    GaussianNoise,
    Identity,
    Measurement,
    Operator,
    Parallel,
    Projector,
    RealFourier,
    TransmissionNoise,
    gaussian_kernel,
)
from .task import Task

SETTINGS = ("mri", "ct", "deblur", "super_resolution", "denoising")
WATER = 0.0192  # linear attenuation of water, 1 / mm, near 70 keV
STD = 0.5  # of images in network units


@dataclass(frozen=True)
class Units:
    """From network units to Hounsfield units, factor x + shift, and the side of a voxel in mm."""

    shift: float
    factor: float
    spacing: float


@dataclass(frozen=True)
class Reconstruction(Task):
    """Learns the images of imagesTr; makes an image from what a scanner measured of it.

    setting: mri (a mask on k-space), ct (parallel beams), deblur, super_resolution or denoising;
    the other settings say what is simulated where complete images are given (--simulate). mask:
    uniform, random, gaussian_1d, gaussian_2d or poisson_disc; acceleration; centre: share of each
    axis about frequency 0 that is all sampled. views, arc: of the scanner, degrees. blur: std in
    voxels, in the plane. factor: of super-resolution. noise: standard deviation of each measured
    number over the images' (ct: times the side of a voxel in mm). photons: for ct, per ray, instead
    of noise; 0 is none. shown: the network learns from simulated measurements, of which it sees the
    zero-filled or back-projected image (recipe unrolled: all): the supervised way.
    """

    setting: str = "mri"
    mask: str = "uniform"
    acceleration: float = 4.0
    centre: float = 0.08
    views: int = 60
    arc: float = 180.0
    blur: float = 2.0
    factor: int = 2
    noise: float = 0.02
    photons: float = 0.0
    shown: bool = False

    name: ClassVar[str] = "reconstruction"
    makes: ClassVar[str] = "image"
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, value, known in (("setting", self.setting, SETTINGS), ("mask", self.mask, MASKS)):
            if value not in known:
                raise UserError(
                    f"reconstruction: {name} is {value!r}; there are {', '.join(known)}"
                )
        low = {"views": self.views, "arc": self.arc, "blur": self.blur, "factor": self.factor}
        wrong = [n for n, v in low.items() if v <= 0]
        if wrong or self.noise < 0 or self.photons < 0 or self.acceleration < 1:
            raise UserError(
                f"reconstruction: views = {self.views}, arc = {self.arc}, blur = {self.blur}, "
                f"factor = {self.factor}, noise = {self.noise}, photons = {self.photons}, "
                f"acceleration = {self.acceleration}; needed: the first four above 0, noise and "
                "photons 0 or more, acceleration 1 or more"
            )
        if self.photons and self.setting != "ct":
            raise UserError(f"reconstruction: photons belong to ct, not to {self.setting}")

    @classmethod
    def variants(cls) -> list[Task]:
        return [cls(), cls(shown=True), cls(setting="super_resolution")]

    @property
    def given(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("image",) if self.shown else ()

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"image", "source", "measurement"}) if self.shown else frozenset()

    @property
    def whole(self) -> bool:  # type: ignore[override]
        """Of k-space with gaps, the image's mean is known and its foreground is not."""
        return self.setting == "mri"

    @property
    def entire(self) -> bool:  # type: ignore[override]
        """As many views, or columns of k-space, of a small patch would leave little open."""
        return self.shown and self.setting in ("mri", "ct")

    @property
    def starts(self) -> bool:  # type: ignore[override]
        return not self.shown

    @property
    def purpose(self) -> str:  # type: ignore[override]
        return "image" if self.shown else "reconstruct"

    @property
    def recipe(self) -> str:  # type: ignore[override]
        return "edm" if self.shown else "daps"

    def simulate(self, target: Tensor) -> Tensor | None:
        """The first look at what would be measured, where the network is shown one."""
        if not self.shown:
            return None
        return self.measure(target).first_look()

    def measured(self, target: Tensor) -> Measurement | None:
        return self.measure(target) if self.shown else None

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        return Condition(image=given if self.shown else None, label=label)

    def measure(self, image: Tensor, units: Units | None = None) -> Measurement:
        """What would be read of complete images (B, C, *S) in network units, noise drawn.

        UserError: photons without units, or an image that the setting does not fit.
        """
        operator = self.operator(image, 1.0 if units is None else units.spacing)
        if self.photons:
            return self._counted(image, operator, units)
        spacing = units.spacing if units is not None and self.setting == "ct" else 1.0
        noise = GaussianNoise(STD * self.noise * spacing)
        return Measurement.simulate(image, operator, noise)

    def operator(self, image: Tensor, spacing: float = 1.0) -> Operator:
        """Of images like this one; random masks are drawn anew."""
        size, dims = tuple(image.shape[-2:]), image.ndim - 2
        if self.setting == "mri":
            seed = int(torch.randint(2**31, (1,)))
            mask = MASKS[self.mask](size, self.acceleration, self.centre, seed)
            return RealFourier(mask[None, None]).to(image.device)
        if self.setting == "ct":
            return projector(self.views, self.arc, size, spacing, str(image.device))
        if self.setting == "deblur":
            kernel = gaussian_kernel(self.blur)[(None,) * (dims - 2)]
            if any(k > n for k, n in zip(kernel.shape, image.shape[2:], strict=True)):
                raise UserError(
                    f"reconstruction: a blur of {self.blur} voxels is too wide for images of "
                    f"{'x'.join(map(str, image.shape[2:]))}"
                )
            return Blurred(kernel, tuple(image.shape[2:])).to(image.device)
        if self.setting == "super_resolution":
            factor = (1,) * (dims - 2) + (self.factor,) * 2
            if any(n % f for n, f in zip(image.shape[2:], factor, strict=True)):
                raise UserError(
                    f"reconstruction: images of {'x'.join(map(str, image.shape[2:]))} do not "
                    f"divide into blocks of {self.factor}; crop them or take another factor"
                )
            return BlockMean(factor)
        return Identity()

    def _counted(self, image: Tensor, operator: Operator, units: Units | None) -> Measurement:
        if units is None:
            raise UserError(
                "reconstruction: photons are counted behind Hounsfield units, which a network that "
                "is shown the first look does not learn from; set noise instead of photons"
            )
        attenuation = WATER * (1 + (image * units.factor + units.shift) / 1000).clamp(min=0)
        noise = TransmissionNoise(self.photons)
        return from_line_integrals(noise.draw(operator(attenuation)), noise, operator, units)


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
    angles = tuple(math.radians(arc * k / views) for k in range(views))
    bins = math.ceil(math.hypot(*size)) + 1
    return Projector(Parallel(angles, bins, spacing), size, spacing).to(device)
