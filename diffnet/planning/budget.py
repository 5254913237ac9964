"""What a training may cost: memory, time, and how fast the device is taken to be."""

from __future__ import annotations

from dataclasses import dataclass

from ..data import Record, UserError

GIGABYTE = 1e9
# Seconds a core for a floating-point operation, for a number kept for the backward pass, and for a
# step: least squares over seven U-Nets, within 4 % (benchmarks/steps.py; one core with AVX-512).
CORE_FLOP, CORE_VALUE, CORE_STEP = 4.9e-12, 2.6e-9, 0.022
# Of a step, for a number that is diffused: noise, loss and their way back, in tensors that the
# allocator keeps, and in larger ones that it gives back and the system has to hand out anew. It
# counts where there are many channels: label maps of many classes (benchmarks/steps.py).
CORE_DIFFUSED, CORE_PAGED = 2e-8, 4.5e-8
HEAP_LIMIT = 32 * 2**20  # bytes of a tensor that glibc's allocator keeps
# A call outside of training against a third of a step on a CPU: batches of one, and no backward
# pass to share the work with (benchmarks/memory.py, 16 predictions: 1.0 to 2.2).
ALONE = 1.35
SLACK = 1.25  # for cores that are slower or shared
# A step in bf16 against fp32 on a processor that multiplies bf16 (benchmarks/networks.py).
CORE_HALF = {2: 0.67, 3: 0.55}
TOGETHER = 0.85  # of what one core does, each does when several work
PEAK_FLOPS = {
    8: 40e12,
    16: 65e12,
    24: 120e12,
    40: 312e12,
    80: 312e12,
    141: 989e12,
}  # bf16, by memory
GPU_USE = {2: 0.2, 3: 0.1}  # share of the peak that is reached: 3-D convolutions reach less
GPU_STEP = 0.03
DEFAULT_MEMORY_GB = {"cpu": 4.0, "cuda": 8.0}
DEFAULT_MINUTES = {"cpu": 60.0, "cuda": 12 * 60.0}
USABLE = 0.85  # of the memory: the rest is the allocator's and other processes'


class PlanError(UserError):
    """No plan can be made; the message says what was found, what there is and what to do."""


class TooSmall(PlanError):
    """Nothing fits the budget; the message says the least that would do."""


@dataclass(frozen=True)
class Budget(Record):
    """What may be spent on one training.

    device: "cpu" or "cuda". gpu_memory_gb: of the card, which need not be there; on a CPU the
    memory a training may take (None: 4 GB on a CPU, 8 GB on a card). minutes: of training (None: 60
    on a CPU, 720 on a card). cores: CPU cores that compute. half: the CPU multiplies bf16 in
    hardware; cards are taken to. memory_ratio, time_ratio: what a probe measured over what was
    foretold; 1 is not probed. PlanError: a number that is not above 0.
    """

    device: str = "cpu"
    gpu_memory_gb: float | None = None
    minutes: float | None = None
    cores: int = 2
    half: bool = False
    memory_ratio: float = 1.0
    time_ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in DEFAULT_MINUTES:
            raise PlanError(f"unknown device {self.device!r}: there are cpu and cuda")
        for name in ("gpu_memory_gb", "minutes", "cores", "memory_ratio", "time_ratio"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise PlanError(f"the budget's {name} is {value}; it must be above 0")

    @property
    def kind(self) -> str:
        """cpu or cuda."""
        return self.device.split(":")[0]

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"

    @property
    def precision(self) -> str:
        """Of the network's arithmetic: bf16 where the device is faster with it."""
        return "fp32" if self.on_cpu and not self.half else "bf16"

    @property
    def memory(self) -> float:
        """Bytes that a training may be foretold to use."""
        return self.real_memory / self.memory_ratio

    @property
    def real_memory(self) -> float:
        """Bytes that a training may use."""
        return USABLE * GIGABYTE * (self.gpu_memory_gb or DEFAULT_MEMORY_GB[self.kind])

    @property
    def seconds(self) -> float:
        return 60 * (self.minutes or DEFAULT_MINUTES[self.kind])

    def call_seconds(
        self, operations: float, values: float, dims: int, diffused: float = 0.0
    ) -> float:
        """One network call of a prediction; see `pass_seconds`."""
        alone = ALONE if self.on_cpu else 1.0
        return alone * self.pass_seconds(operations, values, dims, diffused)

    def pass_seconds(
        self, operations: float, values: float, dims: int, diffused: float = 0.0
    ) -> float:
        """The forward pass of a training step. operations: floating-point; values: numbers that it
        leaves behind; diffused: numbers that it estimates.
        """
        if self.on_cpu:
            each = CORE_DIFFUSED if 4 * diffused < HEAP_LIMIT else CORE_PAGED
            work = CORE_FLOP * operations + CORE_VALUE * values / 3
            work *= CORE_HALF[dims] if self.half else 1.0  # losses stay in full precision
            work = self.time_ratio * SLACK * (work + each * diffused / 3)
            return work / (self.cores * (TOGETHER if self.cores > 1 else 1.0))
        gigabytes = self.gpu_memory_gb or DEFAULT_MEMORY_GB["cuda"]
        size = max((s for s in PEAK_FLOPS if s <= gigabytes), default=min(PEAK_FLOPS))
        return self.time_ratio * operations / (GPU_USE[dims] * PEAK_FLOPS[size])

    def step_seconds(
        self,
        operations: float,
        values: float,
        dims: int,
        again: bool = False,
        diffused: float = 0.0,
    ) -> float:
        """One training step: forward, twice that backward; `again`: one more, checkpointing."""
        passes = 4 if again else 3
        fixed = SLACK * CORE_STEP if self.on_cpu else GPU_STEP
        return self.time_ratio * fixed + passes * self.pass_seconds(
            operations, values, dims, diffused
        )
