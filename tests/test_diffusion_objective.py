"""Parametrizations, weights, losses and objectives."""

from __future__ import annotations

import math

import pytest
import torch
from diffusion_oracles import Recording, normal

from diffnet.diffusion import (
    LOSSES,
    P2,
    WEIGHTS,
    Absolute,
    Batch,
    BrownianBridge,
    Categorical,
    Condition,
    Cosine,
    DiceCrossEntropy,
    Diffusion,
    DirectDenoiser,
    DirectObjective,
    DiscreteVariancePreserving,
    Epsilon,
    EpsilonError,
    FlowError,
    FlowVelocity,
    Huber,
    Interpolation,
    LearnedAncestral,
    LearnedVariance,
    LogNormal,
    LogUniformLevels,
    MinSnr,
    NetworkDenoiser,
    NetworkError,
    Objective,
    Original,
    PosteriorObjective,
    Preconditioned,
    Published,
    RectifiedFlow,
    ResidualShift,
    Score,
    Sigmoid,
    SoftMinSnr,
    Square,
    SubVariancePreserving,
    Times,
    TimeUniform,
    UniPC,
    Unit,
    VarianceExploding,
    VariancePreserving,
    Variational,
    Velocity,
    VelocityError,
)

S = 0.7
LEVELS = torch.logspace(-2.5, 2, 19, dtype=torch.float64)


class Constant(torch.nn.Module):
    """A network that returns what it was made with, and keeps what it was asked."""

    def __init__(self, output=0.0, channels=None):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.as_tensor(output))
        self.channels, self.asked = channels, []

    def forward(self, x, time, image=None, label=None, scalars=None):
        self.asked.append((x, time, image))
        shape = (len(x), self.channels or x.shape[1], *x.shape[2:])
        return self.bias.to(x.dtype).expand(shape)


@pytest.mark.parametrize("kind", [Preconditioned, Velocity])
def test_preconditioning_has_unit_input_and_uncorrelated_unit_target(kind):
    row = kind((S,)).row(LEVELS)
    skip, out, in_ = (k[:, 0] for k in row[:3])
    one = torch.ones_like(LEVELS)
    torch.testing.assert_close(in_**2 * (S**2 + LEVELS**2), one)
    # the target is (x_0 - skip z) / out with z = x_0 + r eps
    variance = ((1 - skip) ** 2 * S**2 + (skip * LEVELS) ** 2) / out**2
    torch.testing.assert_close(variance, one)
    covariance = (1 - skip) * S**2 - skip * LEVELS**2
    torch.testing.assert_close(covariance, torch.zeros_like(LEVELS), atol=1e-12, rtol=0)


def test_preconditioning_is_the_published_table():
    row = Preconditioned((0.5,)).row(LEVELS)
    total = LEVELS**2 + 0.25
    torch.testing.assert_close(row.skip[:, 0], 0.25 / total)
    torch.testing.assert_close(row.out[:, 0], LEVELS * 0.5 / total.sqrt())
    torch.testing.assert_close(row.time, (LEVELS / 0.5).log() / 4)


TARGETS = {
    Preconditioned: lambda x, e, r: (
        (x - S**2 / (r**2 + S**2) * (x + r * e)) * (r**2 + S**2).sqrt() / (r * S)
    ),
    Velocity: lambda x, e, r: (S * e - r * x / S) / (r**2 + S**2).sqrt(),
    Original: lambda x, e, r: x / S,
    Epsilon: lambda x, e, r: e,
    Score: lambda x, e, r: -e,
    FlowVelocity: lambda x, e, r: e - x / S,
}


@pytest.mark.parametrize("kind", TARGETS, ids=lambda k: k.__name__)
def test_parametrization_gives_back_x_0_from_its_target(kind):
    x_0, e, r = normal(19, 3, seed=1), normal(19, 3, seed=2), LEVELS[:, None]
    row = kind((S,)).row(LEVELS)
    back = row.skip * (x_0 + r * e) + row.out * TARGETS[kind](x_0, e, r)
    torch.testing.assert_close(back, x_0, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", [Preconditioned, Velocity, Original, FlowVelocity])
def test_blank_is_the_limit_of_large_levels(kind):
    row = kind((S,)).row(torch.tensor([1e9, math.inf], dtype=torch.float64))
    assert kind.blank
    assert row.in_[1] == 0 and row.skip[1] == 0 and row.time[1] == 3
    torch.testing.assert_close(row.out[1], row.out[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", [Epsilon, Score])
def test_noise_says_nothing_at_blank(kind):
    assert not kind.blank and kind().row(torch.tensor([math.inf])).out.isnan().all()


PATHS = [
    VariancePreserving(),
    SubVariancePreserving(),
    RectifiedFlow(),
    Cosine(),
    BrownianBridge(),
    ResidualShift(),
    DiscreteVariancePreserving(),
]
OUTPUTS = {
    "epsilon": lambda x, e, a, c, da, dc: e,
    "score": lambda x, e, a, c, da, dc: -e / c,
    "original": lambda x, e, a, c, da, dc: x,
    "velocity": lambda x, e, a, c, da, dc: a * e - c * x,
    "flow": lambda x, e, a, c, da, dc: da * x + dc * e,
}


@pytest.mark.parametrize("process", PATHS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_published_outputs_convert_for_any_coefficients(process, kind):
    t = torch.linspace(0.05, 0.93, 7, dtype=torch.float64)
    x_0, e = normal(7, 3, seed=1), normal(7, 3, seed=2)
    a, _, c = (k[:, None] for k in process.coefficients(t))
    da, _, dc = (k[:, None] for k in process.derivatives(t))
    row = Published(process=process, kind=kind).row(process.level(t))
    z = x_0 + c / a * e
    back = row.skip * z + row.out * OUTPUTS[kind](x_0, e, a, c, da, dc)
    torch.testing.assert_close(back, x_0, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(row.in_ * z, a * x_0 + c * e)
    torch.testing.assert_close(row.time, 999 * t, atol=1e-8, rtol=0)


def test_a_published_network_is_asked_in_its_own_terms_by_another_process():
    """Trained on the discrete schedule, sampled on VE: it still sees its own x_t and its own
    step.
    """
    trained = DiscreteVariancePreserving()
    network = Constant(0.3)
    denoiser = NetworkDenoiser(network, VarianceExploding(0.02, 100), Published(process=trained))
    t = torch.tensor([500 / 999], dtype=torch.float64)
    level = trained.level(t)
    z = normal(1, 1, 4, 4)
    x_0 = denoiser(z, denoiser.process.time(level), Condition())
    seen, step, _ = network.asked[0]
    a, _, c = trained.coefficients(t)
    torch.testing.assert_close(step, torch.tensor([500.0], dtype=torch.float64))
    torch.testing.assert_close(seen, a * z)
    torch.testing.assert_close(x_0, z - c / a * 0.3, check_dtype=False)


def test_the_centre_is_the_source():
    """A network that says nothing gives the best linear estimate about the source."""
    process = BrownianBridge()
    denoiser = NetworkDenoiser(Constant(0.0), process, Preconditioned((S,)))
    y, z, t = normal(1, 1, 4), normal(1, 1, 4, seed=3), torch.tensor([0.4], dtype=torch.float64)
    a, b, _ = process.coefficients(t)
    r = process.level(t)
    x_0 = denoiser(a * (y + z) + b * y, t, Condition(source=y))
    torch.testing.assert_close(x_0, y + z * S**2 / (S**2 + r**2), check_dtype=False)


def test_a_source_to_start_from_need_not_be_the_centre():
    network = Constant(0.0)
    denoiser = NetworkDenoiser(network, BrownianBridge(), Preconditioned((S,)), centred=False)
    y, z, t = normal(1, 1, 4), normal(1, 1, 4, seed=3), torch.tensor([0.4], dtype=torch.float64)
    a, b, _ = denoiser.process.coefficients(t)
    x_0 = denoiser(a * z + b * y, t, Condition(source=y))
    r = denoiser.process.level(t)
    torch.testing.assert_close(x_0, z * S**2 / (S**2 + r**2), check_dtype=False)


WEIGHT_OF = {
    Unit: lambda r: torch.ones_like(r),
    EpsilonError: lambda r: 1 / r**2,
    VelocityError: lambda r: 1 + 1 / r**2,
    FlowError: lambda r: (1 + 1 / r) ** 2,
    MinSnr: lambda r: (1 / r**2).clamp(max=5.0),
    SoftMinSnr: lambda r: 1 / (r**2 + 0.25),
    P2: lambda r: (1 / r**2) / (1 + 1 / r**2),
    Sigmoid: lambda r: 1 / r**2 * torch.sigmoid(-1 - (1 / r**2).log()),
}


@pytest.mark.parametrize("kind", WEIGHT_OF, ids=lambda k: k.__name__)
def test_weights_are_their_formulas(kind):
    row = Preconditioned((0.5,)).row(LEVELS)
    torch.testing.assert_close(
        kind().square(LEVELS, row).expand(19, 1)[:, 0], WEIGHT_OF[kind](LEVELS)
    )


@pytest.mark.parametrize("kind", WEIGHTS.values(), ids=lambda k: k.__name__)
def test_weights_say_whether_they_reach_blank(kind):
    level = torch.tensor([math.inf])
    weight = kind()
    square = weight.square(level, Preconditioned().row(level))
    assert square.isfinite().all() and bool((square > 0).all()) == weight.blank


def test_network_error_is_the_edm_weight_and_that_of_each_output():
    error = NetworkError()
    edm = error.square(LEVELS, Preconditioned((0.5,)).row(LEVELS))[:, 0]
    torch.testing.assert_close(edm, 1 / LEVELS**2 + 1 / 0.25)
    for kind, weight in (
        (Epsilon, EpsilonError),
        (Velocity, VelocityError),
        (FlowVelocity, FlowError),
    ):
        row = kind((1.0,)).row(LEVELS)
        torch.testing.assert_close(error.square(LEVELS, row), weight().square(LEVELS, row))


def test_learned_weight_starts_as_none_and_adds_its_uncertainty():
    row, loss = Preconditioned().row(LEVELS.float()), torch.rand(19)
    weight = WEIGHTS["learned"]()
    assert torch.equal(weight.finish(loss, row), loss)
    torch.nn.init.constant_(weight.uncertainty.bias, 0.4)
    torch.testing.assert_close(weight.finish(loss, row), loss * math.exp(-0.4) + 0.4)


def test_levels_follow_their_laws():
    like = torch.zeros(20000, 1)
    level = LogNormal(-1.0, 0.5, 1e-3, 1e3).draw(like)
    assert level.log().mean().item() == pytest.approx(-1.0, abs=0.01)
    assert level.log().std().item() == pytest.approx(0.5, abs=0.01)
    level = LogUniformLevels(0.1, 10.0).draw(like)
    assert level.log().mean().abs().item() < 0.01 and level.min() >= 0.1 and level.max() <= 10
    # logit-normal times of rectified flow are log-normal levels
    tau = LogNormal(0.0, 1.0, 1e-4, 1e4).draw(like)
    tau = tau / (1 + tau)
    assert torch.logit(tau).std().item() == pytest.approx(1.0, abs=0.01)
    level = TimeUniform(RectifiedFlow()).draw(like)
    t = RectifiedFlow().time(level)
    assert t.mean().item() == pytest.approx(0.5, abs=1e-3) and t.std().item() == pytest.approx(
        12**-0.5, abs=1e-3
    )


@pytest.mark.parametrize("levels", [LogNormal(blank=0.25), TimeUniform(blank=0.25), Times(0.25)])
def test_a_share_is_blank(levels):
    assert torch.isinf(levels.draw(torch.zeros(400, 1))).float().mean().item() == pytest.approx(
        0.25
    )


def test_a_share_of_levels_is_even():
    levels = LogNormal(-1.0, 0.5, math.exp(-4.0), math.exp(6.0), even=0.2)
    height = levels.draw(torch.zeros(50000, 1)).log()
    far = (height > 2.0).float().mean().item()  # 6 spreads out: only even draws reach it
    assert far == pytest.approx(0.2 * (6.0 - 2.0) / 10.0, abs=0.002)
    assert height.min() >= -4.0 - 1e-5 and height.max() <= 6.0 + 1e-5
    near = height[(height > -2.5) & (height < 0.5)]  # 3 spreads to either side
    normal_share = (len(near) / 50000 - 0.2 * 3 / 10) / 0.8
    assert normal_share == pytest.approx(0.9973, abs=0.005)
    with pytest.raises(ValueError, match="even levels"):
        LogNormal(even=1.0)


def test_levels_stay_in_range():
    level = LogNormal(-5.0, 3.0, 0.01, 1.0).draw(torch.zeros(1000, 1))
    assert level.min() >= 0.01 and level.max() <= 1.0


@pytest.mark.parametrize("loss", [Square(), Absolute(), Huber()])
def test_losses_are_zero_at_the_truth_and_scale_with_the_weight(loss):
    x_0, error = normal(2, 3, 4), torch.full((2, 3, 4), 0.1, dtype=torch.float64)
    scale = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    assert loss(x_0, x_0, scale).abs().max() == 0
    found = loss(x_0 + error, x_0, scale)
    power = 1 if isinstance(loss, Absolute) else 2
    torch.testing.assert_close(found, (scale[:, 0] * 0.1) ** power)


def test_huber_is_linear_far_out():
    x_0 = torch.zeros(1, 1, 2, dtype=torch.float64)
    far = Huber(0.5)(x_0 + 10, x_0, torch.ones(1, 1, dtype=torch.float64))
    assert far.item() == pytest.approx(0.5 * (2 * 10 - 0.5))


@pytest.mark.parametrize("classes", [1, 3])
def test_dice_cross_entropy(classes):
    loss, one = DiceCrossEntropy(size=0.5), torch.ones(2, 1)
    truth = torch.zeros(2, classes, 6, 6) - 0.5
    truth[:, 0, :3] = 0.5
    if classes == 3:
        truth[:, 1, 3:] = 0.5
    perfect = loss(truth, truth, one)
    unsure = loss(torch.zeros_like(truth), truth, one)
    wrong = loss(-truth, truth, one)
    assert (perfect < 1e-3).all() and (perfect < unsure).all() and (unsure < wrong).all()
    # outside the range of probabilities the square still leads back
    estimate = (truth * 3).requires_grad_()
    loss(estimate, truth, one).sum().backward()
    assert (estimate.grad.sign() == truth.sign()).all()
    torch.testing.assert_close(loss(-truth, truth, 2 * one), 4 * wrong)


def test_cross_entropy_of_unsure_is_log_two():
    loss = DiceCrossEntropy(dice=0.0, square=0.0)
    truth = torch.full((1, 2, 4), 0.5)
    truth[:, 1] = -0.5
    found = loss(torch.zeros_like(truth), truth, torch.ones(1, 1))
    assert found.item() == pytest.approx(math.log(2), rel=1e-5)


def method(parametrization=None, objective=None, **options):
    network = Constant(0.1)
    denoiser = NetworkDenoiser(
        network, VarianceExploding(), parametrization or Preconditioned(), **options
    )
    return Diffusion(denoiser, objective or Objective(LogNormal()), UniPC(steps=3)), network


def some_batch(source=True):
    x = torch.randn(8, 1, 6, 6)
    return Batch(torch.randn(8, 1, 6, 6), Condition(image=x, source=x if source else None))


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_weight_trains_with_every_loss(weight, loss):
    objective = Objective(LogNormal(), weight=WEIGHTS[weight](), loss=LOSSES[loss]())
    diffusion, network = method(objective=objective)
    ((player, value),) = diffusion.losses(some_batch())
    value.backward()
    assert player == "model" and value.isfinite() and network.bias.grad.abs() > 0


def test_the_default_objective_is_the_networks_own_error():
    """The target has unit variance, so a network that always says 0.1 errs by 1 + 0.01."""
    diffusion, _ = method(Preconditioned((1.0,)), Objective(LogNormal()))
    losses = [next(diffusion.losses(some_batch(False)))[1].item() for _ in range(400)]
    assert sum(losses) / 400 == pytest.approx(1 + 0.1**2, abs=0.02)


def test_blank_examples_need_parts_that_can_learn_from_them():
    for parts in (
        {"parametrization": Epsilon(), "objective": Objective(LogNormal(blank=0.1))},
        {"objective": Objective(LogNormal(blank=0.1), weight=MinSnr())},
    ):
        diffusion, _ = method(**parts)
        with pytest.raises(ValueError, match="set blank to 0"):
            next(diffusion.losses(some_batch()))


def test_mean_asks_once_where_blank_was_trained():
    diffusion, network = method(objective=Objective(LogNormal(blank=0.1)))
    y = torch.randn(2, 1, 4, 4)
    mean = diffusion.mean(torch.zeros_like(y), Condition(source=y))
    assert len(network.asked) == 1 and network.asked[0][0].abs().max() == 0
    torch.testing.assert_close(mean, y + 0.5 * 0.1)
    diffusion.objective.levels = LogNormal()
    diffusion.mean(torch.zeros_like(y), Condition(source=y))
    assert len(network.asked) == 1 + 3


def test_recycling_noises_the_networks_own_estimate():
    diffusion, network = method(objective=Objective(LogNormal(), recycle=1.0))
    x = torch.zeros(4, 1, 6, 6)
    objective, denoiser = diffusion.objective, diffusion.denoiser
    denoiser.process = VarianceExploding(1e-6, 80.0)
    t = torch.zeros(4)
    x_t, _ = objective.question(denoiser, Batch(x + 100, Condition()), t)
    # at the smallest level x_t is the estimate itself, which is far from the truth of 100
    assert x_t.max() < 50 and len(network.asked) == 1


def test_self_conditioning_shows_the_last_estimate():
    diffusion, network = method(objective=Objective(LogNormal(), hint=1.0), self_conditioned=True)
    next(diffusion.losses(some_batch()))
    first, second = (asked[2] for asked in network.asked)
    assert first.shape[1] == 2 and first[:, 1].abs().max() == 0 and second[:, 1].abs().max() > 0
    network.asked.clear()
    y = torch.randn(2, 1, 6, 6)
    diffusion.sample(torch.zeros_like(y), Condition(image=y, source=y))
    hints = [asked[2][:, 1] for asked in network.asked]
    assert hints[0].abs().max() == 0 and all(h.abs().max() > 0 for h in hints[1:])


def test_variational_bound_is_zero_for_the_truth_and_grows_from_there():
    class Truth(LearnedVariance):
        shift, place = 0.0, 0.0

        def moments(self, x_t, t, condition):
            return batch.target + self.shift, torch.full_like(x_t, self.place)

    batch = Batch(torch.randn(64, 1, 4, 4), Condition())
    denoiser = Truth(Constant(), DiscreteVariancePreserving(), Preconditioned())
    objective = Variational(LogNormal(), steps=50)
    assert objective.bound(denoiser, batch).abs().item() < 1e-5
    denoiser.place = 1.0
    assert objective.bound(denoiser, batch).item() > 1e-3
    denoiser.place, denoiser.shift = 0.0, 0.3
    assert objective.bound(denoiser, batch).item() > 1e-2


def test_learned_variance_trains_both_halves_and_samples():
    network = torch.nn.Conv2d(1, 2, 3, padding=1)

    class Net(torch.nn.Module):
        inner = network

        def forward(self, x, time, image=None, label=None, scalars=None):
            return self.inner(x)

    denoiser = LearnedVariance(Net(), VariancePreserving(), Preconditioned())
    diffusion = Diffusion(denoiser, Variational(LogNormal()), LearnedAncestral(steps=4))
    next(diffusion.losses(Batch(torch.randn(4, 1, 6, 6), Condition())))[1].backward()
    assert (network.weight.grad.flatten(1).abs().sum(1) > 0).all()
    assert diffusion.sample(torch.zeros(2, 1, 6, 6), Condition()).isfinite().all()
    with pytest.raises(TypeError, match="Ancestral samples every denoiser"):
        list(
            LearnedAncestral(3).walk(
                Recording(VarianceExploding()), torch.zeros(1, 1, 2), Condition()
            )
        )
    with pytest.raises(TypeError, match="Objective trains every other"):
        plain = NetworkDenoiser(Constant(), VarianceExploding(), Preconditioned())
        Variational(LogNormal())(plain, some_batch())
    with pytest.raises(ValueError, match="2 channels"):
        LearnedVariance(Constant(), VarianceExploding(), Preconditioned())(
            torch.zeros(1, 1, 4), torch.ones(1), Condition()
        )


def test_direct_objective_trains_a_cold_process():
    denoiser = DirectDenoiser(Constant(0.5), Interpolation())
    y = torch.randn(4, 1, 6, 6)
    loss = DirectObjective(Times(0.25))(
        denoiser, Batch(torch.full_like(y, 0.5), Condition(source=y))
    )
    assert loss.item() == 0
    shown, time, _ = denoiser.network.asked[0]
    assert (time == 3).sum() == 1 and shown[time == 3].abs().max() == 0


def test_posterior_objective_is_zero_at_the_truth():
    process = Categorical()
    x_0 = torch.nn.functional.one_hot(torch.randint(0, 3, (6, 5, 5)), 3).movedim(-1, 1).float()
    batch = Batch(x_0, Condition())
    exact = Recording(process, lambda x, t, c: x_0)
    wrong = Recording(process, lambda x, t, c: torch.full_like(x_0, 1 / 3))
    objective = PosteriorObjective()
    assert objective(exact, batch).abs().item() < 1e-5
    assert objective(wrong, batch).item() > 1e-2 * math.log(3) * 0.99
    with pytest.raises(TypeError, match="DirectObjective fits every process"):
        objective(Recording(Interpolation()), batch)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="share of the steps"):
        Objective(LogNormal(), recycle=2.0)
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        LogNormal(blank=1.5)
    with pytest.raises(ValueError, match="epsilon, original"):
        Published(process=VariancePreserving(), kind="noise")
    with pytest.raises(ValueError, match="needs the process"):
        Published()
    with pytest.raises(ValueError, match="identity, softmax"):
        DirectDenoiser(Constant(), Interpolation(), "logits")
