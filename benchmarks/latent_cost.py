"""What diffusion on codes saves: operations of a sample, and the memory of decoding by tiles.

    python benchmarks/latent_cost.py RUN [RUN ...]     operations of a sample, beside the first
    python benchmarks/latent_cost.py --decode RUN --sizes 256 512 1024 --tile 256

RUN: folders of trained generation runs of one dataset; --decode: of a first stage (ae_kl, vq).
Operations are counted by torch while one planned-size image is drawn with the run's own sampler;
two a multiplication with addition. Memory is the peak of the process beyond what it held before.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffnet.diffusion import Condition
from diffnet.workflow.drawing import drawing_of
from diffnet.workflow.draws import draw
from diffnet.workflow.peak import MEBIBYTE, forget_peak, peak_bytes, resident_bytes
from diffnet.workflow.predict import ready
from diffnet.workflow.run import Run

CPU = torch.device("cpu")


def operations(run: Run) -> tuple[float, int]:
    """(of one sample at the planned size, network calls)."""
    c, drawing = run.configuration, drawing_of(run, "sample")
    method = ready(run, drawing, CPU)
    size = c.shape if c.dims == 3 else c.shape[1:]
    like = torch.zeros(1, c.target_channels, *size)
    label = torch.zeros(1, dtype=torch.long) if c.classes else None
    scalars = torch.zeros(1, c.scalars) if c.scalars else None
    text = torch.zeros(1, 64, dtype=torch.long) if c.words else None
    condition = Condition(label=label, scalars=scalars, text=text)
    with FlopCounterMode(display=False) as counter:
        drawn = draw(method, like, condition, drawing, c, [0])
    return float(counter.get_total_flops()), drawn.calls


@torch.no_grad()
def decoding(run: Run, size: int, tile: int | None) -> tuple[float, float]:
    """(MiB beyond the code and the image, share of the image's own memory) of decoding size^d."""
    codec, dims = run.method.codec, run.configuration.dims
    code = torch.randn(1, codec.channels, *codec.grid((size,) * dims))
    forget_peak(CPU)
    before = resident_bytes(CPU)
    image = codec.network.decode(code, tile)
    own = image.numel() * image.element_size()
    beyond = max(peak_bytes(CPU) - before - own, 0)
    return beyond / MEBIBYTE, beyond / own


def compare(folders: Sequence[Path]) -> None:
    first = None
    print(f"{'run':<32} {'GFLOP a sample':>14} {'calls':>6} {'times fewer':>12}")
    for folder in folders:
        total, calls = operations(Run.open(folder))
        first = first or total
        print(f"{folder.name:<32} {total / 1e9:>14.2f} {calls:>6} {first / total:>12.1f}")


def memory(folder: Path, sizes: Sequence[int], tile: int) -> None:
    run = Run.open(folder)
    decoding(run, min(sizes) // 2, None)  # what is only allocated once
    print(f"{'size':>6} {'whole, MiB':>12} {f'tiles of {tile}, MiB':>20}")
    for size in sizes:
        whole, _ = decoding(run, size, None)
        parts, _ = decoding(run, size, tile)
        print(f"{size:>6} {whole:>12.0f} {parts:>20.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--decode", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--tile", type=int, default=256)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.runs:
        compare(given.runs)
    if given.decode:
        memory(given.decode, given.sizes, given.tile)


if __name__ == "__main__":
    main()
