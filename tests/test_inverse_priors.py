"""Laws of what surrounds a prior: subspaces, coupled slices, fitted weights, shown first looks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusion_oracles import LinearDenoiser, Recording
from handmade import configuration
from torch import Tensor, nn

from diffnet.diffusion import (
    Ancestral,
    Batch,
    Codec,
    Condition,
    Denoiser,
    HaarWavelet,
    HighFrequencies,
    LogUniform,
    PredictorCorrector,
    Unmeasured,
    VarianceExploding,
    Within,
    high_frequencies,
    over,
)
from diffnet.diffusion.inverse import (
    SOLVERS,
    Adapted,
    Coded,
    Conditioned,
    NullSpace,
    Resampled,
    SliceCoupled,
    on_codes,
)
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
from diffnet.diffusion.perpendicular import some_slices
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


class Bent(Codec):
    """A codec that is not linear: tanh behind block means."""

    def __init__(self) -> None:
        super().__init__(1)

    def raw_code(self, x: Tensor) -> Tensor:
        return torch.atanh(BlockMean((2, 2))(x).clamp(-0.99, 0.99))

    def from_raw(self, z: Tensor, size) -> Tensor:
        return 4 * BlockMean((2, 2)).adjoint(torch.tanh(z))

    def grid(self, size) -> tuple[int, ...]:
        return tuple(n // 2 for n in size)

    def given_channels(self, channels: int) -> int:
        return channels

    def given(self, image: Tensor) -> Tensor:
        return BlockMean((2, 2))(image)


def test_linear_codes_are_measured_linearly() -> None:
    """Adjoint, and the same residual for an image and for its code; means are shifted out."""
    codec = HaarWavelet(2, 1)
    codec.shift.copy_(torch.tensor([0.3, 0.0, 0.1, 0.0]))
    operator = BlockMean((2, 1))
    coded = Coded(operator, codec, (8, 8))
    z = seeded(2, 4, 4, 4)
    y = operator(seeded(2, 1, 8, 8, seed=1))
    assert torch.allclose((coded(z) * y).sum(), (z * coded.adjoint(y)).sum(), rtol=1e-4)
    x = 0.5 * seeded(2, 1, 8, 8, seed=3)
    known = Measurement.simulate(x, operator, GaussianNoise(0.1))
    moved = on_codes(known, codec, x)
    assert torch.allclose(moved.residual(codec.encode(x)), known.residual(x), rtol=1e-4)
    first = moved.first_look()
    assert torch.allclose(codec.decode(first, (8, 8)), known.first_look(), atol=1e-5)


def solved_on(codec: Codec, solver: str, calls: int):
    """An untrained latent prior, which says that codes are white."""
    c = configuration(2, (codec.channels, 0))
    method = RECIPES["daps"](calls=calls).build(c).eval()
    method.codec, method.sampler, method.solver = (
        codec,
        SOLVERS[solver](calls, LogUniform()),
        solver,
    )
    return method


@pytest.mark.parametrize("codec", [HaarWavelet(2, 1), Bent()])
def test_resample_is_consistent_on_codes(codec: Codec) -> None:
    """The image ends where its residual is that of the noise, whatever decodes it."""
    image = codec.decode(0.3 * seeded(2, codec.channels, 4, 4), (8, 8))
    known = Measurement.simulate(image, BlockMean((2, 2)), GaussianNoise(0.05))
    method = solved_on(codec, "resample", 24)
    with torch.no_grad():
        made = method.sample(torch.zeros_like(image), Condition(measurement=known))
    assert made.shape == image.shape
    assert (known.residual(made) < 1.1).all()
    assert (known.residual(torch.zeros_like(image)) > 1.5).all()


def test_solvers_of_linear_problems_refuse_codes_that_are_not() -> None:
    known = Measurement.simulate(torch.zeros(1, 1, 8, 8), BlockMean((2, 2)), GaussianNoise(0.1))
    condition = Condition(measurement=known)
    with torch.no_grad():
        with pytest.raises(ValueError, match="--sampler resample or dps"):
            solved_on(Bent(), "daps", 4).sample(torch.zeros(1, 1, 8, 8), condition)
        made = solved_on(HaarWavelet(2, 1), "daps", 20).sample(torch.zeros(1, 1, 8, 8), condition)
    assert (known.residual(made) < 2).all()


@pytest.mark.parametrize("inner", ["resample", "dps", "daps"])
def test_solvers_are_latent_recipes(inner: str) -> None:
    """`--recipe resample --codec wavelet`, as training builds it."""
    recipe = RECIPES["latent"](recipe=inner, knobs={"calls": 4}, codec="wavelet")
    assert "reconstruct" in recipe.purposes
    method = recipe.build(configuration(2, (1, 0))).eval()
    image = 0.5 * seeded(2, 1, 8, 8)
    known = Reconstruction(centre=0.25).measure(image)
    with torch.no_grad():
        made = method.sample(torch.zeros_like(image), Condition(measurement=known))
    assert made.shape == image.shape
    assert torch.isfinite(made).all()


def test_a_fitted_estimate_is_put_back_among_noisy_ones() -> None:
    """v = inf is the estimate with s of noise, v = 0 the DDIM move."""
    x = torch.zeros(400, 1, 4, 4)
    known = Measurement(torch.ones(400, 1, 4, 4), Identity(), GaussianNoise(0.01))
    inner = LinearDenoiser(PROCESS, 0.5)
    found = {}
    for gamma in (1e-9, 1e9):
        torch.manual_seed(0)
        sampler = Resampled(3, LogUniform(), every=1, gamma=gamma, updates=400, rate=0.02)
        sampler = replace(sampler, scale=1e-9)
        walk = sampler.walk(inner, PROCESS.start(x), Condition(measurement=known))
        found[gamma] = list(walk)[1]  # at the last level but one, behind the first fit
    level = sampler.levels(PROCESS)[2]
    assert found[1e9].mean().item() == pytest.approx(1, abs=0.02)
    assert found[1e9].std().item() == pytest.approx(level, rel=0.15)
    assert abs(found[1e-9].mean().item()) < 0.2


def test_perpendicular_planes_learn_and_take_turns() -> None:
    c = configuration(3, (1, 0))
    method = RECIPES["tpdm"](calls=5, every=2).build(c)
    volume = seeded(2, 1, 5, 6, 8)
    for axis, size in ((0, (6, 8)), (1, (5, 8))):
        some = some_slices(Batch(volume, Condition(label=torch.tensor([3, 4]))), axis)
        assert some.target.shape == (2 * (5, 6)[axis], 1, *size)
        ordered = volume.movedim(axis + 2, 1).flatten(0, 1)
        gaps = (some.target[:, None] - ordered[None]).flatten(2).abs().sum(2)
        assert (gaps.min(1).values == 0).all(), "slices of the volume"
        assert some.condition.label.tolist() == [3] * (5, 6)[axis] + [4] * (5, 6)[axis]
    names = [name for name, _ in method.losses(Batch(volume, Condition()))]
    assert names == ["first", "second"]
    assert list(method.players()) == names
    asked = []
    for plane in method.denoiser.all.members:
        plane.inner = Recording(method.denoiser.process, lambda x, t, c: asked.append(x.shape) or x)
    for _ in range(4):
        method.denoiser(volume, torch.full((2,), 0.5), Condition())
    assert [tuple(s[2:]) for s in asked] == [(6, 8), (5, 8), (6, 8), (5, 8)]
    assert not method.works_on_codes
