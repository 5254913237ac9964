"""Laws of low rank: the proximal map of the nuclear norm, and slices that share few images."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusion_oracles import LinearDenoiser
from torch import Tensor

from diffnet.diffusion import Condition, LogUniform, VarianceExploding
from diffnet.diffusion.inverse import SOLVERS, LowRank, Proximal, Question
from diffnet.diffusion.inverse.low_rank import shrunk
from diffnet.diffusion.operators import GaussianNoise, Identity, Masked, Measurement

PROCESS = VarianceExploding(0.01, 20.0)


def few_images(slices: int, rank: int, seed: int = 0) -> Tensor:
    """(slices, 1, 8, 8), mixtures of `rank` images, standard deviation about 0.5."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(slices, rank, generator=generator, dtype=torch.float64)
    images = torch.randn(rank, 64, generator=generator, dtype=torch.float64)
    return 0.5 * ((mixing @ images) / rank**0.5).reshape(slices, 1, 8, 8)


def question(x_0: Tensor, sigma: float = 1.0) -> Question:
    r = torch.ones(1, *(1 for _ in x_0.shape[1:]), dtype=x_0.dtype)
    return Question(x_0, r, lambda z: z, Identity(), torch.zeros_like(x_0), sigma)


def test_it_is_the_proximal_map_of_the_nuclear_norm() -> None:
    """x - z lies in share s_1 times the norm's subdifferential at z: U V' + W, |W| <= 1."""
    x = few_images(6, 6)
    z = shrunk(x, 0.2)
    top = torch.linalg.svdvals(x.flatten(1))[0]
    gap = (x - z).flatten(1) / (0.2 * top)
    left, values, right = torch.linalg.svd(z.flatten(1), full_matrices=False)
    kept = values > 1e-9
    assert 0 < kept.sum() < 6, "some are taken away, not all"
    inner = left[:, kept].T @ gap @ right[kept].T
    assert torch.allclose(inner, torch.eye(int(kept.sum())).double(), atol=1e-9)
    rest = gap - left[:, kept] @ right[kept]
    assert (left[:, kept].T @ rest).abs().max() < 1e-9
    assert torch.linalg.svdvals(rest)[0] <= 1 + 1e-9
    assert torch.allclose(shrunk(x, 0.0), x, atol=1e-12)


def test_slices_are_the_batch_or_the_axis_of_a_volume() -> None:
    x, rule = few_images(6, 6), LowRank(Proximal(), 0.3)
    flat = rule(question(x))
    deep = rule(question(x.transpose(0, 1)[None]))
    assert torch.allclose(deep[0].transpose(0, 1), flat)
    alone = rule(question(x[:1]))
    assert torch.allclose(alone, Proximal()(question(x[:1])), atol=1e-12)


def test_what_slices_share_fills_what_was_not_measured() -> None:
    """Other voxels of every slice are known; a white prior alone leaves the rest at 0."""
    x, generator = few_images(30, 2).float(), torch.Generator().manual_seed(1)
    known = (torch.rand(x.shape, generator=generator) > 0.4).float()
    measurement = Measurement.simulate(x, Masked(known), GaussianNoise(0.01))
    denoiser, found = LinearDenoiser(PROCESS, 0.5), {}
    for solver in ("dds", "low_rank"):
        torch.manual_seed(0)
        sampler = SOLVERS[solver](40, LogUniform())
        if solver == "low_rank":
            sampler = replace(sampler, consistency=replace(sampler.consistency, share=0.15))
        with torch.no_grad():
            made = PROCESS.start(torch.zeros_like(x))
            for step in sampler.walk(denoiser, made, Condition(measurement=measurement)):
                made = step
        found[solver] = ((made - x) * (1 - known)).square().mean().sqrt().item()
    assert found["low_rank"] < 0.7 * found["dds"]


def test_shares_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        LowRank(share=1.0)
