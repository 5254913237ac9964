"""Laws of CoreDiff: where its walk starts and ends, and when the network is told of its drift."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import tiny_plan

from diffnet.data import UserError
from diffnet.diffusion import Batch, Condition
from diffnet.recipes import CoreDiff


def method_of(calls: int = 4):
    torch.manual_seed(0)
    plan = tiny_plan("denoising", 2, 0, {})
    return CoreDiff(calls=calls).build(plan.configurations[plan.default])


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(1)
    clean = 0.5 * torch.randn(2, 1, 10, 14)
    noisy = clean + 0.3 * torch.randn_like(clean)
    return Batch(clean, Condition(image=noisy, source=noisy))


def knowing(method, truth, asked):
    """The method, whose network gives the truth and keeps what it was asked."""

    def network(x, time, image=None, label=None, scalars=None):
        asked.append((x, time, scalars))
        return truth

    method.denoiser.network.forward = network
    return method


def test_every_state_lies_between_the_noisy_image_and_the_estimate(batch) -> None:
    """x_t = (1 - t) x_0 + t y at t = 1, 3/4, 1/2, 1/4: the mean grey value never leaves."""
    asked = []
    method = knowing(method_of(), batch.target, asked)
    y = batch.condition.source
    with torch.no_grad():
        made = method.sample(torch.zeros_like(y), batch.condition)
    assert torch.equal(made, batch.target)
    for k, (x, time, _) in enumerate(asked):
        t = 1 - k / 4
        assert torch.allclose(time, torch.full((2,), 4 * t - 2))
        assert torch.allclose(x, (1 - t) * batch.target + t * y, atol=1e-6)
    assert len(asked) == 4


def test_drift_is_told_once_the_walk_has_begun(batch) -> None:
    asked = []
    method = knowing(method_of(), batch.target, asked)
    with torch.no_grad():
        method.sample(torch.zeros_like(batch.target), batch.condition)
    told = [not bool(scalars.isnan().any()) for _, _, scalars in asked]
    assert told == [False, True, True, True]


def test_told_drift_changes_the_answer(batch) -> None:
    method, t = method_of(), torch.full((2,), 0.5)
    with torch.no_grad():
        for p in method.parameters():
            p.add_(0.05 * torch.randn_like(p))
        some = [
            method.denoiser.estimate(batch.target, t, batch.condition, t.new_tensor([w, w]).bool())
            for w in (0, 1)
        ]
    assert not torch.allclose(*some)


def test_objective_is_nothing_for_the_truth_and_counts_both_looks(batch) -> None:
    asked = []
    method = knowing(method_of(), batch.target, asked)
    assert float(method.objective(method.denoiser, batch)) == 0
    assert len(asked) == 2
    away = knowing(method_of(calls=1000), batch.target + 0.1, [])
    torch.manual_seed(3)  # neither t is the last step, which has no second look
    # 0.1^2 from each of the two looks, half of it counted
    assert float(away.objective(away.denoiser, batch)) == pytest.approx(0.01, rel=1e-3)


def test_numbers_of_the_dataset_stand_beside_the_drift(batch) -> None:
    plan = tiny_plan("denoising", 2, 0, {})
    c = replace(plan.configurations[plan.default], scalars=2)
    method = CoreDiff(calls=3).build(c)
    with_numbers = replace(batch.condition, scalars=torch.tensor([[1.0, 2.0], [0.0, torch.nan]]))
    for condition in (batch.condition, with_numbers):
        made = method.sample(torch.zeros_like(batch.target), condition)
        assert torch.isfinite(made).all()


def test_one_call_is_no_walk() -> None:
    with pytest.raises(UserError, match="calls is 1"):
        method_of(calls=1)
