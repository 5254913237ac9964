"""Intervals hold what they promise; calibration metrics agree with closed forms and brute force."""

import numpy as np
import pytest

from diffnet.metrics import (
    bootstrap_interval,
    coverage,
    crps,
    paired_difference,
    spread_skill,
    spread_skill_of,
)


def test_the_interval_of_a_mean_covers_it_in_95_of_100_samples():
    for n, least in ((2, 0.92), (4, 0.92), (6, 0.9), (30, 0.91)):
        held = 0
        for seed in range(300):
            x = np.random.default_rng([n, seed]).standard_normal(n)
            interval = bootstrap_interval(x, draws=400, seed=seed)
            held += interval.low <= 0 <= interval.high
        assert least <= held / 300 <= 0.99


def test_the_interval_knows_about_groups():
    """Eight groups of ten equal values carry eight values' information, not eighty."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal(8), 10)
    names = [f"patient{i // 10}" for i in range(80)]
    blind, aware = bootstrap_interval(x), bootstrap_interval(x, names)
    assert aware.mean == pytest.approx(blind.mean) and aware.groups == 8
    assert aware.high - aware.low > 2.5 * (blind.high - blind.low)
    single = bootstrap_interval(x[::10])
    assert (aware.low, aware.high) == pytest.approx((single.low, single.high))


def test_groups_of_unequal_size_keep_the_mean_over_cases():
    interval = bootstrap_interval([1, 1, 1, 5], ["a", "a", "a", "b"])
    assert interval.mean == 2 and interval.groups == 2


def test_what_was_not_measured_is_left_out():
    interval = bootstrap_interval([1.0, np.nan, 3.0], ["a", "b", "c"])
    assert interval.mean == 2 and interval.cases == 2 and interval.groups == 2
    assert np.isnan(bootstrap_interval([np.nan]).mean)
    assert interval.high - 2 == pytest.approx(12.706, rel=1e-3), "Student's t at one degree"
    assert np.isnan(bootstrap_interval([]).low)


def test_one_group_has_a_mean_and_no_interval():
    interval = bootstrap_interval([1.0, 3.0], ["a", "a"])
    assert interval.mean == 2 and np.isnan(interval.low) and interval.groups == 1
    assert np.isinf(bootstrap_interval([1.0, np.inf]).mean)


def test_the_interval_is_the_same_every_time():
    x = np.arange(9.0)
    assert bootstrap_interval(x) == bootstrap_interval(x)


def test_values_and_groups_must_match():
    with pytest.raises(ValueError, match="3 values and 2 groups"):
        bootstrap_interval([1, 2, 3], ["a", "b"])


def test_pairing_finds_what_overlapping_intervals_hide():
    rng = np.random.default_rng(1)
    hardness = 10 * rng.standard_normal(20)
    first = {f"c{i}": h for i, h in enumerate(hardness)}
    second = {c: v + 1 + 0.3 * rng.standard_normal() for c, v in first.items()}
    found = paired_difference(first, second)
    assert 0.8 < found.low < found.mean < found.high < 1.2 and found.p < 0.001
    back = paired_difference(second, first)
    assert back.mean == pytest.approx(-found.mean)
    a, b = bootstrap_interval(list(first.values())), bootstrap_interval(list(second.values()))
    assert b.low < a.high


def test_only_shared_cases_are_paired():
    found = paired_difference({"a": 1, "b": 2, "x": 9}, {"b": 3, "a": 2, "y": 9, "z": np.nan})
    assert found.cases == 2 and found.mean == 1
    assert paired_difference({"a": 1.0}, {"b": 1.0}).cases == 0


def test_p_of_no_difference_is_uniform():
    p = []
    for seed in range(200):
        d = np.random.default_rng(seed).standard_normal(8)
        p.append(
            paired_difference(dict.fromkeys("abcdefgh", 0), dict(zip("abcdefgh", d, strict=True))).p
        )
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert 0.4 < np.mean(p) < 0.6


def test_groups_count_once_in_the_p_value():
    cases = {f"c{i}": 1.0 for i in range(10)}
    groups = {c: f"patient{i // 5}" for i, c in enumerate(cases)}
    assert paired_difference(dict.fromkeys(cases, 0.0), cases).p < 0.01
    assert paired_difference(dict.fromkeys(cases, 0.0), cases, groups).p == 0.5


def draws(k, n, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal(n)
    return centre + spread * rng.standard_normal((k, n)), centre + rng.standard_normal(n)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_spread_matches_skill_for_exchangeable_samples_of_any_number(k):
    samples, truth = draws(k, 40000)
    assert spread_skill(samples, truth) == pytest.approx(1, abs=0.02)
    sure, truth = draws(k, 40000, 0.5)
    assert spread_skill(sure, truth) < 0.8


def test_spread_skill_of_mean_and_std_is_the_same():
    samples, truth = draws(4, 100)
    mask = np.arange(100) < 60
    whole = spread_skill(samples, truth, mask)
    parts = spread_skill_of(samples.mean(0), samples.std(0, ddof=1), truth, 4, mask)
    assert parts == pytest.approx(whole)


@pytest.mark.parametrize(("k", "level"), [(2, 0.9), (9, 0.8), (19, 0.9)])
def test_coverage_is_nominal_for_exchangeable_samples(k, level):
    samples, truth = draws(k, 40000)
    nominal, observed = coverage(samples, truth, level)
    assert observed == pytest.approx(nominal, abs=0.01)
    if k > 2:
        assert nominal == pytest.approx(level)
    assert coverage(0.2 * samples + 0.8 * samples.mean(0), truth, level).observed < nominal - 0.1


def test_crps_agrees_with_brute_force():
    samples, truth = draws(5, 7)
    first = np.abs(samples - truth).mean(0)
    pairs = np.mean(
        [np.abs(samples[i] - samples[j]) for i in range(5) for j in range(5) if i != j], axis=0
    )
    assert crps(samples, truth) == pytest.approx((first - pairs / 2).mean())


def test_crps_of_the_true_law_has_the_closed_form_and_is_the_best():
    """Samples and truth from N(0, 1): E|X - y| - E|X - X'| / 2 = 1 / sqrt(pi), for every K."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(60000)
    for k in (2, 8):
        samples = rng.standard_normal((k, 60000))
        right = crps(samples, truth)
        assert right == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)
        assert crps(0.5 * samples, truth) > right + 0.01
        assert crps(2 * samples, truth) > right + 0.01


@pytest.mark.parametrize(
    ("samples", "truth", "mask", "found"),
    [
        (np.zeros((1, 4)), np.zeros(4), None, "two samples"),
        (np.zeros((3, 4)), np.zeros(5), None, "truth is"),
        (np.zeros((3, 4)), np.zeros(4), np.zeros(4, bool), "empty"),
    ],
)
def test_bad_samples_are_refused(samples, truth, mask, found):
    for measure in (spread_skill, coverage, crps):
        with pytest.raises(ValueError, match=found):
            measure(samples, truth, mask=mask)
