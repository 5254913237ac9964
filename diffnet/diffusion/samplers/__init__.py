"""Samplers: a loop that yields."""

from .ancestral import Ancestral, Ddim
from .dpm import DpmSolver2M, DpmSolver2S, DpmSolver3M, SdeDpmSolver2M
from .flow import AdamsBashforth, EulerMaruyama, FlowEuler, FlowMidpoint
from .gaussian import GaussianSampler, View
from .grids import GRIDS, ByLevel, Explicit, FlowShift, Grid, Karras, LogUniform, Trailing, Uniform
from .heun import Euler, Heun
from .langevin import Langevin, PredictorCorrector
from .ode import ProbabilityFlow, log_likelihood
from .sampler import Sampler
from .special import LearnedAncestral, SinglePass, TimeTravel
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
    "adams_bashforth": AdamsBashforth,
    "flow_euler": FlowEuler,
    "flow_midpoint": FlowMidpoint,
    "euler_maruyama": EulerMaruyama,
    "predictor_corrector": PredictorCorrector,
    "langevin": Langevin,
    "probability_flow": ProbabilityFlow,
    "single_pass": SinglePass,
    "time_travel": TimeTravel,
    "learned_ancestral": LearnedAncestral,
}

__all__ = [
    "GRIDS",
    "SAMPLERS",
    "AdamsBashforth",
    "Ancestral",
    "ByLevel",
    "Ddim",
    "DpmSolver2M",
    "DpmSolver2S",
    "DpmSolver3M",
    "Euler",
    "EulerMaruyama",
    "Explicit",
    "FlowEuler",
    "FlowMidpoint",
    "FlowShift",
    "GaussianSampler",
    "Grid",
    "Heun",
    "Karras",
    "Langevin",
    "LearnedAncestral",
    "LogUniform",
    "PredictorCorrector",
    "ProbabilityFlow",
    "Sampler",
    "SdeDpmSolver2M",
    "SinglePass",
    "TimeTravel",
    "Trailing",
    "UniPC",
    "Uniform",
    "View",
    "log_likelihood",
]
