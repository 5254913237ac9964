"""The measurements of one case: numbers for people, and a few thousand voxels to pool."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import ndimage

from ..data import Case, Dataset, Volume, foreground_of, turned
from .fingerprint import CaseMeasure, ChannelMeasure, FingerprintError
from .fingerprint_axes import axes_of, tilt_of
from .registration import offset_between
from .spectrum import floor_std, high_pass_noise, radial_power, slope

SAMPLES = 2048  # voxels a case keeps for pooled statistics
PLANE_GRID, VOLUME_GRID = (32, 32), (16, 16, 16)  # reduced grids for the covariance of images
LARGEST_PLANE, LARGEST_VOLUME = 512, 96  # sides of what is Fourier transformed
SLICES = 6
COMPONENT_LABELS = 8  # connected parts are counted up to this many labels


@dataclass(frozen=True)
class Measured:
    """A case's record and its arrays: samples_ROLE (C, n), plane_ROLE, volume_ROLE, ..."""

    case: CaseMeasure
    arrays: dict[str, np.ndarray]


def measure_case(dataset: Dataset, case: Case) -> Measured:
    """Read one case and measure it. FingerprintError: no file, or spacing that is no spacing."""
    read = {r: dataset.read(case, r) for r in ("image", "target", "label") if r in case.files}
    volumes = {role: turned(v) for role, v in read.items()}  # as `Geometry` does first
    first = next(iter(volumes.values()), None)  # the label map, where there is nothing else
    if first is None:
        raise FingerprintError(f"case {case.id} has no file")
    _require_spacing(case.id, first)
    given = volumes.get("image", first)
    alone = set(volumes) == {"label"}
    inside = _foreground(np.asarray(given.array != 0 if alone else given.array, np.float32))
    arrays: dict[str, np.ndarray] = {}
    roles = {}
    for role in ("image", "target"):
        if role in volumes:
            x = np.asarray(volumes[role].array, np.float32)
            fits = x.shape[1:] == inside.shape
            roles[role] = _measure_role(
                role, x, inside if fits else _foreground(x), given.spacing, arrays
            )
    _sample(case.id, volumes, inside, arrays)
    record = CaseMeasure(
        case=case.id,
        group=case.group or case.id,
        content=dataset.content_hash(case),
        dims=first.dims,
        shape=tuple(int(n) for n in given.array.shape[1:]),
        spacing=tuple(float(s) for s in given.spacing),
        dtype=str(given.array.dtype),
        bytes=sum(v.array.size * 4 for v in volumes.values()),
        foreground=float(inside.mean()),
        box=_box(inside),
        roles=roles,
        neighbours=neighbour_correlation(np.asarray(given.array[0], np.float32), given.spacing),
        offset=_offset(volumes),
        pixels=hashlib.sha256(np.ascontiguousarray(given.array).tobytes()).hexdigest()[:16],
        raters=len(case.files.get("label", ())),
        axes=axes_of(next(iter(read.values()))),
        tilt=tilt_of(next(iter(read.values()))),
        agreement=_agreement(dataset, case),
        missing=_missing_channels(dataset, case),
        **_label_measures(volumes.get("label"), arrays),
    )
    return Measured(record, arrays)


def _foreground(x: np.ndarray) -> np.ndarray:
    """Everything, where an image shows nothing: a constant one has no foreground."""
    inside = foreground_of(x)
    return inside if inside.any() else np.ones_like(inside)


def _require_spacing(name: str, volume: Volume) -> None:
    spacing = np.asarray(volume.spacing, float)
    if not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise FingerprintError(
            f"case {name} has the spacing {[float(s) for s in spacing]} mm (z, y, x); every entry "
            "must be a number above 0: correct the file's header"
        )


def _measure_role(
    role: str,
    x: np.ndarray,
    inside: np.ndarray,
    spacing: Sequence[float],
    arrays: dict[str, np.ndarray],
) -> tuple[ChannelMeasure, ...]:
    """Fill in arrays["plane_ROLE"], ["volume_ROLE"], ["thumb_ROLE"]; return the numbers."""
    found, planes, volumes = [], [], []
    filled = float(inside.mean())
    for channel in x:
        if not np.isfinite(channel).all():
            raise FingerprintError(
                f"a {role} holds NaN or Inf: `diffnet check` names all such cases"
            )
        variance = float(channel.var()) or 1.0
        plane = plane_power(channel, through_plane(spacing))
        planes.append(plane / variance)
        if channel.shape[0] > 1:
            volumes.append(radial_power(middle(channel, LARGEST_VOLUME)) / variance)
        found.append(_measure_channel(channel, inside, plane, filled))
    arrays[f"plane_{role}"] = np.mean(planes, 0).astype(np.float32)
    if volumes:
        arrays[f"volume_{role}"] = np.mean(volumes, 0).astype(np.float32)
    arrays[f"thumb_{role}"] = thumbnails(x, through_plane(spacing))
    if x.shape[1] > 1:
        arrays[f"block_{role}"] = np.stack([reduced(c, VOLUME_GRID) for c in x])
    return tuple(found)


def _measure_channel(
    x: np.ndarray, inside: np.ndarray, plane: np.ndarray, filled: float
) -> ChannelMeasure:
    body = x[inside]
    low, high = np.percentile(body[:: max(1, body.size // 200_000)], [0.5, 99.5])
    sample = np.unique(x.ravel()[:: max(1, x.size // 20_000)])
    return ChannelMeasure(
        mean=float(x.mean(dtype=np.float64)),
        std=float(x.std(dtype=np.float64)),
        foreground_mean=float(body.mean(dtype=np.float64)),
        foreground_std=float(body.std(dtype=np.float64)),
        low=float(low),
        high=float(high),
        minimum=float(x.min()),
        maximum=float(x.max()),
        background=None if inside.all() else float(np.median(x[~inside])),
        quantum=float(np.diff(sample).min()) if len(sample) > 1 else 0.0,
        noise=high_pass_noise(x, inside),
        floor=floor_std(plane, filled),
        slope=slope(plane),
        ct_like=bool(x.min() < -500 and x.min() >= -8200 and x.max() > 100),
    )


def through_plane(spacing: Sequence[float]) -> int:
    """The axis slices are stacked along: the coarsest; the first where none is."""
    return int(np.argmax(np.round(np.asarray(spacing, float), 3)))


def slices_of(x: np.ndarray, axis: int, count: int) -> np.ndarray:
    """(count or fewer, A, B) slices spread over the middle two thirds of (Z, Y, X)."""
    x = np.moveaxis(x, axis if x.shape[0] > 1 else 0, 0)
    n = len(x)
    at = np.unique(np.linspace(n / 6, n - 1 - n / 6, min(count, n)).round().astype(int))
    return x[at.clip(0, n - 1)]


def middle(x: np.ndarray, largest: int) -> np.ndarray:
    """The central part of x, at most `largest` voxels along each axis."""
    return x[tuple(slice((n - min(n, largest)) // 2, (n + min(n, largest)) // 2) for n in x.shape)]


def plane_power(x: np.ndarray, axis: int) -> np.ndarray:
    slices = slices_of(x, axis, SLICES)
    return np.mean([radial_power(middle(s, LARGEST_PLANE)) for s in slices], 0)


def reduced(x: np.ndarray, grid: Sequence[int]) -> np.ndarray:
    """Block means of x on `grid` (linear where an axis is shorter than the grid), float32."""
    for axis, n in enumerate(grid):
        size = x.shape[axis]
        if size >= n:
            edges = np.linspace(0, size, n + 1).round().astype(int)
            sums = np.add.reduceat(x, edges[:-1], axis=axis, dtype=np.float64)
            x = sums / np.diff(edges).reshape([-1 if k == axis else 1 for k in range(x.ndim)])
        else:
            at = np.linspace(0, size - 1, n).round().astype(int)
            x = np.take(x, at, axis)
    return np.asarray(x, np.float32)


def thumbnails(x: np.ndarray, axis: int) -> np.ndarray:
    """(slices, C, 32, 32): one slice of 2-D data, three of a volume."""
    per_channel = [[reduced(s, PLANE_GRID) for s in slices_of(c, axis, 3)] for c in x]
    return np.stack([np.stack(slices) for slices in per_channel], 1)


def neighbour_correlation(x: np.ndarray, spacing: Sequence[float]) -> float | None:
    """Correlation of adjacent slices along the through-plane axis, about their own means."""
    if x.shape[0] < 2:
        return None
    x = np.moveaxis(x, through_plane(spacing), 0)
    if len(x) < 2:
        return None
    a, b = (part - part.mean((1, 2), keepdims=True) for part in (x[:-1], x[1:]))
    norm = np.sqrt(float((a**2).sum()) * float((b**2).sum()))
    return float((a * b).sum() / norm) if norm > 0 else None


def _offset(volumes: dict[str, Volume]) -> tuple[float, float, float] | None:
    if not {"image", "target"} <= set(volumes):
        return None
    given, target = volumes["image"].array[0], volumes["target"].array[0]
    return offset_between(given, target) if given.shape == target.shape else None


def _sample(
    name: str, volumes: dict[str, Volume], inside: np.ndarray, arrays: dict[str, np.ndarray]
) -> None:
    """The same random voxels of every role, over the whole grid; the name decides the draw."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    size = inside.size
    at = np.sort(np.random.default_rng(seed).integers(0, size, min(SAMPLES, size)))
    arrays["inside"] = inside.ravel()[at]
    for role in ("image", "target"):
        if role in volumes and volumes[role].array[0].size == size:
            flat = volumes[role].array.reshape(len(volumes[role].array), -1)
            arrays[f"samples_{role}"] = np.asarray(flat[:, at], np.float32)


def _label_measures(volume: Volume | None, arrays: dict[str, np.ndarray]) -> dict:
    """Frequencies and connected parts; and the spectrum of the map's outline."""
    if volume is None:
        return {}
    x = np.asarray(volume.array[0])
    values, counts = np.unique(x, return_counts=True)
    shown = (x > 0).astype(np.float32)
    variance = float(shown.var())
    if variance > 0:
        arrays["plane_label"] = (
            plane_power(shown, through_plane(volume.spacing)) / variance
        ).astype(np.float32)
        if x.shape[0] > 1:
            arrays["volume_label"] = (
                radial_power(middle(shown, LARGEST_VOLUME)) / variance
            ).astype(np.float32)
    return {
        "labels": {_name(v): int(n) for v, n in zip(values, counts, strict=True)},
        "components": _components(x, [v for v in values if v > 0]),
    }


def _agreement(dataset: Dataset, case: Case) -> float | None:
    """Of the case's raters; None where there are fewer than two, or their grids differ."""
    raters = range(len(case.files.get("label", ())))
    maps = [dataset.read(case, "label", k).array[0] for k in raters] if len(raters) > 1 else []
    if len({m.shape for m in maps}) != 1:
        return None
    return agreement_of(np.stack(maps))


def _missing_channels(dataset: Dataset, case: Case) -> tuple[str, ...]:
    names = {"image": dataset.channels, "target": dataset.targets}
    return tuple(
        f"{role} channel {names[role][k]}"
        for role, numbers in case.missing.items()
        for k in numbers
    )


def agreement_of(maps: np.ndarray) -> float | None:
    """Mean Dice over pairs of raters and labels that one of the two drew; None: nothing drawn.

    maps: (raters, Z, Y, X).
    """
    found = []
    for a, b in combinations(maps, 2):
        for value in np.union1d(a, b):
            if value > 0:
                x, y = a == value, b == value
                found.append(2 * float((x & y).sum()) / float(x.sum() + y.sum()))
    return float(np.mean(found)) if found else None


def _components(x: np.ndarray, values: Sequence[float]) -> dict[str, int]:
    if len(values) > COMPONENT_LABELS:
        return {}
    return {_name(v): int(ndimage.label(x == v)[1]) for v in values}


def _name(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(float(value))


def _box(inside: np.ndarray) -> tuple[int, int, int, int, int, int]:
    found: list[int] = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(tuple(k for k in range(3) if k != axis)))
        found += [int(hit[0]), int(hit[-1]) + 1]
    return tuple(found)  # type: ignore[return-value]
