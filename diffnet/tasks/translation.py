"""Translation: one modality or contrast out of others of the same patient, on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .task import Task


@dataclass(frozen=True)
class Translation(Task):
    """Makes targetsTr from imagesTr."""

    name: ClassVar[str] = "translation"
    makes: ClassVar[str] = "target"
    given: ClassVar[tuple[str, ...]] = ("image",)
    offers: ClassVar[frozenset[str]] = frozenset({"image", "source"})
