"""The shelf of tasks."""

from .denoising import Denoising
from .generation import Generation
from .inpainting import Inpainting, with_holes
from .segmentation import Segmentation
from .super_resolution import SuperResolution
from .task import Task
from .translation import Translation

TASKS: dict[str, type[Task]] = {
    t.name: t
    for t in (Generation, Translation, Denoising, SuperResolution, Inpainting, Segmentation)
}

__all__ = [
    "TASKS",
    "Denoising",
    "Generation",
    "Inpainting",
    "Segmentation",
    "SuperResolution",
    "Task",
    "Translation",
    "with_holes",
]
