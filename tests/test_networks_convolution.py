"""Convolutions of single small volumes: the same numbers as torch's, by the faster way."""

import pytest
import torch
from torch import nn

from diffnet.networks import UNet
from diffnet.networks.blocks import Convolution3d, convolution


@pytest.fixture
def asked(monkeypatch):
    """How many examples torch's own convolution is asked for, call by call."""
    found, forward = [], nn.Conv3d.forward
    monkeypatch.setattr(
        nn.Conv3d, "forward", lambda self, x: found.append(len(x)) or forward(self, x)
    )
    return found


@pytest.mark.parametrize("stride", [1, 2])
def test_result_and_gradients_are_those_of_torch(stride, asked):
    ours = Convolution3d(8, 6, 3, stride=stride, padding=1)
    theirs = nn.Conv3d(8, 6, 3, stride=stride, padding=1)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 8, 10, 9, 8)
    gradients = []
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        y = layer(given)
        y.square().sum().backward()
        gradients.append([y.detach(), given.grad, layer.weight.grad, layer.bias.grad])
    assert asked == [2, 1]
    for a, b in zip(*gradients, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "kernel", "examples"),
    [
        ((1, 16, 8, 8, 8), 3, 2),
        ((2, 16, 8, 8, 8), 3, 2),  # torch does well by itself
        ((1, 16, 36, 36, 1), 3, 1),  # large enough for torch to be direct
        ((1, 4, 16, 16, 16), 3, 1),  # few channels
        ((1, 8, 4, 4, 4), 3, 1),  # little work
        ((1, 16, 8, 8, 8), 1, 1),  # no columns
    ],
)
def test_only_what_gains_gets_a_neighbour(asked, shape, kernel, examples):
    layer = convolution(3, shape[1], 2, (kernel,) * 3)
    assert layer(torch.randn(shape)).shape == (shape[0], 2, *shape[2:])
    assert asked == [examples]


def test_half_precision_is_direct_anyway(asked):
    with torch.autocast("cpu", torch.bfloat16):
        convolution(3, 16, 2, (3, 3, 3))(torch.randn(1, 16, 8, 8, 8))
    assert asked == [1]


def test_a_network_answers_one_volume_as_it_answers_two():
    torch.manual_seed(0)
    net = UNet(3, 1, 1, (8, 16), ((1,) * 3, (2,) * 3), ((3,) * 3,) * 2, (False,) * 2)
    for p in net.parameters():
        nn.init.normal_(p, std=0.1)
    x, t = torch.randn(2, 1, 12, 12, 12), torch.tensor([0.1, 0.7])
    alone = torch.cat([net(x[i : i + 1], t[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(alone, net(x, t), rtol=1e-3, atol=1e-3)
