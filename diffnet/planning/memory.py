"""How much memory a planned U-Net takes to train and to predict with: a formula, nothing is built.

Constants marked "measured" are from `benchmarks/memory.py`, which compares this formula with the
peak memory of real steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod

from .budget import HEAP_LIMIT
from .network_walk import count_operations, count_parameters, kept_values, stages
from .plan import NetworkPlan
from .spacing import Shape

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
MOMENTS = 2  # AdamW
BACKWARD_COPIES = 3  # measured: tensors of the largest stage alive at once in a backward pass
FORWARD_COPIES = 5  # measured: the same in a forward pass that keeps nothing
# What libraries set up: torch's on their first step, and those that read scans and write results.
LIBRARIES = {"training": 20e6, "checkpointed": 20e6, "prediction": 33e6}  # measured
# An allocator keeps freed blocks in holes that the next tensor may not fit. glibc does so below
# 32 MiB and gives larger ones back; the holes amount to this many of the largest such tensor.
HOLES = {"training": 18, "checkpointed": 15, "prediction": 5}  # measured
STATES = 6  # of the sampler: x_t, noise, the last estimates, their average


@dataclass(frozen=True)
class Memory:
    """Bytes by part; `total` is their sum. What a process holds after importing torch is not in it.

    parameters: of the network. operations: of one forward pass for one example. allocator: what
    torch's libraries and freed memory take beyond the tensors.
    """

    parameters: int
    operations: int
    weights: float
    gradients: float
    optimiser: float
    averages: float
    activations: float
    workspace: float
    states: float
    allocator: float

    @property
    def total(self) -> float:
        """Bytes at the peak."""
        parts = asdict(self)
        return sum(v for name, v in parts.items() if name not in ("parameters", "operations"))

    def as_dict(self) -> dict[str, float]:
        """The parts and the total, as a plan stores them."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True)
class Workload:
    """What the network is asked to do: channels, voxels of one example, examples at once.

    in_channels counts x and image together. precision: fp32, bf16 or fp16 (autocast; weights, their
    gradients and moments stay fp32).
    """

    in_channels: int
    out_channels: int
    size: Shape
    batch: int = 1
    classes: int = 0
    scalars: int = 0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.precision not in BYTES:
            raise ValueError(f"Precision {self.precision!r} is not one of {', '.join(BYTES)}.")


def training_memory(network: NetworkPlan, work: Workload, averages: int = 2) -> Memory:
    """The peak of a training step with AdamW and `averages` moving averages of the weights."""
    parameters, operations = _counts(network, work)
    number, stored = BYTES[work.precision], 4 * parameters
    kept = number * work.batch * kept_values(network, work.in_channels, work.size)
    largest = max(stage.values for stage in stages(network, work.size))
    return Memory(
        parameters,
        operations,
        weights=stored + _cast_weights(parameters, number),
        gradients=stored,
        optimiser=MOMENTS * stored,
        averages=averages * stored,
        activations=kept,
        workspace=number * work.batch * BACKWARD_COPIES * largest,
        states=4 * work.batch * _example(work, 3),
        allocator=_held(network, work, "checkpointed" if network.checkpointing else "training"),
    )


def prediction_memory(network: NetworkPlan, work: Workload, states: int = STATES) -> Memory:
    """The peak of one network call while sampling; `states` images are alive in the sampler."""
    parameters, operations = _counts(network, work)
    number = BYTES[work.precision]
    grids, above, peak, skips = list(stages(network, work.size)), 0, 0, 0
    for stage in grids:
        busy = FORWARD_COPIES * stage.values
        if above + busy > peak:
            peak, skips = above + busy, above
        above += stage.values
    return Memory(
        parameters,
        operations,
        weights=4 * parameters + _cast_weights(parameters, number),
        gradients=0.0,
        optimiser=0.0,
        averages=0.0,
        activations=number * work.batch * skips,
        workspace=number * work.batch * (peak - skips),
        states=4 * work.batch * _example(work, states),
        allocator=_held(network, work, "prediction"),
    )


def _held(network: NetworkPlan, work: Workload, doing: str) -> float:
    """Bytes beyond the tensors: the libraries' own, and holes between freed blocks."""
    number = BYTES[work.precision] * work.batch
    tensors = [number * stage.values for stage in stages(network, work.size)]
    return LIBRARIES[doing] + HOLES[doing] * max((n for n in tensors if n < HEAP_LIMIT), default=0)


def _counts(network: NetworkPlan, work: Workload) -> tuple[int, int]:
    extra = {"classes": work.classes, "scalars": work.scalars}
    channels = (work.in_channels, work.out_channels)
    return (
        count_parameters(network, *channels, **extra),
        count_operations(network, *channels, work.size, **extra),
    )


def _cast_weights(parameters: int, number: int) -> int:
    """Autocast keeps a copy of the weights in the small format."""
    return 0 if number == 4 else number * parameters


def _example(work: Workload, states: int) -> int:
    """Numbers of one example outside the network: its input, and `states` times its output."""
    return prod(work.size) * (work.in_channels + states * work.out_channels)
