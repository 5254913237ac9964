"""Made-up lesions change what their masks say and nothing else; maps become masks."""

from __future__ import annotations

import numpy as np
import pytest

from diffnet.data import (
    LESION_KINDS,
    MapCleaning,
    body_of,
    cleaned,
    insert_lesion,
    lesion_mask,
)


def healthy(rng, shape=(2, 1, 40, 48)) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : shape[2] * 1j, -1 : 1 : shape[3] * 1j]
    inside = (x**2 + y**2 < 0.8)[None, None]
    smooth = np.sin(5 * x)[None, None] + 0.1 * rng.normal(size=shape)
    return np.where(inside, 0.4 * smooth, -1.0).astype(np.float32)


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_lesion_is_where_its_mask_is(kind: str) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        array = healthy(rng)
        body = body_of(array, MapCleaning())
        made = insert_lesion(array, body, kind, rng)
        change = np.abs(made.array - array).max(0)
        assert made.array.dtype == array.dtype
        assert made.mask.any()
        assert not made.mask[~body].any()
        far = ~made.mask & (change > 0.3 * max(change.max(), 1e-9))
        # the soft rim outside of the mask is changed less, and is narrow
        assert far.sum() <= 3 * made.mask.sum() + 20
        if kind == "intensity":
            assert change[made.mask].mean() > 3 * change[~made.mask].mean()


def test_same_seed_same_lesion_and_bad_kinds() -> None:
    array = healthy(np.random.default_rng(0))
    body = body_of(array, MapCleaning())
    one, two = (insert_lesion(array, body, "texture", np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.array, two.array)
    with pytest.raises(ValueError, match="intensity, texture, deformation"):
        insert_lesion(array, body, "blob", np.random.default_rng(0))


def test_empty_body_gets_no_lesion() -> None:
    array = np.zeros((1, 1, 8, 8), np.float32)
    made = insert_lesion(array, np.zeros((1, 8, 8), bool), "intensity", np.random.default_rng(0))
    assert not made.mask.any()
    np.testing.assert_array_equal(made.array, array)


def test_body_loses_its_rim_but_a_crop_does_not() -> None:
    array = healthy(np.random.default_rng(0))
    whole, eroded = (body_of(array, MapCleaning(erosion=e)) for e in (0.0, 0.05))
    assert eroded.sum() < whole.sum()
    assert not (eroded & ~whole).any()
    crop = np.random.default_rng(0).normal(1, 0.2, (1, 1, 20, 20)).astype(np.float32)
    assert body_of(crop, MapCleaning(erosion=0.1)).all()


def test_map_is_smoothed_and_specks_are_left_out() -> None:
    found = np.zeros((1, 20, 20), np.float32)
    found[0, 3, 3] = 5.0
    found[0, 10:14, 10:14] = 1.0
    inside = np.ones_like(found, bool)
    plan = MapCleaning(median=3, smallest=4)
    smooth = cleaned(found, inside, plan)
    assert smooth[0, 3, 3] == 0
    assert smooth[0, 11, 11] == 1
    mask = lesion_mask(found, 0.5, plan)
    assert not mask[0, 3, 3]
    assert mask[0, 10:14, 10:14].all()
    assert cleaned(found, ~inside, plan).sum() == 0
    raw = MapCleaning(median=1, smallest=1)
    np.testing.assert_array_equal(cleaned(found, inside, raw), found)
    assert lesion_mask(found, 0.5, raw)[0, 3, 3]


def test_volumes_are_smoothed_in_three_dimensions() -> None:
    found = np.zeros((9, 9, 9), np.float32)
    found[4] = 1.0  # one slice alone
    assert cleaned(found, np.ones_like(found, bool), MapCleaning(median=3)).max() == 0


def test_own_histogram_takes_scale_and_level_of_a_scan_away() -> None:
    """a map and 3 a + 1 come to the same; of a normal law, values above the median are |z|."""
    rng = np.random.default_rng(0)
    found, inside = rng.normal(size=(1, 200, 200)), np.ones((1, 200, 200), bool)
    own = MapCleaning(median=1, histogram=True)
    one, other = (cleaned(x, inside, own) for x in (found, 3 * found + 1))
    np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(one, found.clip(min=0), atol=0.03)
    assert one.min() == 0


def test_own_histogram_looks_at_the_body_alone_and_leaves_flat_maps() -> None:
    rng = np.random.default_rng(1)
    found, inside = rng.random((1, 20, 20)), np.zeros((1, 20, 20), bool)
    inside[:, 5:15, 5:15] = True
    own = MapCleaning(median=1, histogram=True)
    louder = np.where(inside, found, 100.0)
    np.testing.assert_array_equal(cleaned(found, inside, own), cleaned(louder, inside, own))
    flat = np.full((1, 20, 20), 2.0)
    np.testing.assert_array_equal(cleaned(flat, inside, own), np.where(inside, 2, 0))
    assert cleaned(found, np.zeros_like(inside), own).max() == 0
