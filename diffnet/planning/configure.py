"""One configuration: a grid, the network on it, its noise levels, its training and its sampling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from ..data import LinearGuess
from .augment_rule import plan_augment
from .budget import Budget, PlanError
from .condition_rule import plan_forgetting
from .fingerprint import Fingerprint
from .grids import Grid, covered
from .memory import Workload, prediction_memory
from .noise_rule import plan_noise
from .overrides import STRUCTURE
from .plan import Configuration
from .reasons import Reasons
from .sampling_rule import plan_sampling
from .sizing import SMALLEST_EDGE, Need, Size, by_x, size
from .training_rule import dropout, is_few, plan_training

if TYPE_CHECKING:
    from ..tasks import Task


@dataclass(frozen=True)
class Setting:
    """What every configuration of a plan shares."""

    fingerprint: Fingerprint
    task: Task
    guess: LinearGuess | None
    classes: int
    budget: Budget
    scalars: int = 0
    words: int = 0


def configure(
    name: str, dims: int, grid: Grid, s: Setting, overrides: dict[str, Any], reasons: Reasons
) -> Configuration:
    """Plan one configuration. overrides: the user's values by path within it; structure first.

    PlanError: nothing fits the budget.
    """
    f, task, reasons = s.fingerprint, s.task, reasons.of(name)
    need = need_on(dims, grid, s, reasons)
    fixed = structure(overrides)
    _require_structure(name, dims, fixed)
    sized = size(need, s.budget, fixed)
    _explain(need, sized, s.budget, fixed, reasons)
    noise = plan_noise(f, task, s.guess, sized.patch, reasons)
    training = plan_training(f, task, sized, dims, s.budget, reasons)
    steered = bool(s.classes or s.scalars or s.words or task.steers)
    training = replace(
        training,
        augment=plan_augment(f, task, reasons),
        forget=plan_forgetting(steered and not task.given, reasons),
    )
    made = Configuration(
        name=name,
        dims=dims,
        grid=grid.name,
        transpose=grid.transpose,
        spacing=grid.spacing,
        shape=grid.shape,
        patch=sized.patch,
        target_channels=need.outputs,
        image_channels=need.inputs - need.outputs,
        classes=s.classes,
        network=sized.network,
        noise=noise,
        training=training,
        sampling=plan_sampling(task, reasons),
        memory=sized.memory.as_dict(),
        kind="label" if task.makes == "label" else "image",
        scalars=s.scalars,
        words=s.words,
    )
    return replace(made, **_forecast(made, need, sized, s.budget, reasons))


def structure(overrides: dict[str, Any]) -> dict[str, Any]:
    """The overrides that sizing has to know, by the names it has for them."""
    return {STRUCTURE[k]: v for k, v in overrides.items() if k in STRUCTURE}


def need_on(dims: int, grid: Grid, s: Setting, reasons: Reasons) -> Need:
    f, task = s.fingerprint, s.task
    spacing, shape = grid.spatial(dims)
    inputs, outputs = channels(f, task)
    return Need(
        dims=dims,
        spacing=spacing,
        shape=shape,
        inputs=inputs + outputs,
        outputs=outputs,
        classes=s.classes,
        whole=not task.given,
        wide=task.name == "inpainting" or task.makes == "label",
        few=is_few(f),
        dropout=dropout(f, s.budget, reasons),
        attention=not task.given,
        precision=s.budget.precision,
    )


def channels(f: Fingerprint, task: Task) -> tuple[int, int]:
    """(channels the network sees beside x_t, channels that are diffused)."""
    given = sum(len(f.roles[role].channels) for role in task.given) + len(task.steers)
    made = len(f.labels) if task.makes == "label" else len(f.roles[task.makes].channels)
    return (task.image_channels(given) if given else 0), task.target_channels(made)


def _require_structure(name: str, dims: int, fixed: dict[str, Any]) -> None:
    patch = fixed.get("patch")
    if patch is not None and (len(patch) != dims or min(patch) < 1):
        raise PlanError(
            f"{name}.patch is {list(patch)}; it needs {dims} whole numbers above 0, for instance "
            f"{[64] * dims}"
        )
    counts = {k: fixed[k] for k in ("batch_size", "blocks", "widths") if k in fixed}
    for key, value in counts.items():
        if min(value if isinstance(value, tuple) else (value,), default=0) < 1:
            raise PlanError(
                f"{name}: widths, blocks and batch_size are 1 or more, {key} is {value}"
            )


def _explain(need: Need, z: Size, budget: Budget, fixed: dict[str, Any], reasons: Reasons) -> None:
    n = z.network
    costs = (
        f"of {z.tried} candidates: {z.seconds:.3g} s a step, {z.memory.total / 1e9:.2g} of "
        f"{budget.memory / 1e9:.2g} GB, {z.possible} steps fit in and {z.wanted} are wanted"
    )
    seen = (
        f"covers {covered(z.patch, need.shape):.0%} of a median image of {by_x(need.shape)} voxels"
    )
    where = [i for i, a in enumerate(n.attention) if a]
    whole = "the whole image, where images come from nothing"
    spacings = ", ".join(f"{s:.3g}" for s in need.spacing)
    rows = [
        ("patch", by_x(z.patch), whole if need.whole else "equal share of each axis", seen),
        ("training.batch_size", z.batch, "as large as time allows", costs),
        ("network.widths", n.widths, "doubled a stage; the most useful that time allows", costs),
        ("network.blocks", n.blocks, "two a stage where time allows", costs),
        (
            "network.strides",
            n.strides,
            f"halve axes of like spacing down to {SMALLEST_EDGE} voxels; kernel 1 on coarse axes",
            f"spacing {spacings}, first kernel {by_x(n.kernels[0])}",
        ),
        (
            "network.attention",
            f"stages {where}" if where else "none",
            "in small grids, where whole images come from nothing; paired tasks are local",
            f"{len(n.widths)} stages",
        ),
        (
            "network.checkpointing",
            n.checkpointing,
            "activations are computed twice where the candidate would not fit otherwise",
            costs,
        ),
    ]
    for key, value, rule, because in rows:
        own = STRUCTURE.get(key) in fixed
        reasons.add(key, value, rule, because, "another budget or another patch", own)


def _forecast(
    c: Configuration, need: Need, z: Size, budget: Budget, reasons: Reasons
) -> dict[str, dict[str, float]]:
    """Seconds and bytes that prediction will take, beside those of training."""
    work = Workload(need.inputs, need.outputs, z.patch, 1, need.classes, precision=need.precision)
    predicting = prediction_memory(z.network, work)
    windows = (
        1.0
        if covered(z.patch, need.shape) == 1
        else 2.0**need.dims * prod(need.shape) / prod(z.patch)
    )
    slices = c.shape[0] if need.dims == 2 else 1
    case = max(windows, 1.0) * slices * z.call
    seconds = {
        "step": z.seconds,
        "training": z.seconds * c.training.steps,
        "call": z.call,
        "case_mean": case,
        "case_sample": case * c.sampling.steps,
    }
    reasons.add(
        "time",
        f"{z.seconds:.3g} s a step, {seconds['training'] / 60:.3g} min in all",
        "3 forward passes' operations and memory traffic, at what the device is taken to reach",
        f"{z.memory.operations / 1e9:.3g} GFLOP a call and example on {budget.device}; a case in "
        f"{seconds['case_mean']:.2g} s (mean) or {seconds['case_sample']:.2g} s (one sample)",
        "the first steps of a real training measure it",
    )
    reasons.add(
        "memory",
        f"{z.memory.total / 1e9:.3g} GB to train",
        "activations, weights, gradients, optimiser, averages",
        f"{z.memory.parameters / 1e6:.3g} M parameters, activations "
        f"{z.memory.activations / 1e9:.2g} GB; {predicting.total / 1e9:.2g} GB to predict a patch",
        "another patch, batch or width",
    )
    return {"seconds": seconds, "memory": {**c.memory, "prediction": predicting.total}}
