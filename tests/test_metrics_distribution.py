"""Distribution metrics against brute force, closed forms, null distributions and planted faults."""

import numpy as np
import pytest
from scipy.stats import kstest

from diffnet.metrics import (
    against_floor,
    class_agreement,
    energy_distance,
    energy_test,
    feature_scale,
    frechet_distance,
    frechet_interval,
    image_features,
    mmd,
    mmd_test,
    neighbours,
    real_agreement,
)


def normal(n, d, seed):
    return np.random.default_rng(seed).standard_normal((n, d))


def test_mmd_agrees_with_brute_force():
    x, y = normal(6, 3, 1), 1 + normal(5, 3, 2)
    pooled = np.concatenate([x, y])
    apart = [np.linalg.norm(pooled[i] - pooled[j]) for i in range(11) for j in range(i)]
    median = np.median(apart)

    def kernel(a, b):
        squared = ((a - b) ** 2).sum()
        return np.mean([np.exp(-squared / (2 * (s * median) ** 2)) for s in (0.5, 1, 2)])

    xx = np.mean([kernel(x[i], x[j]) for i in range(6) for j in range(6) if i != j])
    yy = np.mean([kernel(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    xy = np.mean([kernel(a, b) for a in x for b in y])
    assert mmd(x, y) == pytest.approx(xx + yy - 2 * xy)
    assert mmd(y, x) == pytest.approx(mmd(x, y))


def test_energy_distance_agrees_with_brute_force():
    x, y = normal(6, 3, 1), 1 + normal(5, 3, 2)

    def apart(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1)

    within = apart(x, x).sum() / 30 + apart(y, y).sum() / 20
    assert energy_distance(x, y) == pytest.approx(2 * apart(x, y).mean() - within)


@pytest.mark.parametrize("test", [mmd_test, energy_test])
def test_p_is_uniform_between_halves_of_one_set(test):
    p = [
        test(normal(15, 4, 2 * i), normal(15, 4, 2 * i + 1), permutations=199, seed=i).p
        for i in range(150)
    ]
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) < 0.11


@pytest.mark.parametrize("test", [mmd_test, energy_test])
def test_unbiased_statistics_are_zero_on_average_for_one_set(test):
    values = [test(normal(12, 4, i), normal(20, 4, 500 + i), 1).value for i in range(150)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(150)


@pytest.mark.parametrize("test", [mmd_test, energy_test])
def test_variance_collapse_and_shift_are_seen(test):
    real = normal(100, 16, 1)
    assert test(real, 0.6 * normal(100, 16, 2), 500).p < 0.01
    assert test(real, 0.7 + normal(100, 16, 2), 500).p < 0.01


def test_the_p_value_of_swapped_sets_is_the_same_and_never_zero():
    x, y = normal(30, 2, 1), 5 + normal(30, 2, 2)
    first, second = mmd_test(x, y, 99), mmd_test(y, x, 99)
    assert first.value == pytest.approx(second.value)
    assert first.p == second.p == 0.01


def test_frechet_distance_of_gaussians_with_known_moments():
    """Sets whitened to exact moments give the closed form (m1-m2)^2 + sum (s1-s2)^2."""
    z = normal(40, 3, 1)
    z = (z - z.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z, rowvar=False))).T
    s_1, s_2, shift = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5]), np.array([1.0, 0, -2])
    expected = (shift**2).sum() + ((s_1 - s_2) ** 2).sum()
    assert frechet_distance(z * s_1, z * s_2 + shift) == pytest.approx(expected)


def test_frechet_distance_survives_rotation_and_rank_deficiency():
    x, y = normal(30, 4, 1), 0.5 + 2 * normal(25, 4, 2)
    q = np.linalg.qr(normal(4, 4, 3))[0]
    assert frechet_distance(x @ q, y @ q) == pytest.approx(frechet_distance(x, y))
    flat = np.pad(x, ((0, 0), (0, 4)))
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x[:2], y) > 0


def test_frechet_interval_holds_the_true_distance():
    """Means 1 apart in one of 4 dimensions: the distance is 1, the observed one is biased above."""
    held, observed = 0, []
    for i in range(60):
        x, y = normal(60, 4, 2 * i), normal(60, 4, 2 * i + 1)
        y[:, 0] += 1
        interval = frechet_interval(x, y, draws=100, seed=i)
        held += interval.low <= 1 <= interval.high
        observed.append(interval.value)
    assert held >= 50
    assert np.mean(observed) > 1.05


def test_the_floor_is_what_real_gives_against_real():
    real = normal(200, 8, 1)
    same = against_floor(frechet_distance, real, normal(200, 8, 2), repeats=20)
    assert same.size == 100 and same.floor > 0.05
    assert abs(same.at_size - same.floor) < 0.5 * same.floor
    collapsed = against_floor(frechet_distance, real, 0.5 * normal(80, 8, 2), repeats=20)
    assert collapsed.size == 80 and collapsed.at_size > 1.5 * collapsed.high


def test_neighbours_agree_with_brute_force():
    real, made, k = normal(12, 2, 1), 0.5 + normal(9, 2, 2), 3

    def radius(of, i):
        return sorted(np.linalg.norm(of[j] - of[i]) for j in range(len(of)) if j != i)[k - 1]

    def in_ball(of, i, point):
        return np.linalg.norm(point - of[i]) <= radius(of, i)

    found = neighbours(real, made, k)
    hits = [[in_ball(real, i, m) for m in made] for i in range(12)]
    back = [any(in_ball(made, j, r) for j in range(9)) for r in real]
    assert found.precision == pytest.approx(np.mean([any(c) for c in zip(*hits, strict=True)]))
    assert found.recall == pytest.approx(np.mean(back))
    assert found.density == pytest.approx(np.sum(hits) / (k * 9))
    assert found.coverage == pytest.approx(np.mean([any(row) for row in hits]))


def test_neighbours_tell_collapse_from_noise():
    real = normal(200, 4, 1)
    collapsed = neighbours(real, 0.05 * normal(200, 4, 2))
    scattered = neighbours(real, 4 * normal(200, 4, 2))
    assert collapsed.precision > 0.95 and collapsed.recall < 0.1 and collapsed.coverage < 0.5
    assert scattered.precision < 0.5 and scattered.recall > 0.8


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: mmd(normal(1, 2, 0), normal(4, 2, 0)), "Two vectors"),
        (lambda: mmd(normal(4, 2, 0), normal(4, 3, 0)), "Features must be"),
        (lambda: frechet_distance(normal(9, 65, 0), normal(9, 65, 0)), "at most 64"),
        (lambda: neighbours(normal(5, 2, 0), normal(9, 2, 0)), "too few"),
        (lambda: against_floor(mmd, normal(3, 2, 0), normal(9, 2, 0)), "too few"),
        (lambda: image_features(np.zeros((1, 1, 8, 8)), 1, 1), "empty"),
    ],
)
def test_bad_sets_are_refused(call, found):
    with pytest.raises(ValueError, match=found):
        call()


def images(n, seed, smooth=1.0, shape=(1, 24, 24)):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    return [
        gaussian_filter(rng.standard_normal((1, *shape)), (0, 0, smooth, smooth)) for _ in range(n)
    ]


def features(batch):
    return np.stack([image_features(x, -2, 2) for x in batch])


@pytest.mark.parametrize("shape", [(1, 1, 32, 30), (1, 9, 20, 14), (3, 1, 16, 16), (2, 3, 5, 2)])
def test_features_are_64_fixed_finite_numbers(shape):
    x = normal(1, int(np.prod(shape)), 0).reshape(shape)
    first = image_features(x, -3, 3)
    assert first.shape == (64,) and np.isfinite(first).all()
    assert np.array_equal(first, image_features(x.copy(), -3, 3))


def test_features_do_not_depend_on_the_intensity_unit():
    x = images(1, 0)[0]
    assert np.allclose(image_features(x, -2, 2), image_features(100 * x + 7, -193, 207))


@pytest.mark.parametrize(
    "made",
    [
        lambda: images(60, 2, smooth=1.3),  # texture
        lambda: [1.4 * x for x in images(60, 2)],  # contrast
        lambda: [x + np.linspace(-0.2, 0.2, 24) for x in images(60, 2)],  # place
        lambda: images(12, 2) * 5,  # few images again and again
    ],
    ids=["texture", "contrast", "layout", "copies"],
)
def test_features_see_planted_faults(made):
    real, other = features(images(60, 1)), features(made())
    scale = feature_scale(real)
    assert mmd_test(real / scale, other / scale, 300).p < 0.02 or (
        neighbours(real, other).coverage < 0.8 * neighbours(real, features(images(60, 3))).coverage
    )


def test_features_of_one_law_are_not_told_apart():
    p = []
    for i in range(20):
        real, other = features(images(20, 2 * i)), features(images(20, 2 * i + 1))
        scale = feature_scale(np.concatenate([real, other]))
        p.append(mmd_test(real / scale, other / scale, 100, seed=i).p)
    assert np.mean(np.array(p) < 0.1) <= 0.3 and max(p) > 0.5


def test_the_scale_gives_real_features_a_variance_of_about_one():
    real = normal(50, 8, 1) * np.array([1, 2, 3, 4, 5, 6, 7, 0.0])
    scaled = real / feature_scale(real)
    assert np.isfinite(scaled).all()
    assert 0.7 < scaled.var(0, ddof=1).sum() <= 1


def test_agreement_tells_classes_apart_and_not_more():
    rng = np.random.default_rng(0)
    classes = ["a"] * 60 + ["b"] * 60
    q = np.linalg.qr(normal(6, 6, 9))[0] * np.array([1, 10, 0.1, 1, 1, 1])  # a hard scale
    real = (rng.standard_normal((120, 6)) + np.repeat([[0.0], [4.0]], 60, 0) * np.eye(6)[0]) @ q.T
    made = (rng.standard_normal((120, 6)) + np.repeat([[0.0], [4.0]], 60, 0) * np.eye(6)[0]) @ q.T
    assert class_agreement(real, classes, made, classes).mean() > 0.93
    assert real_agreement(real, classes) > 0.93
    assert class_agreement(real, classes, made, classes[::-1]).mean() < 0.07
    blind = normal(120, 6, 3)
    assert 0.35 < real_agreement(blind, classes) < 0.65


def test_agreement_refuses_classes_that_no_real_image_has():
    x = normal(8, 2, 0)
    with pytest.raises(ValueError, match="unknown of the made"):
        class_agreement(x, ["a", "b"] * 4, x, ["c"] * 8)
    with pytest.raises(ValueError, match="Real images"):
        class_agreement(x, ["a"] * 8, x, ["a"] * 8)
