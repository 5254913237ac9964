"""What benchmarks/anomaly.py measures: a line for every run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Line:
    """A row of a table: a recipe with knobs, on a dataset as a task with settings.

    like: title of the line of the same dataset whose network is used with these knobs instead.
    codec: title of the line whose run is the first stage. minutes: of one core, that the plan is
    made for; training takes as many steps as the plan says. every: which test cases are predicted,
    3 is every third. trust: scans that look like another kind of image are predicted, too.
    """

    section: str
    dataset: str
    task: str
    recipe: str
    settings: dict[str, Any] = field(default_factory=dict)
    knobs: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    like: str = ""
    codec: str = ""
    minutes: float = 1.0
    every: int = 1
    trust: bool = False

    @property
    def title(self) -> str:
        return self.name or self.recipe

    @property
    def folder(self) -> str:
        return self.title.replace(", ", "-").replace(" ", "-")


BASELINES = ("intensity_threshold", "blurred_residual", "pca_residual", "dae")
WEAKLY = {"cdpm": "", "diffusion_anomaly": "", "diffuse_fusion": "diffusion_anomaly"}
HEALTHY = (*BASELINES, "one_pass", "pddpm", "mddpm")
MS = "Dataset021_MSPatchAnomaly"
MS_VOLUMES = "Dataset003_MSBrain"
MS_WEAK = "Dataset121_MSPatchWeak"  # made of the two
CHEST = "Dataset015_PneumoniaMNIST"
XRAY = {"healthy": "class", "normal": "normal"}
WEAK = {**XRAY, "weak": True}
NIST = "Dataset008_MedNIST"
LEFT_OUT = ("Hand", "CXR", "HeadCT")
EFFORT = {
    MS: {"minutes": 1.2, "every": 2},
    MS_WEAK: {"minutes": 1.2, "every": 2},
    CHEST: {"minutes": 0.5, "every": 3, "trust": True},  # pneumonia may fill the lungs
    NIST: {"every": 3},
    "Dataset004_LowDoseCT": {},
    "Dataset017_OCT": {"minutes": 0.5},
}


def lines() -> list[Line]:
    """Everything that is measured, in order."""
    found = [Line("lesions", MS, "anomaly", r) for r in HEALTHY]
    found += [
        Line("lesions", MS, "anomaly", "anoddpm", knobs={"calls": 25}),
        Line("lesions", MS, "anomaly", "auto_ddpm", knobs={"calls": 10}, like="25 calls, white"),
        Line("lesions", MS, "anomaly", "vq", knobs={"factor": 2}),
        Line("lesions", MS, "anomaly", "ano_latent", knobs={"calls": 25}, codec="vq"),
        *claims(),
        *(Line("images", CHEST, "anomaly", r, XRAY) for r in (*BASELINES, "one_pass")),
    ]
    for dataset, settings in ((MS_WEAK, {"weak": True}), (CHEST, WEAK)):
        for r, like in WEAKLY.items():
            knobs = {"calls": 20}
            found.append(Line("weak labels", dataset, "anomaly", r, settings, knobs, like=like))
    for kind in LEFT_OUT:
        unknown, fewer = {"column": "class", "unknown": [kind]}, {"starts": 5, "calls": 10}
        name = f"ddpm_ood, {kind}"
        found.append(Line("unknown kinds", NIST, "ood", "ddpm_ood", unknown, fewer, name))
    for dataset, clean in (
        ("Dataset004_LowDoseCT", ("pet_ddpm", "oct_ddpm", "r2d2plus")),
        ("Dataset017_OCT", ("oct_ddpm",)),
    ):
        for learns, recipes in (("noisy", ("ddm2", "ultrasound_ddpm")), ("clean", clean)):
            found += [
                Line("denoising", dataset, "denoising", r, {"learns": learns}) for r in recipes
            ]
        for r in ("regression", "core_diff"):
            found.append(Line("denoising", dataset, "denoising", r, name=f"{r}, pairs"))
    return [replace(line, **EFFORT[line.dataset]) for line in found]


def claims() -> list[Line]:
    """The same network asked in one call and in many; networks of white noise and of simplex."""
    found = []
    for noise, like in (("simplex", "anoddpm"), ("white", "25 calls, white")):
        for calls in (25, 5, 1):
            title, knobs = f"{calls} calls, {noise}", {"calls": calls, "noise": noise}
            of = "" if title == like else like
            found.append(Line("claims", MS, "anomaly", "anoddpm", knobs=knobs, name=title, like=of))
    found.sort(key=lambda line: bool(line.like))  # networks first
    for noise in ("simplex", "white"):
        found.append(
            Line(
                "claims",
                MS,
                "anomaly",
                "one_pass",
                knobs={"noise": noise},
                name=f"one_pass, {noise}",
            )
        )
    return found
