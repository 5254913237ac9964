"""How long, how fast and with which averages a network is trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .budget import Budget
from .fingerprint import Fingerprint
from .plan import TrainingPlan
from .reasons import Reasons
from .sizing import Size

if TYPE_CHECKING:
    from ..tasks import Task

FEW_CASES = 50
MANY_CASES = 1000
SHORT = 20_000  # steps
FASTEST, SLOWEST = 1e-3, 3e-4
EPOCHS = 4000  # examples are seen at most this often in generation, where they are memorised
LEAST = 5000
LONGEST = 400_000


def examples(f: Fingerprint, dims: int) -> int:
    """Training images: cases, or slices of volumes for a 2-D network."""
    if dims == 3 or f.dims == 2:
        return len(f.cases)
    return int(sum(c.shape[0] for c in f.cases))


def is_few(f: Fingerprint) -> bool:
    return len(f.cases) < FEW_CASES


def dropout(f: Fingerprint, budget: Budget, reasons: Reasons) -> float:
    """Against overfitting, which a short training on a CPU does not reach."""
    n = len(f.cases)
    value = 0.1 if n < FEW_CASES or (n < MANY_CASES and not budget.on_cpu) else 0.0
    reasons.add(
        "network.dropout",
        value,
        f"0.1 below {FEW_CASES} cases, and below {MANY_CASES} where training is long",
        f"{n} cases on {budget.device}",
        "more cases",
    )
    return value


def plan_training(
    f: Fingerprint, task: Task, size: Size, dims: int, budget: Budget, reasons: Reasons
) -> TrainingPlan:
    steps = _steps(f, task, size, dims, reasons)
    rate = _rate(steps, size, reasons)
    warmup = max(20, min(1000, steps // 20))
    ema = (0.05, 0.1) if not is_few(f) else (0.1, 0.2)
    reasons.add(
        "training.ema",
        ema,
        "two power-function averages; longer ones for few cases",
        f"{len(f.cases)} cases",
        f"{FEW_CASES} cases or more" if is_few(f) else f"fewer than {FEW_CASES} cases",
    )
    reasons.add(
        "training.precision",
        budget.precision,
        "bf16 autocast where the device multiplies bf16: cards, and CPUs with AVX512-BF16 or AMX",
        f"device {budget.device}{', with bf16' if budget.half else ''}",
        "another device",
    )
    return TrainingPlan(steps, size.batch, rate, warmup, ema, 1.0, budget.precision)


def _steps(f: Fingerprint, task: Task, size: Size, dims: int, reasons: Reasons) -> int:
    steps = min(size.possible, LONGEST)
    n = examples(f, dims)
    limit = max(LEAST, EPOCHS * n // size.batch)
    if not task.given:
        steps = min(steps, limit)
    reasons.add(
        "training.steps",
        steps,
        f"what fits into the time, at most {LONGEST}; in generation at most {EPOCHS} epochs",
        f"{size.seconds:.3g} s a step expected, {size.possible} fit in, {n} examples",
        "more time, or --steps",
    )
    return steps


def _rate(steps: int, size: Size, reasons: Reasons) -> float:
    """Short trainings need a high rate to get anywhere; long ones follow the batch's root."""
    long = min(1e-4 * math.sqrt(size.batch / 64) * 2, SLOWEST)
    if steps < SHORT:
        narrow = min(max((64 - size.network.widths[0]) / 32, 0.0), 1.0)
        value = SLOWEST * (FASTEST / SLOWEST) ** narrow
        rule = f"{FASTEST:g} for narrow networks to {SLOWEST:g} for width 64, below {SHORT} steps"
    else:
        value = max(long, 1e-4)
        rule = f"1e-4 x sqrt(batch / 64) within [1e-4, {SLOWEST:g}] from {SHORT} steps on"
    value = float(f"{value:.2g}")
    reasons.add(
        "training.learning_rate",
        value,
        rule,
        f"{steps} steps of batch {size.batch}, width {size.network.widths[0]}",
        "another length or width",
    )
    return value
