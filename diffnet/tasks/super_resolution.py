"""Super-resolution: the fine image behind a coarse one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from ..data import UserError
from .task import Task


@dataclass(frozen=True)
class SuperResolution(Task):
    """Makes imagesTr from copies whose voxels are `factor` times larger.

    factor: one number for each of the three axes in network order (coarsest axis first); 2-D
    networks use the last two. A coarse voxel is the mean of the fine ones it covers, as in a thick
    slice; what is given is that image, interpolated linearly back to the fine grid.
    """

    factor: tuple[int, int, int] = (1, 2, 2)

    name: ClassVar[str] = "super_resolution"
    makes: ClassVar[str] = "image"
    given: ClassVar[tuple[str, ...]] = ("image",)
    offers: ClassVar[frozenset[str]] = frozenset({"image", "source"})
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if len(self.factor) != 3 or min(self.factor) < 1 or max(self.factor) < 2:
            raise UserError(
                f"super_resolution: factor is {list(self.factor)}; it needs three whole numbers "
                "of at least 1, one of them at least 2, for instance [1, 2, 2] or [4, 1, 1]"
            )

    def on(self, coarsening: Sequence[float]) -> SuperResolution:
        """From the same scan, a grid that is coarser asks for a smaller factor."""
        wanted = (max(1, round(f / c)) for f, c in zip(self.factor, coarsening, strict=True))
        return replace(self, factor=tuple(wanted))

    def simulate(self, target: Tensor) -> Tensor:
        """Mean over blocks of `factor` voxels, then linear interpolation back. (B, C, *S) to the
        same.
        """
        size = target.shape[2:]
        factor = self.factor[-len(size) :]
        surplus = [(-n) % f for n, f in zip(size, factor, strict=True)]
        padding = [p for n in reversed(surplus) for p in (0, n)]
        whole = F.pad(target, padding, mode="replicate") if any(surplus) else target
        two = len(size) == 2
        coarse = (F.avg_pool2d if two else F.avg_pool3d)(whole, factor)
        mode = "bilinear" if two else "trilinear"
        fine = F.interpolate(coarse, size=whole.shape[2:], mode=mode, align_corners=False)
        return fine[(slice(None), slice(None), *(slice(0, n) for n in size))]
