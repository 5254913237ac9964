"""Seconds of a training step on one CPU core, and the three constants that foretell them.

    python benchmarks/steps.py [--repeats 4]

Prints, for seven U-Nets in 2-D and 3-D, processor seconds of one step (forward, backward, AdamW;
the fastest of several) beside what `diffnet.planning.budget` foretells without its slack, then the
constants that fit these measurements best; and what more classes of a label map cost. It is
processor time of one thread, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch

from diffnet.diffusion import (
    Batch,
    Condition,
    DiceCrossEntropy,
    Diffusion,
    LogNormal,
    NetworkDenoiser,
    Objective,
    Original,
    VarianceExploding,
)
from diffnet.networks import Probabilities, UNet
from diffnet.planning import NetworkPlan, Workload, training_memory
from diffnet.planning.budget import CORE_DIFFUSED, CORE_FLOP, CORE_PAGED, CORE_STEP, CORE_VALUE
from diffnet.planning.network_walk import kept_values
from diffnet.tasks import Generation

IN_CHANNELS, OUT_CHANNELS = 3, 1
WHAT = ("an operation", "a kept number", "a step")


@dataclass(frozen=True)
class Row:
    """One network on one batch."""

    dims: int
    patch: tuple[int, ...]
    widths: tuple[int, ...]
    blocks: int
    batch: int

    @property
    def plan(self) -> NetworkPlan:
        stages, d = len(self.widths), self.dims
        strides = ((1,) * d, *((2,) * d for _ in range(stages - 1)))
        return NetworkPlan(
            self.widths, strides, ((3,) * d,) * stages, (False,) * stages, self.blocks
        )

    def costs(self) -> tuple[float, float, float]:
        """Operations and kept numbers of a training step, and the constant 1."""
        work = Workload(IN_CHANNELS, OUT_CHANNELS, self.patch, self.batch)
        operations = 3 * training_memory(self.plan, work).operations * self.batch
        return operations, kept_values(self.plan, IN_CHANNELS, self.patch) * self.batch, 1.0


ROWS = (
    Row(2, (120, 104), (16, 32, 64, 128), 1, 4),
    Row(2, (120, 104), (32, 64, 128, 256), 1, 4),
    Row(2, (120, 104), (32, 64, 128, 256), 2, 4),
    Row(2, (64, 64), (64, 128, 256), 2, 8),
    Row(2, (64, 64), (24, 48, 96, 192), 1, 4),
    Row(3, (36, 52, 36), (16, 32, 64), 1, 2),
    Row(3, (36, 52, 36), (32, 64, 128), 1, 2),
)


def step_seconds(row: Row, repeats: int) -> float:
    """The fastest of `repeats` steps, after one to warm up."""
    p = row.plan
    net = UNet(
        row.dims,
        IN_CHANNELS,
        OUT_CHANNELS,
        p.widths,
        p.strides,
        p.kernels,
        p.attention,
        p.blocks,
    )
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    x, t = torch.randn(row.batch, IN_CHANNELS, *row.patch), torch.rand(row.batch)
    spent = []
    for _ in range(repeats + 1):
        start = time.process_time()
        optimiser.zero_grad()
        net(x, t).square().mean().backward()
        optimiser.step()
        spent.append(time.process_time() - start)
    return min(spent[1:])


def class_seconds(repeats: int, side: int, few: int = 4, many: int = 54) -> float:
    """Seconds of a step for each further number that is diffused, beyond what its convolutions
    take: label maps of side^3 voxels with few and with many classes, from class indices on.
    """
    spent, foretold = [], []
    for classes in (few, many):
        row = Row(3, (side,) * 3, (16, 32, 64), 1, 1)
        p = row.plan
        shape = (p.widths, p.strides, p.kernels, p.attention, p.blocks)
        net = Probabilities(UNet(3, classes, classes, *shape))
        process = VarianceExploding(0.02, 80.0)
        denoiser = NetworkDenoiser(net, process, Original((0.5,)), centred=False)
        loss = DiceCrossEntropy(dice=0.0, square=0.0)
        levels = LogNormal(-1.0, 1.2, 0.02, 80.0, 0.0)
        method = Diffusion(denoiser, Objective(levels, loss=loss), None)
        optimiser = torch.optim.AdamW(method.parameters(), 1e-3)
        index, task = (
            torch.randint(classes, (1, 1, *row.patch)),
            Generation(what="labels", classes=classes),
        )
        seconds = []
        for _ in range(repeats + 1):
            start = time.process_time()
            optimiser.zero_grad()
            for _, value in method.losses(Batch(task.as_target(index), Condition())):
                value.backward()
            optimiser.step()
            seconds.append(time.process_time() - start)
        spent.append(min(seconds[1:]))
        work = Workload(classes, classes, row.patch, 1)
        kept = kept_values(p, classes, row.patch)
        operations = 3 * training_memory(p, work).operations
        foretold.append(CORE_FLOP * operations + CORE_VALUE * kept)
    rest = spent[1] - spent[0] - foretold[1] + foretold[0]
    return rest / ((many - few) * side**3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    costs = np.asarray([row.costs() for row in ROWS])
    measured = np.asarray([step_seconds(row, repeats) for row in ROWS])
    foretold = costs @ np.asarray([CORE_FLOP, CORE_VALUE, CORE_STEP])
    print("| network | measured s | foretold s | ratio |\n|---|---|---|---|")
    for row, m, f in zip(ROWS, measured, foretold, strict=True):
        name = f"{row.dims}-D {row.patch} widths {row.widths} blocks {row.blocks} batch {row.batch}"
        print(f"| {name} | {m:.3f} | {f:.3f} | {f / m:.2f} |")
    weight = 1 / measured
    fit = np.linalg.lstsq(costs * weight[:, None], measured * weight, rcond=None)[0]
    texts = [f"{value:.3g} s {what}" for value, what in zip(fit, WHAT, strict=True)]
    print("best fit:", ", ".join(texts))
    for side, planned in ((48, CORE_DIFFUSED), (56, CORE_PAGED)):
        more = class_seconds(repeats, side)
        print(f"{side}^3: {more:.3g} s a number that is diffused; planned {planned:.3g} s")


if __name__ == "__main__":
    main()
