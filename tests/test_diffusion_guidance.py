"""Guidance and starts against exact answers."""

from __future__ import annotations

import pytest
import torch
from diffusion_oracles import NOTHING, LinearDenoiser, Recording, mixture, normal

from diffnet.diffusion import (
    Ancestral,
    Autoguided,
    Blur,
    BrownianBridge,
    ClassifierFree,
    Clipped,
    Condition,
    Ddim,
    Diffusion,
    DynamicallyNormalised,
    FromImage,
    FromInversion,
    FromNoise,
    FromResidual,
    GradientGuided,
    Known,
    LogNormal,
    Objective,
    RelativeGradient,
    Uniform,
    UniPC,
    VarianceExploding,
    VariancePreserving,
    class_gradient,
    noise_level,
    without,
    without_label,
)

PROCESS = VarianceExploding(0.02, 20.0)


def by_label(x, t, c):
    return c.label.reshape(-1, 1, 1).to(x.dtype).expand_as(x)


@pytest.mark.parametrize("together", [True, False])
def test_classifier_free_guidance_extrapolates(together):
    inner = Recording(PROCESS, by_label)
    guided = ClassifierFree(inner, 3.0, without_label(10), together=together)
    x, t = torch.zeros(2, 1, 4), torch.full((2,), 0.5)
    found = guided(x, t, Condition(label=torch.tensor([1, 4])))
    assert found[:, 0, 0].tolist() == [10 + 3 * (1 - 10), 10 + 3 * (4 - 10)]
    assert len(inner.asked) == (1 if together else 2)


def test_no_guidance_costs_nothing():
    inner = Recording(PROCESS, by_label)
    ClassifierFree(inner, 1.0, without_label(10))(
        torch.zeros(1, 1, 4), torch.ones(1), Condition(label=torch.tensor([1]))
    )
    assert len(inner.asked) == 1 and len(inner.asked[0][0]) == 1


def test_guidance_acts_in_its_interval():
    guided = ClassifierFree(Recording(PROCESS, by_label), 2.0, without_label(3), low=0.5, high=2.0)
    levels = torch.tensor([0.4, 0.6, 1.9, 2.1])
    x, label = torch.zeros(4, 1, 2), torch.zeros(4).long()
    found = guided(x, PROCESS.time(levels), Condition(label=label))
    assert found[:, 0, 0].tolist() == [0, -3, -3, 0]


def test_rescaled_guidance_has_the_conditional_spread():
    inner = Recording(PROCESS, lambda x, t, c: x * (1 + c.label.reshape(-1, 1, 1)))
    x, condition = torch.randn(1, 1, 500), Condition(label=torch.tensor([0]))
    guided = ClassifierFree(inner, 4.0, without_label(1), rescale=1.0)
    found = guided(x, torch.full((1,), 0.5), condition)
    assert found.std().item() == pytest.approx(x.std().item(), rel=1e-5)


def test_other_fields_are_dropped_too():
    condition = Condition(image=torch.ones(1, 1, 2), scalars=torch.ones(1, 2))
    empty = without("image", "scalars")(condition)
    assert empty.image.abs().max() == 0 and empty.scalars.isnan().all()
    with pytest.raises(ValueError, match="this condition has image, scalars"):
        without("source")(condition)
    with pytest.raises(ValueError, match="has no label"):
        without_label(3)(condition)


def test_autoguidance_leaves_the_weak_one_behind():
    strong, weak = (Recording(PROCESS, lambda x, t, c, k=k: k * x) for k in (1.0, 0.8))
    x, t = torch.randn(1, 1, 4), torch.full((1,), 0.5)
    torch.testing.assert_close(Autoguided(strong, weak, 2.0)(x, t, NOTHING), 1.2 * x)
    with pytest.raises(ValueError, match="one process"):
        Autoguided(strong, Recording(VarianceExploding()), 2.0)


@pytest.mark.parametrize("process", [PROCESS, VariancePreserving()], ids=["ve", "vp"])
def test_gradient_guidance_is_bayes(process):
    """Prior N(0, s^2), a measurement m = x_0 + n, and the exact gradient: the posterior mean."""
    std, noise, m = 0.7, 0.3, 0.9
    t, x = torch.full((5,), 0.6, dtype=torch.float64), normal(5, 1, 3)
    a, _, c = (k[0].item() for k in process.coefficients(t))
    r = c / a
    left = std**2 * r**2 / (std**2 + r**2)  # the variance of x_0 given x_t
    shrink = std**2 / (std**2 + r**2)

    def gradient(x_t, t, condition):
        gap = m - shrink * x_t / a
        return shrink / a * gap / (left + noise**2)

    found = GradientGuided(LinearDenoiser(process, std), gradient)(x, t, NOTHING)
    precision = 1 / std**2 + 1 / r**2 + 1 / noise**2
    truth = (x / a / r**2 + m / noise**2) / precision
    torch.testing.assert_close(found, truth)


def test_relative_gradient_has_its_length():
    inner = LinearDenoiser(PROCESS, 0.5)
    x, t = normal(3, 1, 6), torch.full((3,), 0.6, dtype=torch.float64)
    g = normal(3, 1, 6, seed=8)
    moved = RelativeGradient(inner, lambda *_: 1000 * g, 0.2)(x, t, NOTHING)
    r = PROCESS.level(t)[0]
    score, plain = (inner(x, t, NOTHING) - x) / r**2, inner(x, t, NOTHING)
    added = (moved - plain) / r**2
    torch.testing.assert_close(added.flatten(1).norm(dim=1), 0.2 * score.flatten(1).norm(dim=1))
    torch.testing.assert_close(
        added / added.norm(),
        g * (added.norm(dim=2, keepdim=True) / g.norm(dim=2, keepdim=True)) / added.norm(),
    )


def test_class_gradient_works_in_inference_mode():
    class Classifier(torch.nn.Module):
        weight = torch.nn.Parameter(torch.tensor([[1.0, -1.0], [0.5, 2.0]]))

        def forward(self, x, t):
            return x.flatten(1) @ self.weight

    classifier, x = Classifier(), torch.tensor([[[0.3, -0.2]]])
    for label, condition in ((1, NOTHING), (None, Condition(label=torch.tensor([1])))):
        with torch.inference_mode():
            found = class_gradient(classifier, label)(x * 1, torch.ones(1), condition)
        p = (x.flatten(1) @ classifier.weight).softmax(1)
        wanted = classifier.weight[:, 1] - (classifier.weight * p).sum(1)
        torch.testing.assert_close(found.flatten(), wanted.detach())
    with pytest.raises(ValueError, match="wants a label"):
        class_gradient(classifier)(x, torch.ones(1), NOTHING)


def test_estimates_are_kept_in_bounds():
    x, t = torch.linspace(-4, 4, 1001).reshape(1, 1, -1), torch.ones(1)
    inner = Recording(PROCESS, lambda x, t, c: x)
    assert Clipped(inner, -1, 2)(x, t, NOTHING).aminmax() == (-1, 2)
    found = DynamicallyNormalised(inner, 0.9)(x, t, NOTHING)
    assert found.abs().max().item() == pytest.approx(1)
    torch.testing.assert_close(found[x.abs() < 3], x[x.abs() < 3] / 3.6, atol=0.01, rtol=0.01)
    small = x / 10
    assert torch.equal(DynamicallyNormalised(inner)(small, t, NOTHING), small)
    for make in (lambda: Clipped(inner, 1, 0), lambda: DynamicallyNormalised(inner, 0.0)):
        with pytest.raises(ValueError, match=r"must"):
            make()


def test_parts_that_do_not_fit_are_refused():
    cold = Recording(Blur())
    for make in (
        lambda: GradientGuided(cold, lambda *_: 0),
        lambda: Known(cold, lambda x: x),
        lambda: ClassifierFree(cold, 2.0, without_label(1), low=0.1),
    ):
        with pytest.raises(TypeError, match="GaussianProcess"):
            make()
    with pytest.raises(ValueError, match="must be less"):
        ClassifierFree(Recording(PROCESS), 2.0, without_label(1), low=2.0, high=1.0)
    with pytest.raises(ValueError, match="rescale"):
        ClassifierFree(Recording(PROCESS), 2.0, without_label(1), rescale=2.0)


def test_starting_from_a_noised_image_keeps_its_coarse_part():
    process = VarianceExploding(0.01, 20.0)
    y = torch.full((400, 1, 4), 3.0)
    t = process.time(torch.tensor(0.5)).item()
    x, time = FromImage(t)(Recording(process), torch.zeros_like(y), Condition(source=y))
    assert time == t and x.mean().item() == pytest.approx(3, abs=0.05)
    assert x.std().item() == pytest.approx(0.5, rel=0.05)


def test_a_start_below_one_shortens_the_walk():
    denoiser = Recording(PROCESS)
    method = Diffusion(denoiser, Objective(LogNormal()), UniPC(steps=5), FromImage(0.4))
    y = torch.randn(2, 1, 4)
    method.sample(torch.zeros_like(y), Condition(source=y))
    times = [t[0].item() for _, t, _ in denoiser.asked]
    assert times[0] == pytest.approx(0.4) and times[-1] == 0 and len(times) == 5


def test_inversion_is_undone_by_sampling():
    """An unconditional denoiser: the source is only what is inverted."""
    exact = mixture(VarianceExploding(0.01, 20.0))
    denoiser = Recording(exact.process, lambda x, t, c: exact(x, t, NOTHING))
    x_0 = exact.draw(8)
    start = FromInversion(0.8, UniPC(steps=60))
    x_t, time = start(denoiser, x_0, Condition(source=x_0))
    assert time == 0.8 and (x_t - x_0).std() > 1
    *_, last, _ = UniPC(steps=60).walk(denoiser, x_t, Condition(source=x_0), time)
    assert (last - x_0).abs().max().item() < 0.02


def test_noise_level_is_measured():
    ramp = torch.linspace(0, 3, 64)[:, None] + torch.linspace(0, 2, 64)[None]
    for std in (0.05, 0.4):
        image = ramp + std * torch.randn(4, 1, 64, 64)
        assert noise_level(image) == pytest.approx(std, rel=0.06)
    assert noise_level(torch.randn(1, 1, 17, 16, 15)) == pytest.approx(1.0, rel=0.1)


def test_starting_from_a_noisy_image_starts_at_its_own_level():
    y = 2 + 0.3 * torch.randn(1, 1, 128, 128)
    denoiser = Recording(PROCESS)
    x, time = FromResidual()(denoiser, torch.zeros_like(y), Condition(source=y))
    assert PROCESS.level(torch.tensor(time)).item() == pytest.approx(0.3, rel=0.05)
    assert torch.equal(x, y)
    _, time = FromResidual(lambda image: 1e9)(denoiser, y, Condition(source=y))
    assert time == 1.0


@pytest.mark.parametrize("start", [FromImage(), FromInversion(), FromResidual()])
def test_starts_name_what_they_miss(start):
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="FromNoise needs no source"):
        start(Recording(PROCESS), x, NOTHING)


def test_starts_refuse_impossible_times_and_processes():
    x = torch.zeros(1, 1, 4, 4)
    for make in (FromImage, FromInversion):
        for time in (0.0, 1.2):
            with pytest.raises(ValueError, match="must lie in"):
                make(time)
    with pytest.raises(TypeError, match="FromNoise and FromImage fit every process"):
        FromInversion()(Recording(Blur()), x, Condition(source=x))


def test_a_bridge_starts_at_its_source():
    process, y = BrownianBridge(), torch.full((1, 1, 5000), 2.0)
    x, time = FromNoise()(Recording(process), y, Condition(source=y))
    assert time == 1.0 and x.mean().item() == pytest.approx(2, abs=0.01)
    assert x.std().item() == pytest.approx((2 * 0.001 * 0.999) ** 0.5, rel=0.05)


def test_cold_sampling_runs_through_a_method():
    y = torch.randn(1, 1, 8, 8)
    for eta in (Ancestral, Ddim):
        method = Diffusion(
            Recording(Blur(2.0), lambda x, t, c: x), Objective(LogNormal()), eta(4, Uniform())
        )
        assert method.sample(torch.zeros_like(y), Condition(source=y)).isfinite().all()
