"""What is measured on a dataset, what is decided from it, and why."""

from .budget import Budget, PlanError
from .fingerprint import (
    CaseMeasure,
    ChannelMeasure,
    ChannelSummary,
    Fingerprint,
    FingerprintError,
    PairSummary,
    RoleSummary,
)
from .fingerprint_take import take_fingerprint
from .memory import Memory, Workload, prediction_memory, training_memory
from .plan import (
    VERSION,
    Configuration,
    NetworkPlan,
    NoisePlan,
    Plan,
    SamplingPlan,
    TrainingPlan,
    Why,
)
from .planner import make_plan

__all__ = [
    "VERSION",
    "Budget",
    "CaseMeasure",
    "ChannelMeasure",
    "ChannelSummary",
    "Configuration",
    "Fingerprint",
    "FingerprintError",
    "Memory",
    "NetworkPlan",
    "NoisePlan",
    "PairSummary",
    "Plan",
    "PlanError",
    "RoleSummary",
    "SamplingPlan",
    "TrainingPlan",
    "Why",
    "Workload",
    "make_plan",
    "prediction_memory",
    "take_fingerprint",
    "training_memory",
]
