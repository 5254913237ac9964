"""The planning rules against what nnU-Net v2 (2.8.1) answers for nine synthetic fingerprints."""

from math import prod

import pytest

from diffnet.planning.convolution_budget import (
    PLAIN,
    RESIDUAL_L,
    RESIDUAL_M,
    RESIDUAL_XL,
    batch_size,
    plain_elements,
    residual_elements,
)
from diffnet.planning.spacing import median_shape, resampled_shape, target_spacing, transposition
from diffnet.planning.topology import fit_patch, initial_patch, low_resolution, topology

# name: spacing in mm, median shape, training cases, label classes
FINGERPRINTS = {
    "brain": ((1, 1, 1), (138, 170, 138), 484, 4),
    "heart": ((1.37, 1.25, 1.25), (115, 320, 232), 20, 2),
    "liver": ((1, 0.7676, 0.7676), (432, 512, 512), 131, 3),
    "hippo": ((1, 1, 1), (36, 50, 35), 260, 3),
    "prostate": ((3.6, 0.62, 0.62), (20, 320, 319), 32, 3),
    "lung": ((1.24, 0.785, 0.785), (252, 512, 512), 63, 2),
    "acdc": ((10, 1.5625, 1.5625), (9, 256, 216), 200, 4),
    "road": ((999, 1, 1), (1, 1500, 1500), 804, 2),
    "xray": ((999, 0.14, 0.14), (1, 2500, 2048), 1000, 2),
}

# planner: budgets, elements of a network, GB, patches a patch's cost counts for, largest data share
PLANNERS = {
    "plain": (PLAIN, plain_elements, 8, True, 0.05),
    "M": (RESIDUAL_M, residual_elements, 8, False, 1.0),
    "L": (RESIDUAL_L, residual_elements, 24, False, 1.0),
    "XL": (RESIDUAL_XL, residual_elements, 40, False, 1.0),
}

# name planner configuration patch batch spacing poolings first-kernel
GOLDEN = """
brain plain 2d 192,160 105 1,1 5,5 3,3
brain plain 3d 128,128,128 2 1,1,1 5,5,5 3,3,3
brain M 2d 192,160 107 1,1 5,5 3,3
brain M 3d 128,128,128 2 1,1,1 5,5,5 3,3,3
brain L 2d 192,160 301 1,1 5,5 3,3
brain L 3d 160,192,160 3 1,1,1 5,5,5 3,3,3
brain XL 2d 192,160 444 1,1 5,5 3,3
brain XL 3d 160,192,160 5 1,1,1 5,5,5 3,3,3
heart plain 2d 320,256 40 1.25,1.25 6,6 3,3
heart plain 3d 80,192,160 2 1.37,1.25,1.25 4,5,5 3,3,3
heart M 2d 320,256 40 1.25,1.25 6,6 3,3
heart M 3d 80,192,160 2 1.37,1.25,1.25 4,5,5 3,3,3
heart L 2d 320,256 113 1.25,1.25 6,6 3,3
heart L 3d 112,288,224 2 1.37,1.25,1.25 4,5,5 3,3,3
heart XL 2d 320,256 166 1.25,1.25 6,6 3,3
heart XL 3d 128,320,256 3 1.37,1.25,1.25 5,6,6 3,3,3
liver plain 2d 512,512 12 0.768,0.768 7,7 3,3
liver plain low 128,128,128 2 2.427,1.863,1.863 5,5,5 3,3,3
liver plain 3d 128,128,128 2 1,0.768,0.768 5,5,5 3,3,3
liver M 2d 512,512 12 0.768,0.768 7,7 3,3
liver M low 128,128,128 2 2.427,1.863,1.863 5,5,5 3,3,3
liver M 3d 128,128,128 2 1,0.768,0.768 5,5,5 3,3,3
liver L 2d 512,512 35 0.768,0.768 7,7 3,3
liver L low 160,224,192 2 1.605,1.232,1.232 5,5,5 3,3,3
liver L 3d 160,224,192 2 1,0.768,0.768 5,5,5 3,3,3
liver XL 2d 512,512 52 0.768,0.768 7,7 3,3
liver XL low 192,256,256 2 1.344,1.032,1.032 5,6,6 3,3,3
liver XL 3d 192,256,256 2 1,0.768,0.768 5,6,6 3,3,3
hippo plain 2d 56,40 366 1,1 3,3 3,3
hippo plain 3d 40,56,40 9 1,1,1 3,3,3 3,3,3
hippo M 2d 56,40 1618 1,1 3,3 3,3
hippo M 3d 40,56,40 58 1,1,1 3,3,3 3,3,3
hippo L 2d 56,40 4554 1,1 3,3 3,3
hippo L 3d 40,56,40 178 1,1,1 3,3,3 3,3,3
hippo XL 2d 56,40 6711 1,1 3,3 3,3
hippo XL 3d 40,56,40 183 1,1,1 3,3,3 3,3,3
prostate plain 2d 320,320 32 0.62,0.62 6,6 3,3
prostate plain 3d 20,320,256 2 3.6,0.62,0.62 2,6,6 1,3,3
prostate M 2d 320,320 32 0.62,0.62 6,6 3,3
prostate M 3d 20,256,256 2 3.6,0.62,0.62 2,6,6 1,3,3
prostate L 2d 320,320 90 0.62,0.62 6,6 3,3
prostate L 3d 20,320,320 5 3.6,0.62,0.62 2,6,6 1,3,3
prostate XL 2d 320,320 133 0.62,0.62 6,6 3,3
prostate XL 3d 20,320,320 8 3.6,0.62,0.62 2,6,6 1,3,3
lung plain 2d 512,512 12 0.785,0.785 7,7 3,3
lung plain low 80,192,160 2 2.376,1.504,1.504 4,5,5 3,3,3
lung plain 3d 80,192,160 2 1.24,0.785,0.785 4,5,5 3,3,3
lung M 2d 512,512 13 0.785,0.785 7,7 3,3
lung M low 80,192,160 2 2.376,1.504,1.504 4,5,5 3,3,3
lung M 3d 80,192,160 2 1.24,0.785,0.785 4,5,5 3,3,3
lung L 2d 512,512 35 0.785,0.785 7,7 3,3
lung L low 112,256,256 2 1.666,1.055,1.055 4,6,6 3,3,3
lung L 3d 112,256,256 2 1.24,0.785,0.785 4,6,6 3,3,3
lung XL 2d 512,512 52 0.785,0.785 7,7 3,3
lung XL 3d 128,320,320 2 1.24,0.785,0.785 5,6,6 3,3,3
acdc plain 2d 256,224 56 1.562,1.562 5,5 3,3
acdc plain 3d 10,256,224 7 10,1.562,1.562 1,5,5 1,3,3
acdc M 2d 256,224 57 1.562,1.562 5,5 3,3
acdc M 3d 10,256,224 5 10,1.562,1.562 1,5,5 1,3,3
acdc L 2d 256,224 161 1.562,1.562 5,5 3,3
acdc L 3d 10,256,224 17 10,1.562,1.562 1,5,5 1,3,3
acdc XL 2d 256,224 238 1.562,1.562 5,5 3,3
acdc XL 3d 10,256,224 29 10,1.562,1.562 1,5,5 1,3,3
road plain 2d 1280,1024 2 1,1 8,8 3,3
road M 2d 512,512 13 1,1 7,7 3,3
road L 2d 896,768 13 1,1 7,7 3,3
road XL 2d 1024,1024 13 1,1 8,8 3,3
xray plain 2d 1536,1024 2 0.14,0.14 8,8 3,3
xray M 2d 512,512 13 0.14,0.14 7,7 3,3
xray L 2d 896,768 13 0.14,0.14 7,7 3,3
xray XL 2d 1024,1024 13 0.14,0.14 8,8 3,3
"""

ROWS = [line.split() for line in GOLDEN.strip().splitlines()]
# 3% steps of the low-resolution search, and those that are dropped for being less than 2x smaller
COARSENINGS = {("liver", "plain"): 30, ("liver", "M"): 30, ("liver", "L"): 16, ("liver", "XL"): 10}
COARSENINGS |= {("lung", "plain"): 22, ("lung", "M"): 22, ("lung", "L"): 10}


def numbers(text, kind=int):
    return tuple(kind(value) for value in text.split(","))


def planned(name, planner, dims):
    """The full-resolution patch of one fingerprint, with what the rules need to go on from it."""
    spacing, shape, _, classes = FINGERPRINTS[name]
    budgets, elements, gigabytes, pairs, _ = PLANNERS[planner]
    budget = budgets[dims].per_patch(gigabytes) if pairs else budgets[dims].at(gigabytes)
    at, size = spacing[-dims:], shape[-dims:]

    def cost(network):
        return elements(network, classes)

    found, why = fit_patch(at, size, cost, budget)
    assert why.rule and why.because
    return at, size, found, cost, budget


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:3]))
def test_golden(row):
    name, planner, configuration, patch, batch, spacing, poolings, kernel = row
    dims = 2 if configuration == "2d" else 3
    at, size, found, cost, budget = planned(name, planner, dims)
    if configuration == "low":
        low, _ = low_resolution(at, size, found, cost, budget)
        at, size, found = low.spacing, low.shape, low.topology
        assert low.coarsenings == COARSENINGS[name, planner]
    assert found.patch == numbers(patch)
    assert [round(s, 3) for s in at] == pytest.approx(numbers(spacing, float), abs=1e-3)
    assert found.poolings == numbers(poolings)
    assert found.stages == max(found.poolings) + 1
    assert found.kernels[0] == numbers(kernel) and found.kernels[-1] == (3,) * dims
    assert batch_of(name, planner, dims, at, found, cost) == int(batch)


def batch_of(name, planner, dims, at, found, cost):
    spacing, shape, cases, _ = FINGERPRINTS[name]
    budgets, _, gigabytes, _, share = PLANNERS[planner]
    ratio = prod(old / new for old, new in zip(spacing[-dims:], at, strict=True))
    voxels = ratio * prod(shape) * cases
    return batch_size(
        cost(found),
        budgets[dims].at(gigabytes),
        budgets[dims].batch,
        prod(found.patch) / voxels * (0.05 / share),
        cap=False,
    )


@pytest.mark.parametrize(
    ("name", "planner"),
    [(n, p) for n in FINGERPRINTS for p in PLANNERS if FINGERPRINTS[n][1][0] > 1],
)
def test_low_resolution_is_planned_where_nnunet_plans_it(name, planner):
    at, size, found, cost, budget = planned(name, planner, 3)
    low, why = low_resolution(at, size, found, cost, budget)
    assert (low is not None) == ((name, planner) in COARSENINGS)
    assert why.value.endswith("mm") if low else why.value == "none"


def test_a_batch_never_runs_away():
    """Deliberately not nnU-Net's: it answers 6711 small images for its largest residual preset."""
    at, _, found, cost, _ = planned("hippo", "XL", 2)
    assert batch_of("hippo", "XL", 2, at, found, cost) == 6711
    assert batch_size(cost(found), 560e6, 12, 1e-9) == 64


def test_a_single_slice_is_put_first():
    """Deliberately not nnU-Net's: it plans (H, W, 1) as a volume, and overflows."""
    order, why = transposition((1.0, 1.0, 1.0), (1550, 2021, 1))
    assert order == (2, 0, 1)
    assert "one voxel" in why.rule


def test_transposition_puts_the_coarsest_axis_first_and_keeps_the_others_in_order():
    assert transposition((0.5, 0.5, 5.0), (512, 512, 30))[0] == (2, 0, 1)
    assert transposition((0.5, 5.0, 0.5), (512, 30, 512))[0] == (1, 0, 2)
    assert transposition((1.0, 1.0, 1.0), (40, 40, 40))[0] == (0, 1, 2)


def test_target_spacing_is_the_median():
    spacing, why = target_spacing([(1, 1, 1), (2, 1, 1), (3, 2, 1)], [(50, 90, 90)] * 3)
    assert spacing == (2.0, 1.0, 1.0)
    assert why.rule == "median" and "3 cases" in why.because


def test_coarse_slices_take_the_tenth_percentile_but_are_never_finer_than_the_others():
    shapes = [(20, 300, 300)] * 11
    spacings = [(float(z), 1, 1) for z in range(2, 13)]
    spacing, why = target_spacing(spacings, shapes)
    assert spacing == (3.0, 1.0, 1.0)
    assert "10th percentile" in why.rule
    thin = [(0.5, 1, 1)] * 3 + [(6.0, 1, 1)] * 8
    assert target_spacing(thin, shapes)[0] == pytest.approx((1 + 1e-5, 1, 1), abs=1e-12)
    # Coarse spacing with as many slices as pixels is not thick-slice data.
    assert target_spacing(spacings, [(300, 300, 300)] * 11)[0] == (7.0, 1.0, 1.0)


def test_shapes_follow_the_field_of_view():
    assert resampled_shape((10, 200, 100), (5.0, 1.0, 1.0), (2.5, 2.0, 1.0)) == (20, 100, 100)
    assert resampled_shape((1, 5, 5), (1.0, 1.0, 1.0), (9.0, 1.0, 1.0)) == (1, 5, 5)
    shapes, spacings = [(10, 20, 20), (20, 20, 20), (40, 20, 20)], [(1, 1, 1)] * 3
    value, why = median_shape(shapes, spacings, (2.0, 1.0, 1.0))
    assert value == (10, 20, 20)
    assert "5 x 20 x 20" in why.because and "20 x 20 x 20" in why.because


def test_the_first_patch_is_isotropic_in_millimetres():
    patch, _ = initial_patch((4.0, 1.0, 1.0), (10_000,) * 3)
    assert patch[1] == patch[2] and patch[1] / patch[0] == pytest.approx(4, rel=0.01)
    assert prod(patch) == pytest.approx(256**3, rel=0.01)


def test_strides_divide_the_patch_and_bottlenecks_stay_large():
    for spacing in ((1, 1, 1), (3, 1, 1), (5, 0.5, 0.7), (1, 1)):
        for edge in range(5, 70, 7):
            found, _ = topology(spacing, tuple(edge + i for i in range(len(spacing))))
            assert all(n % f == 0 for n, f in zip(found.patch, found.factor, strict=True))
            assert all(
                f == 1 or n // f >= 4 for n, f in zip(found.patch, found.factor, strict=True)
            )
            assert len(found.kernels) == found.stages


def test_less_budget_never_gives_a_larger_patch():
    sizes = []
    for budget in (1e5, 1e6, 1e7, 1e8):
        found, _ = fit_patch((2.0, 1.0, 1.0), (60, 200, 200), lambda t: prod(t.patch), budget)
        assert prod(found.patch) <= budget
        sizes.append(prod(found.patch))
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_an_impossible_budget_says_so():
    with pytest.raises(ValueError, match="--gpu-memory"):
        fit_patch((1.0, 1.0), (64, 64), lambda t: 10.0, 1.0)


@pytest.mark.parametrize(
    ("spacings", "shapes", "words"),
    [
        ([], [], "No spacing"),
        ([(1, 0, 1)], [(5, 5, 5)], "spacing of case 0 is 1 x 0 x 1"),
        ([(1, 1, 1)] * 2, [(5, 5, 5)], "one of each a case"),
        ([(1, float("nan"), 1)], [(5, 5, 5)], "must be positive"),
    ],
)
def test_what_cannot_be_planned_is_refused(spacings, shapes, words):
    with pytest.raises(ValueError, match=words):
        target_spacing(spacings, shapes)
