"""Whether made images are copies of training images, or only alike as strangers are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from .grids import resized

SIDE = {2: 24, 3: 12}  # voxels along an axis of what is compared


class Copies(NamedTuple):
    """closer: share of made images whose nearest relative among all is a training image and no
    held-out one; `chance` is the share of training images among all. low, high: 95 % interval. p:
    of a share so high by chance. copied: share that is more alike to a training image than 95 % of
    the held-out images are, 0.05 by chance; blurred images exceed it without being copies.
    threshold: that likeness.
    """

    closer: float
    chance: float
    low: float
    high: float
    p: float
    copied: float
    threshold: float


class Nearest(NamedTuple):
    """For each image: index of the most alike one, and the likeness (a correlation)."""

    index: np.ndarray
    likeness: np.ndarray


def embedding(image: np.ndarray) -> np.ndarray:
    """(C, Z, Y, X) to a unit vector: a thumbnail, without its mean and contrast.

    The product of two embeddings is the correlation of the thumbnails: it sees the same anatomy
    through noise and another brightness.
    """
    vector = thumbnail(image, SIDE[2 if image.shape[1] == 1 else 3]).ravel()
    vector = vector - vector.mean()
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 0 else vector


def thumbnail(image: np.ndarray, side: int) -> np.ndarray:
    """(C, Z, Y, X) to (C, side, side, side), float64; an axis of one voxel stays one."""
    return resized(image, (1 if image.shape[1] == 1 else side, side, side))


def nearest_images(some: np.ndarray, others: np.ndarray, same: bool = False) -> Nearest:
    """The most alike of `others` (m, d) for each of `some` (n, d). same: both are one set, and
    nothing is its own relative.
    """
    likeness = some @ others.T
    if same:
        np.fill_diagonal(likeness, -np.inf)
    index = likeness.argmax(1)
    return Nearest(index, likeness[np.arange(len(some)), index])


def copies(made: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> Copies:
    """Compare embeddings (n, d) of made images with those of training and held-out images.

    If nothing was copied, training and held-out images could be exchanged: the nearest of all is
    then a training image as often as these are among all. Exact for any sizes of the sets, as far
    as made images are independent. ValueError: fewer than 2 of any.
    """
    for name, some in (("made", made), ("training", train), ("held-out", held_out)):
        if len(some) < 2:
            raise ValueError(f"{len(some)} {name} images are too few to tell copies: 2 are needed")
    chance = len(train) / (len(train) + len(held_out))
    ours, theirs = nearest_images(made, train), nearest_images(made, held_out)
    wins = int((ours.likeness > theirs.likeness).sum())
    interval = binomtest(wins, len(made)).proportion_ci(method="wilson")
    threshold = float(np.quantile(nearest_images(held_out, train).likeness, 0.95))
    return Copies(
        closer=wins / len(made),
        chance=chance,
        low=float(interval.low),
        high=float(interval.high),
        p=float(binomtest(wins, len(made), chance, alternative="greater").pvalue),
        copied=float((ours.likeness > threshold).mean()),
        threshold=threshold,
    )
