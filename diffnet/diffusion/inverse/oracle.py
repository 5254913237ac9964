"""Exact answers for tests and measurements: a mixture prior, a matrix, and the posterior."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..operators import Operator
from ..process import GaussianProcess, over


class Mixture(NamedTuple):
    """sum_k w_k N(m_k, C_k) over vectors: weights (K,), means (K, n), covariances (K, n, n)."""

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def mean(self) -> Tensor:
        return self.weights @ self.means

    def covariance(self) -> Tensor:
        gap = self.means - self.mean()
        within = torch.einsum("k,kij->ij", self.weights, self.covariances)
        return within + torch.einsum("k,ki,kj->ij", self.weights, gap, gap)

    def draw(self, count: int) -> Tensor:
        """(count, 1, n)."""
        which = torch.multinomial(self.weights, count, replacement=True)
        root = torch.linalg.cholesky(self.covariances)
        noise = torch.randn(count, self.means.shape[1]).to(self.means)
        return (self.means[which] + torch.einsum("bij,bj->bi", root[which], noise))[:, None]


class Dense(Operator):
    """y (B, C, m) = A x of x (B, C, n), A a matrix (m, n)."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)
        self.left, self.values, self.right = torch.linalg.svd(matrix, full_matrices=False)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T

    def adjoint(self, y: Tensor) -> Tensor:
        return y @ self.matrix

    def ridge(self, y, shift, iterations=None):
        """By the singular values, unless a number of iterations is asked for."""
        if iterations is not None:
            return super().ridge(y, shift, iterations)
        factor = self.values / (self.values**2 + shift)
        return ((y @ self.left) * factor) @ self.right

    def filtered(self, x, response):
        known = x @ self.right.T
        none = response(torch.zeros(1, dtype=x.dtype))
        return none * x + ((response(self.values**2) - none) * known) @ self.right


def exact_posterior(prior: Mixture, matrix: Tensor, y: Tensor, sigma: float) -> Mixture:
    """p(x | y) for y (m,) = A x + sigma eps: a mixture, too."""
    noise = sigma**2 * torch.eye(len(matrix), dtype=matrix.dtype)
    seen = matrix @ prior.covariances @ matrix.T + noise
    gain = torch.linalg.solve(seen, matrix @ prior.covariances).mT
    gap = y - prior.means @ matrix.T
    means = prior.means + torch.einsum("kim,km->ki", gain, gap)
    covariances = prior.covariances - gain @ (matrix @ prior.covariances)
    evidence = torch.distributions.MultivariateNormal(torch.zeros_like(gap), seen).log_prob(gap)
    weights = (prior.weights.log() + evidence).softmax(0)
    return Mixture(weights, means, (covariances + covariances.mT) / 2)


class FullMixtureDenoiser(Denoiser):
    """E[x_0 | x_t] for x_0 (B, 1, n) of a mixture with full covariances."""

    def __init__(self, process: GaussianProcess, prior: Mixture) -> None:
        super().__init__()
        self.process, self.prior = process, prior
        values, vectors = torch.linalg.eigh(prior.covariances)
        self.values, self.vectors = values.clamp(min=0), vectors

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        a, _, c = self.process.coefficients(t)
        z, r = (x_t / over(a, x_t))[:, 0], (c / a).to(x_t)
        gap = torch.einsum("kji,bkj->bki", self.vectors, z[:, None] - self.prior.means)
        total = self.values + r[:, None, None] ** 2
        density = -0.5 * (gap**2 / total + total.log()).sum(2)
        share = (density + self.prior.weights.log()).softmax(1)
        pulled = torch.einsum("kij,bkj->bki", self.vectors, self.values / total * gap)
        return (share[..., None] * (self.prior.means + pulled)).sum(1)[:, None]


class Judged(NamedTuple):
    """How samples compare with the exact posterior; an exact sampler's rows are 0, 1, about 1 and
    about (n + 3) / (4 count).

    bias: rms over voxels of the mean's error over the posterior std. variance: mean over voxels of
    sample over posterior variance. residual: rms of y - A x over sigma. divergence: KL in nats per
    dimension, of the Gaussians with these moments.
    """

    bias: float
    variance: float
    residual: float
    divergence: float


def judge(x: Tensor, posterior: Mixture, matrix: Tensor, y: Tensor, sigma: float) -> Judged:
    """x (B, 1, n)."""
    flat, mean, covariance = x[:, 0], posterior.mean(), posterior.covariance()
    std = covariance.diagonal().sqrt()
    gap, drawn = flat.mean(0) - mean, flat.T.cov()
    n = len(mean)
    # a collapsed sampler has a singular covariance and infinite divergence: it is cut at 1e-6
    whiten = torch.linalg.inv(torch.linalg.cholesky(covariance))
    values = torch.linalg.eigvalsh(whiten @ drawn @ whiten.T).clamp(min=1e-6)
    moved = (whiten @ gap).square().sum()
    divergence = 0.5 * ((values - 1 - values.log()).sum() + moved) / n
    residual = (y - flat @ matrix.T).square().mean().sqrt() / sigma
    ratio = (drawn.diagonal() / std**2).mean()
    bias = (gap / std).square().mean().sqrt()
    return Judged(*(v.item() for v in (bias, ratio, residual, divergence)))
