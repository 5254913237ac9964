"""Image, overlap and surface metrics against closed forms, brute force and bad inputs."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from diffnet.metrics import (
    dice,
    dice_per_class,
    hausdorff_95,
    iou,
    likeness,
    mae,
    ms_ssim,
    psnr,
    rmse,
    ssim,
    ssim_map,
    surface_dice,
    surface_distances,
)


def noise(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_errors_of_a_constant_shift():
    truth = noise((2, 3, 8, 9))
    assert mae(truth + 3, truth) == pytest.approx(3)
    assert rmse(truth + 3, truth) == pytest.approx(3)
    assert psnr(truth + 3, truth, 255) == pytest.approx(20 * np.log10(85))


def test_a_mask_looks_only_inside():
    truth, mask = np.zeros((1, 1, 4, 4)), np.zeros((1, 4, 4), bool)
    result = truth.copy()
    result[0, 0, 0, 0] = 8
    mask[0, 0, :2] = True
    assert mae(result, truth) == 0.5
    assert mae(result, truth, mask) == 4
    assert rmse(result, truth, mask) == pytest.approx(np.sqrt(32))


def test_integer_images_do_not_wrap_around():
    a, b = np.full((1, 1, 4, 4), 250, np.uint8), np.full((1, 1, 4, 4), 10, np.uint8)
    assert mae(b, a) == 240 and mae(a, b) == 240
    assert psnr(a, b, 255) == pytest.approx(20 * np.log10(255 / 240))


def test_equal_images_are_infinitely_good():
    x = noise((1, 1, 16, 16))
    assert psnr(x, x, 1) == float("inf")
    assert ssim(x, x, 1) == pytest.approx(1)


def test_ssim_agrees_with_brute_force():
    """Wang et al., 2004, equation 13, with every window written out."""
    x, y = 100 + 20 * noise((13, 14), 1), 110 + 25 * noise((13, 14), 2)
    radius = np.arange(-5, 6)
    window = np.exp(-(radius[:, None] ** 2 + radius**2) / (2 * 1.5**2))
    window /= window.sum()
    a, b = (np.pad(i, 5, mode="symmetric") for i in (x, y))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            m, n = (window * p).sum(), (window * q).sum()
            v, w = (window * p * p).sum() - m * m, (window * q * q).sum() - n * n
            cov = (window * p * q).sum() - m * n
            top = (2 * m * n + c1) * (2 * cov + c2)
            expected[i, j] = top / ((m * m + n * n + c1) * (v + w + c2))
    assert np.allclose(ssim_map(x[None, None], y[None, None], 255)[0, 0], expected, atol=1e-9)


def test_ssim_of_a_volume_has_a_volume_window_and_of_a_thin_one_a_flat_window():
    x, y = noise((1, 12, 12, 12), 1), noise((1, 12, 12, 12), 2)
    _, whole = structural_similarity(
        x[0], y[0], data_range=2, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    assert ssim(x, y, 2) == pytest.approx(whole.mean())
    flat = [ssim(x[:, i : i + 1], y[:, i : i + 1], 2) for i in range(3)]
    assert ssim(x[:, :3], y[:, :3], 2) == pytest.approx(np.mean(flat))


def test_ssim_of_small_images_and_of_masks():
    x, y = noise((1, 1, 4, 20), 1), noise((1, 1, 4, 20), 2)
    assert -1 <= ssim(x, y, 2) < 0.9
    everywhere = np.ones((1, 4, 20), bool)
    assert ssim(x, y, 2, everywhere) == pytest.approx(ssim(x, y, 2))


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda x: mae(x, x[:, :, :2]), "truth"),
        (lambda x: psnr(x, x, 0), "data_range"),
        (lambda x: ssim(x, x, -1), "data_range"),
        (lambda x: mae(x, x, np.zeros(x.shape[1:], bool)), "empty"),
        (lambda x: mae(x, x, np.ones((1, 2, 2), bool)), "mask is"),
    ],
)
def test_bad_images_are_refused(call, found):
    with pytest.raises(ValueError, match=found):
        call(noise((1, 1, 4, 4)))


def test_dice_and_iou_of_counted_masks():
    a, b = np.zeros(10, bool), np.zeros(10, bool)
    a[:4], b[2:8] = True, True
    assert dice(a, b) == pytest.approx(2 * 2 / (4 + 6))
    assert iou(a, b) == pytest.approx(2 / 8)
    assert dice(a, a) == 1


def test_dice_of_nothing_is_undefined_unless_said():
    none, some = np.zeros(4, bool), np.ones(4, bool)
    assert np.isnan(dice(none, none)) and np.isnan(iou(none, none))
    assert dice(none, none, empty=1.0) == 1
    assert dice(none, some) == 0 and dice(some, none) == 0


def test_dice_per_class_is_by_value_and_leaves_the_background_out():
    truth, result = np.array([0, 0, 5, 5, 7]), np.array([0, 5, 5, 5, 0])
    found = dice_per_class(result, truth, {"background": 0, "a": 5, "b": 7, "c": 9})
    assert found.keys() == {"a", "b", "c"}
    assert found["a"] == pytest.approx(4 / 5) and found["b"] == 0 and np.isnan(found["c"])


def blob(shape, seed, share=0.4):
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(noise(shape, seed), 1.5)
    return field > np.quantile(field, 1 - share)


def edge_points(mask, spacing):
    """Surface voxels by looking at every face neighbour, in mm."""
    points = []
    for index in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                near = index.copy()
                near[axis] += step
                outside = near[axis] < 0 or near[axis] >= mask.shape[axis]
                if outside or not mask[tuple(near)]:
                    points.append(tuple(index))
    return np.array(sorted(set(points))) * np.array(spacing)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((9, 10, 11), (3.0, 1.0, 0.7)), ((14, 15), (0.5, 2.0))]
)
def test_surface_distances_agree_with_brute_force(shape, spacing):
    a, b = blob(shape, 1), blob(shape, 2)
    p, q = edge_points(a, spacing), edge_points(b, spacing)
    apart = np.linalg.norm(p[:, None] - q[None], axis=-1)
    to_b, to_a = surface_distances(a, b, spacing)
    assert np.allclose(np.sort(to_b), np.sort(apart.min(1)))
    assert np.allclose(np.sort(to_a), np.sort(apart.min(0)))
    expected = max(np.percentile(apart.min(1), 95), np.percentile(apart.min(0), 95))
    assert hausdorff_95(a, b, spacing) == pytest.approx(expected)
    near = (apart.min(1) <= 1.01).sum() + (apart.min(0) <= 1.01).sum()
    assert surface_dice(a, b, spacing, 1.01) == pytest.approx(near / sum(apart.shape))


def test_a_shifted_cube_is_as_far_as_the_shift():
    a = np.zeros((20, 20, 20), bool)
    a[5:10, 5:10, 5:10] = True
    b = np.roll(a, 3, axis=0)
    assert hausdorff_95(a, b, (2.0, 1.0, 1.0)) == pytest.approx(6)
    assert surface_dice(a, b, (2.0, 1.0, 1.0), 6) == 1
    assert surface_dice(a, b, (2.0, 1.0, 1.0), 0) < 0.6
    assert hausdorff_95(a, a, (2.0, 1.0, 1.0)) == 0


def test_a_tolerance_that_equals_the_distance_is_inside_whatever_the_rounding():
    a, b = np.zeros((1, 9), bool), np.zeros((1, 9), bool)
    a[0, 2], b[0, 5] = True, True
    assert surface_dice(a, b, (1.0, 0.1), 0.3) == 1


def test_a_flat_volume_is_an_image():
    a, b = blob((12, 13), 3), blob((12, 13), 4)
    flat = hausdorff_95(a[None], b[None], (5.0, 1.0, 2.0))
    assert flat == pytest.approx(hausdorff_95(a, b, (1.0, 2.0)))


def test_empty_masks_have_the_stated_values():
    none, some = np.zeros((3, 5), bool), np.zeros((3, 5), bool)
    some[1, 1] = True
    assert np.isnan(hausdorff_95(none, none, (1.0, 1.0)))
    assert np.isnan(surface_dice(none, none, (1.0, 1.0), 1))
    assert hausdorff_95(none, some, (2.0, 1.0)) == pytest.approx(np.hypot(4, 4))
    assert surface_dice(some, none, (2.0, 1.0), 1) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda m: hausdorff_95(m, m[:2], (1.0, 1.0)),
        lambda m: hausdorff_95(m, m, (1.0,)),
        lambda m: hausdorff_95(m, m, (1.0, 0.0)),
        lambda m: surface_dice(m, m, (1.0, 1.0), -1),
        lambda m: surface_distances(m, ~m & m, (1.0, 1.0)),
        lambda m: dice(m, m[:1]),
    ],
)
def test_bad_masks_are_refused(call):
    with pytest.raises(ValueError, match=r"found|does not fit|The result|empty"):
        call(np.ones((3, 3), bool))


def test_ms_ssim_of_a_tiny_image_is_ssim_and_of_equal_images_one():
    x, y = noise((1, 1, 12, 12), 1), noise((1, 1, 12, 12), 2)
    assert ms_ssim(x, y, 2) == pytest.approx(max(ssim(x, y, 2), 0), abs=1e-9)
    large = noise((1, 1, 64, 64), 3)
    assert ms_ssim(large, large, 2) == pytest.approx(1)


def test_ms_ssim_forgives_fine_noise_more_than_ssim():
    from scipy.ndimage import gaussian_filter

    x = gaussian_filter(noise((1, 1, 128, 128), 4), (0, 0, 8, 8)) * 20
    y = x + 0.1 * noise(x.shape, 5)
    assert ms_ssim(x, y, 2) > ssim(x, y, 2) + 0.05
    with pytest.raises(ValueError, match="Shapes"):
        ms_ssim(x, y[:, :, :9], 2)


def test_likeness_is_higher_for_a_set_without_diversity():
    varied = [noise((1, 1, 24, 24), i) for i in range(12)]
    alike = [varied[0] + 0.1 * v for v in varied]
    few, many = likeness(alike, 2, 40, 0), likeness(varied, 2, 40, 0)
    assert few.low > many.high and many.cases == 40
    assert likeness(varied[:3], 2, 40, 0).cases == 3
    with pytest.raises(ValueError, match="Two images"):
        likeness(varied[:1], 2, 40, 0)
