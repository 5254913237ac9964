"""Laws of sampling masks, coil maps, noise models and measurements."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffnet.diffusion.operators import (
    MASKS,
    FromReal,
    GaussianNoise,
    Identity,
    MaskedFourier,
    Measurement,
    PoissonNoise,
    RicianNoise,
    Sense,
    SpeckleNoise,
    TransmissionNoise,
    as_complex,
    as_real,
    calibration_size,
    centred_fft,
    coil_maps,
    poisson_disc,
)


@pytest.mark.parametrize("name", list(MASKS))
@pytest.mark.parametrize("acceleration", [4, 8])
@pytest.mark.parametrize("size", [(48, 64), (33, 51)])
def test_masks_sample_what_was_asked(name: str, acceleration: float, size) -> None:
    mask = MASKS[name](size, acceleration, 0.1, seed=3)
    assert mask.shape == size
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert abs(mask.mean().item() - 1 / acceleration) <= max(0.5 / size[1], 0.01 / acceleration)
    width = [round(0.1 * n) for n in size]
    rows = slice(size[0] // 2 - width[0] // 2, size[0] // 2 - width[0] // 2 + width[0])
    columns = slice(size[1] // 2 - width[1] // 2, size[1] // 2 - width[1] // 2 + width[1])
    assert bool(mask[rows, columns].all())
    assert torch.equal(mask, MASKS[name](size, acceleration, 0.1, seed=3))
    if name != "uniform":
        assert not torch.equal(mask, MASKS[name](size, acceleration, 0.1, seed=4))
    if name in ("uniform", "random", "gaussian_1d"):
        assert torch.equal(mask, mask[:1].expand(size))


def test_uniform_lines_are_equally_spaced() -> None:
    mask = MASKS["uniform"]((4, 200), 4, 0.0)
    assert set(torch.nonzero(mask[0])[:, 0].diff().tolist()) == {4}


def test_gaussian_masks_are_denser_in_the_middle() -> None:
    for name in ("gaussian_1d", "gaussian_2d"):
        mask = sum(MASKS[name]((64, 64), 4, 0.0, seed=s) for s in range(30))
        assert mask[24:40, 24:40].mean() > 1.8 * mask[:8, :8].mean()


def test_points_of_a_poisson_disc_keep_their_distance() -> None:
    """No two outside the full centre are neighbours; as many drawn alike would be."""
    mask = poisson_disc((64, 64), 8, 0.0).bool()
    pairs = int((mask[:, 1:] & mask[:, :-1]).sum() + (mask[1:] & mask[:-1]).sum())
    assert pairs == 0


def test_a_mask_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="smaller centre"):
        MASKS["random"]((8, 64), 8, 0.3)
    with pytest.raises(ValueError, match="acceleration"):
        MASKS["uniform"]((8, 64), 0.5)


def coils(n: int = 48, count: int = 4) -> tuple[Tensor, Tensor]:
    """(smooth complex maps (1, count, n, n), an image (1, 1, n, n) real and positive)."""
    line = torch.linspace(-1, 1, n)
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = [(math.cos(a), math.sin(a)) for a in torch.linspace(0, 5, count).tolist()]
    size = torch.stack([torch.exp(-((x - u) ** 2 + (y - v) ** 2) / 2) for u, v in places])
    phase = torch.stack([0.8 * (u * x - v * y) + u for u, v in places])
    maps = torch.polar(size, phase)[None]
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    body = ((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1).float()
    return maps, (body * (1 + 0.3 * torch.sin(4 * x)))[None, None]


def test_coil_maps_come_back_from_the_centre_of_kspace() -> None:
    maps, image = coils()
    mask = MASKS["gaussian_2d"]((48, 48), 4, 0.4)
    kspace = mask * centred_fft(maps * image)
    assert min(calibration_size(mask)) >= 18
    found = coil_maps(kspace, mask)
    body = (image[0, 0] > 0)[None].expand(4, -1, -1)
    assert (found - maps)[0][body].abs().mean() < 0.05
    assert torch.allclose(found.abs().square().sum(1), torch.ones(1, 48, 48), atol=1e-4)
    # with these maps the image is real
    joint = Sense(found, torch.ones(1, 1, 48, 48))
    combined = as_complex(joint.pinv(as_real(centred_fft(maps * image))))
    assert combined.imag.norm() < 0.1 * combined.real.norm()


def test_coil_maps_need_a_full_centre() -> None:
    with pytest.raises(ValueError, match="at least 8 x 8"):
        coil_maps(torch.zeros(1, 2, 16, 16, dtype=torch.complex64), torch.eye(16))


MODELS = {
    "gaussian": GaussianNoise(0.3),
    "gaussian by element": GaussianNoise(torch.tensor([0.2, 0.6]).repeat(8)),
    "rician": RicianNoise(0.4),
    "speckle": SpeckleNoise(3.0),
    "poisson": PoissonNoise(5.0),
    "transmission": TransmissionNoise(50.0),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_expected_score_vanishes_at_the_truth(name: str) -> None:
    """E[d/dm ln p(y | m)] = 0 over draws: density and drawing are of one law, units included."""
    noise = MODELS[name]
    mean = torch.full((4000, 16), 1.3)
    y = noise.draw(mean)
    mean.requires_grad_()
    (score,) = torch.autograd.grad(noise.log_density(y, mean).sum(), mean)
    assert score.mean().abs() < 4 * score.std() / math.sqrt(score.numel())
    # and its variance is the Fisher information, which the second derivative gives, too
    shifted = mean.detach() + 1e-2
    moved = noise.log_density(y, shifted) + noise.log_density(y, mean.detach() - 1e-2)
    curvature = (moved - 2 * noise.log_density(y, mean.detach())).double().mean() / 1e-4
    assert curvature.item() == pytest.approx(-score.square().mean().item(), rel=0.12)


@pytest.mark.parametrize("name", ["gaussian", "rician", "speckle"])
def test_densities_integrate_to_one(name: str) -> None:
    y = torch.linspace(1e-4, 12, 60001, dtype=torch.float64)
    if name == "gaussian":
        y = y - 6
    density = MODELS[name].log_density(y, torch.full_like(y, 1.1)).exp()
    assert torch.trapezoid(density, y).item() == pytest.approx(1, abs=1e-3)


def test_counts_sum_to_one() -> None:
    counts = torch.arange(0, 200, dtype=torch.float64)
    poisson = PoissonNoise(5.0).log_density(counts / 5, torch.full_like(counts, 1.3))
    assert poisson.exp().sum().item() == pytest.approx(1, abs=1e-6)
    y = -(counts.clamp(min=0.5) / 50).log()
    low = TransmissionNoise(50.0).log_density(y, torch.full_like(y, 1.3))
    assert low.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_likelihood_has_the_factor_one_half() -> None:
    """grad ln p = A^H (y - A x) / sigma^2, neither twice nor half of it."""
    x, y = torch.randn(2, 1, 6, 6).double(), torch.randn(2, 1, 6, 6).double()
    m = Measurement(y, Identity(), GaussianNoise(0.2))
    x.requires_grad_()
    (slope,) = torch.autograd.grad(m.log_likelihood(x).sum(), x)
    assert torch.allclose(slope, (y - x) / 0.04)


def test_a_measurement_is_judged_on_what_was_sampled() -> None:
    mask = MASKS["random"]((32, 32), 4, 0.1)[None, None]
    operator = MaskedFourier(mask) @ FromReal()
    x = torch.randn(3, 1, 32, 32)
    m = Measurement.simulate(x, operator, GaussianNoise(0.1))
    assert not bool(m.y[:, :, mask[0, 0] == 0].any())
    assert torch.allclose(m.residual(x), torch.ones(3), atol=0.15)
    assert bool((m.log_likelihood(x) > m.log_likelihood(x + 0.05 * torch.randn_like(x))).all())


def test_uneven_noise_is_whitened() -> None:
    x = torch.rand(2, 1, 8, 8) + 1
    m = Measurement.simulate(x, Identity(), PoissonNoise(100.0))
    operator, y, sigma = m.linear()
    assert sigma == 1
    assert (y - operator(x)).std().item() == pytest.approx(1, abs=0.25)
    plain = Measurement.simulate(x, Identity(), GaussianNoise(0.1)).linear()
    assert isinstance(plain[0], Identity)
    assert plain[2] == 0.1


def test_numbers_that_are_none() -> None:
    y = torch.zeros(1, 1, 4, 4)
    y[0, 0, 1, 1] = torch.nan
    with pytest.raises(ValueError, match="1 of 16 measured numbers are not finite"):
        Measurement(y, Identity(), GaussianNoise(0.1))
    with pytest.raises(ValueError, match="0 or more"):
        GaussianNoise(-1.0)
    with pytest.raises(ValueError, match="photons"):
        TransmissionNoise(0.0)
