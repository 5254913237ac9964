"""Detection metrics: exact values on small cases, chance, oracles, intervals by group."""

from __future__ import annotations

import numpy as np
import pytest

from diffnet.metrics import (
    area_under_roc,
    average_precision,
    best_dice,
    count_lesions,
    counts_of,
    pooled_interval,
    prevalence,
    score_bins,
    summed,
)


def exact(score, truth):
    return counts_of(score, truth, np.unique(score))


def test_average_precision_by_hand() -> None:
    """Ranks: hit, miss, hit, miss -> (1 + 2/3) / 2."""
    score, truth = np.array([4.0, 3, 2, 1]), np.array([1, 0, 1, 0], bool)
    assert average_precision(exact(score, truth)) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(exact(-score, truth)) == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_chance_has_the_prevalence(rng) -> None:
    truth = rng.random(200_000) < 0.03
    counts = counts_of(rng.random(200_000), truth, score_bins([rng.random(10_000)]))
    assert average_precision(counts) == pytest.approx(prevalence(counts), rel=0.05)
    flat = exact(np.ones(50), np.arange(50) < 5)
    assert average_precision(flat) == pytest.approx(0.1)


def test_bins_change_little(rng) -> None:
    truth = rng.random(50_000) < 0.02
    score = rng.normal(size=50_000) + 2 * truth
    fine, coarse = exact(score, truth), counts_of(score, truth, score_bins([score]))
    assert average_precision(coarse) == pytest.approx(average_precision(fine), abs=2e-3)
    assert best_dice(coarse) == pytest.approx(best_dice(fine), abs=2e-3)


def test_oracle_is_the_best_of_all_thresholds(rng) -> None:
    truth = rng.random(400) < 0.2
    score = rng.normal(size=400) + truth
    each = [
        2 * (truth & (score >= t)).sum() / (truth.sum() + (score >= t).sum())
        for t in np.unique(score)
    ]
    assert best_dice(exact(score, truth)) == pytest.approx(max(each))


def test_no_lesion_is_not_a_number() -> None:
    counts = exact(np.arange(5.0), np.zeros(5, bool))
    assert np.isnan(average_precision(counts))
    assert np.isnan(best_dice(counts))
    assert prevalence(counts) == 0


def test_area_under_roc() -> None:
    assert area_under_roc([1, 2, 3, 4], [0, 0, 1, 1]) == 1
    assert area_under_roc([4, 3, 2, 1], [0, 0, 1, 1]) == 0
    assert area_under_roc([1, 1, 1, 1], [0, 0, 1, 1]) == 0.5
    assert np.isnan(area_under_roc([1, 2], [1, 1]))


def test_lesions_are_connected_parts() -> None:
    truth, result = np.zeros((1, 9, 9), bool), np.zeros((1, 9, 9), bool)
    truth[0, 1:3, 1:3] = truth[0, 6:8, 6:8] = True
    result[0, 2, 2] = result[0, 4, 0] = result[0, 0, 7] = True
    assert count_lesions(result, truth) == (2, 1, 2)
    assert count_lesions(truth, truth) == (2, 2, 0)


def test_counts_add_up(rng) -> None:
    score, truth = rng.random(100), rng.random(100) < 0.3
    edges = score_bins([score])
    parts = summed(
        [counts_of(score[:40], truth[:40], edges), counts_of(score[40:], truth[40:], edges)]
    )
    whole = counts_of(score, truth, edges)
    assert all(np.array_equal(a, b) for a, b in zip(parts, whole, strict=True))


@pytest.mark.parametrize("patients", [4, 12])
def test_interval_covers_about_as_often_as_it_says(patients: int) -> None:
    """Of a mean, whose truth is known: 0.5."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        level = rng.uniform(0.2, 0.8, patients)
        values = {f"{g}-{k}": float(level[g]) for g in range(patients) for k in range(3)}
        groups = {c: c.split("-")[0] for c in values}
        found = pooled_interval(
            lambda names, v=values: float(np.mean([v[n] for n in names])), groups, draws=200
        )
        hits += found.low <= 0.5 <= found.high
    assert hits >= 50


def test_one_group_has_no_interval() -> None:
    found = pooled_interval(lambda names: 0.5, {"a": "p", "b": "p"})
    assert found.mean == 0.5
    assert np.isnan(found.low)
    assert found.groups == 1
