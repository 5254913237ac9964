"""Measures samplers: error against network calls, on an exact mixture or on a trained run.

Run: python benchmarks/samplers.py writes documentation/samplers.md and .png; with --overhead 64 it
measures the samplers' own arithmetic at 64^3; with --run RUN [--dataset FOLDER] it asks a trained
network the same question.

The mixture's denoiser is exact, so every error is the sampler's. All deterministic samplers start
from the same noise and are compared with UniPC-3 of very many calls. Stochastic samplers have no
path to compare; for them it is the error of the variance, computed exactly.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import matplotlib
import torch
from torch import Tensor, nn

from diffnet.diffusion import (
    AdamsBashforth,
    Ancestral,
    Condition,
    Ddim,
    Denoiser,
    DpmSolver2M,
    DpmSolver2S,
    DpmSolver3M,
    EulerMaruyama,
    FlowShift,
    Grid,
    Heun,
    Karras,
    LogUniform,
    NetworkDenoiser,
    Noise,
    Preconditioned,
    PredictorCorrector,
    Sampler,
    SdeDpmSolver2M,
    Trailing,
    UniPC,
    VarianceExploding,
)
from diffnet.diffusion.oracle import MixtureDenoiser
from diffnet.networks import UNet

matplotlib.use("Agg")
DOCUMENTATION = Path(__file__).parents[1] / "documentation"
CALLS = (6, 11, 21, 41, 81)
PROCESS = VarianceExploding(0.02, 80.0)
SPREAD = 0.6
GRIDS: dict[str, Grid] = {
    "log_uniform": LogUniform(),
    "karras": Karras(),
    f"flow_shift({SPREAD})": FlowShift(SPREAD),
    "trailing": Trailing(),
}
Make = Callable[[int, Grid], Sampler]
DETERMINISTIC: dict[str, Make] = {
    "ddim": lambda n, g: Ddim(n, g),
    "heun": lambda n, g: Heun((n + 1) // 2, g),
    "dpm_solver_2s": lambda n, g: DpmSolver2S((n + 1) // 2, g),
    "dpm_solver_2m": lambda n, g: DpmSolver2M(n, g),
    "dpm_solver_3m": lambda n, g: DpmSolver3M(n, g),
    "adams_bashforth": lambda n, g: AdamsBashforth(n, g),
    "unipc (2)": lambda n, g: UniPC(n, g),
    "unipc (3)": lambda n, g: UniPC(n, g, order=3),
}
STOCHASTIC: dict[str, Make] = {
    "ancestral": lambda n, g: Ancestral(n, g),
    "euler_maruyama": lambda n, g: EulerMaruyama(n, g),
    "sde_dpm_solver_2m": lambda n, g: SdeDpmSolver2M(n, g),
    "heun, churn 40": lambda n, g: Heun((n + 1) // 2, g, churn=40.0),
    "ddim": lambda n, g: Ddim(n, g),
    "dpm_solver_2m": lambda n, g: DpmSolver2M(n, g),
    "unipc (2)": lambda n, g: UniPC(n, g),
    "unipc (3)": lambda n, g: UniPC(n, g, order=3),
}
Errors = dict[tuple[str, str], list[float]]


def mixture() -> MixtureDenoiser:
    """Eight dimensions, six parts of std 0.15, together of std 0.6."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    means = means * math.sqrt(SPREAD**2 - 0.15**2) / means.std()
    stds = torch.full((6,), 0.15, dtype=torch.float64)
    return MixtureDenoiser(PROCESS, means, stds, torch.ones(6, dtype=torch.float64))


def clean(sampler: Sampler, denoiser: Denoiser, x: Tensor, condition: Condition) -> Tensor:
    for step in sampler.walk(denoiser, x, condition):
        x = step
    return x


def path_errors(
    denoiser: Denoiser,
    x: Tensor,
    condition: Condition,
    truth: Tensor,
    calls: Sequence[int],
    grids: dict[str, Grid],
) -> Errors:
    """Root mean squared difference from `truth`, which started from the same x."""
    return {
        (name, grid): [
            float((clean(make(n, g), denoiser, x, condition) - truth).square().mean().sqrt())
            for n in calls
        ]
        for name, make in DETERMINISTIC.items()
        for grid, g in grids.items()
    }


@dataclass(frozen=True, eq=False)
class Traced(Noise):
    """Successive unit vectors, so that a linear sampler returns the coefficient of every draw."""

    drawn: list[int] = field(default_factory=list)

    def __call__(self, like: Tensor) -> Tensor:
        unit = torch.zeros_like(like)
        unit[..., 1 + len(self.drawn)] = 1
        self.drawn.append(1)
        return unit


class Linear(Denoiser):
    """The exact denoiser of N(0, std^2)."""

    def __init__(self, process: VarianceExploding, std: float) -> None:
        super().__init__()
        self.process, self.std = process, std

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        r = self.process.level(t)[:, None, None]
        return x_t * self.std**2 / (self.std**2 + r**2)


def variance_errors(std: float, calls: Sequence[int]) -> Errors:
    """Relative error of the variance of x at the smallest level, exact, for data N(0, std^2)."""
    found: Errors = {}
    for name, make in STOCHASTIC.items():
        for grid in ("log_uniform", "karras"):
            row = []
            for n in calls:
                process = VarianceExploding(0.002, 80.0, noise=Traced())
                x = torch.zeros(1, 1, 2 * n + 4, dtype=torch.float64)
                x[..., 0] = math.sqrt(80.0**2 + std**2)
                *points, _ = make(n, GRIDS[grid]).walk(Linear(process, std), x, Condition())
                row.append(float(points[-1].square().sum()) / (std**2 + 0.002**2) - 1)
            found[name, grid] = row
    return found


class Echo(nn.Module):
    """A network that costs nothing."""

    def forward(self, x: Tensor, time: Tensor, **_: Tensor | None) -> Tensor:
        return x


def overhead(size: int, calls: int = 11) -> list[str]:
    """Milliseconds of everything but the network, beside one call of a small U-Net."""
    net = UNet(
        3, 1, 1, (32, 64, 128), ((1,) * 3, (2,) * 3, (2,) * 3), ((3,) * 3,) * 3, (False,) * 3
    )
    x = 80 * torch.randn(1, 1, size, size, size)
    with torch.inference_mode():
        call = min(
            _seconds(Ddim(1), NetworkDenoiser(net, PROCESS, Preconditioned()), x) for _ in "ab"
        )
        lines = [
            f"One call of a small U-Net (widths 32, 64, 128) at {size}^3: {1000 * call:.0f} ms.",
            "",
            "| sampler | own arithmetic, ms a call | of the network's time |",
            "|---|---|---|",
        ]
        for name, make in {
            **DETERMINISTIC,
            **STOCHASTIC,
            "predictor_corrector": _corrector,
        }.items():
            denoiser = NetworkDenoiser(Echo(), PROCESS, Preconditioned())
            sampler = make(calls, LogUniform())
            each = min(_seconds(sampler, denoiser, x) for _ in range(5)) / sampler.calls
            lines.append(f"| {name} | {1000 * each:.1f} | {100 * each / call:.2f} % |")
    return lines


def _seconds(sampler: Sampler, denoiser: Denoiser, x: Tensor) -> float:
    began = perf_counter()
    clean(sampler, denoiser, x, Condition())
    return perf_counter() - began


def _corrector(n: int, grid: Grid) -> Sampler:
    return PredictorCorrector((n + 1) // 2, grid)


def table(errors: Errors, calls: Sequence[int], style: str) -> list[str]:
    head = "| sampler | grid | " + " | ".join(f"{n} calls" for n in calls) + " |"
    lines = [head, "|---|---|" + "---|" * len(calls)]
    best = [min(abs(row[i]) for row in errors.values()) for i in range(len(calls))]
    for (name, grid), row in errors.items():
        cells = [
            f"**{e:{style}}**" if abs(e) == best[i] else f"{e:{style}}" for i, e in enumerate(row)
        ]
        lines.append(f"| {name} | {grid} | " + " | ".join(cells) + " |")
    return lines


def plot(errors: Errors, calls: Sequence[int], path: Path, what: str) -> None:
    """One line a sampler, one panel a grid."""
    from matplotlib import pyplot

    grids = list(dict.fromkeys(grid for _, grid in errors))
    figure, axes = pyplot.subplots(
        1, len(grids), figsize=(3.6 * len(grids), 3.8), sharey=True, squeeze=False
    )
    for axis, grid in zip(axes[0], grids, strict=True):
        for name in dict.fromkeys(name for name, _ in errors):
            axis.loglog(calls, errors[name, grid], marker="o", markersize=3, label=name)
        axis.set(title=grid, xlabel="network calls", xticks=calls, xticklabels=calls)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel(what)
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def of_mixture() -> None:
    denoiser = mixture()
    x = 80 * torch.randn(256, 8, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    truth = clean(UniPC(2001, order=3), denoiser, x, Condition())
    errors = path_errors(denoiser, x, Condition(), truth, CALLS, GRIDS)
    plot(errors, CALLS, DOCUMENTATION / "samplers.png", "root mean squared error")
    lines = [
        "# Samplers, measured",
        "",
        "Made by `python benchmarks/samplers.py`. A Gaussian mixture in eight dimensions (std 0.6, "
        "parts of std 0.15), noise levels 0.02 to 80, an exact denoiser: the root mean squared "
        "difference between the sampler's answer and that of 2001 calls of UniPC-3 from the same "
        "noise. Smallest in bold.",
        "",
        *table(errors, CALLS, ".2g"),
        "",
        "![Error against network calls](samplers.png)",
        "",
    ]
    for std in (0.5, 0.1):
        lines += [
            f"## Variance, for Gaussian data of std {std}",
            "",
            "Relative error of the variance at the smallest level (0.002), exact: every draw's "
            "coefficient is traced through the sampler. Negative is too smooth.",
            "",
            *table(variance_errors(std, CALLS), CALLS, "+.2g"),
            "",
        ]
    (DOCUMENTATION / "samplers.md").write_text("\n".join(lines))
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="a trained run's folder")
    parser.add_argument("--dataset", type=Path, help="the run's dataset folder")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="a folder for the run's table and plot")
    parser.add_argument("--overhead", type=int, help="edge of the volume, for example 64")
    settings = parser.parse_args()
    if settings.overhead:
        print("\n".join(overhead(settings.overhead)))
    elif settings.run:
        from samplers_of_run import of_run

        of_run(settings.run, settings.dataset, settings.cases, settings.device, settings.out)
    else:
        of_mixture()


if __name__ == "__main__":
    main()
