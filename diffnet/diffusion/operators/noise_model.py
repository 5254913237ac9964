"""What noise a measurement holds: how it is drawn, and how likely a measurement is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class NoiseModel(ABC):
    """p(y | m), m = A x the measurement without noise. Tensors are (B, D, *T)."""

    @abstractmethod
    def draw(self, mean: Tensor) -> Tensor:
        """y ~ p(y | mean)."""

    @abstractmethod
    def log_density(self, y: Tensor, mean: Tensor) -> Tensor:
        """ln p(y | mean) of every element, in nats, of y's shape."""

    @abstractmethod
    def spread(self, y: Tensor) -> float | Tensor:
        """Standard deviation of the Gaussian that solvers for linear problems put in its place,
        from y.
        """


@dataclass(frozen=True)
class GaussianNoise(NoiseModel):
    """y = m + std eps; std a number, or a tensor that broadcasts to y.

    Complex numbers are two channels, each with this std.
    """

    std: float | Tensor

    def __post_init__(self) -> None:
        lowest = float(self.std.min()) if isinstance(self.std, Tensor) else self.std
        if not lowest >= 0:
            raise ValueError(f"Gaussian noise of standard deviation {lowest}; it is 0 or more")

    def draw(self, mean: Tensor) -> Tensor:
        return mean + self.std * torch.randn_like(mean)

    def log_density(self, y: Tensor, mean: Tensor) -> Tensor:
        std = torch.as_tensor(self.std, dtype=y.dtype, device=y.device)
        return -0.5 * ((y - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)

    def spread(self, y: Tensor) -> float | Tensor:
        return self.std


@dataclass(frozen=True)
class PoissonNoise(NoiseModel):
    """gain y ~ Poisson(gain m): counts, in the image's units."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _positive("Poisson noise", "gain", self.gain)

    def draw(self, mean: Tensor) -> Tensor:
        return torch.poisson(self.gain * mean.clamp(min=0)) / self.gain

    def log_density(self, y: Tensor, mean: Tensor) -> Tensor:
        """Of the count gain y, which is a whole number."""
        rate = (self.gain * mean).clamp(min=1e-12)
        count = self.gain * y
        return count * rate.log() - rate - torch.lgamma(count + 1)

    def spread(self, y: Tensor) -> Tensor:
        """No less than one count's."""
        return (y.clamp(min=1 / self.gain) / self.gain).sqrt()


@dataclass(frozen=True)
class TransmissionNoise(NoiseModel):
    """Line integrals y = -ln(count / photons), count ~ Poisson(photons exp(-m)): low-dose CT.

    A count of 0 is taken as half a photon.
    """

    photons: float

    def __post_init__(self) -> None:
        _positive("transmission noise", "photons", self.photons)

    def draw(self, mean: Tensor) -> Tensor:
        count = torch.poisson(self.photons * (-mean).exp())
        return -(count.clamp(min=0.5) / self.photons).log()

    def log_density(self, y: Tensor, mean: Tensor) -> Tensor:
        """Of the count."""
        rate, count = self.photons * (-mean).exp(), self.photons * (-y).exp()
        count = torch.where(count < 0.75, 0.0, count.round())
        return count * (math.log(self.photons) - mean) - rate - torch.lgamma(count + 1)

    def spread(self, y: Tensor) -> Tensor:
        """1 / sqrt(count)."""
        return (y / 2).exp() / math.sqrt(self.photons)


@dataclass(frozen=True)
class RicianNoise(NoiseModel):
    """y = |m + std (eps_1 + i eps_2)|: magnitude images of magnetic resonance."""

    std: float

    def __post_init__(self) -> None:
        _positive("Rician noise", "std", self.std)

    def draw(self, mean: Tensor) -> Tensor:
        return torch.hypot(
            mean + self.std * torch.randn_like(mean), self.std * torch.randn_like(mean)
        )

    def log_density(self, y: Tensor, mean: Tensor) -> Tensor:
        z = y * mean.abs() / self.std**2
        bessel = torch.special.i0e(z).log()
        gap = (y - mean.abs()) ** 2 / (2 * self.std**2)
        return (y.clamp(min=1e-30) / self.std**2).log() - gap + bessel

    def spread(self, y: Tensor) -> float:
        """That of signals well above the noise."""
        return self.std


@dataclass(frozen=True)
class SpeckleNoise(NoiseModel):
    """y = m g, g ~ Gamma(looks, 1 / looks): mean 1, variance 1 / looks. Ultrasound, OCT; m > 0."""

    looks: float = 1.0

    def __post_init__(self) -> None:
        _positive("speckle", "looks", self.looks)

    def draw(self, mean: Tensor) -> Tensor:
        looks = torch.as_tensor(self.looks, dtype=mean.dtype, device=mean.device)
        return mean * torch.distributions.Gamma(looks, looks).sample(mean.shape)

    def log_density(self, y: Tensor, mean: Tensor) -> Tensor:
        k, m = self.looks, mean.clamp(min=1e-12)
        constant = k * math.log(k) - math.lgamma(k)
        return constant + (k - 1) * y.clamp(min=1e-30).log() - k * m.log() - k * y / m

    def spread(self, y: Tensor) -> Tensor:
        return y.abs().clamp(min=1e-6) / math.sqrt(self.looks)


def _positive(noise: str, name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{noise} with {name} = {value}; it must be positive")
