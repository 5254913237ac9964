"""Anomaly: what is healthy is learned, and whatever differs from it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..diffusion import Condition
from .flags import flag_of
from .task import Task

HEALTHY, DISEASED = 0, 1


@dataclass(frozen=True)
class Anomaly(Task):
    """Learns from healthy images of imagesTr; gives a healed image, a map, a mask and a score.

    healthy: column of cases.csv that says whether a case is healthy (1 or 0); where the dataset has
    no such column, all of imagesTr is taken to be healthy. normal: where that column is a category,
    its value that means healthy. weak: learn from both, with this flag as
    a label of the whole image.
    """

    healthy: str = "healthy"
    normal: str = ""
    weak: bool = False

    name: ClassVar[str] = "anomaly"
    makes: ClassVar[str] = "image"
    metrics: ClassVar[tuple[str, ...]] = (
        "pixel_auprc",
        "dice",
        "oracle_dice",
        "image_auroc",
        "lesion_recall",
        "false_positives",
    )
    starts: ClassVar[bool] = True
    purpose: ClassVar[str] = "anomaly"
    recipe: ClassVar[str] = "one_pass"

    @classmethod
    def variants(cls) -> list[Task]:
        return [cls(), cls(weak=True)]

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"label"}) if self.weak else frozenset()

    @property
    def column(self) -> str:
        return self.healthy

    def is_known(self, fields: Mapping[str, str]) -> bool | None:
        """Whether a case is healthy; None where its row does not say."""
        text = fields.get(self.healthy, "").strip()
        if not self.normal:
            return flag_of(text)
        return text == self.normal if text else None

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        if given is not None and label is None and self.weak:
            label = torch.full((len(given),), HEALTHY, device=given.device)
        return Condition(source=given, label=label)
