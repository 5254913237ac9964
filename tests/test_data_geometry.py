"""Laws of the way to the target grid: exact inverses, half voxels, centres of mass, no aliasing."""

from __future__ import annotations

import dataclasses
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from diffnet.data import Geometry, GeometryError, Volume, orientation, turned
from diffnet.data.resampling import axis_kinds, axis_weights, target_axis


def directions() -> list[np.ndarray]:
    """All 48 ways in which a file's axes may run along the patient's."""
    made = []
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[range(3), order] = signs
        made.append(matrix)
    return made


def oriented(direction: np.ndarray, rng: np.random.Generator) -> Volume:
    array = rng.integers(0, 99, (2, 4, 5, 6)).astype(np.int16)
    flat = tuple(float(v) for v in direction.ravel())
    return Volume(array, (3.0, 0.5, 0.75), (1.0, 2.0, 3.0), flat, 3)


@pytest.mark.parametrize("direction", directions())
def test_orientation_is_itks_and_undone_to_the_bit(direction, rng) -> None:
    v = oriented(direction, rng)
    g = Geometry.plan(v, None)
    there = g.apply(v.array, "image")
    image = sitk.GetImageFromArray(v.array[0])
    image.SetDirection(v.direction)
    image.SetOrigin(v.origin)
    image.SetSpacing(v.spacing[::-1])
    expected = sitk.DICOMOrient(image, "LPS")
    np.testing.assert_array_equal(there[0], sitk.GetArrayFromImage(expected))
    assert g.spacing == expected.GetSpacing()[::-1]
    t = turned(v)
    np.testing.assert_array_equal(t.array, there)
    np.testing.assert_allclose(t.origin, expected.GetOrigin())
    np.testing.assert_allclose(t.direction, expected.GetDirection(), atol=1e-12)
    assert t.spacing == g.spacing
    np.testing.assert_array_equal(g.undo(there, "image"), v.array)
    np.testing.assert_array_equal(g.undo(g.apply(v.array, "label"), "label"), v.array)


@pytest.mark.parametrize("transpose", list(permutations(range(3))))
def test_crop_and_transposition_are_undone_to_the_bit(transpose, rng) -> None:
    tilt = np.array([[0.1, -0.99, 0], [0.99, 0.1, 0], [0, 0, -1.0]])
    v = oriented(tilt, rng)
    box = ((1, 4), (0, 5), (2, 5))
    g = Geometry.plan(v, None, transpose, box)
    there = g.apply(v.array, "image")
    assert there.shape[1:] == g.shape
    assert there.dtype == v.array.dtype
    back = g.undo(there, "image", fill=(-7, 9))
    np.testing.assert_array_equal(back[:, 1:4, :, 2:5], v.array[:, 1:4, :, 2:5])
    outside = np.ones(v.shape, bool)
    outside[1:4, :, 2:5] = False
    assert (back[0][outside] == -7).all()
    assert (back[1][outside] == 9).all()


def ramp(places: list[np.ndarray]) -> np.ndarray:
    z, y, x = np.meshgrid(*places, indexing="ij")
    return (2 * z - 3 * y + 0.5 * x + 4)[None].astype(np.float32)


def centred(n: int, spacing: float) -> np.ndarray:
    """Distances of voxel centres from the middle of the grid, mm."""
    return (np.arange(n) - (n - 1) / 2) * spacing


@pytest.mark.parametrize(
    "new", [(2.0, 1.5, 1.1), (0.5, 0.7, 1.3), (1.0, 1.0, 2.9), (1.01, 1.0, 0.9), (0.4, 1.9, 1.0)]
)
def test_a_ramp_stays_the_same_ramp(new) -> None:
    """Voxel centres lie where they should: a shift of half a voxel would add at least 0.25."""
    shape = (40, 36, 44)
    x = ramp([centred(n, 1.0) for n in shape])
    g = Geometry.plan(Volume.of(x), new)
    there = g.apply(x, "image")
    expected = ramp([centred(n, s) for n, s in zip(g.shape, g.spacing, strict=True)])
    inner = (0, *(slice(n // 4, n - n // 4) for n in g.shape))
    np.testing.assert_allclose(there[inner], expected[inner], atol=2e-3)
    back = g.undo(there, "image")
    assert back.shape == x.shape
    inner = (0, *(slice(n // 3, n - n // 3) for n in shape))
    np.testing.assert_allclose(back[inner], x[inner], atol=5e-3)


def test_resampling_agrees_with_itk(rng) -> None:
    """The same physical points as those of ITK on the planned grid."""
    x = ndimage.gaussian_filter(rng.normal(size=(24, 26, 28)), 3).astype(np.float32)
    x /= x.std()
    v = dataclasses.replace(Volume.of(x[None], (2.0, 1.0, 1.5)), origin=(5.0, -3.0, 2.0))
    g = Geometry.plan(v, (1.3, 0.8, 1.1))
    image = sitk.GetImageFromArray(x)
    image.SetSpacing((1.5, 1.0, 2.0))
    image.SetOrigin(v.origin)
    centre = [
        o + (n - 1) / 2 * s
        for o, n, s in zip(v.origin, x.shape[::-1], (1.5, 1.0, 2.0), strict=True)
    ]
    size, spacing = g.shape[::-1], g.spacing[::-1]
    origin = [c - (n - 1) / 2 * s for c, n, s in zip(centre, size, spacing, strict=True)]
    expected = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, origin, spacing, image.GetDirection(), 0.0
    )
    there = g.apply(v.array, "image")[0]
    inner = tuple(slice(3, n - 3) for n in g.shape)
    difference = np.abs(there - sitk.GetArrayFromImage(expected))[inner]
    assert difference.max() < 0.15
    assert difference.mean() < 0.02
    # a shift of half a voxel would be seen
    shifted = np.abs(np.roll(there, 1, 1) - there)[inner].mean()
    assert shifted / 2 > 2 * difference.mean()


@pytest.mark.parametrize("new", [(2.0, 2.2, 1.7), (0.6, 0.7, 0.55)])
@pytest.mark.parametrize("kind", ["image", "label"])
def test_centre_of_mass_stays_in_place(new, kind) -> None:
    shape = (40, 44, 48)
    z, y, x = np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij")
    ball = (z - 17.3) ** 2 + (y - 24.6) ** 2 + (x - 21.2) ** 2 < 11**2
    dtype = np.float32 if kind == "image" else np.uint8
    g = Geometry.plan(Volume.of(ball[None].astype(dtype)), new)
    there = g.apply(ball[None].astype(dtype), kind)[0]
    before = np.array(ndimage.center_of_mass(ball)) - (np.array(shape) - 1) / 2
    after = np.array(ndimage.center_of_mass(there)) - (np.array(g.shape) - 1) / 2
    np.testing.assert_allclose(after * g.spacing, before, atol=0.05 if kind == "image" else 0.15)
    volume = there.sum() * np.prod(g.spacing) / ball.sum()
    assert volume == pytest.approx(1, abs=0.02 if kind == "image" else 0.04)


def test_what_the_new_grid_cannot_hold_does_not_fold_back(rng) -> None:
    """Stripes finer than the new grid become even grey, not coarser stripes."""
    x = np.where(np.arange(120) % 2, 1.0, -1.0).astype(np.float32)
    x = np.broadcast_to(x, (1, 4, 4, 120)).copy()
    g = Geometry.plan(Volume.of(x), (1.0, 1.0, 2.9))
    assert np.abs(g.apply(x, "image")[..., 4:-4]).max() < 0.15
    noise = rng.normal(size=(1, 8, 96, 96)).astype(np.float32)
    half = Geometry.plan(Volume.of(noise), (1.0, 2.0, 2.0)).apply(noise, "image")
    assert half.std() < 0.6  # of 1: averaging four voxels gives 0.5


def test_interpolation_does_not_leave_the_range(rng) -> None:
    x = (rng.random((2, 6, 20, 20)) > 0.5).astype(np.float32) * np.array([1, 50])[
        :, None, None, None
    ]
    there = Geometry.plan(Volume.of(x), (0.7, 0.6, 0.6)).apply(x.astype(np.float32), "image")
    assert there.min() >= 0
    assert there[0].max() <= 1
    assert there[1].max() <= 50


def test_2d_images_keep_their_slice_and_are_not_turned(rng) -> None:
    x = rng.normal(size=(1, 1, 20, 30)).astype(np.float32)
    flipped = tuple(float(v) for v in np.diag([-1.0, -1.0, 1.0]).ravel())
    v = Volume(x, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), flipped, 2)
    assert orientation(v) == ((0, 1, 2), (False, False, False))
    g = Geometry.plan(v, (1.0, 2.0, 2.0))
    assert g.shape == (1, 10, 15)
    assert g.undo(g.apply(x, "image"), "image").shape == x.shape


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0000001, 0.9999, 1.0)])
def test_equal_grids_are_not_resampled(spacing, rng) -> None:
    x = rng.normal(size=(1, 10, 12, 14)).astype(np.float64)
    g = Geometry.plan(Volume.of(x), spacing)
    assert g.spacing == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(g.apply(x, "image"), x)


def test_labels_win_by_weight_and_no_value_arises(rng) -> None:
    x = rng.integers(0, 3, (1, 10, 12, 14)).astype(np.int16) * 40 - 40
    g = Geometry.plan(Volume.of(x), (1.4, 0.8, 1.3))
    there = g.apply(x, "label")
    assert there.dtype == np.int16
    assert set(np.unique(there)) <= {-40, 0, 40}
    one_hot = np.stack([(x[0] == v).astype(np.float32) for v in (-40, 0, 40)])
    kinds = axis_kinds((1, 1, 1), g.spacing, "label")
    for axis in range(3):
        w = axis_weights(x.shape[axis + 1], g.shape[axis], g.spacing[axis], kinds[axis])
        one_hot = np.moveaxis(np.tensordot(w, one_hot, (1, axis + 1)), 0, axis + 1)
    best = np.array([-40, 0, 40])[one_hot.argmax(0)]
    clear = np.sort(one_hot, 0)[-1] - np.sort(one_hot, 0)[-2] > 1e-4
    np.testing.assert_array_equal(there[0][clear], best[clear])
    assert clear.mean() > 0.95


def test_large_and_scattered_label_values(rng) -> None:
    x = rng.choice([0, 7, 3_000_000], (1, 6, 8, 8)).astype(np.int32)
    there = Geometry.plan(Volume.of(x), (0.5, 0.5, 0.5)).apply(x, "label")
    assert set(np.unique(there)) == {0, 7, 3_000_000}


def test_label_round_trip_keeps_shapes() -> None:
    z, y, x = np.meshgrid(*[np.arange(32.0)] * 3, indexing="ij")
    label = ((z - 15) ** 2 + (y - 16) ** 2 + (x - 17) ** 2 < 100).astype(np.uint8)[None]
    g = Geometry.plan(Volume.of(label), (0.7, 0.8, 0.6))
    back = g.undo(g.apply(label, "label"), "label")
    dice = 2 * (back & label).sum() / (back.sum() + label.sum())
    assert dice > 0.98


def test_a_coarse_axis_is_not_interpolated_through(rng) -> None:
    x = rng.normal(size=(1, 6, 16, 16)).astype(np.float32)
    v = Volume.of(x, (8.0, 1.0, 1.0))
    there = Geometry.plan(v, (4.0, 1.0, 1.0)).apply(x, "image")
    np.testing.assert_array_equal(there, np.repeat(x, 2, axis=1))
    assert axis_kinds((8, 1, 1), (4, 1, 1), "image") == ("nearest", "cubic", "cubic")
    assert axis_kinds((8, 1, 1), (12, 1, 1), "image") == ("linear", "cubic", "cubic")
    assert axis_kinds((1, 1, 1), (1, 5, 1), "image") == ("cubic", "linear", "cubic")
    assert axis_kinds((2, 1, 1), (1, 1, 1), "label") == ("linear",) * 3
    assert axis_kinds((8, 8, 1), (4, 4, 1), "image") == ("cubic",) * 3


@pytest.mark.parametrize("kind", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(("n", "m", "ratio"), [(7, 9, 0.8), (9, 7, 1.3), (1, 4, 0.25), (5, 1, 5.0)])
def test_weights_sum_to_one_and_mirror(kind, n, m, ratio) -> None:
    w = axis_weights(n, m, ratio, kind)
    assert w.shape == (m, n)
    np.testing.assert_allclose(w.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(w, w[::-1, ::-1], atol=1e-6)


def test_cubic_weights_keep_parabolas() -> None:
    w = axis_weights(30, 55, 0.53, "cubic")
    j = (30 - 1) / 2 + (np.arange(55) - 27) * 0.53
    inside = (j > 1.5) & (j < 27.5)
    np.testing.assert_allclose((w @ (np.arange(30.0) ** 2))[inside], j[inside] ** 2, rtol=1e-5)


def test_target_axis_covers_the_same_length() -> None:
    assert target_axis(100, 1.0, 2.0) == (50, 2.0)
    assert target_axis(3, 5.0, 100.0) == (1, 100.0)
    assert target_axis(100, 0.7, 0.7000001) == (100, 0.7)
    assert target_axis(200, 0.7, 0.7009)[1] == 0.7009


def test_geometry_lives_as_json(tmp_path, rng) -> None:
    g = Geometry.plan(
        oriented(directions()[17], rng), (1.0, 1.0, 1.0), (2, 0, 1), ((0, 4), (1, 5), (0, 6))
    )
    g.save(tmp_path / "g.json")
    assert Geometry.load(tmp_path / "g.json") == g


def test_bad_requests_are_refused(rng) -> None:
    v = Volume.of(np.zeros((1, 4, 5, 6), np.float32))
    g = Geometry.plan(v, (2.0, 2.0, 2.0))
    with pytest.raises(GeometryError, match="transpose"):
        Geometry.plan(v, None, (0, 0, 1))
    with pytest.raises(GeometryError, match="positive"):
        Geometry.plan(v, (1.0, -1.0, 1.0))
    with pytest.raises(GeometryError, match="box"):
        Geometry.plan(v, None, box=((0, 4), (0, 5), (2, 7)))
    with pytest.raises(GeometryError, match=r"\(4, 5, 5\)"):
        g.apply(np.zeros((1, 4, 5, 5)), "image")
    with pytest.raises(GeometryError, match="target grid"):
        g.undo(np.zeros((1, 4, 5, 6)), "image")
    with pytest.raises(GeometryError, match="kind"):
        g.apply(v.array, "picture")
    holed = v.array.copy()
    holed[0, 1, 1, 1] = np.nan
    with pytest.raises(GeometryError, match="NaN"):
        g.apply(holed, "image")
