"""What is measured on a dataset, what is decided from it, and why."""

from .budget import Budget, PlanError
from .conditions import LONGEST, ScalarField, TextField, scalars_of, words_of
from .difference import Difference, differences
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
from .page import explanation_rows, fingerprint_rows, plan_rows
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
    "LONGEST",
    "VERSION",
    "Budget",
    "CaseMeasure",
    "ChannelMeasure",
    "ChannelSummary",
    "Configuration",
    "Difference",
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
    "ScalarField",
    "TextField",
    "TrainingPlan",
    "Why",
    "Workload",
    "differences",
    "explanation_rows",
    "fingerprint_rows",
    "make_plan",
    "plan_rows",
    "prediction_memory",
    "scalars_of",
    "take_fingerprint",
    "training_memory",
    "words_of",
]
