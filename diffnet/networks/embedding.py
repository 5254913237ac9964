"""What conditions every block of a network: noise level, class and numbers, as one vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SLOWEST, FASTEST = 1 / 16, 4.0  # cycles per unit of time; -2 .. 3 is less than half the slowest


class ConditionEmbedding(nn.Module):
    """time (B,), label (B,) and scalars (B, n) to one vector (B, width), always in float32.

    Sinusoids of the time go through two layers; a class has a row of a table, whose last row means
    "not given"; each scalar enters beside a flag that says whether it is given (NaN is not given).
    The parts are added. A time of None is read as 0, so that every weight is used and learns.
    """

    frequencies: Tensor

    def __init__(self, width: int, classes: int = 0, scalars: int = 0, features: int = 32) -> None:
        super().__init__()
        self.width, self.classes, self.numbers = width, classes, scalars
        steps = torch.linspace(math.log(SLOWEST), math.log(FASTEST), features)
        self.register_buffer("frequencies", 2 * math.pi * steps.exp(), persistent=False)
        self.time = two_layers(2 * features, width)
        self.label = nn.Embedding(classes + 1, width) if classes else None
        self.scalars = two_layers(2 * scalars, width) if scalars else None

    def forward(
        self, batch: int, time: Tensor | None, label: Tensor | None, scalars: Tensor | None
    ) -> Tensor:
        self._refuse(batch, time, label, scalars)
        device = self.frequencies.device
        if torch.amp.is_autocast_available(device.type):
            with torch.autocast(device.type, enabled=False):
                return self._add(batch, time, label, scalars)
        return self._add(batch, time, label, scalars)

    def _add(
        self, batch: int, time: Tensor | None, label: Tensor | None, scalars: Tensor | None
    ) -> Tensor:
        weight = self.time[0].weight
        if time is None:
            time = weight.new_zeros(batch)
        angle = time.float()[:, None] * self.frequencies.float()
        total = self.time(torch.cat([angle.sin(), angle.cos()], dim=1).to(weight.dtype))
        if self.label is not None:
            if label is None:
                label = torch.full((batch,), self.classes, device=weight.device)
            total = total + self.label(label)
        if self.scalars is not None:
            if scalars is None:
                scalars = weight.new_full((batch, self.numbers), torch.nan)
            given = ~scalars.isnan()
            known = torch.where(given, scalars, 0.0)
            total = total + self.scalars(torch.cat([known, given], dim=1).to(weight.dtype))
        return nn.functional.silu(total)

    def _refuse(
        self, batch: int, time: Tensor | None, label: Tensor | None, scalars: Tensor | None
    ) -> None:
        if time is not None and time.shape != (batch,):
            raise ValueError(
                f"time has shape {tuple(time.shape)}; the batch has {batch} examples: "
                f"give one noise level for each, shape ({batch},)."
            )
        if label is not None and not self.classes:
            raise ValueError(
                "A class label was given, but this network knows no classes: "
                "build it with classes=N, or leave the label out."
            )
        if label is not None and label.shape != (batch,):
            raise ValueError(
                f"label has shape {tuple(label.shape)}; expected ({batch},), integers from 0 to "
                f"{self.classes}, where {self.classes} means not given."
            )
        wanted = (batch, self.numbers)
        if scalars is not None and (not self.numbers or scalars.shape != wanted):
            raise ValueError(
                f"scalars has shape {tuple(scalars.shape)}; this network takes {self.numbers} "
                f"numbers an example: give {wanted}, or build it with scalars=N."
            )


def two_layers(inputs: int, width: int) -> nn.Sequential:
    """Linear, SiLU, linear."""
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))
