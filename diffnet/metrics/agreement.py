"""Whether made images look like the class they were asked for, judged by real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHRINK = 0.1  # towards a diagonal covariance, because 64 features of some hundred images are many

RIDGE = 0.1  # of the features' own variance


def class_agreement(
    real: np.ndarray,
    real_classes: Sequence[str],
    made: np.ndarray,
    made_classes: Sequence[str],
) -> np.ndarray:
    """(m,) bool: the real class that a made image is nearest to is the one it was asked for.

    real (n, d), made (m, d). Linear discriminant: distances to class means under the shared
    covariance of the real images within classes. ValueError: fewer than two classes, or a class of
    made images that no real one has.
    """
    names = sorted(set(real_classes))
    unknown = sorted(set(made_classes) - set(names))
    if len(names) < 2 or unknown:
        raise ValueError(f"Real images have the classes {names}; unknown of the made: {unknown}.")
    labels = np.asarray(real_classes)
    means = np.stack([real[labels == n].mean(0) for n in names])
    centred = real - means[np.searchsorted(names, labels)]
    root = _whitening(centred, len(real) - len(names))
    apart = ((made @ root)[:, None] - (means @ root)[None]) ** 2
    nearest = apart.sum(-1).argmin(1)
    return np.array([names[k] == c for k, c in zip(nearest, made_classes, strict=True)])


def real_agreement(
    real: np.ndarray, classes: Sequence[str], folds: int = 5, seed: int = 0
) -> float:
    """Share of real images that are nearest to their own class, each judged by the other folds."""
    order = np.random.default_rng(seed).permutation(len(real))
    labels = np.asarray(classes)
    right = []
    for k in range(folds):
        held = np.zeros(len(real), bool)
        held[order[k::folds]] = True
        held &= np.isin(labels, labels[~held])
        if held.any() and len(set(labels[~held])) > 1:
            right.append(class_agreement(real[~held], labels[~held], real[held], labels[held]))
    return float(np.concatenate(right).mean()) if right else float("nan")


def regressed(real: np.ndarray, values: np.ndarray, made: np.ndarray) -> np.ndarray:
    """(m,) the number that each made image looks like, by ridge regression on real ones.

    real (n, d) with their values (n,), made (m, d). ValueError: fewer than four real images.
    """
    if len(real) < 4:
        raise ValueError(f"{len(real)} real images with a value are too few for a regression.")
    mean, spread = real.mean(0), real.std(0) + 1e-12
    x, y = (real - mean) / spread, values - values.mean()
    gram = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
    return (made - mean) / spread @ np.linalg.solve(gram, x.T @ y) + values.mean()


def real_regressed(
    real: np.ndarray, values: np.ndarray, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """(n,) what each real image looks like, judged by the other folds."""
    order = np.random.default_rng(seed).permutation(len(real))
    found = np.zeros(len(real))
    for k in range(folds):
        held = np.zeros(len(real), bool)
        held[order[k::folds]] = True
        if held.any():
            found[held] = regressed(real[~held], values[~held], real[held])
    return found


def _whitening(centred: np.ndarray, freedom: int) -> np.ndarray:
    """(d, d) root of the inverse of the shrunk covariance."""
    covariance = centred.T @ centred / max(freedom, 1)
    spread = np.diag(covariance)
    floor = 1e-6 * max(float(spread.mean()), 1e-30)
    covariance = (1 - SHRINK) * covariance + np.diag(SHRINK * spread + floor)
    values, vectors = np.linalg.eigh(covariance)
    return vectors / np.sqrt(np.clip(values, floor, None))
