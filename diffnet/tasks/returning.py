"""Noise and return: an image comes back as what was learned would have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..diffusion import Condition
from .task import Task


@dataclass(frozen=True)
class Purification(Task):
    """Takes adversarial or other small perturbations out of images, in front of a classifier.

    Learns from the images of imagesTr, which are clean.
    """

    name: ClassVar[str] = "purification"
    makes: ClassVar[str] = "image"
    starts: ClassVar[bool] = True
    purpose: ClassVar[str] = "return"
    recipe: ClassVar[str] = "diffpure"

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        return Condition(source=given, label=label)


@dataclass(frozen=True)
class Harmonisation(Purification):
    """Gives images of other scanners the look of those it has learned from (imagesTr)."""

    name: ClassVar[str] = "harmonisation"
    recipe: ClassVar[str] = "sdedit"
