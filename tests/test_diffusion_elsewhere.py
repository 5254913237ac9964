"""Samplers and schedules beside independent libraries, where these happen to be installed."""

from __future__ import annotations

import pytest
import torch
from diffusion_oracles import NOTHING, LinearDenoiser, mixture, normal

from diffnet.diffusion import (
    Ancestral,
    Ddim,
    DiscreteVariancePreserving,
    DpmSolver2M,
    DpmSolver3M,
    Euler,
    Explicit,
    Heun,
    RectifiedFlow,
    Uniform,
    UniPC,
    VarianceExploding,
)

pytestmark = pytest.mark.filterwarnings("ignore")
SCALED = DiscreteVariancePreserving("scaled_linear", 1000, 0.00085, 0.012)
TABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers")


@pytest.fixture
def azula():
    pytest.importorskip("azula")
    from azula import denoise, noise, sample

    return denoise, noise, sample


def their_walk(scheduler, x_0_of, x, levels):
    """The scheduler's last state, fed with exact estimates of x_0."""
    for t, r in zip(scheduler.timesteps, levels, strict=False):
        x = scheduler.step(x_0_of(x, r), t, x).prev_sample
    return x


def on_vp(denoiser):
    """D for a variance-preserving state at the level r."""

    def x_0_of(x, r):
        t = denoiser.process.time(torch.as_tensor([float(r)], dtype=torch.float64))
        return denoiser(x, t.expand(len(x)), NOTHING)

    return x_0_of


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_tables_are_those_of_diffusers(diffusers, kind):
    theirs = diffusers.DDPMScheduler(1000, 1e-4, 0.02, beta_schedule=kind).alphas_cumprod
    ours = DiscreteVariancePreserving("cosine" if kind.startswith("squared") else kind)
    a = ours.coefficients(torch.arange(1000, dtype=torch.float64) / 999)[0]
    torch.testing.assert_close(a**2, theirs.double(), atol=1e-6, rtol=2e-3)


def test_zero_terminal_snr_is_that_of_diffusers(diffusers):
    theirs = diffusers.DDIMScheduler(1000, **TABLE, rescale_betas_zero_snr=True).alphas_cumprod
    ours = DiscreteVariancePreserving("scaled_linear", 1000, 0.00085, 0.012, zero_terminal=True)
    a = ours.coefficients(torch.arange(1000, dtype=torch.float64) / 999)[0]
    torch.testing.assert_close(a[:-1] ** 2, theirs.double()[:-1], atol=1e-6, rtol=1e-3)


def test_ddim_is_that_of_diffusers(diffusers):
    scheduler = diffusers.DDIMScheduler(
        1000, **TABLE, clip_sample=False, prediction_type="sample", timestep_spacing="trailing"
    )
    scheduler.set_timesteps(20)
    denoiser, x = mixture(SCALED), normal(16, 4, 1)
    levels = SCALED.level(scheduler.timesteps.double() / 999)
    # all but the last of their steps, which leaves the table
    scheduler.timesteps = scheduler.timesteps[:-1]
    theirs = their_walk(scheduler, on_vp(denoiser), x, levels)
    *points, _ = Ddim(20, Explicit(tuple(levels.tolist()))).walk(denoiser, x, NOTHING)
    torch.testing.assert_close(points[-1], theirs, atol=1e-4, rtol=1e-4)


MULTISTEP = [
    ("DPMSolverMultistepScheduler", {"solver_order": 2}, lambda n, g: DpmSolver2M(n, g)),
    ("DPMSolverMultistepScheduler", {"solver_order": 3}, lambda n, g: DpmSolver3M(n, g)),
    ("UniPCMultistepScheduler", {"solver_order": 2}, lambda n, g: UniPC(n, g)),
    ("UniPCMultistepScheduler", {"solver_order": 3}, lambda n, g: UniPC(n, g, order=3)),
]


@pytest.mark.parametrize(
    ("name", "settings", "make"), MULTISTEP, ids=["2m", "3m", "unipc2", "unipc3"]
)
def test_multistep_solvers_are_those_of_diffusers(diffusers, name, settings, make):
    scheduler = getattr(diffusers, name)(
        1000, **TABLE, prediction_type="sample", lower_order_final=False,
        final_sigmas_type="sigma_min", **settings,
    )  # fmt: skip
    scheduler.set_timesteps(20)
    levels = scheduler.sigmas.double()
    denoiser, x = mixture(SCALED), normal(16, 4, 1)
    x_0_of = on_vp(denoiser)
    theirs = x_0_of(their_walk(scheduler, x_0_of, x, levels), levels[-1])
    process = denoiser.process
    start = process.time(levels[:1]).item()
    grid = Explicit(tuple(levels.tolist()))
    *_, ours = make(len(levels), grid).walk(denoiser, x, NOTHING, start)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize(
    ("name", "make"),
    [("EulerDiscreteScheduler", Euler), ("HeunDiscreteScheduler", Heun)],
)
def test_one_step_solvers_are_those_of_diffusers(diffusers, name, make):
    scheduler = getattr(diffusers, name)(1000, **TABLE, prediction_type="sample")
    scheduler.set_timesteps(15)
    levels = list(dict.fromkeys(scheduler.sigmas.double().tolist()))
    process = VarianceExploding(levels[-2], levels[0])
    denoiser, x = mixture(process), levels[0] * normal(16, 4, 1)
    x_0_of, theirs = on_vp(denoiser), x
    for t, r in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        theirs = scheduler.step(x_0_of(theirs, r), t, theirs).prev_sample
    *_, ours = make(len(levels) - 1, Explicit(tuple(levels[:-1]))).walk(denoiser, x, NOTHING)
    # their last step leads to sigma = 0, which is the clean estimate
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize(("name", "make"), [("DDIMSampler", Ddim), ("HeunSampler", Heun)])
def test_samplers_are_those_of_azula(azula, name, make):
    denoise, noise, sample = azula
    process = VarianceExploding(0.02, 20.0)
    exact = mixture(process)

    class Theirs(denoise.Denoiser):
        schedule = noise.VESchedule(0.02, 20.0)

        def forward(self, x_t, t, **kwargs):
            return denoise.DiracPosterior(mean=exact(x_t, t.expand(len(x_t)), NOTHING))

    x = 20 * normal(16, 4, 1)
    sampler = getattr(sample, name)(Theirs(), steps=24, silent=True, dtype=torch.float64)
    theirs = sampler(x)
    *points, _ = make(25, Uniform()).walk(exact, x, NOTHING)
    torch.testing.assert_close(points[-1], theirs, atol=1e-6, rtol=1e-6)


def test_ancestral_is_the_ddpm_of_azula(azula):
    """The same law: variances of the two samplers, for a Gaussian, agree to Monte Carlo."""
    denoise, noise, sample = azula
    process = RectifiedFlow(1e-3, 1e3)
    std = 0.5

    class Theirs(denoise.Denoiser):
        schedule = noise.RectifiedSchedule()

        def forward(self, x_t, t, **kwargs):
            alpha, sigma = self.schedule(t)
            mean = x_t / alpha * std**2 / (std**2 + (sigma / alpha) ** 2)
            return denoise.DiracPosterior(mean=mean)

    x = torch.randn(1, 1, 40000, dtype=torch.float64)
    theirs = sample.DDPMSampler(Theirs(), steps=12, silent=True, dtype=torch.float64)(x)
    *points, _ = Ancestral(13, Uniform()).walk(LinearDenoiser(process, std), x, NOTHING)
    assert points[-1].std().item() == pytest.approx(theirs.std().item(), rel=0.03)
