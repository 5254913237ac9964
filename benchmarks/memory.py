"""Compares the planner's memory formula with the peak memory of real steps.

    python benchmarks/memory.py

Each row runs in a process of its own, because a process never gives back its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from diffnet.planning.memory import Workload, prediction_memory, training_memory
from diffnet.planning.plan import NetworkPlan

NETWORKS = (
    (2, 64, 8, (32, 64, 128)),
    (2, 128, 8, (32, 64, 128)),
    (2, 256, 4, (32, 64, 128)),
    (2, 96, 4, (64, 128, 256, 256)),
    (3, 32, 2, (16, 32, 64)),
    (3, 48, 1, (32, 64, 128)),
    (3, 72, 1, (32, 64, 128)),
    (3, 64, 1, (16, 32, 64, 128)),
)
KINDS = ("train", "train checkpointed", "train bf16", "predict", "predict bf16")
# glibc keeps freed blocks below 32 MB, in holes that the next tensor may not fit; with these two it
# gives all but the smallest back at once, and what is left is what tensors really take.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def network_plan(dims: int, widths: tuple[int, ...], checkpointing: bool) -> NetworkPlan:
    count = len(widths)
    return NetworkPlan(
        widths=widths,
        strides=((1,) * dims, *((2,) * dims,) * (count - 1)),
        kernels=((3,) * dims,) * count,
        attention=(*(False,) * (count - 1), True),
        checkpointing=checkpointing,
    )


def rows() -> list[dict]:
    """The grid that is measured."""
    names = ("dims", "size", "batch", "widths", "kind")
    return [dict(zip(names, (*shape, kind), strict=True)) for shape in NETWORKS for kind in KINDS]


def predicted(row: dict) -> float:
    """Bytes by the formula."""
    network = network_plan(row["dims"], tuple(row["widths"]), "checkpointed" in row["kind"])
    precision = "bf16" if "bf16" in row["kind"] else "fp32"
    work = Workload(2, 1, (row["size"],) * row["dims"], row["batch"], precision=precision)
    if row["kind"].startswith("predict"):
        return prediction_memory(network, work, states=1).total
    return training_memory(network, work, averages=0).total


def measure(row: dict) -> int:
    """Bytes that two steps add to the peak of this process."""
    import torch

    from diffnet.networks import UNet

    torch.set_num_threads(1)
    dims, training = row["dims"], row["kind"].startswith("train")
    plan = network_plan(dims, tuple(row["widths"]), "checkpointed" in row["kind"])
    warm_up(dims)
    before = resident()
    network = UNet(
        dims, 2, 1, plan.widths, plan.strides, plan.kernels, plan.attention,
        checkpointing=plan.checkpointing,
    )  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters())
    x, time = torch.randn(row["batch"], 2, *(row["size"],) * dims), torch.zeros(row["batch"])
    for _ in range(2):
        bf16 = "bf16" in row["kind"]
        with (
            torch.set_grad_enabled(training),
            torch.autocast("cpu", torch.bfloat16, enabled=bf16),
        ):
            loss = network(x, time).float().square().mean()
        if training:
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    return peak() - before


def warm_up(dims: int) -> None:
    """Load what torch loads on its first step, so that the step itself is measured."""
    import torch

    layer = torch.nn.Conv2d(2, 2, 3) if dims == 2 else torch.nn.Conv3d(2, 2, 3)
    layer(torch.randn(1, 2, *(4,) * dims)).sum().backward()
    torch.optim.AdamW(layer.parameters()).step()


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def peak() -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def in_own_process(row: dict, **environment: str) -> int:
    command = [sys.executable, __file__, "--row", json.dumps(row)]
    settings = {**os.environ, **environment}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=settings)
    return int(found.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", help="measure one row, given as JSON (used by the command itself)")
    parser.add_argument("--only", default="", help="rows whose description contains this")
    arguments = parser.parse_args()
    if arguments.row:
        print(measure(json.loads(arguments.row)))
        return
    print(f"{'row':60s} {'formula MB':>10s} {'tensors':>8s} {'process':>8s} {'ratio':>6s}")
    for row in rows():
        name = "{dims}d {size} batch {batch} {widths} {kind}".format(**row)
        if arguments.only not in name:
            continue
        with ThreadPoolExecutor(2) as pool:
            pair = [pool.submit(in_own_process, row, **e) for e in (GIVE_BACK, {})]
        tensors, process = (job.result() for job in pair)
        formula = predicted(row)
        numbers = f"{formula / 1e6:10.0f} {tensors / 1e6:8.0f} {process / 1e6:8.0f}"
        print(f"{name:60s} {numbers} {formula / process:6.2f}", flush=True)


if __name__ == "__main__":
    main()
