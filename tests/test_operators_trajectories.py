"""Laws of scanners with other geometry: trajectories in k-space, motion, cone beams."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffnet.diffusion.operators import (
    Cone,
    ConeBeam,
    MaskedFourier,
    MovedFourier,
    NonUniformFourier,
    Operator,
    Sense,
    Sensitivities,
    as_complex,
    centred_fft,
    radial,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def points(count: int, dims: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, dims, generator=generator, dtype=torch.float64) - 0.5


def maps() -> Tensor:
    return torch.complex(random(1, 3, 8, 6, seed=2), random(1, 3, 8, 6, seed=3))


def mask() -> Tensor:
    return (random(1, 1, 8, 6, seed=4) > 0).double()


def turn(views: int) -> tuple[float, ...]:
    return tuple(2 * math.pi * k / views for k in range(views))


def moving() -> MovedFourier:
    return MovedFourier(mask(), random(2, 8, 6, seed=6)).double()


# name -> (operator in float64, shape of its image)
OPERATORS: dict[str, tuple[Operator, tuple[int, ...]]] = {
    "points in 2-D": (NonUniformFourier(points(40, 2), (8, 6), torch.float64), (2, 4, 8, 6)),
    "points in 3-D": (NonUniformFourier(points(30, 3), (4, 5, 6), torch.float64), (1, 2, 4, 5, 6)),
    "points @ coils": (
        NonUniformFourier(points(40, 2), (8, 6), torch.float64) @ Sensitivities(maps()),
        (2, 2, 8, 6),
    ),
    "moving": (moving(), (2, 2, 8, 6)),
    "cone": (ConeBeam(Cone(turn(5), 4, 6, 2.0, 30.0, 20.0), (5, 6, 7), 0.8), (2, 1, 5, 6, 7)),
    "cone, thick slices": (
        ConeBeam(Cone(turn(5), 4, 6, 2.0, 30.0, 20.0), (3, 6, 7), 0.8, 2.5),
        (2, 1, 3, 6, 7),
    ),
}


@pytest.mark.parametrize("name", list(OPERATORS))
def test_adjoint_and_ridge(name: str) -> None:
    operator, shape = OPERATORS[name]
    operator.iterations, operator.tolerance = 300, 1e-13
    x = random(*shape, seed=7).requires_grad_()
    y = torch.randn_like(operator(x))
    left = (operator(x) * y).sum()
    back = operator.adjoint(y)
    (slope,) = torch.autograd.grad(left, x)
    scale = (operator(x).norm() * y.norm()).item()
    assert abs((left - (x * back).sum()).item()) < 1e-10 * scale
    assert torch.allclose(slope, back, atol=1e-10)
    z = operator.prox(x.detach(), y, 0.5)
    optimum = operator.adjoint(operator(z) - y) + (z - x) / 0.5
    assert optimum.norm() < 1e-7 * back.norm()


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (4, 5, 6)])
def test_points_are_those_of_the_sum(size: tuple[int, ...]) -> None:
    """Against sum_n x_n exp(-2 pi i k n) / sqrt(N), term by term."""
    k = points(25, len(size))
    operator = NonUniformFourier(k, size, torch.float64)
    x = random(1, 2, *size)
    axes = [torch.arange(n, dtype=torch.float64) - n // 2 for n in size]
    place = torch.stack([g.flatten() for g in torch.meshgrid(*axes, indexing="ij")], 1)
    wave = torch.polar(torch.ones(()).double(), -2 * math.pi * (k @ place.T))
    wanted = wave @ as_complex(x).flatten(2)[0, 0] / math.sqrt(math.prod(size))
    found = as_complex(operator(x))[0, 0]
    assert (found - wanted).abs().max() < 2e-5 * wanted.abs().max()


def test_points_on_the_grid_are_the_fast_transform() -> None:
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in (8, 6)]
    k = torch.stack([g.flatten() for g in torch.meshgrid(*axes, indexing="ij")], 1)
    x = random(1, 2, 8, 6)
    found = as_complex(NonUniformFourier(k, (8, 6), torch.float64)(x))
    wanted = centred_fft(as_complex(x)).flatten(2)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_spokes_are_weighted_by_their_density() -> None:
    """A smooth image comes back from radial spokes without solving anything."""
    n = 24
    line = torch.linspace(-1, 1, n, dtype=torch.float64)
    blob = torch.exp(-6 * (line[:, None] ** 2 + (line - 0.2) ** 2))
    x = torch.stack([blob, 0.3 * blob])[None]
    for golden in (True, False):
        operator = NonUniformFourier(radial(40, 48, golden), (n, n), torch.float64)
        first = operator.first_look(operator(x))
        assert (first - x).abs().mean() < 0.04 * x.abs().max()
        plain = operator.adjoint(operator(x))
        assert (first - x).norm() < 0.3 * (plain - x).norm()


def test_a_scan_that_moved_in_between() -> None:
    """Whole voxels: the coefficients of the rolled image, in the lines that were read then."""
    shifts = torch.zeros(2, 8, 6, dtype=torch.float64)
    shifts[0, :, 3:], shifts[1, :, 3:] = 2, -1
    operator = MovedFourier(torch.ones(1, 1, 8, 6), shifts).double()
    x = random(1, 2, 8, 6)
    found = as_complex(operator(x))
    still = centred_fft(as_complex(x))
    moved = centred_fft(as_complex(x).roll((2, -1), (2, 3)))
    assert torch.allclose(found[..., :3], still[..., :3], atol=1e-10)
    assert torch.allclose(found[..., 3:], moved[..., 3:], atol=1e-10)
    assert torch.allclose(operator.pinv(operator(x)), x, atol=1e-10), "motion that is known undoes"
    other = MaskedFourier(torch.ones(1, 1, 8, 6)).double()
    assert (other.pinv(operator(x)) - x).abs().max() > 0.1
    with pytest.raises(ValueError, match="shifts of"):
        MovedFourier(mask(), torch.zeros(2, 8))


def test_coils_by_themselves_are_those_of_sense() -> None:
    x = random(2, 2, 8, 6)
    both = MaskedFourier(mask()).double() @ Sensitivities(maps())
    assert torch.allclose(both(x), Sense(maps(), mask()).double()(x), atol=1e-10)


def ball(n: int, radius: float) -> Tensor:
    """(1, 1, n, n, n), 1 inside, voxels of the border by their share."""
    fine = (torch.arange(3 * n, dtype=torch.float64) - (3 * n - 1) / 2) / 3
    z, y, x = torch.meshgrid(fine, fine, fine, indexing="ij")
    inside = (z**2 + y**2 + x**2 < radius**2).double()[None, None]
    return torch.nn.functional.avg_pool3d(inside, 3)


def test_a_ball_has_the_integrals_of_its_chords() -> None:
    cone = Cone((0.0, 1.1), 9, 9, 1.5, 60.0, 20.0)
    y = ConeBeam(cone, (20, 20, 20))(ball(20, 7.0))
    u = (torch.arange(9, dtype=torch.float64) - 4) * 1.5
    # distance of each ray from the centre: source 60 from it, detector 80 from the source
    off = (u[:, None] ** 2 + u**2).sqrt()
    distance = 60 * off / (80**2 + off**2).sqrt()
    wanted = 2 * (49 - distance**2).clamp(min=0).sqrt()
    gap = (y[0, 0] - wanted).abs()
    assert gap[:, distance < 6].max() < 0.35
    assert gap.mean() < 0.15


def test_cone_beams_are_filtered_back() -> None:
    x = ball(20, 7.0)
    operator = ConeBeam(Cone(turn(40), 40, 40, 1.0, 80.0, 20.0), (20, 20, 20))
    first = operator.first_look(operator(x))
    assert first[0, 0, 10, 8:12, 8:12].mean().item() == pytest.approx(1, abs=0.08)
    assert (first - x).abs().mean() < 0.1


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: NonUniformFourier(torch.ones(3, 2), (8, 6)), "between -0.5 and 0.5"),
        (lambda: NonUniformFourier(torch.zeros(3, 2), (8, 6, 4)), "needed are"),
        (lambda: radial(0, 5), "spokes"),
        (lambda: ConeBeam(Cone((0.0,), 4, 4, 1.0, 3.0), (8, 8, 8)), "inside of a volume"),
        (lambda: Cone((), 4, 4), "0 angles"),
        (
            lambda: ConeBeam(Cone((0.0, 0.1, 0.2), 4, 4), (4, 4, 4)).first_look(
                torch.ones(1, 1, 3, 4, 4)
            ),
            "needs 360",
        ),
        (lambda: Sensitivities(torch.ones(1, 2, 4, 4)), "complex"),
    ],
)
def test_geometries_that_cannot_be(make, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()
