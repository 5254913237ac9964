"""Does memory grow with the number of cases? Peak of preprocess and predict on few and many.

Run: python benchmarks/many_cases.py [--few 8] [--many 64]. Phantoms; every stage in its own
process, whose peak resident memory is read by its parent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

STAGES = ("plan", "preprocess", "train", "predict")


def peak_mb(arguments: list[str]) -> float:
    """Of one diffnet command, its worker processes included, in MiB."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'diffnet', *sys.argv[1:]], check=True,\n"
        "               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) / 1024


def measure(folder: Path, cases: int) -> dict[str, float]:
    data, work = folder / "Dataset900_Phantom", folder / "work"
    phantom = ["phantom", str(data), "--task", "translation", "--dims", "3", "--cases", str(cases)]
    subprocess.run([sys.executable, "-m", "diffnet", *phantom], check=True, capture_output=True)
    run = work / data.name / "runs" / "tiny"
    shared = [str(data), "--work", str(work)]
    commands = {
        "plan": ["plan", *shared, "--minutes", "5"],
        "preprocess": ["preprocess", *shared, "--processes", "1"],
        "train": ["train", *shared, "--steps", "2", "--name", "tiny"],
        "predict": ["predict", str(run), "-i", str(data / "imagesTr"), "-o", str(folder / "out")],
    }
    return {stage: peak_mb(commands[stage]) for stage in STAGES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=8)
    parser.add_argument("--many", type=int, default=64)
    given = parser.parse_args()
    found = {}
    for cases in (given.few, given.many):
        with tempfile.TemporaryDirectory() as folder:
            found[cases] = measure(Path(folder), cases)
    few, many = found[given.few], found[given.many]
    print(
        f"| stage | {given.few} cases, MiB | {given.many} cases, MiB | ratio |\n|---|---|---|---|"
    )
    for stage in STAGES:
        ratio = many[stage] / few[stage]
        print(f"| {stage} | {few[stage]:.0f} | {many[stage]:.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
