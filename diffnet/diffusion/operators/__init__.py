"""Operators: what scanners do to images, with what noise, and how it is undone."""

from .back_projection import filtered_back_projection
from .beams import Beams, Fan, Parallel
from .coil_maps import calibration_size, coil_maps, low_resolution
from .cone_beam import Cone, ConeBeam
from .conjugate_gradients import conjugate_gradients
from .fourier import MaskedFourier, MovedFourier, RealFourier, Sense, centred_fft, centred_ifft
from .masks import MASKS, gaussian_lines, gaussian_points, poisson_disc, random_lines, uniform
from .measurement import Measurement
from .noise_model import (
    GaussianNoise,
    NoiseModel,
    PoissonNoise,
    RicianNoise,
    SpeckleNoise,
    TransmissionNoise,
)
from .non_uniform import TRAJECTORIES, NonUniformFourier, radial, spiral
from .operator import Composed, Operator, largest_eigenvalue, white_gain
from .pointwise import (
    FromReal,
    Identity,
    Masked,
    Phased,
    Sensitivities,
    Weighted,
    as_complex,
    as_real,
)
from .projector import Projector
from .resolution import BlockMean, Blurred, gaussian_kernel, motion_kernel

__all__ = [
    "MASKS",
    "TRAJECTORIES",
    "Beams",
    "BlockMean",
    "Blurred",
    "Composed",
    "Cone",
    "ConeBeam",
    "Fan",
    "FromReal",
    "GaussianNoise",
    "Identity",
    "Masked",
    "MaskedFourier",
    "Measurement",
    "MovedFourier",
    "NoiseModel",
    "NonUniformFourier",
    "Operator",
    "Parallel",
    "Phased",
    "PoissonNoise",
    "Projector",
    "RealFourier",
    "RicianNoise",
    "Sense",
    "Sensitivities",
    "SpeckleNoise",
    "TransmissionNoise",
    "Weighted",
    "as_complex",
    "as_real",
    "calibration_size",
    "centred_fft",
    "centred_ifft",
    "coil_maps",
    "conjugate_gradients",
    "filtered_back_projection",
    "gaussian_kernel",
    "gaussian_lines",
    "gaussian_points",
    "largest_eigenvalue",
    "low_resolution",
    "motion_kernel",
    "poisson_disc",
    "radial",
    "random_lines",
    "spiral",
    "uniform",
    "white_gain",
]
