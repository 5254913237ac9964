"""What solvers of inverse problems cost beside the network calls that they make, at 256 x 256.

python -m benchmarks.inverse_speed              # one thread, some minutes on a CPU
python -m benchmarks.inverse_speed --device cuda --steps 50
Bare calls and solvers take turns in one run; a line is the median over the turns of the ratio of
their times (of the processor on a CPU, so that other work on the machine does not count).
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from diffnet.diffusion import (
    SOLVERS,
    Condition,
    LogUniform,
    NetworkDenoiser,
    Preconditioned,
    VarianceExploding,
)
from diffnet.diffusion.operators import (
    FromReal,
    GaussianNoise,
    Measurement,
    Operator,
    Parallel,
    Projector,
    RealFourier,
    Sense,
    uniform,
)
from diffnet.networks import UNet

SIZE = 256


def operators(device: str) -> dict[str, Operator]:
    mask = uniform((SIZE, SIZE), 4.0)[None, None]
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 8, 8, 8, 2, generator=generator).movedim(4, 2).flatten(1, 2)
    maps = torch.nn.functional.interpolate(maps, (SIZE, SIZE), mode="bilinear").unflatten(1, (8, 2))
    maps = torch.view_as_complex(maps.movedim(2, -1).contiguous())
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    views = tuple(math.pi * k / 60 for k in range(60))
    made = {
        "1 coil, x4": RealFourier(mask),
        "8 coils, x4": Sense(maps, mask) @ FromReal(),
        "60 parallel views": Projector(Parallel(views, 364), (SIZE, SIZE)),
    }
    return {name: operator.to(device) for name, operator in made.items()}


def seconds(work: Callable[[], object], device: str) -> float:
    clock = time.perf_counter if device == "cuda" else time.process_time
    if device == "cuda":
        torch.cuda.synchronize()
    began = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - began


def walk(denoiser: NetworkDenoiser, solver: str, steps: int, known: Measurement) -> Tensor:
    x = denoiser.process.start(torch.zeros_like(known.first_look()))
    for step in SOLVERS[solver](steps, LogUniform()).walk(
        denoiser, x, Condition(measurement=known)
    ):
        x = step
    return x


def bare(denoiser: NetworkDenoiser, steps: int, x: Tensor) -> None:
    for _ in range(steps):
        denoiser(x, x.new_full((len(x),), 0.5), Condition())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 128])
    parser.add_argument("--solvers", nargs="+", default=["daps", "dds"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    n, device = len(asked.widths), asked.device
    network = UNet(
        dims=2,
        in_channels=1,
        out_channels=1,
        widths=tuple(asked.widths),
        strides=((1, 1), *((2, 2),) * (n - 1)),
        kernels=((3, 3),) * n,
        attention=(False,) * n,
        blocks=2,
    )
    process = VarianceExploding(0.01, 30.0)
    denoiser = NetworkDenoiser(network, process, Preconditioned(0.5)).eval().to(device)
    x = 0.5 * torch.randn(1, 1, SIZE, SIZE, device=device)
    weights = sum(p.numel() for p in network.parameters())
    with torch.no_grad():
        bare(denoiser, 1, x)
        one = seconds(lambda: bare(denoiser, 2, x), device) / 2
        print(f"network of {weights / 1e6:.1f} M weights, {1000 * one:.0f} ms a call, {device}")
        for name, operator in operators(device).items():
            known = Measurement.simulate(x, operator, GaussianNoise(0.01))
            for solver in asked.solvers:
                ratios = []
                for _ in range(asked.turns):
                    calls = seconds(lambda: bare(denoiser, asked.steps, x), device)
                    ratios += [
                        seconds(lambda s=solver, k=known: walk(denoiser, s, asked.steps, k), device)
                        / calls
                    ]
                print(f"{name}, {solver}: {statistics.median(ratios):.2f}", flush=True)


if __name__ == "__main__":
    main()
