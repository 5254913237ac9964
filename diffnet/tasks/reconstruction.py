"""Reconstruction: the image behind what a scanner measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..data import UserError
from ..diffusion import (
    MASKS,
    TRAJECTORIES,
    Condition,
    GaussianNoise,
    Measurement,
    Operator,
    TransmissionNoise,
)
from .scanner import WATER, Units, from_line_integrals, operator_of
from .task import Task

SETTINGS = ("mri", "ct", "deblur", "super_resolution", "denoising")
STD = 0.5  # of images in network units


@dataclass(frozen=True)
class Reconstruction(Task):
    """Learns the images of imagesTr; makes an image from what a scanner measured of it.

    setting: mri, ct, deblur, super_resolution or denoising; the other settings say what is
    simulated where complete images are given (--simulate). mask: uniform, random, gaussian_1d,
    gaussian_2d or poisson_disc points of a grid, or a radial or spiral trajectory; acceleration;
    centre: share of each axis about frequency 0 that a mask samples all of. complex: channels of
    images are real and imaginary parts. views, arc: of the scanner, degrees. source, detector:
    distances from the axis in image widths, of fan beams in slices and cone beams in volumes; 0
    are parallel beams. blur: std in voxels, in the plane. factor: of super-resolution. noise:
    standard deviation of each measured number over the images' (ct: times the side of a voxel in
    mm). photons: for ct, per ray, instead of noise; 0 is none. shown: the network learns from
    simulated measurements, of which it sees the zero-filled or back-projected image (recipe
    unrolled: all): the supervised way.
    """

    setting: str = "mri"
    mask: str = "uniform"
    acceleration: float = 4.0
    centre: float = 0.08
    complex: bool = False  # type: ignore[misc]
    views: int = 60
    arc: float = 180.0
    source: float = 0.0
    detector: float = 1.0
    blur: float = 2.0
    factor: int = 2
    noise: float = 0.02
    photons: float = 0.0
    shown: bool = False

    name: ClassVar[str] = "reconstruction"
    makes: ClassVar[str] = "image"
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        patterns = (*MASKS, *TRAJECTORIES)
        for name, value, known in (
            ("setting", self.setting, SETTINGS),
            ("mask", self.mask, patterns),
        ):
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
        for name, setting in (("photons", "ct"), ("source", "ct"), ("complex", "mri")):
            if getattr(self, name) and self.setting != setting:
                verb = "belong" if name == "photons" else "belongs"
                raise UserError(
                    f"reconstruction: {name} {verb} to {setting}, not to {self.setting}"
                )
        if self.source and (self.source < 0 or self.detector <= 0 or self.arc < 360):
            raise UserError(
                f"reconstruction: source = {self.source}, detector = {self.detector} and an arc of "
                f"{self.arc:g} degrees; fan and cone beams need both above 0 and arc=360"
            )

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
        operator = operator_of(self, image, units)
        if self.photons:
            return self._counted(image, operator, units)
        spacing = units.spacing if units is not None and self.setting == "ct" else 1.0
        noise = GaussianNoise(STD * self.noise * spacing)
        return Measurement.simulate(image, operator, noise)

    def _counted(self, image: Tensor, operator: Operator, units: Units | None) -> Measurement:
        if units is None:
            raise UserError(
                "reconstruction: photons are counted behind Hounsfield units, which a network that "
                "is shown the first look does not learn from; set noise instead of photons"
            )
        # padding below -1000 HU stays below 0, as no object is, so that y is A x of this very image
        attenuation = WATER * (1 + (image * units.factor + units.shift) / 1000)
        noise = TransmissionNoise(self.photons)
        return from_line_integrals(noise.draw(operator(attenuation)), noise, operator, units)
