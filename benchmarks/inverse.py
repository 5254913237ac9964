"""Solvers of inverse problems beside exact posteriors, as documentation/inverse.md shows them.

python -m benchmarks.inverse              # every solver, 20 and 100 calls, a minute or so
python -m benchmarks.inverse --calls 20 --solvers daps dps
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from diffnet.diffusion import Condition, LogUniform, VarianceExploding
from diffnet.diffusion.inverse import SOLVERS
from diffnet.diffusion.inverse.oracle import (
    Dense,
    FullMixtureDenoiser,
    Judged,
    Mixture,
    exact_posterior,
    judge,
)
from diffnet.diffusion.operators import GaussianNoise, Masked, Measurement, Operator

SIGMA = 0.05
NETWORKLESS = ("first_look", "total_variation")


@dataclass(frozen=True)
class Problem:
    """A prior, an operator and one measurement of a draw of the prior."""

    prior: Mixture
    operator: Operator
    matrix: Tensor
    y: Tensor

    @property
    def posterior(self) -> Mixture:
        return exact_posterior(self.prior, self.matrix, self.y, SIGMA)


def smooth_basis(n: int) -> Tensor:
    """(n, n), the orthonormal cosines, slowest first."""
    place = torch.arange(n, dtype=torch.float64)
    basis = torch.cos(torch.pi * place[:, None] * (place + 0.5) / n)
    return basis / basis.norm(dim=1, keepdim=True)


def make_prior(n: int, parts: int) -> Mixture:
    """`parts` Gaussians with power-law spectra and smooth means, variance about 0.25 in all."""
    generator = torch.Generator().manual_seed(0)
    basis, means, covariances = smooth_basis(n), [], []
    for k in range(parts):
        spectrum = (1 + torch.arange(n, dtype=torch.float64)) ** -(1.2 + 0.4 * k)
        spectrum = spectrum / spectrum.mean() * (0.25 if parts == 1 else 0.12)
        covariances += [basis.T @ torch.diag(spectrum) @ basis]
        middle = torch.randn(n, generator=generator, dtype=torch.float64) * spectrum.sqrt()
        means += [(basis.T @ middle) * (0.5 if parts > 1 else 0.0)]
    weights = torch.full((parts,), 1 / parts, dtype=torch.float64)
    return Mixture(weights, torch.stack(means), torch.stack(covariances))


def make_problem(kind: str, parts: int, n: int = 48) -> Problem:
    """kind: "ct" (ill-conditioned), or "mri" (half of an orthonormal transform's coefficients)."""
    generator = torch.Generator().manual_seed(1)
    prior = make_prior(n, parts)
    noise = torch.randn(n, n, generator=generator, dtype=torch.float64)
    left, right = torch.linalg.qr(noise)[0], torch.linalg.qr(noise.T)[0]
    if kind == "ct":
        values = torch.logspace(0, -2.5, n // 2, dtype=torch.float64)
        matrix = left[: n // 2, : n // 2] @ torch.diag(values) @ right[: n // 2]
        operator: Operator = Dense(matrix)
    else:
        mask = torch.zeros(n, dtype=torch.float64)
        mask[torch.randperm(n, generator=generator)[: n // 2]] = 1
        matrix = torch.eye(n, dtype=torch.float64)[mask > 0]
        operator = Masked(mask[None, None]).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        x = prior.draw(1)[0, 0]
        y = matrix @ x + SIGMA * torch.randn(len(matrix), dtype=torch.float64)
    return Problem(prior, operator, matrix, y)


def solve(problem: Problem, solver: str, calls: int, count: int = 400) -> tuple[Judged, float]:
    """(how `count` samples compare, seconds)."""
    process = VarianceExploding(0.01, 30.0)
    denoiser = FullMixtureDenoiser(process, problem.prior)
    y = problem.y
    if isinstance(problem.operator, Masked):
        y = problem.matrix.T @ y
    measurement = Measurement(y.expand(count, 1, -1), problem.operator, GaussianNoise(SIGMA))
    sampler = SOLVERS[solver](calls, LogUniform())
    began = time.perf_counter()
    with torch.no_grad():
        torch.manual_seed(0)
        x = process.start(torch.zeros(count, 1, len(problem.prior.means[0])).double())
        for step in sampler.walk(denoiser, x, Condition(measurement=measurement)):
            x = step
    seconds = time.perf_counter() - began
    return judge(x, problem.posterior, problem.matrix, problem.y, SIGMA), seconds


def rows(kind: str, parts: int, calls: list[int], solvers: list[str]) -> Iterator[str]:
    """The lines of one table."""
    problem = make_problem(kind, parts)
    exact = judge(problem.posterior.draw(400), problem.posterior, problem.matrix, problem.y, SIGMA)
    yield f"| exact draws | {shown(exact)} |" + " |" * (len(calls) - 1)
    for solver in solvers:
        cells = []
        for steps in calls:
            try:
                judged, seconds = solve(problem, solver, steps)
                cells += [f"{shown(judged)} ({seconds:.1f} s)"]
            except TypeError as error:
                cells += [str(error).split(" (")[0]]
        yield f"| {solver} | {' | '.join(cells)} |"


def shown(j: Judged) -> str:
    return f"{j.bias:.3f}; {j.variance:.2f}; {j.residual:.2f}; {j.divergence:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[20, 100])
    parser.add_argument(
        "--solvers", nargs="+", default=[s for s in SOLVERS if s not in NETWORKLESS]
    )
    parser.add_argument("--kinds", nargs="+", default=["ct", "mri"])
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 3])
    asked = parser.parse_args()
    print("bias of the mean / posterior std; variance / posterior's; residual / sigma; KL per dim")
    for kind in asked.kinds:
        for parts in asked.parts:
            print(f"\n{kind}, prior of {parts} Gaussian{'s' * (parts > 1)}")
            print("| solver |" + "".join(f" {c} steps |" for c in asked.calls))
            print("|---|" + "---|" * len(asked.calls))
            for line in rows(kind, parts, asked.calls, asked.solvers):
                print(line, flush=True)


if __name__ == "__main__":
    main()
