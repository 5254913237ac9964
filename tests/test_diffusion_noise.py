"""Noise shapes: unit variance, spectra, projections."""

from __future__ import annotations

import pytest
import torch
from diffusion_oracles import NOTHING, Recording, normal

from diffnet.diffusion import (
    Ancestral,
    Coarse,
    Coloured,
    Condition,
    Confined,
    InBox,
    InFourier,
    Known,
    Offset,
    Pyramid,
    Shuffled,
    Simplex,
    VarianceExploding,
    VariancePreserving,
    White,
    high_frequencies,
)
from diffnet.diffusion.process.simplex import mean_square, simplex

SHAPED = [White(), Coarse(5), Pyramid(3), Offset(0.5), Coloured(2.0), Coloured(0.0)]


@pytest.mark.parametrize("noise", SHAPED, ids=repr)
@pytest.mark.parametrize("shape", [(16, 12), (8, 6, 10)], ids=["2d", "3d"])
def test_every_voxel_has_unit_variance(noise, shape):
    draws = noise(torch.zeros(1500, 1, *shape))
    assert draws.shape == (1500, 1, *shape) and draws.dtype == torch.float32
    variance = draws.square().mean(0)
    # 1500 draws: the variance's standard error is sqrt(2 / 1500) = 0.037 at each voxel
    assert (variance - 1).abs().max().item() < 0.25
    assert variance.mean().item() == pytest.approx(1, abs=0.08)
    assert draws.mean(0).abs().max().item() < 0.2


@pytest.mark.parametrize("noise", [*SHAPED, Simplex()], ids=repr)
def test_noise_is_drawn_anew_for_every_example_and_channel(noise):
    draws = noise(torch.zeros(2, 2, 16, 16)).flatten(0, 1)
    for i in range(4):
        for j in range(i):
            assert not torch.allclose(draws[i], draws[j])


def test_coloured_noise_has_its_power_law():
    draws = Coloured(2.0)(torch.zeros(400, 1, 32, 32, dtype=torch.float64))
    power = torch.fft.fft2(draws).abs().square().mean(0)[0]
    f = torch.fft.fftfreq(32, dtype=torch.float64)
    radius = (f[:, None] ** 2 + f[None] ** 2).sqrt()
    low, high = power[(radius > 0.05) & (radius < 0.08)], power[(radius > 0.4) & (radius < 0.5)]
    ratio = (low.log().mean() - high.log().mean()).item()
    distance = torch.log(radius[(radius > 0.4) & (radius < 0.5)]).mean()
    distance = distance - torch.log(radius[(radius > 0.05) & (radius < 0.08)]).mean()
    assert ratio / distance.item() == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("dims", [2, 3])
def test_simplex_noise_has_its_mean_square(dims):
    place = 200 * torch.rand(60000, dims)
    found = [simplex(place).square().mean().item() for _ in range(8)]
    assert sum(found) / 8 == pytest.approx(mean_square(dims), rel=0.06)


@pytest.mark.parametrize("dims", [2, 3])
def test_simplex_noise_is_smooth_and_zero_at_its_corners(dims):
    torch.manual_seed(3)
    line = torch.zeros(1001, dims)
    line[:, 0] = torch.linspace(0, 3, 1001)
    values = simplex(line + 0.1)
    assert values.diff().abs().max() < 0.02 * values.abs().max()
    # the kernel is (1/2 - d^2)^4 d at each corner: no value can be larger than all corners together
    assert values.abs().max() < (dims + 1) * 0.5**4


def test_simplex_noise_works_on_volumes_and_refuses_lines():
    draw = Simplex(octaves=2, frequency=8)(torch.zeros(1, 1, 12, 12, 12))
    assert draw.shape == (1, 1, 12, 12, 12) and draw.std() > 0.2
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        Simplex()(torch.zeros(1, 1, 8))


def test_shuffled_noise_is_made_of_the_residual():
    residual = torch.tensor([0.0, 1.0, 1.0, 4.0])
    draw = Shuffled(residual)(torch.zeros(1, 1, 100, 100))
    values = (residual - residual.mean()) / residual.std(correction=0)
    assert set(draw.unique().tolist()) == set(values.unique().tolist())
    assert draw.mean().abs().item() < 0.05 and draw.std().item() == pytest.approx(1, abs=0.05)
    with pytest.raises(ValueError, match="at least two different values"):
        Shuffled(torch.ones(5))


def sampling_mask():
    mask = torch.zeros(12, 10)
    mask[[0, 1, -1, 5, -5]] = 1
    return mask


PROJECTIONS = [
    InBox(((2, 7), (1, 9))),
    InFourier(1 - sampling_mask()),
    high_frequencies((12, 10), 0.2),
]


@pytest.mark.parametrize("project", PROJECTIONS, ids=["box", "fourier", "high"])
def test_projections_are_orthogonal(project):
    x, y = normal(1, 2, 12, 10, seed=1), normal(1, 2, 12, 10, seed=2)
    torch.testing.assert_close(project(project(x)), project(x), atol=1e-12, rtol=0)
    torch.testing.assert_close((project(x) * y).sum(), (x * project(y)).sum())
    assert 0 < project(x).norm() < x.norm()


def test_complex_images_may_have_any_mask():
    mask = torch.zeros(12, 10)
    mask[3] = 1
    project = InFourier(mask, paired=True)
    x = normal(1, 2, 12, 10)
    torch.testing.assert_close(project(project(x)), project(x), atol=1e-12, rtol=0)
    with pytest.raises(ValueError, match="the same at f and -f"):
        InFourier(mask)
    with pytest.raises(ValueError, match="for an image of"):
        project(normal(1, 2, 8, 8))
    with pytest.raises(ValueError, match="a box of 2 axes"):
        PROJECTIONS[0](normal(1, 1, 4, 4, 4))


@pytest.mark.parametrize("schedule", [VarianceExploding, VariancePreserving])
@pytest.mark.parametrize("project", PROJECTIONS, ids=["box", "fourier", "high"])
def test_what_lies_outside_the_subspace_survives_sampling(schedule, project):
    """Noise in the subspace, an image that is right outside it, a denoiser that knows nothing."""
    process = schedule(noise=Confined(project))
    image = normal(1, 1, 12, 10)
    denoiser = Known(Recording(process), project)
    t = torch.ones(1, dtype=torch.float64)
    x_t = process.corrupt(image, t)
    a, _, c = process.coefficients(t)
    assert (x_t - a * image).norm() > 0.1 * c
    torch.testing.assert_close(x_t - project(x_t), a * (image - project(image)), atol=1e-9, rtol=0)
    *_, x_0 = Ancestral(12).walk(denoiser, x_t, NOTHING)
    torch.testing.assert_close(x_0, image - project(image), atol=1e-9, rtol=0)


def test_shaped_noise_keeps_the_law_of_ancestral_sampling():
    """With coloured noise and a denoiser that knows x_0 = 0, x_s has the colour at every level."""
    process = VarianceExploding(0.1, 10.0, noise=Coloured(2.0))
    x = process.start(torch.zeros(300, 1, 16, 16))
    walk = Ancestral(6).walk(Recording(process), x, Condition())
    levels = process.level(Ancestral(6).times(process, x))
    for r, x in zip(levels[1:], walk, strict=False):
        z = x / r
        assert z.std().item() == pytest.approx(1, abs=0.05)
        power = torch.fft.fft2(z).abs().square().mean(0)[0]
        assert power[0, 1] / power[0, 8] == pytest.approx(64, rel=0.3)
