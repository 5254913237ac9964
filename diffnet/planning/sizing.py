"""How large a network, patch and batch: the most useful that the budget trains for long enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log2, log10, prod
from typing import Any

from .budget import GIGABYTE, USABLE, Budget, PlanError, TooSmall
from .memory import Memory, Workload, training_memory
from .network_walk import kept_values
from .plan import NetworkPlan
from .topology import Topology, fit_patch, topology

TRAINING_SHARE = 0.9  # of the time: the rest is validation and checkpoints
LEAST_STEPS = 100  # with fewer, a plan is refused
DEEPEST = {"cpu": 4, "cuda": 6}  # stages
SMALLEST_EDGE = 6  # voxels of the coarsest grid along a pooled axis
WIDEST = {2: 512, 3: 320}
ATTENTION_TOKENS = {"cpu": 256, "cuda": 1024}
AVERAGES = 2
NARROWEST = (
    16  # a processor gains nothing below; narrower only where nothing else trains long enough
)
# Voxels of a patch beyond which more context no longer counts.
ENOUGH = {("cpu", 2): 128**2, ("cpu", 3): 56**3, ("cuda", 2): 256**2, ("cuda", 3): 128**3}
FEW_WIDTH = {("cuda", 2): 32, ("cuda", 3): 16, ("cpu", 2): 32, ("cpu", 3): 16}  # at most, few cases


@dataclass(frozen=True)
class Ladder:
    """What is tried, smallest first. voxels: fewest and most of a patch."""

    widths: tuple[int, ...]
    batches: tuple[int, ...]
    voxels: tuple[int, int]


LADDERS = {
    ("cuda", 2): Ladder((32, 48, 64), (4, 8, 16, 32), (64**2, 512**2)),
    ("cuda", 3): Ladder((16, 32), (1, 2, 4, 8), (32**3, 192**3)),
    ("cpu", 2): Ladder((16, 24, 32, 48, 64), (4, 8, 16), (64**2, 256**2)),
    ("cpu", 3): Ladder((8, 16, 32), (1, 2, 4), (24**3, 96**3)),
}
# What doubling is worth: the width most, because a narrow network leaves the processor waiting for
# memory; then the patch, the batch and the number of blocks.
WORTH = {
    2: {"width": 0.9, "voxels": 0.5, "batch": 0.45, "blocks": 0.4},
    3: {"width": 0.9, "voxels": 0.65, "batch": 0.45, "blocks": 0.4},
}


@dataclass(frozen=True)
class Rung:
    """One candidate. shape: its patch, strides and kernels."""

    width: int
    blocks: int
    batch: int
    shape: Topology


@dataclass(frozen=True)
class Need:
    """What is to be sized.

    whole: the patch has to cover the image (generation). wide: all of the image is worth seeing
    (what a hole held, or what an organ is, shows around it). few: few cases. stages: of the network
    at most; None is what the device allows.
    """

    dims: int
    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    inputs: int
    outputs: int
    classes: int
    whole: bool
    wide: bool
    few: bool
    dropout: float
    attention: bool
    precision: str
    stages: int | None = None


@dataclass(frozen=True)
class Size:
    """What was chosen, and what it costs: seconds a step, steps wanted and possible."""

    network: NetworkPlan
    patch: tuple[int, ...]
    batch: int
    seconds: float
    call: float
    memory: Memory
    wanted: int
    possible: int
    tried: int


def wanted_steps(seconds: float) -> int:
    """Steps a training of this length should have: more time goes into size and length alike."""
    return int(min(max(1500 * (seconds / 300) ** 0.7, 400), 60_000))


def size(need: Need, budget: Budget, fixed: dict[str, Any]) -> Size:
    """The most useful candidate that fits the memory and trains wanted_steps in time.

    Where none trains that long, the fastest. fixed: what a user decided (patch, width, widths,
    blocks, batch_size, attention, checkpointing). TooSmall: not even the smallest candidate fits,
    with the least that is needed.
    """
    wanted = wanted_steps(budget.seconds)
    found = [_at(need, budget, rung, fixed, wanted) for rung in _rungs(need, budget, fixed)]
    fitting = [
        f if f.memory.total <= budget.memory else _checkpointed(need, budget, f, fixed)
        for f in found
    ]
    fitting = [f for f in fitting if f.memory.total <= budget.memory]
    if not fitting:
        raise TooSmall(_least_memory(min(found, key=lambda f: f.memory.total), budget))
    long = [f for f in fitting if f.possible >= wanted]
    long = [f for f in long if f.network.widths[0] >= NARROWEST] or long
    enough = prod(need.shape) if need.wide else ENOUGH[budget.kind, need.dims]
    best = min(fitting, key=lambda f: f.seconds)
    if long:
        best = max(long, key=lambda f: _worth(f, need, enough))
    if best.possible < LEAST_STEPS:
        raise TooSmall(_least_time(best, budget))
    return replace(best, tried=len(found))


def _rungs(need: Need, budget: Budget, fixed: dict[str, Any]) -> Iterator[Rung]:
    kind = budget.kind
    ladder = LADDERS[kind, need.dims]
    most = FEW_WIDTH[kind, need.dims] if need.few else max(ladder.widths)
    widths = [int(fixed["width"])] if "width" in fixed else [w for w in ladder.widths if w <= most]
    batches = [int(fixed["batch_size"])] if "batch_size" in fixed else list(ladder.batches)
    blocks = [int(fixed["blocks"])] if "blocks" in fixed else [1, 2]
    deepest = min(DEEPEST[kind], need.stages or DEEPEST[kind])
    for shape in _shapes(need, ladder, deepest, fixed):
        for width in widths:
            for count in blocks:
                for batch in batches:
                    yield Rung(width, count, batch, shape)


def _shapes(need: Need, ladder: Ladder, deepest: int, fixed: dict[str, Any]) -> Iterator[Topology]:
    """Patches from the largest useful to the smallest, with their strides; one if it is fixed."""
    if "patch" in fixed:
        patch = tuple(int(n) for n in fixed["patch"])
        yield replace(_strided(need, patch, deepest), patch=patch)
        return
    voxels, seen = (prod(need.shape) if need.whole else ladder.voxels[1]), set()
    while True:
        shape = _strided(need, _box(need, voxels), deepest)
        if shape.patch not in seen:
            seen.add(shape.patch)
            yield shape
        voxels = voxels * 3 // 4
        if need.whole or voxels < ladder.voxels[0] or prod(shape.patch) <= ladder.voxels[0]:
            return


def _box(need: Need, voxels: int) -> tuple[int, ...]:
    """At most `voxels` voxels (about), an equal share of every axis."""
    if prod(need.shape) <= voxels:
        return need.shape
    cost = fit_patch(
        need.spacing, need.shape, lambda t: float(prod(t.patch)), float(voxels), SMALLEST_EDGE
    )
    return cost[0].patch


def _strided(need: Need, patch: tuple[int, ...], deepest: int) -> Topology:
    """At most `deepest` stages; the patch padded to what their strides divide, and not beyond."""
    found, _ = topology(need.spacing, patch, SMALLEST_EDGE)
    strides, kernels = found.strides[:deepest], found.kernels[:deepest]
    factor = [prod(axis) for axis in zip(*strides, strict=True)]
    limits = [min(p, n) for p, n in zip(patch, need.shape, strict=True)]
    padded = tuple(ceil(n / f) * f for n, f in zip(limits, factor, strict=True))
    return Topology(padded, strides, kernels)


def _at(need: Need, budget: Budget, rung: Rung, fixed: dict[str, Any], wanted: int) -> Size:
    tokens = ATTENTION_TOKENS[budget.kind]
    network = _network(need, rung, tokens, fixed)
    return _costed(need, budget, network, rung.shape.patch, rung.batch, wanted)


def _costed(
    need: Need,
    budget: Budget,
    network: NetworkPlan,
    patch: tuple[int, ...],
    batch: int,
    wanted: int,
) -> Size:
    work = Workload(need.inputs, need.outputs, patch, batch, need.classes, precision=need.precision)
    memory = training_memory(network, work, AVERAGES)
    values = kept_values(replace(network, checkpointing=False), need.inputs, patch)
    diffused = need.outputs * prod(patch)
    call = budget.call_seconds(memory.operations, values, need.dims, diffused)
    seconds = budget.step_seconds(
        memory.operations * batch,
        values * batch,
        need.dims,
        network.checkpointing,
        diffused * batch,
    )
    possible = int(TRAINING_SHARE * budget.seconds / seconds)
    return Size(network, patch, batch, seconds, call, memory, wanted, possible, 1)


def _checkpointed(need: Need, budget: Budget, size: Size, fixed: dict[str, Any]) -> Size:
    if "checkpointing" in fixed:
        return size
    network = replace(size.network, checkpointing=True)
    return _costed(need, budget, network, size.patch, size.batch, size.wanted)


def _worth(size: Size, need: Need, enough: int) -> tuple[float, float]:
    """What the candidate is worth, and among equals the faster."""
    n, w = size.network, WORTH[need.dims]
    voxels = min(prod(size.patch), enough, prod(need.shape))
    context = w["voxels"] * (2 if need.wide else 1)
    total = w["width"] * log2(n.widths[0]) + context * log2(voxels)
    total += w["batch"] * log2(size.batch) + w["blocks"] * log2(n.blocks)
    return round(total, 6), -size.seconds


def _network(need: Need, rung: Rung, tokens: int, fixed: dict[str, Any]) -> NetworkPlan:
    widest = min(WIDEST[need.dims], 8 * rung.width)
    widths = tuple(min(rung.width * 2**i, widest) for i in range(rung.shape.stages))
    network = NetworkPlan(
        widths=tuple(int(w) for w in fixed.get("widths", widths)),
        strides=rung.shape.strides,
        kernels=rung.shape.kernels,
        attention=(False,) * rung.shape.stages,
        blocks=rung.blocks,
        dropout=need.dropout,
        checkpointing=bool(fixed.get("checkpointing", False)),
    )
    if len(network.widths) != rung.shape.stages:
        raise PlanError(
            f"widths {list(network.widths)} are for {len(network.widths)} stages, and a patch of "
            f"{by_x(rung.shape.patch)} has {rung.shape.stages}"
        )
    if "attention" in fixed:
        return replace(network, attention=tuple(bool(a) for a in fixed["attention"]))
    return replace(network, attention=_attention(rung.shape, tokens)) if need.attention else network


def _attention(shape: Topology, tokens: int) -> tuple[bool, ...]:
    """In the stages whose grid has few enough voxels; never in the first."""
    found, grid = [], list(shape.patch)
    for i, stride in enumerate(shape.strides):
        grid = [n // s for n, s in zip(grid, stride, strict=True)]
        found.append(i > 0 and prod(grid) <= tokens)
    return tuple(found)


def _least_memory(least: Size, budget: Budget) -> str:
    needed = least.memory.total * budget.memory_ratio
    return (
        f"the smallest network ({told(least)}) needs {needed / GIGABYTE:.2g} GB to train and "
        f"{budget.real_memory / GIGABYTE:.2g} GB may be used: give at least --gpu-memory "
        f"{_upwards(needed / USABLE / GIGABYTE)}"
    )


def _least_time(least: Size, budget: Budget) -> str:
    minutes = LEAST_STEPS * least.seconds / TRAINING_SHARE / 60
    return (
        f"in {budget.seconds / 60:.3g} minutes the fastest network ({told(least)}) makes "
        f"{least.possible} steps of {least.seconds:.2g} s: give at least {_upwards(minutes)} "
        "minutes"
    )


def _upwards(value: float) -> str:
    """Two digits that are not less than the value."""
    unit = 10.0 ** (floor(log10(value)) - 1)
    return f"{ceil(value / unit - 1e-9) * unit:.10g}"


def told(size: Size) -> str:
    dims = len(size.patch)
    width = size.network.widths[0]
    return f"{dims}-D, patch {by_x(size.patch)}, width {width}, batch {size.batch}"


def by_x(values: Sequence[int]) -> str:
    return " x ".join(str(v) for v in values)
