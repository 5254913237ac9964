"""Cases per second of preprocessing, beside nnU-Net v2 on the same cases with as many processes.

    python benchmarks/preprocess.py --data DATASETS --nnunet ENV/bin

ENV is a virtual environment of its own with nnunetv2 in it. Both commands are timed whole, from
the shell's return key to the prompt, one after the other, `--repeats` times each, from nothing;
the fastest counts. Planning is done before and not timed. Without --nnunet only this project's
numbers are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGURATIONS = {2: "2d", 3: "3d_fullres"}


def main() -> None:
    options = arguments()
    print(f"{'dataset':28} {'configuration':13} {'cases':>5} {'who':9} {'s':>7} {'cases/s':>8}")
    for name in options.datasets:
        dataset = options.data / name
        with tempfile.TemporaryDirectory() as scratch:
            one_dataset(dataset, Path(scratch), options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("DIFFNET_DATA"))
    parser.add_argument("--datasets", nargs="+", default=["Dataset001_Hippocampus"])
    parser.add_argument("--nnunet", type=Path, help="folder with the nnUNetv2_ commands")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    found = parser.parse_args()
    if not found.data:
        parser.error("say where the datasets are: --data FOLDER, or DIFFNET_DATA")
    found.data = Path(found.data)
    return found


def one_dataset(dataset: Path, scratch: Path, options: argparse.Namespace) -> None:
    images = list((dataset / "imagesTr").iterdir())
    cases = {f.name.rsplit("_0", 1)[0] for f in images}
    clean = training_part(dataset, scratch / "raw")
    ours = Ours(clean, scratch / "ours", options.processes)
    runners = {"diffnet": ours}
    if options.nnunet:
        theirs = NnUNet(clean, scratch, options.nnunet, options.processes, ours.configuration)
        runners["nnU-Net"] = theirs
    seconds: dict[str, list[float]] = {who: [] for who in runners}
    for _ in range(options.repeats):
        for who, runner in runners.items():
            runner.clear()
            began = time.perf_counter()
            runner.preprocess()
            seconds[who].append(time.perf_counter() - began)
    for who, found in seconds.items():
        least = min(found)
        print(
            f"{dataset.name:28} {ours.configuration:13} {len(cases):5} {who:9} {least:7.2f} "
            f"{len(cases) / least:8.2f}"
        )
    if options.nnunet:
        print(f"{'ratio':28} {min(seconds['nnU-Net']) / min(seconds['diffnet']):.2f}")


def training_part(dataset: Path, raw: Path) -> Path:
    """The training images and labels alone, linked, because nnU-Net prepares no test cases."""
    clean = raw / dataset.name
    clean.mkdir(parents=True)
    about = json.loads((dataset / "dataset.json").read_text())
    for folder in ("imagesTr", "labelsTr"):
        (clean / folder).symlink_to((dataset / folder).resolve())
    kept = ("name", "channel_names", "labels", "file_ending", "numTraining")
    (clean / "dataset.json").write_text(json.dumps({k: about[k] for k in kept if k in about}))
    return clean


class Ours:
    """`diffnet preprocess` in a work folder of its own."""

    def __init__(self, dataset: Path, work: Path, processes: int) -> None:
        self.dataset, self.work, self.processes = dataset, work, processes
        self._call("plan", "--task", "segmentation")
        plan = json.loads((work / dataset.name / "plan.json").read_text())
        self.configuration = CONFIGURATIONS[plan["dims"]]

    def _call(self, verb: str, *more: str) -> None:
        where = ["--work", str(self.work), "--processes", str(self.processes)]
        call([sys.executable, "-m", "diffnet", verb, str(self.dataset), *where, *more])

    def clear(self) -> None:
        shutil.rmtree(self.work / self.dataset.name / "preprocessed", ignore_errors=True)

    def preprocess(self) -> None:
        self._call("preprocess", "--configuration", self.configuration)


class NnUNet:
    """`nnUNetv2_preprocess`, after its fingerprint and plan."""

    def __init__(
        self, dataset: Path, scratch: Path, commands: Path, processes: int, configuration: str
    ) -> None:
        self.commands, self.processes, self.configuration = commands, processes, configuration
        self.number = str(int(dataset.name[len("Dataset") :].split("_")[0]))
        self.made = scratch / "preprocessed" / dataset.name
        self.environment = {
            **os.environ,
            "nnUNet_raw": str(dataset.parent),
            "nnUNet_preprocessed": str(scratch / "preprocessed"),
            "nnUNet_results": str(scratch / "results"),
            "PATH": f"{commands}:{os.environ['PATH']}",
        }
        for folder in ("preprocessed", "results"):
            (scratch / folder).mkdir()
        self._call("extract_fingerprint", "-np", str(processes))
        self._call("plan_experiment")

    def _call(self, command: str, *more: str) -> None:
        program = str(self.commands / f"nnUNetv2_{command}")
        call([program, "-d", self.number, *more], self.environment)

    def clear(self) -> None:
        for folder in self.made.glob(f"nnUNetPlans_{self.configuration}"):
            shutil.rmtree(folder)

    def preprocess(self) -> None:
        self._call("preprocess", "-c", self.configuration, "-np", str(self.processes))


def call(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
