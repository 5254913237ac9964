"""Processes: what is done to x_0, and how to step back."""

from .bridges import BrownianBridge, MeanShifted, ResidualShift, SchroedingerBridge
from .discrete import DiscreteVariancePreserving
from .gaussian import GaussianProcess
from .noise import Noise, White
from .process import Process, over
from .schedules import (
    Cosine,
    Edm,
    Ranged,
    RectifiedFlow,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)

PROCESSES: dict[str, type[Process]] = {
    "variance_exploding": VarianceExploding,
    "edm": Edm,
    "variance_preserving": VariancePreserving,
    "sub_variance_preserving": SubVariancePreserving,
    "discrete_variance_preserving": DiscreteVariancePreserving,
    "cosine": Cosine,
    "rectified_flow": RectifiedFlow,
    "brownian_bridge": BrownianBridge,
    "schroedinger_bridge": SchroedingerBridge,
    "residual_shift": ResidualShift,
    "mean_shifted": MeanShifted,
}

__all__ = [
    "PROCESSES",
    "BrownianBridge",
    "Cosine",
    "DiscreteVariancePreserving",
    "Edm",
    "GaussianProcess",
    "MeanShifted",
    "Noise",
    "Process",
    "Ranged",
    "RectifiedFlow",
    "ResidualShift",
    "SchroedingerBridge",
    "SubVariancePreserving",
    "VarianceExploding",
    "VariancePreserving",
    "White",
    "over",
]
