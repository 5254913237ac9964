"""What a method is shown: a target to learn and the condition under which it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from .operators import Measurement

ON_THE_GRID = ("image", "source", "estimate")


@dataclass(frozen=True)
class Condition:
    """Everything that is known while the target is not. Each field may be None.

    image: (B, C, *S) channels that the network sees beside x_t, on the target's grid.
    source: (B, C_target, *S) best voxel-wise guess of the target; the paired source y of bridges
        and the centre of residual preconditioning.
    label: (B,) integer class; the network's last class (index = number of classes) means "not
        given".
    scalars: (B, n) numbers (age, spacing, ...); NaN means "not given".
    text: (B, L) word numbers in order; 0 is no word, and all 0 means "not given".
    estimate: (B, C_target, *S) the denoiser's previous estimate of x_0, for self-conditioning.
    measurement: what a scanner read of the target; solvers take it to the whole image and hide it
        from windows and slices, so it is left alone by what is done to the tensors.
    """

    image: Tensor | None = None
    source: Tensor | None = None
    label: Tensor | None = None
    scalars: Tensor | None = None
    text: Tensor | None = None
    estimate: Tensor | None = None
    measurement: Measurement | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Condition:
        """Apply `function` to every field that is there."""
        return self._over(function, [f.name for f in fields(self)])

    def on_grid(self, function: Callable[[Tensor], Tensor]) -> Condition:
        """Apply `function` to the fields that are images, (B, C, *S)."""
        return self._over(function, ON_THE_GRID)

    def crop(self, region: tuple[slice, ...]) -> Condition:
        """The same condition inside a window; `region` has one slice per spatial axis."""
        return self.on_grid(lambda x: x[(slice(None), slice(None), *region)])

    @staticmethod
    def cat(conditions: Sequence[Condition]) -> Condition:
        """One condition for all their batches, one behind the other; all must have the same
        fields.
        """
        first = conditions[0]
        names = [f.name for f in fields(first) if isinstance(getattr(first, f.name), Tensor)]
        return replace(
            first, **{name: torch.cat([getattr(c, name) for c in conditions]) for name in names}
        )

    def _over(self, function: Callable[[Tensor], Tensor], names: Sequence[str]) -> Condition:
        found = {name: getattr(self, name) for name in names}
        return replace(self, **{k: function(v) for k, v in found.items() if isinstance(v, Tensor)})


@dataclass(frozen=True)
class Batch:
    """One training step's worth: `target` (B, C, *S) and the condition it goes with."""

    target: Tensor
    condition: Condition

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(function(self.target), self.condition.map(function))
