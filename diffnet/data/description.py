"""What a dataset.json says, once it was understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .metadata import MetadataField

TASK_NAMES = (
    "generation",
    "translation",
    "denoising",
    "super_resolution",
    "inpainting",
    "reconstruction",
    "segmentation",
    "anomaly",
    "ood",
    "purification",
    "harmonisation",
    "editing",
    "registration",
    "classification",
)
SERIES = "/"  # file_ending of datasets whose images are folders with a DICOM series


@dataclass(frozen=True)
class Description:
    """A dataset.json, understood. labels: name -> value; regions: name -> several values.

    images_are_labels: the files in imagesTr are label maps.
    """

    channels: tuple[str, ...]
    file_ending: str
    name: str = ""
    task: str | None = None
    task_settings: dict[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    regions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    raters: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    metadata: dict[str, MetadataField] = field(default_factory=dict)
    unpaired: bool = False
    missing_channels: bool = False
    images_are_labels: bool = False
    training: int | None = None
    about: dict[str, str] = field(default_factory=dict)
    listed: dict[str, Any] = field(default_factory=dict)
