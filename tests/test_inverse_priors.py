"""Laws of what surrounds a prior: subspaces, coupled slices, fitted weights, shown first looks."""

from __future__ import annotations

import pytest
import torch
from diffusion_oracles import LinearDenoiser, Recording
from handmade import configuration
from torch import Tensor, nn

from diffnet.diffusion import (
    Ancestral,
    Batch,
    Condition,
    Denoiser,
    HighFrequencies,
    LogUniform,
    PredictorCorrector,
    Unmeasured,
    VarianceExploding,
    Within,
    high_frequencies,
    over,
)
from diffnet.diffusion.inverse import SOLVERS, Adapted, Conditioned, NullSpace, SliceCoupled
from diffnet.diffusion.inverse.measured import Question
from diffnet.diffusion.operators import (
    BlockMean,
    GaussianNoise,
    Identity,
    Masked,
    Measurement,
    RealFourier,
    uniform,
)
from diffnet.recipes import RECIPES
from diffnet.tasks import Reconstruction

PROCESS = VarianceExploding(0.01, 20.0)


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sampled(n: int = 16) -> RealFourier:
    return RealFourier(uniform((n, n), 2.0, 0.25)[None, None])


def method_of(kind: type, sampler=None):
    method = RECIPES["daps"](calls=6).build(configuration(2, (1, 0)))
    made = kind(method.denoiser, method.objective, sampler or method.sampler)
    return made.eval()


def test_what_was_measured_is_never_touched() -> None:
    """MC-DDPM: whatever the network says, the answer agrees with y, and x_t's part is not read."""
    method = method_of(Unmeasured, Ancestral(5, LogUniform()))
    x = 0.5 * seeded(2, 1, 16, 16)
    known = Measurement.simulate(x, sampled(), GaussianNoise(0.01))
    with torch.no_grad():
        for p in method.denoiser.parameters():
            p.copy_(0.2 * torch.randn_like(p))
        made = method.sample(torch.zeros_like(x), Condition(measurement=known))
    there = known.operator.normal(made - known.operator.pinv(known.y))
    assert there.abs().max() < 1e-4
    part, rest = method.parts(Condition(measurement=known), x)
    hidden = known.operator.pinv(known.operator(seeded(2, 1, 16, 16, seed=4)))
    assert torch.allclose(part(hidden), torch.zeros(()), atol=1e-5)
    inner = LinearDenoiser(PROCESS, 0.5)
    within = Within(inner, part, rest, False)
    t, z = torch.full((2,), 0.6), seeded(2, 1, 16, 16, seed=5)
    answers = [within(v, t, Condition()) for v in (z, z + hidden)]
    assert torch.allclose(*answers, atol=1e-5)
    with pytest.raises(ValueError, match="which is missing"):
        method.sample(x, Condition())


def test_losses_of_a_subspace_are_blind_outside_of_it() -> None:
    """Targets that differ only in what was measured cost the same."""
    method = method_of(Unmeasured)
    with torch.no_grad():
        for p in method.denoiser.parameters():
            p.copy_(0.2 * torch.randn_like(p))
    x = 0.5 * seeded(2, 1, 16, 16)
    known = Measurement.simulate(x, sampled(), GaussianNoise(0.0))
    condition = Condition(measurement=known)
    moved = x + known.operator.pinv(known.operator(seeded(2, 1, 16, 16, seed=9)))
    losses = []
    for target in (x, moved, x + 0.3 * seeded(2, 1, 16, 16, seed=8)):
        torch.manual_seed(1)
        losses += [loss.item() for _, loss in method.losses(Batch(target, condition))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert abs(losses[0] - losses[2]) > 0.01 * losses[0]


def test_low_frequencies_come_from_the_measurement() -> None:
    """HFS-SDE: below the cutoff the answer is the first estimate, above it the network's; the
    network sees the low frequencies without noise at every level.
    """
    x = 0.5 * seeded(2, 1, 16, 16)
    known = Measurement.simulate(x, sampled(), GaussianNoise(1e-4))
    seen = []
    inner = Recording(PROCESS, lambda x_t, t, c: seen.append(x_t) or 0.3 * x_t)
    method = method_of(HighFrequencies, PredictorCorrector(4, LogUniform()))
    method.denoiser, method.cutoff = inner, 0.1
    method.denoiser.self_conditioned = False
    made = method.sample(torch.zeros_like(x), Condition(measurement=known))
    high = high_frequencies((16, 16), 0.1)
    assert torch.allclose(made - high(made), x - high(x), atol=2e-3)
    for x_t in seen:
        assert torch.allclose(x_t - high(x_t), x - high(x), atol=2e-3)
    assert (high(seen[0]) - high(x)).std() > 5, "above the cutoff there is noise"


def test_a_single_slice_is_only_brought_near_the_data() -> None:
    x = seeded(1, 1, 8, 8)
    operator = BlockMean((2, 2))
    y = operator(seeded(1, 1, 8, 8, seed=2))
    question = Question(x, torch.ones(1, 1, 1, 1), lambda z: z, operator, y, 0.1)
    found = SliceCoupled(iterations=20)(question)
    assert torch.allclose(found, x + operator.pinv(y - operator(x)), atol=1e-4)


@pytest.mark.parametrize("volume", [False, True])
def test_coupled_slices_solve_their_problem(volume: bool) -> None:
    """Kept from call to call, ADMM finds the minimum: no move makes the objective smaller."""
    operator, weight, shape = Identity(), 0.2, (6, 1, 4, 4)
    y = seeded(*shape).double()
    if volume:
        y = y.movedim(0, 1)[None]
    knobs = SliceCoupled(weight=weight, rho=1.0, iterations=30)
    coupling, x = knobs.fresh(), y
    for _ in range(400):
        level = torch.ones(len(y), *(1,) * (y.ndim - 1)).double()
        x = coupling(Question(x, level, lambda z: z, operator, y, 0.1))
    axis = 2 if volume else 0

    def objective(v: Tensor) -> Tensor:
        return 0.5 * (v - y).square().sum() + weight * v.diff(dim=axis).abs().sum()

    for k in range(20):
        assert objective(x) < objective(x + 0.02 * torch.randn(x.shape, generator=_random(k)))
    assert x.diff(dim=axis).abs().sum() < 0.8 * y.diff(dim=axis).abs().sum()
    with pytest.raises(ValueError, match="rho"):
        SliceCoupled(rho=0.0)


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_slices_remember_nothing_between_walks() -> None:
    """Two walks of one sampler give the same."""
    x = 0.5 * seeded(3, 1, 8, 8)
    known = Measurement.simulate(x, BlockMean((2, 2)), GaussianNoise(0.02))
    sampler = SOLVERS["diffusion_mbir"](5, LogUniform())
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        start = PROCESS.start(torch.zeros_like(x))
        walk = sampler.walk(LinearDenoiser(PROCESS, 0.5), start, Condition(measurement=known))
        found += [list(walk)[-1]]
    assert torch.equal(*found)


class Scaled(Denoiser):
    """A prior that makes everything too dark: weight x_t, the weight learned."""

    def __init__(self) -> None:
        super().__init__()
        self.process = PROCESS
        self.weight = nn.Parameter(torch.tensor(0.5), requires_grad=False)

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        c = over(self.process.level(t), x_t)
        return self.weight * x_t * 0.25 / (0.25 + c**2)


def test_weights_are_fitted_to_the_measurement_and_given_back() -> None:
    """AdaDiff: the residual falls to the noise; the next case meets the weights of training."""
    x = 0.5 * seeded(2, 1, 8, 8)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., ::2] = 1
    known = Measurement.simulate(x, Masked(mask), GaussianNoise(0.02))
    denoiser, condition = Scaled(), Condition(measurement=known)
    inner = Conditioned(inner=Ancestral(), consistency=NullSpace())
    adapted = Adapted(8, LogUniform(), inner, updates=600, rate=1e-2)
    with torch.no_grad():
        torch.manual_seed(0)
        *_, before, after = adapted.walk(denoiser, PROCESS.start(x), condition)
        unfitted = denoiser(before, torch.zeros(2), Condition())
    assert (known.residual(after) < 1.5).all()
    assert (known.residual(unfitted) > 5).all()
    assert denoiser.weight.item() == 0.5
    assert not denoiser.weight.requires_grad
    assert denoiser.weight.grad is None
    assert adapted.calls == 8 + 600
    with pytest.raises(ValueError, match="updates"):
        Adapted(updates=0)


def test_a_shown_prior_is_brought_to_the_data_at_every_level() -> None:
    """DOLCE: the network sees the first look, and its estimates know the measurement."""
    task = Reconstruction(setting="super_resolution", shown=True, noise=0.01)
    recipe = RECIPES["dolce"](calls=12, steps=100)
    assert recipe.fits(task)
    assert not recipe.fits(Reconstruction())
    method = recipe.build(configuration(2, (1, 1))).eval()
    image = 0.5 * seeded(2, 1, 8, 8)
    known = task.measure(image)
    condition = Condition(image=known.first_look(), measurement=known)
    with torch.no_grad():
        made = method.sample(torch.zeros_like(image), condition)
    zero = known.residual(torch.zeros_like(image))
    assert (known.residual(made) < 0.2 * zero).all()
