"""The memory formula against the network itself: parameters, operations, what a pass keeps."""

import time
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from diffnet.networks import UNet
from diffnet.planning.memory import Workload, prediction_memory, training_memory
from diffnet.planning.network_walk import count_operations, count_parameters, kept_values
from diffnet.planning.plan import NetworkPlan

FLAT = NetworkPlan(
    widths=(16, 32, 48),
    strides=((1, 1), (2, 2), (2, 1)),
    kernels=((3, 3), (3, 3), (1, 3)),
    attention=(False, True, True),
)
THICK = NetworkPlan(
    widths=(16, 32),
    strides=((1, 1, 1), (1, 2, 2)),
    kernels=((1, 3, 3), (3, 3, 3)),
    attention=(False, False),
    blocks=1,
)
LARGE = NetworkPlan(
    widths=(64, 128, 256, 320),
    strides=((1, 1, 1), *((2, 2, 2),) * 3),
    kernels=((3, 3, 3),) * 4,
    attention=(False, False, False, True),
)
CASES = [(FLAT, (20, 17), 0, 0), (FLAT, (16, 16), 3, 2), (THICK, (6, 17, 16), 2, 0)]


def built(plan, classes=0, scalars=0, device="cpu"):
    with torch.device(device):
        return UNet(
            len(plan.strides[0]),
            3,
            2,
            plan.widths,
            plan.strides,
            plan.kernels,
            plan.attention,
            plan.blocks,
            classes,
            scalars,
            plan.dropout,
            plan.checkpointing,
        )


@pytest.mark.parametrize(("plan", "size", "classes", "scalars"), [*CASES, (LARGE, (8,) * 3, 0, 0)])
def test_parameters_are_counted_exactly(plan, size, classes, scalars):
    network = built(plan, classes, scalars, "meta")
    expected = sum(p.numel() for p in network.parameters())
    assert count_parameters(plan, 3, 2, classes, scalars) == expected


@pytest.mark.parametrize(("plan", "size", "classes", "scalars"), CASES)
def test_operations_are_counted_exactly(plan, size, classes, scalars):
    network = built(plan, classes, scalars, "meta")
    x, noise = torch.empty(1, 3, *size, device="meta"), torch.empty(1, device="meta")
    with FlopCounterMode(display=False) as counter:
        network(x, noise)
    assert count_operations(plan, 3, 2, size, classes, scalars) == counter.get_total_flops()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("plan", "size", "classes", "scalars"), CASES)
def test_what_a_pass_keeps_is_what_the_formula_says(plan, size, classes, scalars, checkpointing):
    plan = replace(plan, checkpointing=checkpointing)
    network = built(plan, classes, scalars)
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # Holding the tensor keeps its address from being given to another.
            kept[storage.data_ptr()] = (storage.nbytes() / 4, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(torch.randn(2, 3, *size), torch.zeros(2))
    assert output.isfinite().all()
    measured = sum(numbers for numbers, _ in kept.values()) / 2
    formula = kept_values(plan, 3, size)
    if checkpointing:  # the formula also counts the block that is computed again
        assert 0.6 * formula < measured < formula
    else:
        assert measured == pytest.approx(formula, rel=0.05)


def test_adam_averages_and_gradients_cost_four_bytes_a_number():
    memory = training_memory(LARGE, Workload(2, 1, (32,) * 3), averages=3)
    assert memory.weights == memory.gradients == 4 * memory.parameters
    assert memory.optimiser == 8 * memory.parameters
    assert memory.averages == 12 * memory.parameters
    assert memory.total == pytest.approx(
        28 * memory.parameters + memory.activations + memory.workspace + memory.states
        + memory.allocator
    )  # fmt: skip
    assert memory.as_dict()["total"] == memory.total


def test_memory_follows_batch_voxels_precision_and_checkpointing():
    work = Workload(2, 1, (64,) * 3, batch=2)
    base = training_memory(LARGE, work).activations
    assert training_memory(LARGE, replace(work, batch=4)).activations == 2 * base
    assert training_memory(LARGE, replace(work, size=(128,) * 3)).activations == 8 * base
    assert training_memory(LARGE, replace(work, precision="bf16")).activations == base / 2
    frugal = replace(LARGE, checkpointing=True)
    assert training_memory(frugal, work).activations < 0.6 * base
    assert prediction_memory(LARGE, work).total < 0.7 * training_memory(LARGE, work).total


def test_sizes_are_counted_as_the_network_pads_them():
    exact, padded = (training_memory(LARGE, Workload(2, 1, (n,) * 3)) for n in (40, 33))
    assert exact.activations == padded.activations
    assert exact.operations == padded.operations


def test_a_sampler_that_remembers_more_needs_more():
    work = Workload(3, 2, (10, 10, 10), batch=2)
    fewer, more = (prediction_memory(LARGE, work, states=n) for n in (2, 5))
    assert more.states - fewer.states == 3 * 2 * 1000 * 2 * 4


def test_the_formula_is_instant_however_large_the_network():
    start = time.perf_counter()
    memory = training_memory(LARGE, Workload(2, 1, (512,) * 3))
    assert memory.total > 9e11
    assert time.perf_counter() - start < 0.1


def test_holes_between_freed_blocks_are_bounded():
    """Blocks above the allocator's limit are given back, so that holes do not grow for ever."""
    held = [training_memory(LARGE, Workload(2, 1, (n,) * 3)).allocator for n in (16, 64, 256, 512)]
    assert held[0] < held[1]
    assert max(held) < 20e6 + 15 * 32 * 2**20
    drawing = [prediction_memory(LARGE, Workload(2, 1, (n,) * 3)).allocator for n in (16, 64)]
    assert 33e6 < drawing[0] < drawing[1] < held[1], "what reads scans, and a third of the holes"


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="'fp8' is not one of fp32, bf16, fp16"):
        Workload(1, 1, (8, 8), precision="fp8")
