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
    no such column, all of imagesTr is taken to be healthy. weak: learn from both, with this flag as
    a label of the whole image.
    """

    healthy: str = "healthy"
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
        return flag_of(fields.get(self.healthy, ""))

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        if given is not None and label is None and self.weak:
            label = torch.full((len(given),), HEALTHY, device=given.device)
        return Condition(source=given, label=label)
