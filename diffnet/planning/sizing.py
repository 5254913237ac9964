"""How large a network, patch and batch: the largest that the budget trains for long enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

from .budget import GIGABYTE, USABLE, Budget, PlanError
from .memory import Memory, Workload, training_memory
from .plan import NetworkPlan
from .topology import Topology, fit_patch, topology

TRAINING_SHARE = 0.9  # of the time: the rest is validation and checkpoints
LEAST_STEPS = 100  # with fewer, a plan is refused
DEEPEST = {"cpu": 4, "cuda": 6}  # stages
SMALLEST_EDGE = 8  # voxels of the coarsest grid along a pooled axis
WIDEST = {2: 512, 3: 320}
ATTENTION_TOKENS = {"cpu": 256, "cuda": 1024}
AVERAGES = 2


@dataclass(frozen=True)
class Rung:
    """One step of the ladder from large to small. voxels: of the patch, at most."""

    width: int
    blocks: int
    batch: int
    voxels: int


@dataclass(frozen=True)
class Need:
    """What is to be sized. whole: the patch has to cover the image (generation)."""

    dims: int
    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    inputs: int
    outputs: int
    classes: int
    whole: bool
    few: bool
    dropout: float
    attention: bool
    precision: str


@dataclass(frozen=True)
class Size:
    """What was chosen, and what it costs. short: how many times fewer steps than wanted fit in."""

    network: NetworkPlan
    patch: tuple[int, ...]
    batch: int
    seconds: float
    memory: Memory
    wanted: int
    possible: int
    rungs: int


START = {
    ("cuda", 2): Rung(64, 2, 32, 512**2),
    ("cuda", 3): Rung(32, 2, 4, 192**3),
    ("cpu", 2): Rung(32, 2, 8, 192**2),
    ("cpu", 3): Rung(24, 2, 4, 64**3),
}
FLOOR = {
    ("cuda", 2): Rung(32, 1, 4, 64**2),
    ("cuda", 3): Rung(16, 1, 1, 32**3),
    ("cpu", 2): Rung(16, 1, 4, 64**2),
    ("cpu", 3): Rung(8, 1, 1, 24**3),
}
ORDER = ("batch", "width", "voxels", "blocks", "width", "voxels")


def wanted_steps(seconds: float) -> int:
    """Steps a training of this length should have: more time is spent on size and length alike."""
    return int(min(max(1500 * (seconds / 300) ** 0.7, 400), 60_000))


def ladder(start: Rung, floor: Rung, whole: bool) -> Iterator[Rung]:
    """From start to floor, one property at a time in ORDER; a patch that must be whole stays."""
    at = start
    yield at
    while True:
        before = at
        for name in ORDER:
            value = _smaller(at, floor, name)
            if value == getattr(at, name) or (whole and name == "voxels"):
                continue
            at = replace(at, **{name: value})
            yield at
        if at == before:
            return


def _smaller(at: Rung, floor: Rung, name: str) -> int:
    value, least = getattr(at, name), getattr(floor, name)
    if name == "width":
        return max(least, (value * 3 // 4) // 8 * 8)
    if name == "blocks":
        return max(least, value - 1)
    return max(least, value // 2 if name == "batch" else value * 3 // 5)


def size(need: Need, budget: Budget, fixed: dict[str, Any]) -> Size:
    """The first rung that fits the memory and trains wanted_steps in time; else the last that fits.

    fixed: decisions a user made (patch, width, widths, blocks, batch_size, attention, checkpointing).
    PlanError: not even the smallest network fits, with the least that is needed.
    """
    kind = budget.device.split(":")[0]
    start, floor = START[kind, need.dims], FLOOR[kind, need.dims]
    if need.few:
        start = replace(start, width=max(floor.width, start.width // 2 if kind == "cuda" else 24))
    whole = need.whole and "patch" not in fixed
    if whole:
        start = replace(start, voxels=10**12)
    wanted = wanted_steps(budget.seconds)
    best: Size | None = None
    for count, rung in enumerate(ladder(start, floor, whole)):
        found = _at(need, budget, rung, fixed, wanted, count)
        if found.memory.total > budget.memory:
            found = _checkpointed(need, budget, rung, fixed, wanted, count)
        if found.memory.total > budget.memory:
            last = found
            continue
        best = found
        if found.possible >= wanted:
            return found
    if best is None:
        raise PlanError(_least_memory(need, budget, last))
    if best.possible < LEAST_STEPS:
        raise PlanError(_least_time(need, budget, best))
    return best


def _checkpointed(
    need: Need, budget: Budget, rung: Rung, fixed: dict[str, Any], wanted: int, count: int
) -> Size:
    if "checkpointing" in fixed:
        return _at(need, budget, rung, fixed, wanted, count)
    return _at(need, budget, rung, {**fixed, "checkpointing": True}, wanted, count)


def _at(
    need: Need, budget: Budget, rung: Rung, fixed: dict[str, Any], wanted: int, count: int
) -> Size:
    kind = budget.device.split(":")[0]
    shape = _patch_and_strides(need, rung.voxels, DEEPEST[kind], fixed)
    batch = int(fixed.get("batch_size", rung.batch))
    network = _network(need, rung, shape, ATTENTION_TOKENS[kind], fixed)
    work = Workload(
        need.inputs, need.outputs, shape.patch, batch, need.classes, precision=need.precision
    )
    memory = training_memory(network, work, AVERAGES)
    seconds = budget.step_seconds(memory.operations * batch, need.dims, network.checkpointing)
    possible = int(TRAINING_SHARE * budget.seconds / seconds)
    return Size(network, shape.patch, batch, seconds, memory, wanted, possible, count)


def _patch_and_strides(need: Need, voxels: int, deepest: int, fixed: dict[str, Any]) -> Topology:
    """The patch with at most `voxels` voxels, an equal share of every axis, and its strides."""
    if "patch" in fixed:
        patch = tuple(int(n) for n in fixed["patch"])
    elif prod(need.shape) <= voxels:
        patch = need.shape
    else:
        patch = fit_patch(
            need.spacing, need.shape, lambda t: float(prod(t.patch)), float(voxels), SMALLEST_EDGE
        )[0].patch
    found, _ = topology(need.spacing, patch, SMALLEST_EDGE)
    strides, kernels = found.strides[:deepest], found.kernels[:deepest]
    factor = [prod(axis) for axis in zip(*strides, strict=True)]
    limits = (
        patch if "patch" in fixed else [min(p, n) for p, n in zip(patch, need.shape, strict=True)]
    )
    padded = tuple(ceil(n / f) * f for n, f in zip(limits, factor, strict=True))
    return Topology(padded if "patch" not in fixed else patch, strides, kernels)


def _network(
    need: Need, rung: Rung, shape: Topology, tokens: int, fixed: dict[str, Any]
) -> NetworkPlan:
    width = int(fixed.get("width", rung.width))
    widest = min(WIDEST[need.dims], 8 * width)
    widths = tuple(min(width * 2**i, widest) for i in range(shape.stages))
    widths = tuple(int(w) for w in fixed.get("widths", widths))
    network = NetworkPlan(
        widths=widths,
        strides=shape.strides,
        kernels=shape.kernels,
        attention=(False,) * len(widths),
        blocks=int(fixed.get("blocks", rung.blocks)),
        dropout=need.dropout,
        checkpointing=bool(fixed.get("checkpointing", False)),
    )
    if "attention" in fixed:
        return replace(network, attention=tuple(bool(a) for a in fixed["attention"]))
    if not need.attention:
        return network
    return replace(network, attention=_attention(shape, tokens))


def _attention(shape: Topology, tokens: int) -> tuple[bool, ...]:
    """In the stages whose grid has few enough voxels; never in the first."""
    found, grid = [], list(shape.patch)
    for i, stride in enumerate(shape.strides):
        grid = [n // s for n, s in zip(grid, stride, strict=True)]
        found.append(i > 0 and prod(grid) <= tokens)
    return tuple(found)


def _least_memory(need: Need, budget: Budget, last: Size) -> str:
    least = last.memory.total / USABLE / GIGABYTE
    return (
        f"the smallest network ({need.dims}-D, patch {by_x(last.patch)}, width {last.network.widths[0]}, "
        f"batch {last.batch}) needs {last.memory.total / GIGABYTE:.2g} GB to train and "
        f"{budget.memory / GIGABYTE:.2g} GB may be used: give at least --gpu-memory {least:.2g}"
    )


def _least_time(need: Need, budget: Budget, best: Size) -> str:
    least = LEAST_STEPS * best.seconds / TRAINING_SHARE / 60
    return (
        f"in {budget.seconds / 60:.3g} minutes the smallest network ({need.dims}-D, patch "
        f"{by_x(best.patch)}, width {best.network.widths[0]}, batch {best.batch}) makes "
        f"{best.possible} steps of {best.seconds:.2g} s: give at least {least:.2g} minutes"
    )


def by_x(values: Sequence[int]) -> str:
    return " x ".join(str(v) for v in values)
