"""Out of distribution: whether an image is of the kind that was learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..data import UserError
from ..diffusion import Condition
from .task import Task


@dataclass(frozen=True)
class OutOfDistribution(Task):
    """Learns from the images of imagesTr; gives a score for each case, and no image.

    unknown: values of `column` in cases.csv that are not learned, so that the score can be measured
    on them: the held-out class of a dataset with classes.
    """

    column: str = "class"
    unknown: tuple[str, ...] = ()

    name: ClassVar[str] = "ood"
    makes: ClassVar[str] = "image"
    metrics: ClassVar[tuple[str, ...]] = ("case_auroc", "case_auprc")
    starts: ClassVar[bool] = True
    purpose: ClassVar[str] = "ood"
    recipe: ClassVar[str] = "ddpm_ood"

    def __post_init__(self) -> None:
        if self.unknown and not self.column:
            raise UserError("ood: unknown values need the column of cases.csv that holds them")

    def is_known(self, fields: Mapping[str, str]) -> bool | None:
        """Whether a case is of the kind that is learned; None where its row does not say."""
        if not self.unknown:
            return True
        value = fields.get(self.column, "").strip()
        return value not in self.unknown if value else None

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        return Condition(source=given, label=label)
