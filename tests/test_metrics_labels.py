"""Label maps as features, numbers read from images, and arrays brought to another grid."""

from __future__ import annotations

import numpy as np
import pytest

from diffnet.metrics import (
    label_features,
    label_likeness,
    real_regressed,
    regressed,
    resized,
    resized_labels,
)


def box(place: tuple[int, int], size: int = 8, side: int = 32) -> np.ndarray:
    x = np.zeros((1, 1, side, side), np.int64)
    x[:, :, place[0] : place[0] + size, place[1] : place[1] + size] = 1
    return x


def test_a_box_has_its_share_centre_extent_and_border() -> None:
    share, y, x, std_y, std_x, border = label_features(box((4, 12)), 2)
    assert share == pytest.approx(8 / 32)
    assert (y, x) == pytest.approx((8 / 32, 16 / 32))
    uniform = np.sqrt((8**2 - 1) / 12) / 32
    assert (std_y, std_x) == pytest.approx((uniform, uniform))
    assert border == pytest.approx(np.sqrt(2 * 8 / (31 * 32)))


def test_absent_classes_lie_in_the_middle_without_extent() -> None:
    values = label_features(box((4, 12)), 3)
    assert values[6:].tolist() == [0, 0.5, 0.5, 0, 0, 0]
    volume = np.zeros((1, 6, 7, 8), np.int64)
    assert len(label_features(volume, 3)) == 2 * 8
    assert len(label_features(volume, 40)) == 64


def test_many_classes_keep_their_distances_on_average(rng) -> None:
    """An orthonormal mixing shrinks squared distances by 64 / d."""
    maps = rng.integers(0, 30, (12, 1, 4, 12, 12))
    mixed = np.stack([label_features(m, 30) for m in maps])
    apart = ((mixed[:, None] - mixed[None]) ** 2).sum(-1)
    assert apart[0, 0] == 0
    assert (apart + np.eye(12) > 0).all()
    assert np.allclose(mixed[0], label_features(maps[0], 30)), "the mixing is fixed"


def test_likeness_of_maps_is_their_dice() -> None:
    same = label_likeness([box((4, 4))] * 3, 2, 10, 0)
    assert same.mean == 1
    apart = label_likeness([box((0, 0)), box((16, 16))], 2, 10, 0)
    assert apart.mean == 0
    half = label_likeness([box((4, 4)), box((4, 8))], 2, 10, 0)
    assert half.mean == pytest.approx(0.5)
    with pytest.raises(ValueError, match="Two maps"):
        label_likeness([box((0, 0))], 2, 10, 0)


def test_regression_reads_a_number_from_features(rng) -> None:
    real, weight = rng.normal(size=(200, 5)), np.array([1.0, -2, 0, 0.5, 0])
    values = 50 + 10 * real @ weight
    made = rng.normal(size=(40, 5))
    seen = regressed(real, values, made)
    assert np.corrcoef(seen, made @ weight)[0, 1] > 0.99
    assert np.corrcoef(real_regressed(real, values), values)[0, 1] > 0.98
    nothing = real_regressed(real, rng.permutation(values))
    assert abs(np.corrcoef(nothing, values)[0, 1]) < 0.3
    with pytest.raises(ValueError, match="too few"):
        regressed(real[:3], values[:3], made)


def test_resizing_keeps_means_and_ramps(rng) -> None:
    x = rng.normal(size=(2, 4, 8, 12))
    assert np.allclose(resized(x, (2, 4, 6)).mean((1, 2, 3)), x.mean((1, 2, 3)))
    assert np.array_equal(resized(x, x.shape[1:]), x)
    ramp = np.broadcast_to(np.arange(8.0)[:, None], (1, 1, 8, 8))
    fine = resized(ramp, (1, 16, 16))[0, 0, :, 0]
    assert np.allclose(np.diff(fine)[1:-1], 0.5)
    labels = rng.integers(0, 9, (1, 3, 5, 7))
    assert np.array_equal(resized_labels(labels, (3, 5, 7)), labels)
    assert np.array_equal(resized_labels(labels, (6, 10, 14))[:, ::2, ::2, ::2], labels)
