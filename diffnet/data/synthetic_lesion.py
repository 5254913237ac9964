"""Lesions made up and put into healthy images: brighter or darker, of other texture, deformed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .intensity import STD

LESION_KINDS = ("intensity", "texture", "deformation")
SIZES = (0.03, 0.12)  # radius over the image's side


class Lesioned(NamedTuple):
    """array: (C, Z, Y, X) with the lesion; mask: (Z, Y, X), True where it changed something."""

    array: np.ndarray
    mask: np.ndarray


def insert_lesion(
    array: np.ndarray, inside: np.ndarray, kind: str, rng: np.random.Generator
) -> Lesioned:
    """One lesion of `kind` into array (C, Z, Y, X) where `inside`, in network units (std 0.5).

    intensity: a smooth blob that is brighter or darker by 0.5 to 2 standard deviations, more in
    some channels than in others. texture: grain of the image's own strength takes its place, the
    local mean stays. deformation: what is there is pulled together or blown up.
    The lesion's edge is smooth; voxels that are changed by half or more of it belong to the mask,
    which is empty where `inside` is. ValueError: no such kind.
    """
    if kind not in LESION_KINDS:
        known = ", ".join(LESION_KINDS)
        raise ValueError(f"no synthetic lesion is called {kind!r}; there are {known}")
    places = np.argwhere(inside)
    if not len(places):
        return Lesioned(array.copy(), np.zeros(inside.shape, bool))
    centre = places[rng.integers(len(places))]
    blob = _blob(inside.shape, centre, rng) * inside
    made = _MAKERS[kind](array, blob, centre, rng)
    return Lesioned(made.astype(array.dtype), blob >= 0.5)


def _blob(shape: tuple[int, ...], centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(Z, Y, X) from 0 to 1: an ellipsoid with a wavy, soft edge."""
    side = max(shape)
    radii = side * rng.uniform(*SIZES) * rng.uniform(0.7, 1.4, 3)
    radii = np.maximum(radii, 1.0)
    axes = [(np.arange(n) - c) for n, c in zip(shape, centre, strict=True)]
    place = np.stack(np.meshgrid(*axes, indexing="ij")) / radii[:, None, None, None]
    distance = np.sqrt(np.square(place).sum(0))
    for _ in range(3):
        wave, phase = rng.normal(0, 1.5, 3), rng.uniform(0, 2 * np.pi)
        distance = distance + 0.08 * np.cos(np.tensordot(wave, place, 1) + phase)
    softness = 1.5 / radii.mean()
    return np.clip(0.5 + (1 - distance) / softness, 0, 1)


def _intensity(
    array: np.ndarray, blob: np.ndarray, centre: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    change = STD * rng.uniform(0.5, 2.0) * rng.choice([-1, 1])
    share = rng.uniform(0.3, 1.0, len(array)) * rng.choice([-1, 1, 1], len(array))
    share[rng.integers(len(array))] = 1.0
    return array + change * share[:, None, None, None] * blob


def _texture(
    array: np.ndarray, blob: np.ndarray, centre: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    width = [rng.uniform(0.5, 1.5) if n > 1 else 0 for n in blob.shape]
    made = array.astype(np.float64).copy()
    for channel in made:
        grain = ndimage.gaussian_filter(rng.normal(size=blob.shape), width)
        grain *= STD * rng.uniform(0.6, 1.2) / max(grain.std(), 1e-6)
        smooth = ndimage.gaussian_filter(channel, [2.0 if n > 1 else 0 for n in blob.shape])
        channel += blob * (smooth + grain - channel)
    return made


def _deformation(
    array: np.ndarray, blob: np.ndarray, centre: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    strength = rng.uniform(0.4, 0.9) * rng.choice([-1, 1])
    soft = ndimage.gaussian_filter(blob, [1.0 if n > 1 else 0 for n in blob.shape])
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in blob.shape], indexing="ij")).astype(float)
    away = grid - centre[:, None, None, None]
    moved = grid + strength * soft * away
    return np.stack([ndimage.map_coordinates(c, moved, order=1, mode="nearest") for c in array])


_MAKERS = {"intensity": _intensity, "texture": _texture, "deformation": _deformation}
