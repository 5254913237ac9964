"""Scales invert exactly; the voxel-wise guess is the least-squares answer."""

from __future__ import annotations

import numpy as np
import pytest

from diffnet.data import (
    STD,
    Scale,
    ScaleRule,
    clipped,
    feature_pairs,
    features,
    fit_guess,
    fit_scale,
)


def test_scales_are_undone() -> None:
    scale = Scale((100.0, -1000.0), (0.25, 2000.0))
    array = np.random.default_rng(0).normal(500, 300, (2, 3, 4, 5))
    np.testing.assert_allclose(scale.undo(scale.apply(array)), array, rtol=1e-5, atol=1e-3)
    integers = np.arange(-1024, 3072).reshape(1, 1, 64, 64)
    scale = Scale((40.0,), (777.7,))
    np.testing.assert_array_equal(np.rint(scale.undo(scale.apply(integers))), integers)


def test_fixed_rules_do_not_look_at_the_image(rng) -> None:
    rule = ScaleRule("fixed", 40.0, 300.0)
    for _ in range(2):
        scale = fit_scale((rule,), rng.normal(size=(1, 2, 3, 4)))
        assert (scale.shifts, scale.factors) == ((40.0,), (300.0,))


def test_case_rules_bring_the_foreground_to_mean_0_and_std_half(rng) -> None:
    array = rng.normal(900, 120, (1, 4, 20, 20))
    inside = np.zeros((4, 20, 20), bool)
    inside[:, 5:15] = True
    array[0][~inside] = 0
    made = fit_scale((ScaleRule("case"),), array, inside).apply(array)[0][inside]
    assert abs(made.mean()) < 1e-4
    assert made.std() == pytest.approx(STD, rel=1e-4)


def test_case_rules_without_foreground_or_contrast(rng) -> None:
    array = rng.normal(size=(1, 2, 3, 4))
    empty = np.zeros((2, 3, 4), bool)
    assert fit_scale((ScaleRule("case"),), array, empty) == fit_scale((ScaleRule("case"),), array)
    flat = fit_scale((ScaleRule("case"),), np.full((1, 2, 3, 4), 7.0))
    assert np.isfinite(flat.apply(np.full((1, 2, 3, 4), 7.0))).all()


def test_units_of_given_images_do_not_matter(rng) -> None:
    array = rng.normal(300, 50, (1, 4, 10, 10))
    one = fit_scale((ScaleRule("case"),), array).apply(array)
    other = fit_scale((ScaleRule("case"),), array * 17 + 3).apply(array * 17 + 3)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_clipping_by_channel() -> None:
    array = np.arange(-3.0, 3.0).reshape(1, 1, 1, 6).repeat(2, 0)
    made = clipped((ScaleRule(low=-1.0), ScaleRule(high=1.0)), array)
    assert made[0].ravel().tolist() == [-1, -1, -1, 0, 1, 2]
    assert made[1].ravel().tolist() == [-3, -2, -1, 0, 1, 1]
    assert clipped((ScaleRule(), ScaleRule()), array) is array


def test_a_wrong_number_of_rules_is_refused(rng) -> None:
    with pytest.raises(ValueError, match="zip"):
        fit_scale((ScaleRule(),), rng.normal(size=(2, 1, 2, 2)))


def test_features_are_channels_and_their_products() -> None:
    given = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert feature_pairs(2, 2) == [(0, 0), (0, 1), (1, 1)]
    assert features(given, 2).tolist() == [[1, 2], [3, 4], [1, 4], [3, 8], [9, 16]]
    assert features(given, 1) is given
    assert features(given, 0).shape == (0, 2)


@pytest.mark.parametrize("degree", [1, 2])
def test_the_guess_finds_what_made_the_target(degree, rng) -> None:
    weights = rng.normal(size=(2, 2 if degree == 1 else 5))
    pairs = []
    for _ in range(4):
        given = rng.normal(size=(2, 5000))
        noise = 0.1 * rng.normal(size=(2, 5000))
        pairs.append((given, weights @ features(given, degree) + [[3.0], [-1.0]] + noise))
    guess = fit_guess(pairs, degree)
    np.testing.assert_allclose(guess.weights, weights, atol=0.01)
    np.testing.assert_allclose(guess.bias, [3, -1], atol=0.01)
    np.testing.assert_allclose(guess.std, 0.1, rtol=0.05)
    variance = np.concatenate([t for _, t in pairs], 1).var(1)
    np.testing.assert_allclose(guess.explained, 1 - 0.01 / variance, atol=0.02)


def test_a_guess_without_features_is_the_mean(rng) -> None:
    target = rng.normal(5, 2, (1, 4000))
    guess = fit_guess([(rng.normal(size=(2, 4000)), target)], 0)
    assert guess.weights == ((),)
    assert guess.bias[0] == pytest.approx(target.mean())
    assert guess.std[0] == pytest.approx(target.std())
    assert guess.explained[0] == pytest.approx(0, abs=1e-6)


def test_channels_that_repeat_each_other_do_not_break_the_guess(rng) -> None:
    x = rng.normal(size=(1, 1000))
    guess = fit_guess([(np.concatenate([x, x]), 2 * x)], 2)
    assert np.isfinite(guess.weights).all()
    assert guess.std[0] < 1e-3


def test_no_voxels() -> None:
    with pytest.raises(ValueError, match="at least one sampled voxel"):
        fit_guess([], 1)
    with pytest.raises(ValueError, match="at least one sampled voxel"):
        fit_guess([(np.zeros((1, 0)), np.zeros((1, 0)))], 1)
