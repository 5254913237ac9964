"""Laws of the Gaussian processes: schedules, marginals, and the published steps."""

from __future__ import annotations

import math

import pytest
import torch
from diffusion_oracles import Traced, normal

from diffnet.diffusion import (
    BrownianBridge,
    Cosine,
    DiscreteVariancePreserving,
    Edm,
    MeanShifted,
    RectifiedFlow,
    ResidualShift,
    SchroedingerBridge,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)

ALL = [
    VarianceExploding(),
    Edm(),
    RectifiedFlow(),
    Cosine(),
    VariancePreserving(),
    SubVariancePreserving(),
    BrownianBridge(),
    SchroedingerBridge(),
    ResidualShift(),
    MeanShifted(),
    DiscreteVariancePreserving(),
    DiscreteVariancePreserving("scaled_linear", 1000, 0.0015, 0.0195),
    DiscreteVariancePreserving("cosine", zero_terminal=True),
]
every = pytest.mark.parametrize("process", ALL, ids=lambda p: f"{type(p).__name__}")
# bridges whose published backward step is the Markov rule, where q(x_t | x_s) exists without x_0
markov = pytest.mark.parametrize("process", [p for p in ALL if not isinstance(p, ResidualShift)])
TIMES = torch.linspace(0, 1, 41, dtype=torch.float64)


def number(x: float) -> torch.Tensor:
    return torch.tensor([x], dtype=torch.float64)


def traced(process, x_0=0.0, source=0.0):
    """A process of the same schedule whose noise is a unit vector for each draw, and its x_0 and
    y.
    """
    fields = {k: getattr(process, k) for k in process.__dataclass_fields__ if k != "noise"}
    shape = (1, 1, 8)
    return (
        type(process)(**fields, noise=Traced()),
        torch.full(shape, x_0, dtype=torch.float64) * unit(),
        torch.full(shape, source, dtype=torch.float64) * unit(),
    )


def unit() -> torch.Tensor:
    """x_0 and y live on axis 0, noise on the others."""
    axis = torch.zeros(1, 1, 8, dtype=torch.float64)
    axis[..., 0] = 1
    return axis


def moments(x: torch.Tensor) -> tuple[float, float]:
    return x[0, 0, 0].item(), x[0, 0, 1:].square().sum().item()


@every
def test_time_inverts_level(process):
    level = process.level(TIMES)
    assert (level.diff() > 0).all()
    assert level[0] > 0 and level[-1].isfinite()
    torch.testing.assert_close(process.time(level), TIMES, atol=1e-12, rtol=0)


@every
def test_time_inverts_level_in_float32(process):
    t = TIMES.float()
    torch.testing.assert_close(process.time(process.level(t)), t, atol=1e-6, rtol=0)


@every
def test_derivatives_are_slopes(process):
    t, h = TIMES[3:-3] + 0.00037, 1e-6
    with torch.inference_mode():
        slopes = process.derivatives(t)
    above, below = process.coefficients(t + h), process.coefficients(t - h)
    for slope, high, low in zip(slopes, above, below, strict=True):
        torch.testing.assert_close(slope, (high - low) / (2 * h), atol=1e-4, rtol=1e-4)


@every
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_reverse_with_the_truth_keeps_the_marginal(process, eta):
    process, x_0, y = traced(process, 0.7, -0.4)
    t, s = number(0.83), number(0.31)
    x_t = process.corrupt(x_0, t, y)
    a, b, c = (k.item() for k in process.coefficients(t))
    assert moments(x_t) == pytest.approx((0.7 * a - 0.4 * b, c**2), rel=1e-12)
    x_s = process.reverse(x_0, x_t, t, s, y, eta)
    a, b, c = (k.item() for k in process.coefficients(s))
    assert moments(x_s) == pytest.approx((0.7 * a - 0.4 * b, c**2), rel=1e-10)


@markov
def test_diffusing_on_keeps_the_marginal(process):
    process, x_0, y = traced(process, 0.7, -0.4)
    s, t = number(0.31), number(0.83)
    x_t = process.diffuse(process.corrupt(x_0, s, y), s, t, y)
    a, b, c = (k.item() for k in process.coefficients(t))
    assert moments(x_t) == pytest.approx((0.7 * a - 0.4 * b, c**2), rel=1e-10)


@every
def test_start_is_the_corruption_of_the_source(process):
    process, _, y = traced(process, 0.0, 0.5)
    a, b, c = (k.item() for k in process.coefficients(number(1.0)))
    assert moments(process.start(y, y)) == pytest.approx((0.5 * (a + b), c**2), rel=1e-12)
    assert moments(process.start(y)) == pytest.approx((0.0, c**2), rel=1e-12)


def test_published_levels():
    linear = DiscreteVariancePreserving()
    beta = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
    alpha_bar = (1 - beta).cumprod(0)
    i = torch.arange(1000, dtype=torch.float64) / 999
    a, _, c = linear.coefficients(i)
    torch.testing.assert_close(a, alpha_bar.sqrt(), atol=1e-13, rtol=0)
    torch.testing.assert_close(c, (1 - alpha_bar).sqrt(), atol=1e-12, rtol=0)
    # DDPM's last step and Stable Diffusion's largest sigma, to the printed digits
    assert alpha_bar[-1].item() == pytest.approx(4.04e-5, rel=1e-2)
    stable = DiscreteVariancePreserving("scaled_linear", 1000, 0.00085, 0.012)
    assert stable.level(number(1.0)).item() == pytest.approx(14.615, abs=1e-3)


def test_published_cosine_schedule_caps_its_betas():
    process = DiscreteVariancePreserving("cosine")
    place = torch.arange(1001, dtype=torch.float64) / 1000
    alpha_bar = torch.cos((place + 0.008) / 1.008 * math.pi / 2) ** 2
    beta = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
    a, _, _ = process.coefficients(torch.arange(1000, dtype=torch.float64) / 999)
    torch.testing.assert_close(a, (1 - beta).cumprod(0).sqrt(), atol=1e-12, rtol=0)


def test_zero_terminal_snr_rescales_the_published_schedule():
    plain = DiscreteVariancePreserving("scaled_linear", 1000, 0.00085, 0.012)
    zero = DiscreteVariancePreserving("scaled_linear", 1000, 0.00085, 0.012, zero_terminal=True)
    t = torch.arange(1000, dtype=torch.float64) / 999
    a, zeroed = plain.coefficients(t)[0], zero.coefficients(t)[0]
    wanted = (a - a[-1]) * a[0] / (a[0] - a[-1])
    torch.testing.assert_close(zeroed[:-1], wanted[:-1], atol=1e-12, rtol=0)
    assert zeroed[-1].item() == pytest.approx(1e-4, rel=1e-6)
    assert zeroed[0].item() == pytest.approx(a[0].item(), rel=1e-12)


def test_continuous_schedule_follows_the_discrete_one():
    """alpha_bar of the linear schedule at every hundredth step, to the discretisation."""
    discrete = DiscreteVariancePreserving()
    continuous = VariancePreserving()
    t = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    a = discrete.coefficients(t)[0]
    torch.testing.assert_close(continuous.native(t)[0], a, atol=2e-3, rtol=0)


def test_ddpm_step():
    process = DiscreteVariancePreserving()
    beta = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
    alpha_bar = (1 - beta).cumprod(0)
    i = 537
    now, last = alpha_bar[i], alpha_bar[i - 1]
    x_0, x_t = normal(1, 1, 8, seed=2), normal(1, 1, 8, seed=3)
    mean = last.sqrt() * beta[i] / (1 - now) * x_0
    mean = mean + (1 - beta[i]).sqrt() * (1 - last) / (1 - now) * x_t
    std = ((1 - last) / (1 - now) * beta[i]).sqrt()
    check_step(process, x_0, x_t, None, i / 999, (i - 1) / 999, 1.0, mean, std)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim_step(eta):
    process = DiscreteVariancePreserving()
    alpha_bar = (1 - torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)).cumprod(0)
    now, last = alpha_bar[700], alpha_bar[650]
    x_0, x_t = normal(1, 1, 8, seed=2), normal(1, 1, 8, seed=3)
    sigma = eta * ((1 - last) / (1 - now)).sqrt() * (1 - now / last).sqrt()
    e = (x_t - now.sqrt() * x_0) / (1 - now).sqrt()
    mean = last.sqrt() * x_0 + (1 - last - sigma**2).sqrt() * e
    check_step(process, x_0, x_t, None, 700 / 999, 650 / 999, eta, mean, sigma)


def test_bbdm_step():
    process = BrownianBridge()
    t, s = 0.7, 0.55
    m, n = (0.001 + 0.998 * k for k in (t, s))
    now, last = 2 * (m - m**2), 2 * (n - n**2)
    fresh = (now - last * (1 - m) ** 2 / (1 - n) ** 2) * last / now
    x_0, x_t, y = (normal(1, 1, 8, seed=k) for k in (2, 3, 4))
    mean = (1 - n) * x_0 + n * y
    mean = mean + math.sqrt((last - fresh) / now) * (x_t - (1 - m) * x_0 - m * y)
    check_step(process, x_0, x_t, y, t, s, 1.0, mean, math.sqrt(fresh))


def test_i2sb_step():
    process = SchroedingerBridge()
    t, s = 0.7, 0.55
    now, last = (process.level(number(k)).item() ** 2 for k in (t, s))
    # sigma^2 = S r^2 / (S + r^2) is the variance from the clean end
    now, last = (process.total * k / (process.total + k) for k in (now, last))
    between = now - last
    x_0, x_t, y = (normal(1, 1, 8, seed=k) for k in (2, 3, 4))
    mean = (between * x_0 + last * x_t) / now
    check_step(process, x_0, x_t, y, t, s, 1.0, mean, math.sqrt(last * between / now))


def test_i2sb_tables_overlap_by_one_beta():
    """The released tables count step i in both sums, so that they add up to S + beta_i, not to
    S.
    """
    half = torch.linspace(math.sqrt(1e-4), math.sqrt(3e-4), 500, dtype=torch.float64) ** 2
    beta = torch.cat([half, half.flip(0)])
    forward, backward = beta.cumsum(0), beta.flip(0).cumsum(0).flip(0)
    torch.testing.assert_close(forward + backward, beta.sum() + beta)
    assert SchroedingerBridge().total == pytest.approx(beta.sum().item(), rel=1e-3)
    # the marginal of the table differs from that of the bridge by that overlap alone
    process, i = SchroedingerBridge(), 300
    std = (forward * backward / (forward + backward)).sqrt()[i].item()
    tau = (i + 0.5) / 1000
    c = process.native(number(tau))[2].item()
    assert c == pytest.approx(std, rel=2e-3)


def test_resshift_step():
    process = ResidualShift()
    t, s = 0.7, 0.55
    now, last = (process.coefficients(number(k))[1].item() for k in (t, s))
    x_0, x_t, y = (normal(1, 1, 8, seed=k) for k in (2, 3, 4))
    mean = last / now * x_t + (now - last) / now * x_0
    std = process.kappa * math.sqrt(last / now * (now - last))
    check_step(process, x_0, x_t, y, t, s, 1.0, mean, std)


def check_step(process, x_0, x_t, y, t, s, eta, mean, std):
    """reverse is N(mean, std^2): with no noise it is the mean, and a unit of noise adds std."""
    traced_process, _, _ = traced(process)
    x_s = traced_process.reverse(x_0, x_t, number(t), number(s), y, eta)
    expected = mean.clone()
    if eta > 0:
        expected[0, 0, 1] += std
    torch.testing.assert_close(x_s, expected, atol=1e-12, rtol=1e-12)


def test_brownian_bridge_rules_agree():
    """For the Brownian bridge the Markov rule and the rule without y keep the same noise."""
    process = BrownianBridge()
    t, s = number(0.7), number(0.55)
    (_, b_t, c_t), (_, b_s, _) = process.coefficients(t), process.coefficients(s)
    torch.testing.assert_close(process.kept(t, s), c_t * b_s / b_t, atol=1e-13, rtol=0)


def test_bad_schedules_are_refused():
    with pytest.raises(ValueError, match="0 < smallest < largest"):
        RectifiedFlow(smallest=0.0).level(TIMES)
    with pytest.raises(ValueError, match="linear, scaled_linear, cosine"):
        DiscreteVariancePreserving("quadratic")
    with pytest.raises(ValueError, match="at least 2"):
        DiscreteVariancePreserving(steps=1)
