"""Samplers: a loop that yields."""

from .ancestral import Ancestral
from .grids import Grid, LogUniform
from .sampler import GaussianSampler, Sampler

__all__ = ["Ancestral", "GaussianSampler", "Grid", "LogUniform", "Sampler"]
