"""What a task means: what is made, what is given, and how arrays become tensors and back."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..data import Record
from ..diffusion import Condition


@dataclass(frozen=True)
class Task(Record, ABC):
    """Roles are folders of the dataset: image (imagesTr), target (targetsTr), label (labelsTr).

    makes: the role that is diffused. given: roles read at prediction, on the target's grid.
    offers: what conditions carry, so that recipes can say what they need. follows: the made role's
    intensities use the scale measured on the given image, because both are of one modality.
    Fields of a subclass are the task's settings; they are saved with the plan.
    """

    name: ClassVar[str]
    makes: ClassVar[str]
    given: ClassVar[tuple[str, ...]] = ()
    offers: ClassVar[frozenset[str]] = frozenset()
    metrics: ClassVar[tuple[str, ...]] = ("psnr", "ssim", "mae")
    follows: ClassVar[bool] = False

    def target_channels(self, made: int) -> int:
        """Channels that are diffused when the made role has `made` channels (or classes)."""
        return made

    def image_channels(self, given: int) -> int:
        """Channels of Condition.image when the given roles have `given` channels."""
        return given

    def simulate(self, target: Tensor) -> Tensor | None:
        """What would have been given for `target` (B, C, *S), where physics knows it; else None."""
        return None

    def condition(self, given: Tensor | None, label: Tensor | None = None) -> Condition:
        """Training and prediction both come through here. given (B, C, *S), label (B,)."""
        return Condition(image=given, label=label)

    def as_target(self, array: Tensor) -> Tensor:
        """The made role as stored, (B, C, *S), to what is diffused."""
        return array

    def as_result(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """What was sampled (one draw, or a mean of draws) to the made role as stored."""
        return x
