"""Random tissue maps that look like a head, a chest or an abdomen, in 2-D and 3-D."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

BODIES = ("head", "chest", "abdomen")


class Tissue(IntEnum):
    """Values of a tissue map."""

    AIR = 0
    FAT = 1
    BONE = 2
    FLUID = 3
    GREY = 4
    WHITE = 5
    VENTRICLE = 6
    NUCLEI = 7
    MUSCLE = 8
    LUNG = 9
    ORGAN = 10
    VESSEL = 11
    LESION = 12


def coordinates(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """(3, Z, Y, X) places of voxel centres from -1 to 1; Z = 1 is one slice near the middle."""
    lines = [
        (np.arange(n) + 0.5) * 2 / n - 1 if n > 1 else rng.uniform(-0.1, 0.2, 1) for n in shape
    ]
    return np.stack(np.meshgrid(*lines, indexing="ij"))


def warped(places: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Places moved by a smooth random field of about `size`: three waves an axis."""
    out = places.copy()
    for axis in range(3):
        for _ in range(3):
            wave, phase = rng.normal(0, 2.0, 3), rng.uniform(0, 2 * np.pi)
            out[axis] += size * np.cos(np.tensordot(wave, places, 1) + phase)
    return out


def tissue_map(body: str, places: np.ndarray, lesions: int, rng: np.random.Generator) -> np.ndarray:
    """(Z, Y, X) uint8 of Tissue: one random person's head, chest or abdomen, with some lesions."""
    places = warped(places, 0.03, rng) / rng.uniform(0.94, 1.06, (3, 1, 1, 1))
    tissue = _BODIES[body](places, rng)
    hosts = (Tissue.WHITE, Tissue.ORGAN, Tissue.LUNG)
    for _ in range(lesions):
        _add_lesion(tissue, places, hosts, rng)
    return tissue


def _distance(places: np.ndarray, centre: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    """1 on the ellipsoid's surface, less inside. centre, radii: (z, y, x)."""
    square = [((p - c) / r) ** 2 for p, c, r in zip(places, centre, radii, strict=True)]
    return np.sqrt(sum(square))


def _paint(
    tissue: np.ndarray,
    places: np.ndarray,
    value: Tissue,
    centre: Sequence[float],
    radii: Sequence[float],
    rng: np.random.Generator,
) -> None:
    """Fill an ellipsoid whose centre and radii vary from person to person."""
    centre = np.asarray(centre) + rng.normal(0, 0.015, 3)
    radii = np.asarray(radii) * rng.uniform(0.88, 1.12, 3)
    tissue[_distance(places, centre, radii) < 1] = value


def _head(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = places[2]
    depth = _distance(places, (0, 0, 0), (0.88, 0.92, 0.76))
    folds = np.zeros_like(depth)
    for _ in range(4):
        wave, phase = rng.normal(0, 9.0, 3), rng.uniform(0, 2 * np.pi)
        folds += np.cos(np.tensordot(wave, places, 1) + phase) / 4
    tissue = np.zeros(depth.shape, np.uint8)
    for value, edge in (
        (Tissue.FAT, 1.0),
        (Tissue.BONE, 0.93),
        (Tissue.FLUID, 0.84),
        (Tissue.GREY, 0.80 + 0.03 * folds),
        (Tissue.WHITE, 0.66 + 0.08 * folds),
    ):
        tissue[depth < edge] = value
    tissue[(np.abs(x) < 0.02) & (depth > 0.5) & (depth < 0.84)] = Tissue.FLUID
    for side in (-1, 1):
        _paint(tissue, places, Tissue.NUCLEI, (0.0, -0.02, 0.25 * side), (0.18, 0.2, 0.09), rng)
        _paint(tissue, places, Tissue.VENTRICLE, (0.1, -0.12, 0.1 * side), (0.2, 0.2, 0.07), rng)
        _paint(tissue, places, Tissue.VENTRICLE, (0.1, 0.16, 0.13 * side), (0.2, 0.2, 0.06), rng)
    return tissue


def _trunk(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    flat = places * np.array([0, 1, 1]).reshape(3, 1, 1, 1)
    depth = _distance(flat, (0, 0, 0), (1, 0.66, 0.9))
    tissue = np.zeros(depth.shape, np.uint8)
    tissue[depth < 1] = Tissue.FAT
    tissue[depth < rng.uniform(0.88, 0.94)] = Tissue.MUSCLE
    return tissue


def _spine(tissue: np.ndarray, places: np.ndarray, rng: np.random.Generator) -> None:
    _paint(tissue, places, Tissue.BONE, (0, 0.4, 0), (9, 0.13, 0.14), rng)
    _paint(tissue, places, Tissue.FLUID, (0, 0.46, 0), (9, 0.045, 0.05), rng)
    _paint(tissue, places, Tissue.VESSEL, (0, 0.22, 0.08), (9, 0.07, 0.07), rng)


def _chest(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tissue = _trunk(places, rng)
    z, y, x = places
    depth, angle = _distance(places, (0, 0, 0), (9, 0.66, 0.9)), np.arctan2(y, x)
    ribs = np.cos(9 * angle + 5 * z + rng.uniform(0, 6)) > 0.2
    tissue[(depth > 0.78) & (depth < 0.86) & ribs] = Tissue.BONE
    for side in (-1, 1):
        _paint(tissue, places, Tissue.LUNG, (0, -0.02, 0.42 * side), (0.95, 0.42, 0.27), rng)
    _paint(tissue, places, Tissue.VESSEL, (-0.1, -0.14, 0.1), (0.6, 0.23, 0.24), rng)
    _spine(tissue, places, rng)
    return tissue


def _abdomen(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tissue = _trunk(places, rng)
    tissue[_distance(places, (0, -0.05, 0), (9, 0.46, 0.7)) < 1] = Tissue.FAT
    _paint(tissue, places, Tissue.ORGAN, (0.1, -0.08, -0.34), (0.8, 0.36, 0.34), rng)
    _paint(tissue, places, Tissue.ORGAN, (0.2, 0.08, 0.52), (0.5, 0.2, 0.13), rng)
    _paint(tissue, places, Tissue.FLUID, (0.1, -0.2, 0.3), (0.4, 0.14, 0.2), rng)
    for side in (-1, 1):
        _paint(tissue, places, Tissue.GREY, (-0.1, 0.3, 0.34 * side), (0.5, 0.12, 0.11), rng)
    _spine(tissue, places, rng)
    return tissue


def _add_lesion(
    tissue: np.ndarray, places: np.ndarray, hosts: Sequence[Tissue], rng: np.random.Generator
) -> None:
    """One blob inside a host tissue."""
    inside = np.argwhere(np.isin(tissue, hosts))
    if not len(inside):
        return
    centre = places[(slice(None), *inside[rng.integers(len(inside))])]
    blob = _distance(places, centre, rng.uniform(0.06, 0.13, 3)) < 1
    tissue[blob & np.isin(tissue, hosts)] = Tissue.LESION


_BODIES = {"head": _head, "chest": _chest, "abdomen": _abdomen}
