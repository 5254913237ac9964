"""Sampling never waits for the device: nothing is read from it, and nothing is copied to it."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from diffnet.diffusion import (
    AdamsBashforth,
    Ancestral,
    BrownianBridge,
    ClassifierFree,
    Condition,
    Ddim,
    DiscreteVariancePreserving,
    DpmSolver2M,
    DpmSolver2S,
    DpmSolver3M,
    Euler,
    EulerMaruyama,
    FlowEuler,
    FlowMidpoint,
    Heun,
    Langevin,
    NetworkDenoiser,
    Preconditioned,
    PredictorCorrector,
    RectifiedFlow,
    ResidualShift,
    SdeDpmSolver2M,
    Tiled,
    TimeTravel,
    UniPC,
    VarianceExploding,
    without_label,
)

SAMPLERS = [
    AdamsBashforth(4),
    Ancestral(4),
    Ddim(4),
    DpmSolver2M(4),
    DpmSolver2S(4),
    DpmSolver3M(4),
    Euler(4),
    EulerMaruyama(4),
    FlowEuler(4),
    FlowMidpoint(4),
    Heun(4, churn=10.0),
    Langevin(4),
    PredictorCorrector(4),
    SdeDpmSolver2M(4),
    TimeTravel(4, jump=2, repeats=2),
    UniPC(4),
    UniPC(4, order=3),
]
PROCESSES = [
    VarianceExploding(),
    RectifiedFlow(),
    DiscreteVariancePreserving(),
    BrownianBridge(),
    ResidualShift(),
]


class Net(torch.nn.Module):
    def forward(self, x, time, image=None, label=None, scalars=None):
        return torch.sin(x + time.reshape(-1, *(1 for _ in range(x.ndim - 1))) + label.sum())


class Watch(TorchDispatchMode):
    """Counts copies between devices; reading a number from a meta tensor is an error by itself."""

    copies = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            devices = {x.device.type for x in (*args, found) if isinstance(x, torch.Tensor)}
            self.copies += len(devices) > 1
        return found


def walk_on_meta(sampler, denoiser, shape) -> Watch:
    """The device "meta" has no numbers: whoever asks for one fails, as it would wait on a real
    one.
    """
    x = torch.empty(shape, device="meta")
    condition = Condition(
        source=torch.empty(shape, device="meta"), label=torch.empty(2, device="meta").long()
    )
    walk = sampler.walk(denoiser, x, condition)
    next(walk)  # the grid and constants are copied once, before and in the first move
    with Watch() as watch:
        for x in walk:
            assert x.device.type == "meta" and x.shape == shape
    return watch


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: type(p).__name__)
def test_no_sampler_waits(sampler, process):
    denoiser = NetworkDenoiser(Net(), process, Preconditioned())
    with torch.inference_mode():
        assert walk_on_meta(sampler, denoiser, (2, 1, 6, 6)).copies == 0


def test_no_wrap_waits():
    denoiser = NetworkDenoiser(Net(), VarianceExploding(), Preconditioned())
    wrapped = Tiled(ClassifierFree(denoiser, 2.0, without_label(3), low=0.1, high=5.0), (4, 4))
    with torch.inference_mode():
        assert walk_on_meta(UniPC(4), wrapped, (2, 1, 9, 9)).copies == 0
