"""Two priors of slices in perpendicular planes, learned and asked as one prior of volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from .batch import Batch
from .ensemble import Planes, SliceWise
from .network_denoiser import NetworkDenoiser
from .objective import Objective
from .samplers import Sampler
from .solved import Solved

SLICES = 8  # of a volume that are learned from in one step, in each plane


class Perpendicular(Solved):
    """The first denoiser sees slices across axis 0, the second across axis 1 of volumes (B, C, Z,
    Y, X), and is asked at every `every`-th call (Lee et al., 2023, arXiv:2303.08440).
    """

    works_on_codes = False

    def __init__(
        self,
        denoisers: tuple[NetworkDenoiser, NetworkDenoiser],
        objectives: tuple[Objective, Objective],
        sampler: Sampler,
        every: int = 2,
    ) -> None:
        planes = [SliceWise(d, axis) for axis, d in enumerate(denoisers)]
        super().__init__(Planes(planes, every), objectives[0], sampler)
        self.other = objectives[1]

    def players(self) -> dict[str, nn.Module]:
        first, second = (plane.inner for plane in self.denoiser.all.members)
        return {
            "first": nn.ModuleList([first, self.objective]),
            "second": nn.ModuleList([second, self.other]),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        for axis, (name, player) in enumerate(self.players().items()):
            denoiser, objective = player
            yield name, objective(denoiser, some_slices(batch, axis))


def some_slices(batch: Batch, axis: int) -> Batch:
    """At most 8 slices across `axis` of each volume, drawn without replacement, as 2-D images."""
    depth = batch.target.shape[axis + 2]
    chosen = torch.randperm(depth)[:SLICES].to(batch.target.device)

    def slices(x: Tensor) -> Tensor:
        return x.index_select(axis + 2, chosen).movedim(axis + 2, 1).flatten(0, 1)

    once = replace(batch.condition, image=None, source=None, estimate=None, measurement=None)
    return Batch(slices(batch.target), once.map(lambda v: v.repeat_interleave(len(chosen), 0)))
