"""Editing: an image as it would be if its case had another class, or another number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..diffusion import Condition
from .task import Task


@dataclass(frozen=True)
class Editing(Task):
    """Learns from the images of imagesTr and columns of cases.csv; changes what is asked for.

    Which columns are learned, the plan decides as for generation. Prediction starts from a scan and
    is told the wanted values, `--condition age=80`; what is not said stays open.
    """

    name: ClassVar[str] = "editing"
    makes: ClassVar[str] = "image"
    offers: ClassVar[frozenset[str]] = frozenset({"label", "scalars"})
    starts: ClassVar[bool] = True
    purpose: ClassVar[str] = "edit"
    recipe: ClassVar[str] = "task_gradient"

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        return Condition(source=given, label=label)
