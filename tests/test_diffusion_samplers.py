"""Samplers against exact answers: orders of convergence, exact weak variances, equalities."""

from __future__ import annotations

import math

import pytest
import torch
from diffusion_oracles import NOTHING, LinearDenoiser, Recording, Traced, mixture, normal

from diffnet.diffusion import (
    AdamsBashforth,
    Ancestral,
    Blur,
    BrownianBridge,
    Condition,
    Cosine,
    Ddim,
    DpmSolver2M,
    DpmSolver2S,
    DpmSolver3M,
    Euler,
    EulerMaruyama,
    Explicit,
    FlowEuler,
    FlowMidpoint,
    Heun,
    Karras,
    Langevin,
    LogUniform,
    PredictorCorrector,
    ProbabilityFlow,
    RectifiedFlow,
    SdeDpmSolver2M,
    SinglePass,
    TimeTravel,
    Uniform,
    UniPC,
    VarianceExploding,
    VariancePreserving,
    invert,
    log_likelihood,
)
from diffnet.diffusion.oracle import MixtureDenoiser

WIDE = VarianceExploding(0.05, 20.0)


def last_point(sampler, denoiser, x, condition=NOTHING):
    """x at the smallest level, before the final clean estimate."""
    *points, _ = sampler.walk(denoiser, x, condition)
    return points[-1]


@pytest.fixture(scope="module")
def reference():
    denoiser, x = mixture(WIDE), 20 * normal(32, 4, 1)
    return denoiser, x, last_point(UniPC(steps=2001, order=3), denoiser, x)


def slope(make, denoiser, x, truth, coarse, fine) -> float:
    errors = [
        (last_point(make(n + 1), denoiser, x) - truth).square().mean().sqrt().item()
        for n in (coarse, fine)
    ]
    return math.log(errors[0] / errors[1]) / math.log(fine / coarse)


@pytest.mark.parametrize(
    ("make", "order"),
    [
        (lambda n: Euler(n), 1.0),
        (lambda n: Ddim(n), 1.0),
        (lambda n: Heun(n), 2.0),
        (lambda n: DpmSolver2S(n), 2.0),
        (lambda n: DpmSolver2M(n), 2.0),
        (lambda n: DpmSolver3M(n), 2.1),
        (lambda n: UniPC(n), 3.0),
        (lambda n: AdamsBashforth(n), 2.0),
    ],
    ids=["euler", "ddim", "heun", "2s", "2m", "3m", "unipc2", "adams_bashforth"],
)
def test_order_of_convergence(reference, make, order):
    assert slope(make, *reference, 64, 256) == pytest.approx(order, abs=0.15)


def test_unipc3_is_of_fourth_order():
    """On a mixture of wide parts: on narrow ones its lower-order start still shows at 512 moves."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    stds = 0.5 + 0.3 * torch.rand(5, generator=generator, dtype=torch.float64)
    denoiser = MixtureDenoiser(WIDE, means, stds, torch.ones(5, dtype=torch.float64))
    x = 20 * normal(32, 4, seed=1)
    truth = last_point(UniPC(steps=2001, order=3), denoiser, x)
    found = slope(lambda n: UniPC(n, order=3), denoiser, x, truth, 128, 512)
    assert found == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("process", [RectifiedFlow(0.05, 20.0), Cosine(0.05, 20.0)])
def test_native_solvers_have_their_orders(process):
    denoiser, start = mixture(process), 20 * normal(16, 4, 1)
    a = process.coefficients(torch.ones(1, dtype=torch.float64))[0]
    x, uniform = a * start, Uniform()
    truth = last_point(UniPC(801, LogUniform(), order=3), denoiser, x)
    for make, order in ((FlowEuler, 1.0), (FlowMidpoint, 2.0)):
        found = slope(lambda n, m=make: m(n, uniform), denoiser, x, truth, 128, 256)
        assert found == pytest.approx(order, abs=0.15)


VARIANCES = {  # relative error of the variance after 8, 16, 32 and 64 moves
    "ddim": (lambda n: Ddim(n, Karras()), (-0.47, -0.27, -0.15, -0.076)),
    "ddpm": (lambda n: Ancestral(n, Karras()), (-0.64, -0.44, -0.27, -0.15)),
    "euler_maruyama": (lambda n: EulerMaruyama(n, Karras()), (2.8, 0.87, 0.36, 0.16)),
    "heun": (lambda n: Heun(n, Karras()), (0.49, 0.10, 0.023, 0.0056)),
    "2m": (lambda n: DpmSolver2M(n, Karras()), (0.16, 0.095, 0.024, 0.0057)),
    "sde_midpoint": (lambda n: SdeDpmSolver2M(n, Karras()), (0.094, 0.19, 0.062, 0.015)),
    "sde_heun": (
        lambda n: SdeDpmSolver2M(n, Karras(), variant="heun"),
        (0.82, 0.52, 0.12, 0.027),
    ),
    "churn": (lambda n: Heun(n, Karras(), churn=40.0), (0.90, 0.24, 0.084, 0.035)),
}


def traced_variance(make, moves, std=0.5) -> float:
    """Output variance for data N(0, std^2), exactly: the sum of squared coefficients of all
    draws.
    """
    process = VarianceExploding(0.02, 80.0, noise=Traced())
    x = torch.zeros(1, 1, 2 * moves + 4, dtype=torch.float64)
    x[..., 0] = math.sqrt(80.0**2 + std**2)
    end = last_point(make(moves + 1), LinearDenoiser(process, std), x)
    return end.square().sum().item()


@pytest.mark.parametrize("name", VARIANCES)
def test_exact_weak_variance(name):
    make, expected = VARIANCES[name]
    truth = 0.5**2 + 0.02**2
    for moves, error in zip((8, 16, 32, 64), expected, strict=True):
        found = traced_variance(make, moves) / truth - 1
        assert found == pytest.approx(error, rel=0.06, abs=2e-4)


@pytest.mark.parametrize(
    ("name", "error"),
    [("ddim", -0.0098), ("ddpm", -0.021), ("heun", 8.5e-5), ("2m", 8.4e-5), ("churn", 8.8e-4)],
)
def test_exact_weak_variance_of_many_moves(name, error):
    found = traced_variance(VARIANCES[name][0], 512) / (0.5**2 + 0.02**2) - 1
    assert found == pytest.approx(error, rel=0.06)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: PredictorCorrector(n, LogUniform(), snr=0.16),
        lambda n: SdeDpmSolver2M(n, LogUniform()),
        lambda n: EulerMaruyama(n, LogUniform()),
        lambda n: Langevin(n, LogUniform(), inner=30, relative=0.05),
    ],
    ids=["predictor_corrector", "sde_2m", "euler_maruyama", "langevin"],
)
def test_stochastic_samplers_reach_the_law(make):
    process = VarianceExploding(0.02, 20.0)
    x = 20 * normal(1, 1, 8000)
    end = last_point(make(100), LinearDenoiser(process, 0.5), x)
    assert end.std().item() == pytest.approx(0.5, rel=0.05)


def test_one_state_for_every_schedule():
    """The same levels give the same walk, whatever the schedule: flow Euler is DDIM is Euler."""
    levels = tuple(torch.logspace(1, -1, 9, dtype=torch.float64).tolist())
    grid, z = Explicit(levels), 10 * normal(8, 4, 1)
    ends = []
    for process in (VarianceExploding(0.01, 20), RectifiedFlow(0.01, 20), VariancePreserving()):
        denoiser, t = mixture(process), process.time(torch.tensor([10.0], dtype=torch.float64))
        x = process.coefficients(t)[0] * z
        start = t.item()
        for sampler in (Euler(9, grid), Ddim(9, grid)):
            *_, x_0 = sampler.walk(denoiser, x, NOTHING, start)
            ends.append(x_0)
        if isinstance(process, RectifiedFlow):
            ends.append(list(FlowEuler(9, grid).walk(denoiser, x, NOTHING, start))[-1])
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], atol=1e-10, rtol=1e-10)


def test_a_bridge_given_its_source_is_conditional_diffusion():
    process, y = BrownianBridge(), normal(8, 4, 1, seed=5)
    levels = tuple(process.level(torch.linspace(1, 0, 12, dtype=torch.float64)).tolist())
    top = levels[0]
    plain = VarianceExploding(levels[-1] / 2, top)
    z = top * normal(8, 4, 1)
    condition = Condition(source=y)
    a, b, _ = process.coefficients(torch.ones(1, dtype=torch.float64))
    for sampler in (UniPC(12, Explicit(levels)), Ddim(12, Explicit(levels))):
        *_, bridge = sampler.walk(mixture(process), a * z + b * y, condition)
        *_, diffusion = sampler.walk(mixture(plain), z, condition)
        torch.testing.assert_close(bridge, diffusion, atol=1e-10, rtol=1e-10)


def test_predictor_alone_is_dpm_solver_2m(reference):
    """UniPC-1's predictor is Euler; DPM-Solver++(2M) with eta = 0 is its SDE's limit."""
    denoiser, x, _ = reference
    sde = last_point(SdeDpmSolver2M(12, eta=0.0), denoiser, x)
    torch.testing.assert_close(sde, last_point(DpmSolver2M(12), denoiser, x), atol=1e-12, rtol=0)


def test_adaptive_ode_keeps_its_tolerance(reference):
    denoiser, x, truth = reference
    loose, tight = (
        (last_point(ProbabilityFlow(2, tolerance=k), denoiser, x) - truth).abs().max().item()
        for k in (1e-3, 1e-6)
    )
    assert tight < 1e-4 and tight < loose / 10


def test_inversion_then_sampling_returns_the_image():
    denoiser = mixture(VarianceExploding(0.01, 20.0))
    x_0 = denoiser.draw(16)
    for sampler in (UniPC(60), Heun(60), DpmSolver2M(200), ProbabilityFlow(4, tolerance=1e-6)):
        x_1 = invert(sampler, denoiser, x_0, NOTHING)
        assert x_1.std() > 15
        back = last_point(sampler, denoiser, x_1)
        assert (back - x_0).abs().max().item() < 0.02


def test_inversion_of_a_stochastic_sampler_is_refused():
    with pytest.raises(ValueError, match="cannot be inverted"):
        invert(SdeDpmSolver2M(), mixture(WIDE), normal(1, 4, 1), NOTHING)


def test_likelihood_of_a_gaussian():
    std, n = 0.5, 6
    process = VarianceExploding(0.01, 80.0)
    x = std * normal(8, n, 1)
    with torch.inference_mode():
        found = log_likelihood(LinearDenoiser(process, std), x, NOTHING)
    variance = std**2 + 0.01**2
    truth = -0.5 * (x.flatten(1).square().sum(1) / variance + n * math.log(2 * math.pi * variance))
    assert ((found - truth) / n).abs().max().item() < 1e-2


def test_likelihood_of_a_mixture():
    denoiser = mixture(VarianceExploding(0.01, 80.0), dims=1)
    x = denoiser.draw(8)
    found = log_likelihood(denoiser, x, NOTHING)
    variance = denoiser.stds**2 + 0.01**2
    gap = (x.flatten(1)[:, None] - denoiser.means).square().sum(2)
    parts = -0.5 * gap / variance - 0.5 * (2 * math.pi * variance).log() + denoiser.weights.log()
    assert (found - parts.logsumexp(1)).abs().max().item() < 1e-2


SAMPLERS_THAT_COUNT = [
    Ancestral(6),
    Ddim(6),
    Euler(6),
    Heun(6),
    DpmSolver2S(6),
    DpmSolver2M(6),
    DpmSolver3M(6),
    SdeDpmSolver2M(6),
    UniPC(6),
    UniPC(6, order=3),
    AdamsBashforth(6),
    FlowEuler(6),
    FlowMidpoint(6),
    EulerMaruyama(6),
    PredictorCorrector(6),
    Langevin(6),
    SinglePass(),
    TimeTravel(6, jump=2, repeats=3),
]


@pytest.mark.parametrize("sampler", SAMPLERS_THAT_COUNT, ids=lambda s: type(s).__name__)
def test_calls_are_counted_and_times_fall_within_the_process(sampler):
    process = VariancePreserving()
    denoiser = Recording(process, lambda x, t, c: 0.1 * x)
    *_, x_0 = sampler.walk(denoiser, torch.randn(2, 1, 4, 4), NOTHING)
    assert len(denoiser.asked) == sampler.calls
    times = torch.stack([t for _, t, _ in denoiser.asked])
    assert times.shape[1] == 2 and times.dtype == torch.float32
    assert times.min() >= 0 and times.max() <= 1
    assert times.max() == 1 or isinstance(sampler, Langevin)  # which moves at the levels it enters
    assert x_0.shape == (2, 1, 4, 4) and x_0.isfinite().all() and x_0.dtype == torch.float32


@pytest.mark.parametrize("sampler", SAMPLERS_THAT_COUNT[:16], ids=lambda s: type(s).__name__)
def test_one_step_is_no_walk_at_all(sampler):
    one = type(sampler)(steps=1)
    denoiser = Recording(WIDE)
    assert len(list(one.walk(denoiser, torch.randn(1, 1, 4), NOTHING))) == 1
    assert len(denoiser.asked) == 1


def test_the_state_stays_in_float32_under_a_bfloat16_network():
    class Rough(Recording):
        def forward(self, x_t, t, condition):
            return (0.1 * x_t).bfloat16().float()

    for x in UniPC(5).walk(Rough(WIDE), torch.randn(1, 1, 4, 4), NOTHING):
        assert x.dtype == torch.float32


@pytest.mark.parametrize("make", [DpmSolver2M, UniPC, Euler, Heun, Ddim, Ancestral])
def test_step_moves_from_t_to_s(make):
    denoiser, x = mixture(RectifiedFlow()), normal(4, 4, 1)
    t, s = (torch.full((4,), k, dtype=torch.float64) for k in (0.8, 0.5))
    x_s = make().step(denoiser, x, t, s, NOTHING)
    assert x_s.shape == x.shape and not torch.equal(x_s, x)
    if make in (Euler, Ddim, DpmSolver2M):
        euler = denoiser.process.reverse(denoiser(x, t, NOTHING), x, t, s, None, 0.0)
        torch.testing.assert_close(x_s, euler, atol=1e-12, rtol=1e-12)


def test_time_travel_keeps_the_law():
    process = VarianceExploding(0.02, 20.0)
    x = 20 * normal(1, 1, 20000)
    sampler = TimeTravel(100, jump=10, repeats=3)
    end = last_point(sampler, LinearDenoiser(process, 0.5), x)
    assert end.std().item() == pytest.approx(0.5, rel=0.08)


def test_single_pass_asks_once_at_the_start():
    denoiser = Recording(WIDE, lambda x, t, c: x + 1)
    x = torch.zeros(2, 1, 3)
    (x_0,) = SinglePass().walk(denoiser, x, NOTHING, 0.25)
    assert torch.equal(x_0, x + 1) and torch.equal(denoiser.asked[0][1], torch.full((2,), 0.25))


def test_bad_questions_are_answered_in_sentences():
    x = torch.zeros(1, 1, 4)
    with pytest.raises(TypeError, match="Ancestral serves every process"):
        next(UniPC().walk(Recording(Blur()), x, NOTHING))
    with pytest.raises(TypeError, match="Uniform and Trailing fit every process"):
        next(Ancestral().walk(Recording(Blur()), x, NOTHING))
    with pytest.raises(ValueError, match="must lie in"):
        next(UniPC().walk(Recording(WIDE), x, NOTHING, start=1.5))
    with pytest.raises(ValueError, match="must lie in"):
        next(SinglePass().walk(Recording(WIDE), x, NOTHING, start=0.0))
    with pytest.raises(ValueError, match="orders 1 to 4"):
        UniPC(order=7)
    with pytest.raises(ValueError, match="midpoint and heun"):
        SdeDpmSolver2M(variant="exact")
    with pytest.raises(ValueError, match="in \\(0, 1\\)"):
        Langevin(relative=2.0)
    with pytest.raises(ValueError, match="once"):
        SinglePass(steps=3)
    with pytest.raises(RuntimeError, match="take UniPC"):
        list(ProbabilityFlow(2, most=3).walk(mixture(WIDE), normal(1, 4, 1), NOTHING))
