"""What a recipe is: one paper as a composition of shared parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from ..data import Record
from ..diffusion import Method
from ..networks import UNet
from ..planning import Configuration
from ..tasks import Task


@dataclass(frozen=True)
class Recipe(Record, ABC):
    """Fields are the knobs that its paper fixes, saved as JSON; the configuration decides the rest.

    needs: what the task's condition must carry ("image", "source", "label"). papers: what `cite`
    prints. purposes: of tasks that it serves. enough: steps after which training has nothing more
    to learn. encodes: whether it brings its own codec, and so takes none of a configuration's.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    papers: ClassVar[tuple[str, ...]] = ()
    purposes: ClassVar[frozenset[str]] = frozenset({"image"})
    enough: ClassVar[int | None] = None
    encodes: ClassVar[bool] = False

    @classmethod
    def fits(cls, task: Task) -> bool:
        """Whether the recipe is for tasks like this one, and finds all it needs."""
        return task.purpose in cls.purposes and cls.needs <= task.offers

    @abstractmethod
    def build(self, c: Configuration) -> Method:
        """A fresh, untrained method."""

    def forgets(self, c: Configuration) -> float:
        """The share of training examples that are not told their conditions."""
        return c.training.forget

    def network(self, c: Configuration) -> nn.Module:
        """The planned network, of x_t and the image condition."""
        return self.unet(c, in_channels=c.target_channels + c.image_channels)

    def unet(self, c: Configuration, in_channels: int) -> nn.Module:
        return UNet(in_channels=in_channels, **self.planned_shape(c))

    @staticmethod
    def planned_shape(c: Configuration) -> dict[str, Any]:
        """What every U-Net of a configuration is built with, whatever it is shown."""
        return {
            **vars(c.network),
            "dims": c.dims,
            "out_channels": c.target_channels,
            "classes": c.classes,
            "scalars": c.scalars,
            "words": c.words,
            "text_width": c.text_width,
        }
