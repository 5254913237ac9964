"""Label maps of many classes: what they cost by the plan, and what they are learned by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import tiny_plan

from diffnet.diffusion import DiceCrossEntropy
from diffnet.planning import Budget, SamplingPlan
from diffnet.recipes import RECIPES
from diffnet.tasks import TASKS
from diffnet.tasks.segmentation import one_hot

WEIGHTS = ({"dice": 0.0, "square": 0.0}, {"cross_entropy": 0.0, "square": 0.0}, {})


@pytest.mark.parametrize("classes", [1, 5])
@pytest.mark.parametrize("parts", WEIGHTS)
def test_the_loss_is_its_formula(classes: int, parts: dict[str, float]) -> None:
    size, low = 0.7, 1e-5
    index = torch.randint(classes + (classes == 1), (3, 1, 4, 6))
    truth = one_hot(index, classes) if classes > 1 else index.float()
    estimate = size * (2 * torch.rand(3, classes, 4, 6) - 1)
    scale = torch.rand(3, 1) + 0.5
    found = DiceCrossEntropy(size, **parts)(estimate, (2 * truth - 1) * size, scale)
    p = (estimate / (2 * size) + 0.5).clamp(low, 1 - low)
    share = {"dice": 1.0, "cross_entropy": 1.0, "square": 1.0} | parts
    dice = 1 - (2 * (p * truth).sum((2, 3)) + 1) / ((p + truth).sum((2, 3)) + 1)
    other = (1 - truth) * (1 - p).log() if classes == 1 else 0.0
    entropy = -(truth * p.log() + other).sum(1).mean((1, 2))
    square = (estimate / (2 * size) + 0.5 - truth).square().mean((1, 2, 3))
    wanted = share["dice"] * dice.mean(1) + share["cross_entropy"] * entropy
    wanted = scale[:, 0] ** 2 * (wanted + share["square"] * square)
    torch.testing.assert_close(found, wanted)


def test_one_hot_is_in_the_class_and_nowhere_else() -> None:
    index = torch.randint(7, (2, 1, 3, 4, 5))
    found = one_hot(index, 7, -0.5, 0.5)
    assert found.shape == (2, 7, 3, 4, 5)
    assert torch.equal(found.argmax(1, keepdim=True), index)
    assert torch.equal(found.sum(1), torch.full((2, 3, 4, 5), 0.5 - 6 * 0.5))
    with pytest.raises(RuntimeError):
        one_hot(index + 1, 7)


def test_dice_is_for_the_one_likeliest_map_alone() -> None:
    made = tiny_plan("generation", wanted={"what": "labels"}).configurations["2d"]
    segmented = tiny_plan("segmentation").configurations["2d"]
    assert RECIPES["edm"]().build(made).objective.loss.dice == 0
    assert RECIPES["edm"]().build(segmented).objective.loss.dice == 1
    drawn = replace(segmented, sampling=SamplingPlan("sample", "unipc", "log_uniform", 4))
    assert RECIPES["edm"]().build(drawn).objective.loss.dice == 0


def test_classes_cost_time_on_a_processor() -> None:
    """54 classes of 56^3 voxels take longer than the network's own work on them."""
    budget, voxels = Budget("cpu", cores=1), 56**3
    network = {"operations": 12.7e9, "values": 1e7, "dims": 3}
    few, many = (budget.step_seconds(**network, diffused=k * voxels) for k in (1, 54))
    assert many > 2 * few
    kept, paged = (budget.call_seconds(0, 0, 3, diffused=n) for n in (2**23 - 1, 2**23))
    assert paged > 2 * kept, "tensors beyond 32 MiB are handed out anew each time"


def test_generated_maps_are_learned_by_what_every_class_shows() -> None:
    """A step towards the truth lowers the loss of every class that is there."""
    task = TASKS["generation"](what="labels", classes=4)
    x = task.as_target(torch.randint(4, (2, 1, 6, 6)))
    estimate = torch.zeros_like(x).requires_grad_()
    DiceCrossEntropy(dice=0.0, square=0.0)(estimate, x, torch.ones(2, 1)).sum().backward()
    assert ((estimate.grad < 0) == (x > 0)).all()
