"""Laws of operators: adjoints, proximal optimality, pseudo-inverses, posterior samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffnet.diffusion.operators import (
    BlockMean,
    Blurred,
    Fan,
    FromReal,
    Identity,
    Masked,
    MaskedFourier,
    Operator,
    Parallel,
    Phased,
    Projector,
    RealFourier,
    Sense,
    Weighted,
    as_complex,
    as_real,
    centred_fft,
    centred_ifft,
    conjugate_gradients,
    gaussian_kernel,
    motion_kernel,
)

SIZE = (12, 10)
ANGLES = tuple(math.pi * k / 7 + 0.1 for k in range(7))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mask(seed: int = 1) -> Tensor:
    return (torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(seed)) > 0.5).double()


def maps() -> Tensor:
    return torch.complex(random(1, 3, *SIZE, seed=2), random(1, 3, *SIZE, seed=3))


def blur() -> Blurred:
    return Blurred(gaussian_kernel(0.8).double(), SIZE)


def projector(beams=None) -> Projector:
    return Projector(beams or Parallel(ANGLES, 17), SIZE, 0.9, torch.float64)


def turning() -> Fan:
    angles = tuple(2 * math.pi * k / 9 for k in range(9))
    return Fan(angles, 15, 2.0, source=40.0, detector=30.0)


# name -> (operator in float64, channels of its image)
OPERATORS: dict[str, tuple[Operator, int]] = {
    "identity": (Identity(), 2),
    "weighted": (Weighted(random(1, 1, *SIZE)), 2),
    "masked": (Masked(mask()).double(), 2),
    "phased": (Phased(random(1, 1, *SIZE)), 2),
    "from_real": (FromReal(), 2),
    "fourier": (MaskedFourier(mask()).double(), 4),
    "fourier_1d": (MaskedFourier(mask(), axes=1).double(), 2),
    "real_fourier": (RealFourier(mask()).double(), 2),
    "real_fourier_1d": (RealFourier(mask(), axes=1).double(), 1),
    "sense": (Sense(maps(), mask()), 2),
    "blurred": (blur(), 1),
    "moved": (Blurred(motion_kernel(3.0, 30.0).double(), SIZE), 1),
    "block_mean": (BlockMean((2, 5)), 2),
    "parallel": (projector(), 2),
    "fan": (projector(turning()), 2),
    "masked @ blurred": (Masked(mask()).double() @ blur(), 1),
    "fourier @ from_real": (MaskedFourier(mask()).double() @ FromReal(), 1),
    "sense @ phased @ from_real": (
        Sense(maps(), mask()) @ Phased(random(1, 1, *SIZE)) @ FromReal(),
        1,
    ),
    "weighted @ parallel": (Weighted(random(1, 1, 7, 17).abs()) @ projector(), 1),
    "block_mean @ blurred": (BlockMean((2, 2)) @ blur(), 1),
    "fourier @ phased": (MaskedFourier(mask()).double() @ Phased(random(1, 1, *SIZE)), 2),
}


def question(name: str) -> tuple[Operator, Tensor, Tensor]:
    """(A, x, a y that lies in no special place)."""
    operator, channels = OPERATORS[name]
    operator.iterations, operator.tolerance = 400, 1e-14
    x = random(2, channels, *SIZE, seed=5)
    return operator, x, torch.randn_like(operator(x))


@pytest.mark.parametrize("name", list(OPERATORS))
def test_adjoint(name: str) -> None:
    """<A x, y> = <x, A^H y>, by `adjoint` and by differentiation."""
    operator, x, y = question(name)
    x.requires_grad_()
    left = (operator(x) * y).sum()
    (slope,) = torch.autograd.grad(left, x)
    back = operator.adjoint(y)
    assert back.shape == x.shape
    right = (x * back).sum()
    assert abs((left - right).item()) < 1e-10 * operator(x).norm().item() * y.norm().item()
    assert torch.allclose(slope, back, atol=1e-10)
    assert torch.allclose(operator.normal(x), operator.adjoint(operator(x)), atol=1e-10)


@pytest.mark.parametrize("name", list(OPERATORS))
def test_prox_is_optimal(name: str) -> None:
    """A^H (A z - y) + (z - x) / v = 0."""
    operator, x, y = question(name)
    z = operator.prox(x, y, 0.7)
    slope = operator.adjoint(operator(z) - y) + (z - x) / 0.7
    assert slope.norm() < 1e-7 * operator.adjoint(y).norm()


@pytest.mark.parametrize("name", list(OPERATORS))
def test_pseudo_inverse(name: str) -> None:
    """A A^+ A = A, and A^+ y has no part that A does not see."""
    operator, x, _ = question(name)
    y = operator(x)
    found = operator.pinv(y)
    assert (operator(found) - y).norm() < 1e-4 * y.norm()
    # the smallest solution is orthogonal to every difference of two solutions
    hidden = x - found
    assert abs((hidden * found).sum()) < 1e-2 * x.norm() ** 2


@pytest.mark.parametrize("name", ["weighted", "masked", "fourier", "blurred", "block_mean"])
def test_closed_forms_agree_with_conjugate_gradients(name: str) -> None:
    operator, _, y = question(name)
    closed = operator.ridge(y, 0.3)
    solved = conjugate_gradients(
        lambda x: operator.normal(x) + 0.3 * x, operator.adjoint(y), None, 400, 1e-14
    )
    assert torch.allclose(closed, solved, atol=1e-9)


@pytest.mark.parametrize("name", ["masked @ blurred", "sense", "parallel", "fourier @ from_real"])
def test_a_shift_may_differ_by_example(name: str) -> None:
    operator, _, y = question(name)
    shift = torch.tensor([0.2, 3.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    both = operator.ridge(y, shift)
    for i in (0, 1):
        alone = operator.ridge(y[i : i + 1], shift[i].item())
        assert torch.allclose(both[i : i + 1], alone, atol=1e-6)


def test_posterior_sample_has_the_exact_mean_and_covariance() -> None:
    """(A^H A / sigma^2 + I / r^2)^-1, from 20000 draws of a 4-voxel image."""
    matrix = random(3, 4)

    class Dense(Operator):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("ij,bcj->bci", matrix, x)

        def adjoint(self, y: Tensor) -> Tensor:
            return torch.einsum("ij,bci->bcj", matrix, y)

    sigma, r, n = 0.5, 0.8, 20000
    x, y = random(1, 1, 4, seed=1), random(1, 1, 3, seed=2)
    drawn = Dense().posterior_sample(x.expand(n, -1, -1), y.expand(n, -1, -1), r, sigma)[:, 0]
    precision = matrix.T @ matrix / sigma**2 + torch.eye(4, dtype=torch.float64) / r**2
    covariance = precision.inverse()
    mean = covariance @ (matrix.T @ y[0, 0] / sigma**2 + x[0, 0] / r**2)
    error = (drawn.mean(0) - mean) / covariance.diagonal().sqrt()
    assert error.abs().max() < 4 / math.sqrt(n)
    assert (drawn.T.cov() - covariance).abs().max() < 0.03 * covariance.diagonal().max()


@pytest.mark.parametrize("name", ["masked", "fourier", "block_mean @ blurred"])
def test_without_noise_a_posterior_sample_keeps_the_measurement(name: str) -> None:
    operator, x, _ = question(name)
    y = operator(x)
    drawn = operator.posterior_sample(torch.zeros_like(x), y, 0.5, 0.0)
    assert torch.allclose(operator(drawn), y, atol=1e-6)
    assert not torch.allclose(drawn, operator.posterior_sample(torch.zeros_like(x), y, 0.5, 0.0))


def test_complex_channels_come_back() -> None:
    x = random(2, 6, 3, 4)
    assert torch.equal(as_real(as_complex(x)), x)
    assert as_complex(x)[0, 1, 0, 0] == torch.complex(x[0, 2, 0, 0], x[0, 3, 0, 0])
    with pytest.raises(ValueError, match="even number"):
        as_complex(x[:, :3])


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
def test_fourier_transform_is_unitary_and_centred(size: tuple[int, int]) -> None:
    x = torch.complex(random(1, 1, *size), random(1, 1, *size, seed=1))
    k = centred_fft(x)
    assert torch.allclose(k.abs().square().sum(), x.abs().square().sum())
    assert torch.allclose(centred_ifft(k), x)
    flat = centred_fft(torch.ones_like(x))
    assert flat[0, 0, size[0] // 2, size[1] // 2].real == pytest.approx(math.sqrt(math.prod(size)))
    assert flat.abs().sum().item() == pytest.approx(math.sqrt(math.prod(size)))


def test_a_kernel_of_one_point_is_the_identity_and_blur_keeps_the_mean() -> None:
    x = random(1, 1, *SIZE)
    point = torch.zeros(3, 3, dtype=torch.float64)
    point[1, 1] = 1
    assert torch.allclose(Blurred(point, SIZE)(x), x)
    assert torch.allclose(blur()(x).mean(), x.mean())
    assert gaussian_kernel(1.0, 3).sum().item() == pytest.approx(1)
    along_x = motion_kernel(5.0, 0.0)
    assert along_x.sum(1).argmax() == len(along_x) // 2
    assert along_x.sum(1).max() == pytest.approx(1)


def test_a_composition_acts_from_the_right() -> None:
    x, weights = random(1, 1, *SIZE), Weighted(torch.tensor(3.0, dtype=torch.float64))
    assert torch.allclose((blur() @ weights)(x), blur()(3 * x))
    assert torch.allclose(
        (MaskedFourier(mask()).double() @ FromReal())(x)[:, ::2].sum(),
        (mask() * centred_fft(x.to(torch.complex128)).real).sum(),
    )


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Masked(torch.zeros(1, 1, 4, 4)), "nothing was measured"),
        (lambda: MaskedFourier(torch.full((1, 1, 4, 4), 0.5)), "holds 0 and 1"),
        (lambda: Sense(maps(), torch.ones(1, 1, 4, 4)), "must agree"),
        (lambda: Sense(maps().real, mask()), "complex"),
        (lambda: Blurred(torch.ones(20, 20), SIZE), "must not be larger"),
        (lambda: BlockMean((5, 3))(torch.zeros(1, 1, *SIZE)), "do not divide"),
        (lambda: BlockMean((0, 1)), "at least 1"),
        (lambda: Parallel((), 4), "0 angles"),
        (lambda: projector()(torch.zeros(1, 1, 4, 4)), "cross images"),
        (lambda: gaussian_kernel(0.0), "positive"),
    ],
)
def test_what_does_not_fit_is_refused(make, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()


SPECTRAL = [n for n, (a, _) in OPERATORS.items() if a.gram is not None]
SPECTRAL += ["real_fourier", "real_fourier_1d", "blurred", "moved"]


@pytest.mark.parametrize("name", SPECTRAL)
def test_functions_of_the_normal_operator(name: str) -> None:
    """f(A^H A): polynomials are what they say, and products of filters are filters."""
    operator, x, _ = question(name)
    normal = operator.normal(x)
    cubic = operator.filtered(x, lambda e: 2 + e - 3 * e**2)
    assert torch.allclose(cubic, 2 * x + normal - 3 * operator.normal(normal), atol=1e-9)
    root = operator.filtered(x, lambda e: e.clamp(min=0).sqrt())
    again = operator.filtered(root, lambda e: e.clamp(min=0).sqrt())
    assert torch.allclose(again, normal, atol=1e-9)


def test_real_images_behind_sampled_waves() -> None:
    """The closed form is that of the composition, with even and odd sizes."""
    for size in ((12, 10), (9, 7), (8, 5)):
        some = (torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1)) > 0.6).double()
        closed, composed = RealFourier(some).double(), MaskedFourier(some).double() @ FromReal()
        composed.iterations, composed.tolerance = 200, 1e-14
        x = random(2, 1, *size)
        y = composed(x) + composed.sampled * torch.randn_like(composed(x))
        assert torch.allclose(closed(x), composed(x), atol=1e-12)
        assert torch.allclose(closed.normal(x), composed.normal(x), atol=1e-12)
        assert torch.allclose(closed.ridge(y, 0.3), composed.ridge(y, 0.3), atol=1e-9)
        assert torch.allclose(closed.pinv(y), composed.pinv(y), atol=1e-7)
