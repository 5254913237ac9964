"""Anomalies, unknown kinds and denoising without clean targets, measured in tables.

DIFFNET_DATA=<folder with the datasets> python benchmarks/anomaly.py --out results --minutes 10

Every line is a run through the ordinary commands (plan, train, predict, evaluate); what is there
already is kept, so the same call continues. `--only` takes names of sections or recipes.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffnet.data import Dataset, foreground_of, read_json
from diffnet.workflow.detection import FILE, detection_of
from diffnet.workflow.evaluate import evaluate
from diffnet.workflow.evaluation import Evaluation
from diffnet.workflow.fitting import fitting
from diffnet.workflow.measured import budget_here, decided
from diffnet.workflow.measured import measured as measured_folder
from diffnet.workflow.predict import predict
from diffnet.workflow.run import Run
from diffnet.workflow.work import Work


@dataclass(frozen=True)
class Line:
    """A row of a table: a recipe with knobs, on a dataset as a task with settings."""

    section: str
    dataset: str
    task: str
    recipe: str
    settings: dict[str, Any] = field(default_factory=dict)
    knobs: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or self.recipe

    @property
    def folder(self) -> str:
        return self.title.replace(", ", "-").replace(" ", "-")


BASELINES = ("intensity_threshold", "blurred_residual", "pca_residual", "dae")
HEALTHY = (*BASELINES, "one_pass", "pddpm", "mddpm")
MS = "Dataset021_MSPatchAnomaly"
XRAY = {"healthy": "class", "normal": "normal"}
LEFT_OUT = "Hand"


def lines() -> list[Line]:
    """Everything that is measured, in order."""
    found = [Line("lesions", MS, "anomaly", r) for r in HEALTHY]
    found += [
        Line("lesions", MS, "anomaly", "anoddpm", knobs={"calls": 50}),
        Line("lesions", MS, "anomaly", "auto_ddpm", knobs={"calls": 25}),
        *(
            Line("claims", MS, "anomaly", "one_pass", knobs={"noise": n}, name=f"one call, {n}")
            for n in ("white", "simplex", "coarse")
        ),
        *(
            Line(
                "claims",
                MS,
                "anomaly",
                "anoddpm",
                knobs={"calls": 50, "noise": n},
                name=f"50 calls, {n}",
            )
            for n in ("white", "simplex")
        ),
    ]
    weak = {**XRAY, "weak": True}
    chest = "Dataset015_PneumoniaMNIST"
    found += [Line("images", chest, "anomaly", r, XRAY) for r in (*BASELINES, "one_pass")]
    found += [
        Line("images", chest, "anomaly", "cdpm", weak, {"calls": 20}),
        Line("images", chest, "anomaly", "diffusion_anomaly", weak, {"calls": 20}),
        Line("images", chest, "anomaly", "diffuse_fusion", weak, {"calls": 20}),
    ]
    unknown = {"column": "class", "unknown": [LEFT_OUT]}
    found += [Line("unknown kinds", "Dataset008_MedNIST", "ood", "ddpm_ood", unknown)]
    for dataset in ("Dataset004_LowDoseCT", "Dataset017_OCT"):
        found += [
            Line("denoising", dataset, "denoising", r, {"learns": "noisy"})
            for r in ("ddm2", "ultrasound_ddpm")
        ]
        found += [
            Line("denoising", dataset, "denoising", r, {"learns": "clean"})
            for r in ("pet_ddpm", "oct_ddpm", "r2d2plus")
        ]
        found.append(
            Line("denoising", dataset, "denoising", "regression", name="regression, pairs")
        )
    return found


def measured(line: Line, data: Path, out: Path, minutes: float, device: str) -> Evaluation:
    """Plan, train, predict the test cases and evaluate; every stage continues."""
    dataset = Dataset.open(data / line.dataset)
    place = out / "work" / "-".join([line.task, *(str(v) for v in line.settings.values())])
    work = Work.of(dataset.folder, place)
    budget = budget_here(device, None, minutes)
    plan = decided(measured_folder(dataset, work, 2), work, line.task, line.settings, budget, {})
    configuration = plan.configurations[plan.default]
    name = line.folder
    fit = fitting(
        dataset,
        plan,
        configuration,
        line.recipe,
        work,
        minutes=minutes,
        knobs=line.knobs,
        name=name,
        device=device,
    )
    run = fit.run
    done = (run.folder / "card.json").is_file() and run.card["training"]["finished"]
    if not done or (line.task == "anomaly" and not (run.folder / FILE).is_file()):
        run = fit()
    role = run.task.scanned
    scans = {c.id: c.files[role] for c in dataset.cases("test") if role in c.files}
    if not scans:  # a set without test cases: those that were held out
        scans = {c.id: c.files[role] for c in dataset.cases("train") if c.id in fit.val_cases}
    results = out / "results" / line.dataset / name
    predict(run, scans, results, device=device)
    return evaluate(results, dataset.folder, task=line.task, settings=line.settings)


def threshold_of_intensity(dataset: Dataset) -> str:
    """How bright lesions are beside the body, so that a reader can judge the task's difficulty."""
    inside, lesion = [], []
    for case in dataset.cases("test"):
        if "label" not in case.files:
            continue
        image, label = dataset.read(case, "image"), dataset.read(case, "label").array[0] != 0
        channel = image.array[-1].astype(float)
        body = foreground_of(image.array)
        inside.append(channel[body & ~label])
        lesion.append(channel[label])
    x, y = np.concatenate(inside), np.concatenate(lesion)
    return f"{dataset.channels[-1]}: body {x.mean():.3g} +- {x.std():.3g}, lesions {y.mean():.3g}"


def table(rows: dict[str, Evaluation], runs: dict[str, str]) -> list[str]:
    """Markdown: a run a row, a metric a column, 95 % intervals where they are known."""
    names = list(dict.fromkeys(n for e in rows.values() for n in e.metrics))
    head = ["run", *names, "chosen"]
    made = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for title, found in rows.items():
        cells = [str(found.metrics[n]) if n in found.metrics else "-" for n in names]
        made.append("| " + " | ".join([title, *cells, runs[title]]) + " |")
    return made


def chosen(run: Run) -> str:
    """Strength and passes of a run, and how many steps it had."""
    steps = run.card["training"]["steps"]
    if not (run.folder / FILE).is_file() or run.plan.task != "anomaly":
        return f"{steps} steps"
    found = detection_of(run.folder)
    return f"{steps} steps, strength {found.strength:.3g}, {found.passes} passes"


def speed(out: Path, device: str, slices: int = 150, edge: int = 128) -> list[str]:
    """A volume of slices through a one-pass recipe, beside the bare network calls it takes."""
    import torch

    from diffnet.data import MapCleaning
    from diffnet.diffusion import Condition
    from diffnet.workflow.anomalies import find_anomalies
    from diffnet.workflow.draws import Drawing

    folders = sorted((out / "work").rglob("runs/one_pass"))
    if not folders:
        return ["no one_pass run to time"]
    run = Run.open(folders[0])
    method, c = run.method.to(device), run.configuration
    x = torch.randn(slices, c.target_channels, edge, edge, device=device)
    plain, t = Condition(), x.new_full((slices,), 0.5)
    with torch.no_grad():
        began = time.perf_counter()
        for part, at in zip(x.split(16), t.split(16), strict=True):
            method.denoiser(part, at, plain)
        bare = time.perf_counter() - began
        began = time.perf_counter()
        find_anomalies(method, x, plain, MapCleaning(), [0], c, Drawing("sample"))
        whole = time.perf_counter() - began
    return [
        f"{slices} slices of {edge} x {edge} on {device}: network calls alone {bare:.2f} s, the "
        f"whole pass with its map and median filter {whole:.2f} s ({whole / bare:.2f} times)."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="*", default=[])
    wish = parser.parse_args()
    data = Path(os.environ["DIFFNET_DATA"])
    text = ["# Anomalies, unknown kinds, denoising without pairs", ""]
    text += [f"Every network was trained for {wish.minutes:g} minutes.", ""]
    sections = dict.fromkeys(line.section for line in lines())
    for section in sections:
        rows, runs = {}, {}
        for line in lines():
            if line.section != section or not wanted(line, wish.only):
                continue
            print(f"{section}: {line.dataset}, {line.title}", flush=True)
            found = measured(line, data, wish.out, wish.minutes, wish.device)
            title = f"{line.dataset.split('_')[0]} {line.title}"
            rows[title] = found
            summary = read_json(wish.out / "results" / line.dataset / line.folder / "summary.json")
            runs[title] = chosen(Run.open(Path(summary["run"])))
        if rows:
            text += [f"## {section}", "", *table(rows, runs), ""]
            if section == "lesions":
                text += [threshold_of_intensity(Dataset.open(data / MS)), ""]
        (wish.out / "anomaly.md").write_text("\n".join(text) + "\n")
    if wanted(Line("speed", "", "", "one_pass"), wish.only):
        device = "cuda" if wish.device == "auto" and _cuda() else wish.device.replace("auto", "cpu")
        text += ["## speed", "", *speed(wish.out, device), ""]
        (wish.out / "anomaly.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


def wanted(line: Line, only: list[str]) -> bool:
    return not only or bool({line.section, line.recipe, line.title, line.dataset} & set(only))


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
