"""How an answer is drawn from a method: its mean, one sample, or several; whole or by windows."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..data import Record, UserError
from ..diffusion import (
    SAMPLERS,
    SOLVERS,
    Condition,
    Denoiser,
    Diffusion,
    Method,
    Tiled,
    Wrap,
    WrappedDenoiser,
)
from ..planning import Configuration, Workload, prediction_memory
from ..recipes import Solved, planned_sampler
from .run import Run

OUTPUTS = ("mean", "sample", "samples")
SAMPLES = 8  # draws where the plan names no number
SHARE = 0.5  # of the free memory that a forward pass may take


class DrawingError(UserError):
    """A way of drawing that the run does not know."""


@dataclass(frozen=True)
class Drawing(Record):
    """output: mean | sample | samples. samples: K. overlap: share of a window its neighbour covers.

    sampler None: the method draws without one.
    """

    output: str
    samples: int = 1
    steps: int | None = None
    sampler: str | None = None
    seed: int = 0
    overlap: float = 0.5


@dataclass(frozen=True)
class Drawn:
    """x: (B, C, *S), the answer or the mean of K. std: of K, with K - 1. calls: of the denoiser."""

    x: Tensor
    std: Tensor | None
    calls: int
    windows: bool


def drawing_of(
    run: Run,
    output: str | None = None,
    samples: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    overlap: float = 0.5,
) -> Drawing:
    """The plan's choice where nothing is said. DrawingError: what the run cannot do."""
    plan = run.configuration.sampling
    output = output or ("samples" if samples and samples > 1 else plan.output)
    if output not in OUTPUTS:
        raise DrawingError(f"output is {output!r}; there are {', '.join(OUTPUTS)}")
    k = samples or (plan.samples if plan.samples > 1 else SAMPLES)
    if output != "samples" and samples not in (None, 1):
        raise DrawingError(f"{samples} samples go with output samples, not with output {output}")
    if k < 1 or (steps is not None and steps < 1) or not 0 <= overlap < 1:
        raise DrawingError("samples and steps are at least 1, overlap is from 0 to below 1")
    with torch.random.fork_rng(devices=[]):
        method = run.method
    draws = isinstance(method, Diffusion)
    if not draws and (steps or sampler or output == "samples"):
        raise DrawingError(
            f"the recipe {run.card['recipe']['name']} gives one answer without drawing: leave out "
            "--steps, --sampler and --samples"
        )
    k = k if output == "samples" else 1
    if not draws:
        return Drawing(output, k, None, None, seed, overlap)
    own, calls = own_sampler(method, run.configuration)
    return Drawing(output, k, steps or calls, sampler or own, seed, overlap)


def own_sampler(method: Method, c: Configuration) -> tuple[str, int]:
    """(name, steps): the solver of the recipe where it has one, else what is planned."""
    if isinstance(method, Solved):
        return method.solver, method.sampler.steps
    return c.sampling.sampler, c.sampling.steps


def with_sampler(method: Method, c: Configuration, drawing: Drawing) -> Method:
    """`method`, or a copy that walks as `drawing` says. DrawingError: a misfit of the two."""
    if not isinstance(method, Diffusion) or drawing.sampler is None:
        return method
    own = own_sampler(method, c)
    if (drawing.sampler, drawing.steps) == own:
        return method
    method = copy.copy(method)  # the run keeps its own sampler; weights are shared
    solves = isinstance(method, Solved)
    if solves and drawing.sampler == own[0]:
        method.sampler = replace(method.sampler, steps=drawing.steps)
        return method
    if solves != (drawing.sampler in SOLVERS) and drawing.sampler in SOLVERS | SAMPLERS:
        there = ", ".join(SOLVERS if solves else SAMPLERS)
        raise DrawingError(
            f"{drawing.sampler} {'knows no measurement' if solves else 'needs a measurement'}; "
            f"here there are {there}"
        )
    plan = replace(c.sampling, sampler=drawing.sampler, steps=drawing.steps)
    try:
        method.sampler = planned_sampler(replace(c, sampling=plan))
    except ValueError as error:
        raise DrawingError(str(error)) from error
    return method


@torch.no_grad()
def draw(
    method: Method,
    like: Tensor,
    condition: Condition,
    drawing: Drawing,
    c: Configuration,
    seeds: Sequence[int],
    keep_draw: Callable[[int, Tensor], None] | None = None,
) -> Drawn:
    """The answer for `like` (B, C, *S); one seed a draw. Whole if memory allows, else windows.

    keep_draw(k, x) is handed each of K draws. DrawingError: too little memory for one window.
    """
    attempts = [False, True] if fits(like, c, method) else [True]
    for windows in attempts:
        wrap, counter = wrapping(method, c, like, drawing, windows)
        try:
            x, std = _draws(method, like, condition, drawing, wrap, c, seeds, keep_draw)
            return Drawn(x, std, counter.calls, windows)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if windows:
                size = "x".join(map(str, c.patch))
                raise DrawingError(
                    f"the memory of {like.device} does not suffice for windows of {size}: use "
                    "--device cpu, or a plan with a smaller patch"
                ) from error
        if like.is_cuda:
            torch.cuda.empty_cache()
    raise AssertionError("one attempt at least was made")


def _draws(
    method: Method,
    like: Tensor,
    condition: Condition,
    drawing: Drawing,
    wrap: Wrap,
    c: Configuration,
    seeds: Sequence[int],
    keep_draw: Callable[[int, Tensor], None] | None,
) -> tuple[Tensor, Tensor | None]:
    """Mean and standard deviation over the draws, updated draw by draw (Welford)."""
    mean, square = torch.zeros_like(like), torch.zeros_like(like)
    devices = [like.device] if like.is_cuda else []
    for k, seed in enumerate(seeds, 1):
        with torch.random.fork_rng(devices), precision(c, like):
            torch.manual_seed(seed)
            answer = method.mean if drawing.output == "mean" else method.sample
            x = answer(like, condition, wrap).float()
        if keep_draw is not None:
            keep_draw(k, x)
        difference = x - mean
        mean += difference / k
        square += difference * (x - mean)
    return mean, (square / (k - 1)).sqrt() if k > 1 else None


def precision(c: Configuration, like: Tensor) -> AbstractContextManager[None]:
    """The network's precision, as trained."""
    half = c.training.precision == "bf16"
    return torch.autocast(like.device.type, torch.bfloat16) if half else nullcontext()


class Counted(WrappedDenoiser):
    """Counts how often the denoiser is asked."""

    def __init__(self, inner: Denoiser, counter: Counter) -> None:
        super().__init__(inner)
        self.counter = counter

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.counter.calls += 1
        return self.inner(x_t, t, condition)


class Few(WrappedDenoiser):
    """Asks for at most `most` examples of a batch at a time: slices of a volume, for instance."""

    def __init__(self, inner: Denoiser, most: int) -> None:
        super().__init__(inner)
        self.most = most

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if len(x_t) <= self.most:
            return self.inner(x_t, t, condition)
        parts = []
        for start in range(0, len(x_t), self.most):
            some = slice(start, start + self.most)
            parts.append(self.inner(x_t[some], t[some], condition.map(lambda v, s=some: v[s])))
        return torch.cat(parts)


@dataclass
class Counter:
    calls: int = 0


def wrapping(
    method: Method, c: Configuration, like: Tensor, drawing: Drawing, windows: bool
) -> tuple[Wrap, Counter]:
    """The wrap around a method's denoiser: few at a time, by windows if need be, and counted."""
    counter = Counter()
    size = method.grid(c.patch if windows else like.shape[2:])
    each = forward_bytes(c, size)
    most = max(1, min(len(like), int(SHARE * free_memory(like.device) / each)))

    def wrap(denoiser: Denoiser) -> Denoiser:
        inner = Few(denoiser, most)
        if windows:
            inner = Tiled(inner, size, drawing.overlap)
        return Counted(inner, counter)

    return wrap, counter


def fits(like: Tensor, c: Configuration, method: Method | None = None) -> bool:
    """Whether one example of `like` goes through the network whole.

    Where there is attention, only grids that the network was trained on do: it mixes all positions.
    """
    size = like.shape[2:]
    if all(n <= p for n, p in zip(size, c.patch, strict=True)):
        return True
    if any(c.network.attention):
        return False
    grid = size if method is None else method.grid(size)
    return forward_bytes(c, grid) <= SHARE * free_memory(like.device)


def forward_bytes(c: Configuration, size: Sequence[int]) -> float:
    """What a network call takes for one example of spatial `size`, beside the weights."""
    work = Workload(
        c.target_channels + c.image_channels,
        c.target_channels,
        tuple(size),
        classes=c.classes,
        precision=c.training.precision,
    )
    memory = prediction_memory(c.network, work)
    return memory.activations + memory.workspace + memory.states


def free_memory(device: torch.device) -> float:
    """Bytes that can be allocated now."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(float(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) / 2


def out_of_memory(error: RuntimeError) -> bool:
    """CUDA says so by its class, the CPU's allocator by its words."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)
