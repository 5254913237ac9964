"""Samplers: a loop that yields."""

from .ancestral import Ancestral, Ddim
from .dpm import DpmSolver2M, DpmSolver2S, DpmSolver3M, SdeDpmSolver2M
from .gaussian import GaussianSampler, View
from .grids import GRIDS, ByLevel, Explicit, FlowShift, Grid, Karras, LogUniform, Trailing, Uniform
from .heun import Euler, Heun
from .sampler import Sampler
from .unipc import UniPC

SAMPLERS: dict[str, type[Sampler]] = {
    "ancestral": Ancestral,
    "ddim": Ddim,
    "euler": Euler,
    "heun": Heun,
    "dpm_solver_2s": DpmSolver2S,
    "dpm_solver_2m": DpmSolver2M,
    "dpm_solver_3m": DpmSolver3M,
    "sde_dpm_solver_2m": SdeDpmSolver2M,
    "unipc": UniPC,
}

__all__ = [
    "GRIDS",
    "SAMPLERS",
    "Ancestral",
    "ByLevel",
    "Ddim",
    "DpmSolver2M",
    "DpmSolver2S",
    "DpmSolver3M",
    "Euler",
    "Explicit",
    "FlowShift",
    "GaussianSampler",
    "Grid",
    "Heun",
    "Karras",
    "LogUniform",
    "Sampler",
    "SdeDpmSolver2M",
    "Trailing",
    "UniPC",
    "Uniform",
    "View",
]
