"""Processes that are not Gaussian: categorical against brute-force Bayes, cold, Poisson."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from diffusion_oracles import NOTHING, Recording, normal
from test_contract import pieces

from diffnet.diffusion import (
    Absorbing,
    Ancestral,
    Bernoulli,
    Blur,
    Categorical,
    Condition,
    Fading,
    Interpolation,
    Pixelation,
    PoissonThinning,
    Trailing,
    Uniform,
    anscombe,
    anscombe_inverse,
)

T, U, S = (torch.tensor([k], dtype=torch.float64) for k in (0.8, 0.55, 0.3))


def one_hot(k: int, classes: int) -> torch.Tensor:
    return torch.eye(classes, dtype=torch.float64)[k].reshape(1, classes, 1)


def matrix(process, classes: int, early, late) -> torch.Tensor:
    """q(x_late = column | x_early = row) of the Markov chain, from its definition."""
    share = (process.kept_share(late) / process.kept_share(early)).item()
    eye = torch.eye(classes, dtype=torch.float64)
    if isinstance(process, Absorbing):
        chain = share * eye
        chain[:, -1] += 1 - share
        return chain
    return share * eye + (1 - share) / classes


CHAINS = [(Categorical(), 3, 3), (Absorbing(), 3, 4)]
chains = pytest.mark.parametrize(
    ("process", "classes", "states"), CHAINS, ids=["uniform", "absorbing"]
)


@chains
def test_posterior_is_bayes(process, classes, states):
    """p(x_s | x_t) = sum_k p(k) q(x_s | x_t, x_0 = k), every term from the chain's own matrices."""
    start = torch.zeros_like(S)
    to_s, on = matrix(process, states, start, S), matrix(process, states, S, T)
    to_t = matrix(process, states, start, T)
    belief = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    for now in range(states):
        wanted = torch.zeros(states, dtype=torch.float64)
        for k in range(classes):
            if to_t[k, now] > 0:
                wanted += belief[k] * to_s[k] * on[:, now] / to_t[k, now]
        if isinstance(process, Absorbing) and now < classes:
            # an unmasked voxel is known; only x_0 = x_t is possible
            wanted = one_hot(now, states).flatten()
        found = process.posterior(belief.reshape(1, -1, 1), one_hot(now, states), T, S)
        torch.testing.assert_close(found.flatten(), wanted, atol=1e-12, rtol=0)


@chains
def test_strided_steps_are_composed_steps(process, classes, states):
    """Given x_0, going T -> U -> S has the law of T -> S."""
    for k, now in product(range(classes), range(states)):
        if isinstance(process, Absorbing) and now not in (k, states - 1):
            continue
        x_0 = one_hot(k, classes)
        middle = process.posterior(x_0, one_hot(now, states), T, U).flatten()
        composed = sum(
            middle[j] * process.posterior(x_0, one_hot(j, states), U, S).flatten()
            for j in range(states)
            if middle[j] > 0
        )
        direct = process.posterior(x_0, one_hot(now, states), T, S).flatten()
        torch.testing.assert_close(composed, direct, atol=1e-12, rtol=0)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_reverse_with_the_truth_keeps_the_categorical_marginal(eta):
    process = Categorical()
    x_0 = one_hot(1, 3)
    chance = process.chances(x_0, T).flatten()
    marginal = sum(
        chance[j] * process.posterior(x_0, one_hot(j, 3), T, S, eta).flatten() for j in range(3)
    )
    torch.testing.assert_close(marginal, process.chances(x_0, S).flatten(), atol=1e-12, rtol=0)


def test_absorbing_marginal_is_kept():
    process, x_0 = Absorbing(), one_hot(1, 3)
    chance = process.chances(x_0, T).flatten()
    marginal = sum(
        chance[j] * process.posterior(x_0, one_hot(j, 4), T, S).flatten()
        for j in range(4)
        if chance[j] > 0
    )
    torch.testing.assert_close(marginal, process.chances(x_0, S).flatten(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_bernoulli_is_two_classes_in_one_channel(eta):
    for value, chance in product((0.0, 1.0), (0.0, 0.3, 1.0)):
        x_t = torch.tensor([[[value]]], dtype=torch.float64)
        x_0 = torch.tensor([[[chance]]], dtype=torch.float64)
        found = Bernoulli().posterior(x_0, x_t, T, S, eta).item()
        pair = Categorical().posterior(
            torch.cat([1 - x_0, x_0], 1), torch.cat([1 - x_t, x_t], 1), T, S, eta
        )
        assert found == pytest.approx(pair[0, 1, 0].item(), abs=1e-14)


def test_bernoulli_ddim_step_is_the_published_one():
    """sigma x_t + (alpha_bar_s - sigma alpha_bar_t) x_0, sigma = (1 - alpha_bar_s) / (1 -
    alpha_bar_t).
    """
    process = Bernoulli()
    a_t, a_s = (process.kept_share(k).item() for k in (T, S))
    sigma = (1 - a_s) / (1 - a_t)
    x_t, x_0 = (
        torch.ones(1, 1, 1, dtype=torch.float64),
        torch.full((1, 1, 1), 0.4, dtype=torch.float64),
    )
    found = process.posterior(x_0, x_t, T, S, 0.0).item()
    assert found == pytest.approx(sigma + (a_s - sigma * a_t) * 0.4, abs=1e-12)


@pytest.mark.parametrize("process", [Categorical(), Absorbing(), Bernoulli()])
def test_draws_follow_their_chances(process):
    n = 40000
    x_0 = torch.zeros(1, 1 if isinstance(process, Bernoulli) else 3, n)
    x_0[:, 0] = 1
    t = torch.tensor([0.5])
    share = process.kept_share(t).item()
    x_t = process.corrupt(x_0, t)
    assert set(x_t.unique().tolist()) == {0.0, 1.0}
    rest = {"Categorical": (1 - share) / 3, "Absorbing": 0.0, "Bernoulli": (1 - share) / 2}
    expected = share + rest[type(process).__name__]
    assert x_t[:, 0].mean().item() == pytest.approx(expected, abs=0.01)
    if not isinstance(process, Bernoulli):
        assert (x_t.sum(1) == 1).all()
    start = process.start(x_0)
    expected = {"Categorical": 1 / 3, "Absorbing": 0.0, "Bernoulli": 0.5}[type(process).__name__]
    assert start[:, 0].mean().item() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("process", [Categorical(), Absorbing()])
@pytest.mark.parametrize("grid", [Uniform(), Trailing()])
def test_sampling_with_the_posterior_of_independent_voxels_returns_its_law(process, grid):
    """A denoiser that knows p(x_0) and Bayes samples p(x_0)."""
    prior = torch.tensor([0.6, 0.3, 0.1])

    def bayes(x_t, t, condition):
        share = process.kept_share(t).reshape(-1, 1, 1)
        if isinstance(process, Absorbing):
            known, masked = x_t[:, :3], x_t[:, 3:]
            return known + masked * prior.reshape(1, 3, 1)
        likelihood = share * x_t + (1 - share) / 3
        joint = prior.reshape(1, 3, 1) * likelihood
        return joint / joint.sum(1, keepdim=True)

    denoiser = Recording(process, bayes)
    x = process.start(torch.zeros(1, 3, 30000))
    *_, x_0 = Ancestral(12, grid).walk(denoiser, x, NOTHING)
    assert x_0.shape == (1, 3, 30000)
    torch.testing.assert_close(x_0.mean((0, 2)), prior, atol=0.02, rtol=0)


COLD = [
    Blur(3.0),
    Interpolation(),
    Fading(torch.ones(8, 8).tril()),
    Pixelation(2),
]


@pytest.mark.parametrize("process", COLD, ids=lambda p: type(p).__name__)
def test_cold_processes_undo_themselves_with_the_truth(process):
    x_0, y = normal(1, 2, 8, 8), normal(1, 2, 8, 8, seed=4)
    zero = torch.zeros_like(S)
    torch.testing.assert_close(process.corrupt(x_0, zero, y), x_0, atol=1e-12, rtol=0)
    x_t = process.corrupt(x_0, T, y)
    assert (x_t - x_0).norm() > 0.1
    x_s = process.reverse(x_0, x_t, T, S, y)
    torch.testing.assert_close(x_s, process.corrupt(x_0, S, y), atol=1e-12, rtol=0)
    exact = Recording(process, lambda x, t, c: x_0)
    *_, last = Ancestral(5, Uniform()).walk(exact, process.start(x_0, x_t), Condition(source=y))
    torch.testing.assert_close(last, x_0)


@pytest.mark.parametrize("process", [Blur(3.0), Pixelation(2)])
def test_cold_degradations_keep_the_mean_and_lose_detail(process):
    x_0 = normal(1, 1, 8, 8)
    stds = []
    for t in (0.0, 0.5, 1.0):
        x_t = process.corrupt(x_0, torch.tensor([t], dtype=torch.float64))
        assert x_t.mean().item() == pytest.approx(x_0.mean().item(), abs=1e-12)
        stds.append(x_t.std().item())
    assert stds[0] > stds[1] > stds[2]


def test_blur_is_a_gaussian():
    """A point becomes a Gaussian of the standard deviation t width."""
    x_0 = torch.zeros(1, 1, 64, dtype=torch.float64)
    x_0[..., 32] = 1
    x_t = Blur(4.0).corrupt(x_0, torch.tensor([0.5], dtype=torch.float64))
    place = torch.arange(64, dtype=torch.float64) - 32
    assert (x_t[0, 0] * place**2).sum().item() == pytest.approx(2.0**2, rel=1e-6)


def test_poisson_thinning_keeps_its_marginal():
    process, x_0 = PoissonThinning(1000.0, 10.0), torch.full((1, 1, 60000), 0.3)
    t, s = torch.tensor([0.8]), torch.tensor([0.4])
    x_s = process.reverse(x_0, process.corrupt(x_0, t), t, s)
    dose = process.dose(s).item()
    assert x_s.mean().item() == pytest.approx(0.3, rel=0.01)
    assert (x_s.var() * dose).item() == pytest.approx(0.3, rel=0.03)
    torch.testing.assert_close(x_s * dose, (x_s * dose).round(), atol=1e-3, rtol=0)


def test_poisson_sampling_adds_counts_only():
    process = PoissonThinning(1000.0, 10.0)
    y = torch.poisson(torch.full((1, 1, 500), 3.0)) / 10
    denoiser = Recording(process, lambda x, t, c: torch.full_like(x, 0.3))
    counts = y * 10
    times = Ancestral(6, Uniform()).times(process, y)
    walk = Ancestral(6, Uniform()).walk(denoiser, process.start(y, y), Condition(source=y))
    for t, x in zip(times[1:], walk, strict=False):
        now = x * process.dose(t)
        assert (now >= counts - 1e-2).all()
        counts = now


def test_anscombe_makes_unit_variance_and_comes_back():
    counts = torch.poisson(torch.full((200000,), 20.0, dtype=torch.float64))
    values = anscombe(counts)
    assert values.std().item() == pytest.approx(1, abs=0.01)
    torch.testing.assert_close(anscombe_inverse(values), counts, atol=1e-9, rtol=0)
    assert anscombe_inverse(values.mean(), unbiased=True).item() == pytest.approx(20, abs=0.03)
    assert anscombe_inverse(values.mean()).item() < 19.85


def test_missing_sources_and_other_impossible_questions():
    x = torch.zeros(1, 1, 4, 4)
    for process in (Blur(), Interpolation(), PoissonThinning()):
        with pytest.raises(ValueError, match=r"condition\.source"):
            process.start(x)
    with pytest.raises(ValueError, match=r"condition\.source"):
        Interpolation().corrupt(x, torch.ones(1))
    with pytest.raises(ValueError, match="eta = 1"):
        Absorbing().reverse(x, torch.cat([x, x], 1), T, S, eta=0.0)
    with pytest.raises(ValueError, match="eta = 1"):
        PoissonThinning().reverse(x, x, T, S, eta=0.0)
    with pytest.raises(ValueError, match="0 < least < most"):
        PoissonThinning(1.0, 10.0)
    with pytest.raises(ValueError, match="do not fill"):
        Pixelation(3).corrupt(torch.zeros(1, 1, 12, 12), torch.ones(1))


@pytest.mark.parametrize("recipe", ["ccdm", "berdiff"])
def test_recipes_of_classes_walk_over_maps_and_end_with_chances(recipe: str) -> None:
    """Every step but the last is a decided map, whose classes exclude each other in ccdm alone."""
    _, method, batch, _, _ = pieces(recipe, "segmentation", 2)
    like, known = torch.zeros_like(batch.target), batch.condition
    with torch.no_grad():
        x, time = method.eval().start(method.denoiser, like, known)
        *steps, last = method.sampler.walk(method.denoiser, x, known, time)
        answers = [method.sample(like, known), method.mean(like, known)]
    assert len(steps) >= 3
    for step in steps:
        assert set(step.unique().tolist()) <= {0.0, 1.0}
        assert recipe == "berdiff" or (step.sum(1) == 1).all()
    assert ((last > 0) & (last < 1)).all()
    for made in answers:
        assert (made.abs() < 0.5).all(), "one-hot values of -0.5 and 0.5, softened"
        assert recipe == "berdiff" or torch.allclose((made + 0.5).sum(1), torch.ones(()))
