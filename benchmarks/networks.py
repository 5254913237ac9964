"""Times a training step of the U-Net beside MONAI's DiffusionModelUNet of the same widths.

    python benchmarks/networks.py

Both take turns in one process, so that a busy machine slows both; the ratio is what counts. Stages,
blocks and attention (coarsest stage alone, in fused form) are the same. MONAI's has more
convolutions for these: it concatenates skips, has one block more a decoder stage, and a middle.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter

import torch
from torch import nn

from diffnet.networks import LevelTable, UNet, diffusion_model_unet

WIDTHS = (32, 64, 128)
INPUTS = {2: (16, 1, 64, 64), 3: (2, 1, 40, 56, 40)}


def ours(dims: int) -> nn.Module:
    strides = ((1,) * dims, (2,) * dims, (2,) * dims)
    return UNet(dims, 1, 1, WIDTHS, strides, ((3,) * dims,) * 3, (False, False, True))


def monai(dims: int) -> nn.Module:
    schedule = LevelTable.from_betas(torch.linspace(1e-4, 2e-2, 1000), 0.5)
    return diffusion_model_unet(dims, 1, 1, WIDTHS, (False, False, True), schedule)


def step_seconds(network: nn.Module, x: torch.Tensor, bf16: bool) -> float:
    """Forward and backward."""
    time = torch.zeros(len(x), device=x.device)
    synchronise(x)
    start = perf_counter()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        loss = network(x, time).float().square().mean()
    loss.backward()
    synchronise(x)
    return perf_counter() - start


def synchronise(x: torch.Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"{'input':24s} {'precision':>9s} {'ours s':>8s} {'MONAI s':>8s} {'ratio':>6s}  parameters"
    )
    for dims, shape in INPUTS.items():
        networks = [build(dims).to(arguments.device) for build in (ours, monai)]
        counts = [sum(p.numel() for p in n.parameters()) / 1e6 for n in networks]
        x = torch.randn(shape, device=arguments.device)
        for bf16 in (False, True):
            rounds = [[step_seconds(n, x, bf16) for n in networks] for _ in range(arguments.rounds)]
            # The first round builds what is kept for the others.
            ratio = median(b / a for a, b in rounds[1:])
            best = [min(seconds) for seconds in zip(*rounds[1:], strict=True)]
            name, precision = "x".join(map(str, shape)), "bf16" if bf16 else "fp32"
            print(
                f"{name:24s} {precision:>9s} {best[0]:8.3f} {best[1]:8.3f} {ratio:6.2f}"
                f"  {counts[0]:.2f} M, {counts[1]:.2f} M",
                flush=True,
            )


if __name__ == "__main__":
    main()
