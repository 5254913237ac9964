"""Tables, a plot and picture sheets of what `reconstruction.py` measured.

python benchmarks/reconstruction_shown.py O                           # tables, on the terminal
python benchmarks/reconstruction_shown.py O --plot PNG                # accuracy against seconds
python benchmarks/reconstruction_shown.py O --views PNG               # accuracy against views
python benchmarks/reconstruction_shown.py O --sheet JPG --problems ct23 --solvers fbp_hann daps dds
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from diffnet.metrics import bootstrap_interval

SHOWN = {"ct": (-1000.0, 400.0), "mri": (0.0, 1.0)}  # grey values
BASELINES = ("first_look", "fbp_hann", "total_variation")
ERROR = 0.25  # of the width of SHOWN, where errors are black or white
Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--problems", nargs="+")
    parser.add_argument("--solvers", nargs="+")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--views", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--case", type=int, default=0)
    asked = parser.parse_args()
    with (asked.out / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    problems = asked.problems or unique(r["problem"] for r in rows)
    rows = [r for r in rows if r["problem"] in problems]
    solvers = asked.solvers or unique(r["solver"] for r in rows)
    rows = [r for r in rows if r["solver"] in solvers]
    if asked.views:
        against_views(rows, asked.views)
    elif asked.plot:
        plot(rows, problems, asked.plot)
    elif asked.sheet:
        sheet(asked.out, problems, solvers, asked.case, asked.sheet)
    else:
        print("\n".join(overview(rows, problems, solvers)))
        for problem in problems:
            print("\n".join(["", *table([r for r in rows if r["problem"] == problem], problem)]))


def unique(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


def overview(rows: Sequence[Row], problems: Sequence[str], solvers: Sequence[str]) -> list[str]:
    """PSNR of the mean, solvers by problems."""
    lines = ["| PSNR, dB | " + " | ".join(problems) + " |", "|---" * (1 + len(problems)) + "|"]
    for solver in solvers:
        cells = []
        for problem in problems:
            found = [r for r in rows if (r["problem"], r["solver"]) == (problem, solver)]
            cells.append(f"{mean(found, 'psnr'):.2f}" if found else "")
        lines.append(f"| {solver} | " + " | ".join(cells) + " |")
    return lines


def table(rows: Sequence[Row], problem: str) -> list[str]:
    head = (
        problem,
        "PSNR, mean of samples",
        "PSNR, one",
        "SSIM, mean",
        "SSIM, one",
        "residual",
        "spread / skill",
        "in the 90 % interval",
        "seconds",
        "calls",
    )
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for solver in unique(r["solver"] for r in rows):
        found = [r for r in rows if r["solver"] == solver]
        i = bootstrap_interval([float(r["psnr"]) for r in found], [r["group"] for r in found])
        between = "" if np.isnan(i.low) else f" [{i.low:.2f}, {i.high:.2f}]"
        cells = [
            f"{i.mean:.2f}{between}",
            f"{mean(found, 'one_psnr'):.2f}",
            f"{mean(found, 'ssim'):.3f}",
            f"{mean(found, 'one_ssim'):.3f}",
            f"{mean(found, 'residual'):.2g}",
            *(f"{v:.2f}" if np.isfinite(v) else "" for v in (mean(found, "ratio"),)),
            *(f"{v:.2f}" if np.isfinite(v) else "" for v in (mean(found, "covered"),)),
            f"{mean(found, 'seconds'):.2g}",
            found[0]["calls"],
        ]
        lines.append(f"| {solver} | " + " | ".join(cells) + " |")
    return lines


def mean(rows: Sequence[Row], name: str) -> float:
    return float(np.mean([float(r[name]) for r in rows]))


def plot(rows: Sequence[Row], problems: Sequence[str], path: Path) -> None:
    """PSNR of the mean and of one sample against seconds a sample, a panel a problem."""
    columns = min(4, len(problems))
    lines = -(-len(problems) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4 * columns, 3.4 * lines), squeeze=False)
    for ax, problem in zip(axes.flat, problems, strict=False):
        for solver in unique(r["solver"] for r in rows if r["problem"] == problem):
            found = [r for r in rows if (r["problem"], r["solver"]) == (problem, solver)]
            seconds, high = max(mean(found, "seconds"), 1e-2), mean(found, "psnr")
            drawn = ax.plot([seconds] * 2, [mean(found, "one_psnr"), high], lw=1)
            ax.plot(seconds, high, "o", ms=4, color=drawn[0].get_color())
            ax.annotate(
                solver, (seconds, high), fontsize=6, xytext=(3, 2), textcoords="offset points"
            )
        ax.set(xscale="log", title=problem, xlabel="seconds of one core", ylabel="PSNR, dB")
        ax.grid(alpha=0.3)
    for ax in axes.flat[len(problems) :]:
        ax.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def against_views(rows: Sequence[Row], path: Path) -> None:
    """PSNR of the mean of the samples, a line a solver; of the cases that it answered everywhere
    it was asked.
    """
    views = {p: int(p[2:]) for p in unique(r["problem"] for r in rows) if p[2:].isdigit()}
    figure, ax = plt.subplots(figsize=(5.2, 3.8))
    for solver in unique(r["solver"] for r in rows if r["problem"] in views):
        found = [r for r in rows if r["solver"] == solver and r["problem"] in views]
        points = sorted(
            (v, mean([r for r in found if r["problem"] == p], "psnr"))
            for p, v in views.items()
            if any(r["problem"] == p for r in found)
        )
        dashed = "--" if solver in BASELINES else "-"
        ax.plot(*zip(*points, strict=True), dashed, marker="o", ms=3.5, lw=1, label=solver)
    ticks = sorted(views.values())
    ax.set(xscale="log", xlabel="views over 180 degrees", ylabel="PSNR, dB")
    ax.set_xticks(ticks, [str(v) for v in ticks])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def sheet(
    out: Path, problems: Sequence[str], solvers: Sequence[str], case: int, path: Path
) -> None:
    """Truth, each solver's mean and its error; one block of two lines a problem."""
    figure, axes = plt.subplots(
        2 * len(problems),
        1 + len(solvers),
        figsize=(1.7 * (1 + len(solvers)), 3.6 * len(problems)),
        squeeze=False,
    )
    for line, problem in enumerate(problems):
        folder = sorted(p for p in (out / problem).iterdir() if p.is_dir())[case]
        low, high = SHOWN[problem.split("_")[0].rstrip("0123456789")]
        for column, solver in enumerate((None, *solvers)):
            top, below = axes[2 * line, column], axes[2 * line + 1, column]
            with np.load(folder / f"{solver or solvers[0]}.npz") as found:
                truth, image = found["truth"][0, 0], found["mean" if solver else "truth"][0, 0]
            top.imshow(image, "gray", vmin=low, vmax=high)
            top.set_title(solver or f"{problem}: truth", fontsize=7)
            if solver is not None:
                bound = ERROR * (high - low)
                below.imshow(image - truth, "RdBu_r", vmin=-bound, vmax=bound)
                below.set_title("error", fontsize=6)
    for ax in axes.flat:
        ax.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 80})


if __name__ == "__main__":
    main()
