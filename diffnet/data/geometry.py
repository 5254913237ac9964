"""From a file's own grid to the network's and back: crop, orientation, transposition, spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Self

import numpy as np

from .record import Record, UserError
from .resampling import (
    axis_kinds,
    axis_weights,
    resample_image,
    resample_label,
    target_axis,
)
from .volume import Volume

Box = tuple[tuple[int, int], ...]


class GeometryError(UserError):
    """An array or a request that does not fit the grid; the message says both."""


@dataclass(frozen=True)
class Geometry(Record):
    """One case's way to the target grid.

    file_shape: (Z, Y, X) in the file. box: (first, end) for each file axis; the rest is cut away.
    axes: file axes in network order. flips: network axes that run against the file's.
    file_spacing, spacing: mm before and after resampling; shape: of the target grid; all in network
    order. Crop, orientation and transposition are undone to the bit. Source and target grid share
    their physical centre, and no length changes: voxel centres lie where ITK would put them.
    """

    file_shape: tuple[int, int, int]
    box: Box
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    file_spacing: tuple[float, float, float]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @classmethod
    def plan(
        cls,
        volume: Volume,
        spacing: Sequence[float] | None,
        transpose: Sequence[int] = (0, 1, 2),
        box: Box | None = None,
    ) -> Self:
        """The way of `volume` to `spacing` (mm, network order; None keeps the file's).

        3-D volumes are first turned so that z, y, x run along superior, posterior, left as nearly
        as their direction allows; `transpose` then says which of these is the network's first,
        second and third axis. 2-D images are not turned, and their z axis is left as it is.
        GeometryError: spacing, transpose or box (file axes) that is none.
        """
        if sorted(transpose) != [0, 1, 2]:
            raise GeometryError(f"transpose must order the axes 0, 1, 2; it is {tuple(transpose)}")
        box = tuple((0, n) for n in volume.shape) if box is None else box
        _require_inside(box, volume.shape)
        canonical, turned = orientation(volume)
        axes = tuple(canonical[a] for a in transpose)
        flips = tuple(turned[a] for a in transpose)
        old = tuple(float(volume.spacing[a]) for a in axes)
        new = list(old) if spacing is None else [float(s) for s in spacing]
        if len(new) != 3 or not all(np.isfinite(s) and s > 0 for s in (*new, *old)):
            raise GeometryError(f"spacings must be three positive numbers: {tuple(new)} from {old}")
        shape = [box[a][1] - box[a][0] for a in axes]
        for i, n in enumerate(shape):
            flat = volume.dims == 2 and axes[i] == 0
            shape[i], new[i] = (n, old[i]) if flat else target_axis(n, old[i], new[i])
        return cls(volume.shape, box, axes, flips, old, tuple(new), tuple(shape))

    def apply(self, array: np.ndarray, kind: str) -> np.ndarray:
        """(C, *file_shape) to (C, *shape).

        kind "image": cubic, anti-aliased, float32 where resampled; "label": the value with the most
        weight, dtype kept. Where no axis is resampled voxels are only moved. GeometryError: shape.
        """
        _require_kind(kind)
        if array.shape[1:] != self.file_shape:
            raise GeometryError(
                f"an array of shape {array.shape[1:]} is not on the file's grid {self.file_shape}"
            )
        cut = array[(slice(None), *(slice(a, b) for a, b in self.box))]
        turned = cut.transpose(0, *(a + 1 for a in self.axes))
        turned = np.flip(turned, self._flipped()) if any(self.flips) else turned
        return _resampled(turned, self.file_spacing, self.spacing, self.shape, kind)

    def undo(self, array: np.ndarray, kind: str, fill: float | Sequence[float] = 0.0) -> np.ndarray:
        """(C, *shape) to (C, *file_shape); outside the box is `fill`, one value or one each."""
        _require_kind(kind)
        if array.shape[1:] != self.shape:
            raise GeometryError(
                f"an array of shape {array.shape[1:]} is not on the target grid {self.shape}"
            )
        back = _resampled(array, self.spacing, self.file_spacing, self.cut_shape, kind)
        back = np.flip(back, self._flipped()) if any(self.flips) else back
        back = back.transpose(0, *(self.axes.index(a) + 1 for a in range(3)))
        values = np.broadcast_to(np.asarray(fill, back.dtype), len(back))
        out = np.empty((len(back), *self.file_shape), back.dtype)
        out[:] = values[:, None, None, None]
        out[(slice(None), *(slice(a, b) for a, b in self.box))] = back
        return out

    @property
    def cut_shape(self) -> tuple[int, int, int]:
        """Of the crop in network order, before resampling."""
        n = [self.box[a][1] - self.box[a][0] for a in self.axes]
        return n[0], n[1], n[2]

    def _flipped(self) -> tuple[int, ...]:
        return tuple(i + 1 for i, flip in enumerate(self.flips) if flip)


def orientation(volume: Volume) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """File axes nearest to superior, posterior, left, and whether each runs against it."""
    if volume.dims == 2 or len(volume.direction) != 9:
        return (0, 1, 2), (False, False, False)
    # Columns are the file's x, y, z axes and rows left, posterior, superior: both are turned round.
    towards = np.reshape(volume.direction, (3, 3))[::-1, ::-1]
    best = max(permutations(range(3)), key=lambda p: sum(abs(towards[i, p[i]]) for i in range(3)))
    flips = [bool(towards[i, a] < 0) for i, a in enumerate(best)]
    return (best[0], best[1], best[2]), (flips[0], flips[1], flips[2])


def turned(volume: Volume) -> Volume:
    """The same image with z, y, x along superior, posterior, left: what `Geometry` starts from.

    Voxels keep their places in space; only their order and what describes it change.
    """
    axes, flips = orientation(volume)
    if axes == (0, 1, 2) and not any(flips):
        return volume
    array = volume.array.transpose(0, *(a + 1 for a in axes))
    array = np.flip(array, tuple(i + 1 for i, flip in enumerate(flips) if flip))
    direction = np.reshape(volume.direction, (3, 3))
    # In ITK's order (x, y, z), as columns: one step of each file axis.
    steps = direction * np.asarray(volume.spacing[::-1])
    last = [volume.shape[a] - 1 if flip else 0 for a, flip in zip(axes, flips, strict=True)]
    moved = sum(n * steps[:, 2 - a] for n, a in zip(last, axes, strict=True))
    columns = [direction[:, 2 - a] * (-1 if f else 1) for a, f in zip(axes, flips, strict=True)]
    return Volume(
        np.ascontiguousarray(array),
        tuple(volume.spacing[a] for a in axes),
        tuple(float(v) for v in np.asarray(volume.origin) + moved),
        tuple(float(v) for v in np.stack(columns[::-1], 1).ravel()),
        volume.dims,
    )


def _resampled(
    array: np.ndarray,
    old: Sequence[float],
    new: Sequence[float],
    shape: Sequence[int],
    kind: str,
) -> np.ndarray:
    kinds = axis_kinds(old, new, kind)
    weights = {
        axis: axis_weights(n, shape[axis], new[axis] / old[axis], kinds[axis])
        for axis, n in enumerate(array.shape[1:])
        if old[axis] != new[axis]
    }
    if not weights:
        return np.ascontiguousarray(array)
    if kind == "label":
        return resample_label(array, weights)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise GeometryError(
            "an image with NaN or Inf cannot be resampled; `check` says where they are"
        )
    return resample_image(array, weights)


def _require_inside(box: Box, shape: Sequence[int]) -> None:
    if len(box) != 3 or any(not 0 <= a < b <= n for (a, b), n in zip(box, shape, strict=False)):
        raise GeometryError(f"the box {box} does not lie in a volume of shape {tuple(shape)}")


def _require_kind(kind: str) -> None:
    if kind not in ("image", "label"):
        raise GeometryError(f"unknown kind {kind!r}: there is image, label")
