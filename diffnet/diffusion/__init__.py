"""The mathematics of diffusion: processes, denoisers, samplers. Torch only; it reads no files."""

from .batch import Batch, Condition
from .denoiser import BLANK, Denoiser, Wrap, WrappedDenoiser, keep
from .method import Diffusion, Method
from .network_denoiser import NetworkDenoiser, per_channel
from .objective import LogNormal, Objective
from .parametrization import Parametrization, Preconditioned, Row
from .process import GaussianProcess, Process, VarianceExploding
from .samplers import Ancestral, Sampler

__all__ = [
    "BLANK",
    "Ancestral",
    "Batch",
    "Condition",
    "Denoiser",
    "Diffusion",
    "GaussianProcess",
    "LogNormal",
    "Method",
    "NetworkDenoiser",
    "Objective",
    "Parametrization",
    "Preconditioned",
    "Process",
    "Row",
    "Sampler",
    "VarianceExploding",
    "Wrap",
    "WrappedDenoiser",
    "keep",
    "per_channel",
]
