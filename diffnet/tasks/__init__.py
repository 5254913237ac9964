"""The shelf of tasks."""

from .anomaly import Anomaly
from .denoising import Denoising
from .generation import Generation
from .inpainting import Inpainting, with_holes
from .out_of_distribution import OutOfDistribution
from .returning import Harmonisation, Purification
from .segmentation import Segmentation
from .super_resolution import SuperResolution
from .task import Task
from .translation import Translation

TASKS: dict[str, type[Task]] = {
    t.name: t
    for t in (
        Generation,
        Translation,
        Denoising,
        SuperResolution,
        Inpainting,
        Segmentation,
        Anomaly,
        OutOfDistribution,
        Purification,
        Harmonisation,
    )
}

__all__ = [
    "TASKS",
    "Anomaly",
    "Denoising",
    "Generation",
    "Harmonisation",
    "Inpainting",
    "OutOfDistribution",
    "Purification",
    "Segmentation",
    "SuperResolution",
    "Task",
    "Translation",
    "with_holes",
]
