"""Generation: images out of nothing, or out of a class, numbers and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .task import Task


@dataclass(frozen=True)
class Generation(Task):
    """Makes images like those of imagesTr; columns of cases.csv may say which kind."""

    name: ClassVar[str] = "generation"
    makes: ClassVar[str] = "image"
    offers: ClassVar[frozenset[str]] = frozenset({"label", "scalars", "text"})
    metrics: ClassVar[tuple[str, ...]] = ("mmd", "fid", "precision_recall", "ms_ssim")
