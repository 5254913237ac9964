"""Many estimates made one: mirrors, folds, slices of a volume and perpendicular planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations

import torch
from torch import Tensor, nn

from .batch import Condition
from .denoiser import Denoiser, WrappedDenoiser


class Mirrored(WrappedDenoiser):
    """The mean of D over all flips along `axes` (spatial axes, 0 is the first): 2^n calls, one at a
    time.
    """

    def __init__(self, inner: Denoiser, axes: Sequence[int]) -> None:
        super().__init__(inner)
        dims = [axis + 2 for axis in axes]
        self.flips = list(chain(*(combinations(dims, n) for n in range(len(dims) + 1))))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        total = None
        for flip in self.flips:
            x_0 = self.inner(x_t.flip(flip), t, condition.on_grid(lambda x, f=flip: x.flip(f)))
            total = x_0.flip(flip) if total is None else total.add_(x_0.flip(flip))
        return total.div_(len(self.flips))


class Ensemble(Denoiser):
    """The mean of several denoisers of one process, as the folds of a cross-validation."""

    def __init__(self, members: Sequence[Denoiser]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one denoiser")
        self.members = nn.ModuleList(members)
        first = members[0].process
        for member in members[1:]:
            if member.process != first:
                raise ValueError(
                    f"members of an ensemble share one process; there are {first} "
                    f"and {member.process}"
                )

    @property
    def process(self):
        return self.members[0].process

    @property
    def self_conditioned(self) -> bool:
        """Members that see an estimate see that of all together."""
        return getattr(self.members[0], "self_conditioned", False)

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        total = self.members[0](x_t, t, condition)
        for member in self.members[1:]:
            total = total + member(x_t, t, condition)
        return total / len(self.members)


class SliceWise(WrappedDenoiser):
    """A 2-D denoiser on a volume (B, C, Z, Y, X): each slice across `axis` by itself, `batch` at
    once.

    The slices know nothing of each other but what x_t and the condition tell; `Planes` joins them.
    """

    def __init__(self, inner: Denoiser, axis: int = 0, batch: int = 16) -> None:
        super().__init__(inner)
        if axis not in (0, 1, 2):
            raise ValueError(f"slices across axis {axis}; a volume has the axes 0, 1 and 2")
        self.axis, self.batch = axis, batch

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if x_t.ndim != 5:
            raise ValueError(f"SliceWise works on volumes (B, C, Z, Y, X), not {tuple(x_t.shape)}")
        depth = x_t.shape[self.axis + 2]
        pieces = []
        for first in range(0, depth, self.batch):
            count = min(self.batch, depth - first)
            part = self._part(condition, first, count)
            x_0 = self.inner(self._slices(x_t, first, count), t.repeat_interleave(count), part)
            x_0 = x_0.unflatten(0, (len(x_t), count)).movedim(1, self.axis + 2)
            pieces.append(x_0)
        return torch.cat(pieces, self.axis + 2)

    def _slices(self, x: Tensor, first: int, count: int) -> Tensor:
        """(B count, C, *S2), all slices of one case one behind the other."""
        return x.narrow(self.axis + 2, first, count).movedim(self.axis + 2, 1).flatten(0, 1)

    def _part(self, condition: Condition, first: int, count: int) -> Condition:
        images = condition.on_grid(lambda x: self._slices(x, first, count))
        once = replace(condition, image=None, source=None, estimate=None)
        rest = once.map(lambda x: x.repeat_interleave(count, 0))
        return replace(images, label=rest.label, scalars=rest.scalars)


class Planes(Denoiser):
    """2-D denoisers of perpendicular planes on one volume: averaged, or one after the other.

    planes: volume denoisers, as SliceWise(axial, 0), SliceWise(coronal, 1).
    every: None averages all at each call. A number asks the first plane, and the others in turn at
        every `every`-th call (Lee et al., 2023, arXiv:2303.08440, use two planes).
    """

    def __init__(self, planes: Sequence[Denoiser], every: int | None = None) -> None:
        super().__init__()
        if len(planes) < 2:
            raise ValueError(f"perpendicular planes need at least two denoisers, not {len(planes)}")
        if every is not None and every < 2:
            raise ValueError(f"planes change at every {every}-th call; it takes at least 2")
        self.all = Ensemble(planes)
        self.every = every
        self.asked = 0

    @property
    def process(self):
        return self.all.process

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if self.every is None:
            return self.all(x_t, t, condition)
        turn, rest = divmod(self.asked, self.every)
        self.asked += 1
        first, *others = self.all.members
        plane = others[turn % len(others)] if rest == self.every - 1 else first
        return plane(x_t, t, condition)
