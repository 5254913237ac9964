"""How well scores find lesions: pooled pixels with intervals by patient, images, lesions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.stats import rankdata, t

from .intervals import FEW, Interval

BINS = 2000


class Counts(NamedTuple):
    """Pixels of one case by score: below[k] of them are not lesion and lesion[k] are, in bin k."""

    clear: np.ndarray
    lesion: np.ndarray


def score_bins(scores: Sequence[np.ndarray], bins: int = BINS) -> np.ndarray:
    """Edges between bins, at quantiles of all scores together; finer at the top, where lesions are.

    Half of the edges lie in the top 5 %. Equal scores fall into one bin.
    """
    sample = np.concatenate([s.ravel() for s in scores])
    share = np.concatenate([np.linspace(0, 0.95, bins // 2), np.linspace(0.95, 1, bins // 2)])
    return np.unique(np.quantile(sample, share, method="higher"))


def counts_of(score: np.ndarray, lesion: np.ndarray, edges: np.ndarray) -> Counts:
    """score, lesion (bool): arrays of one shape. Bin k holds scores in [edges[k - 1], edges[k])."""
    index = np.searchsorted(edges, score.ravel(), side="right")
    inside = lesion.ravel().astype(bool)
    size = len(edges) + 1
    return Counts(
        np.bincount(index[~inside], minlength=size), np.bincount(index[inside], minlength=size)
    )


def average_precision(counts: Counts) -> float:
    """sum_k (R_k - R_(k-1)) P_k from the highest score down; NaN without a lesion pixel.

    A score that tells nothing has the prevalence, the share of lesion pixels.
    """
    true, false = np.cumsum(counts.lesion[::-1]), np.cumsum(counts.clear[::-1])
    if true[-1] == 0:
        return float("nan")
    found = np.maximum(true + false, 1)
    gain = np.diff(true, prepend=0) / true[-1]
    return float((gain * true / found).sum())


def prevalence(counts: Counts) -> float:
    """The share of lesion pixels: the average precision of chance."""
    total = counts.lesion.sum() + counts.clear.sum()
    return float(counts.lesion.sum() / total) if total else float("nan")


def best_dice(counts: Counts) -> float:
    """The largest Dice of any threshold: an oracle's, because the truth chose the threshold."""
    true, false = np.cumsum(counts.lesion[::-1]), np.cumsum(counts.clear[::-1])
    if true[-1] == 0:
        return float("nan")
    return float((2 * true / (true + false + true[-1])).max())


def area_under_roc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive scores above a negative, ties counted half (Mann-Whitney).

    NaN where one of the two is missing.
    """
    x, y = np.asarray(scores, float), np.asarray(positive, bool)
    n, m = int(y.sum()), int((~y).sum())
    if n == 0 or m == 0:
        return float("nan")
    return float((rankdata(x)[y].sum() - n * (n + 1) / 2) / (n * m))


class Lesions(NamedTuple):
    """true: lesions there; found: of them touched by the result; false: results touching none."""

    true: int
    found: int
    false: int


def count_lesions(result: np.ndarray, truth: np.ndarray) -> Lesions:
    """Connected parts, neighbours by edges and corners, of two masks of one shape."""
    around = np.ones((3,) * result.ndim, int)
    true, n = ndimage.label(truth, around)
    made, m = ndimage.label(result, around)
    found = len(np.unique(true[(true > 0) & (made > 0)]))
    hits = len(np.unique(made[(true > 0) & (made > 0)]))
    return Lesions(n, found, m - hits)


def pooled_interval(
    value: Callable[[list[str]], float],
    groups: Mapping[str, str],
    draws: int = 500,
    seed: int = 0,
    most: float = 1.0,
) -> Interval:
    """`value` (0 to `most`) of a list of cases pooled, and its 95 % interval over whole groups.

    Percentile bootstrap from 6 groups on; below, a jackknife over groups with Student's quantiles.
    One group has no interval. Draws in which the value does not exist are left out.
    """
    members: dict[str, list[str]] = {}
    for case, group in groups.items():
        members.setdefault(group, []).append(case)
    names, whole = list(members), value(list(groups))
    n, nan = len(names), float("nan")
    if n < 2 or not np.isfinite(whole):
        return Interval(whole, nan, nan, len(groups), n)
    if n < FEW:
        without = [value([c for g in names if g != out for c in members[g]]) for out in names]
        if not np.isfinite(without).all():
            return Interval(whole, nan, nan, len(groups), n)
        spread = np.sqrt((n - 1) / n * np.square(np.subtract(without, np.mean(without))).sum())
        half = float(t.ppf(0.975, n - 1) * spread)
        low, high = max(whole - half, 0.0), min(whole + half, most)
        return Interval(whole, low, high, len(groups), n)
    generator = np.random.default_rng(seed)
    drawn = [
        value([c for k in generator.integers(0, n, n) for c in members[names[k]]])
        for _ in range(draws)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(whole, float(low), float(high), len(groups), n)


def summed(counts: Sequence[Counts]) -> Counts:
    """The counts of several cases together."""
    return Counts(sum(c.clear for c in counts), sum(c.lesion for c in counts))
