"""Which configurations are planned, with which numbers, and why the others are not."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch
from test_planning_plan import POWER, fingerprint, linear_pair

from diffnet.diffusion import Batch, Condition, HaarWavelet
from diffnet.diffusion.codec import haar
from diffnet.planning import (
    Budget,
    PlanError,
    differences,
    explanation_rows,
    make_plan,
    plan_rows,
)
from diffnet.planning.cascade_rule import left_open, step_between
from diffnet.planning.code_rule import haar_bands
from diffnet.planning.guess_rule import left_by_factor
from diffnet.planning.overrides import NAMES
from diffnet.planning.slab_rule import slab_depth
from diffnet.planning.spectrum import bin_of, frequencies, mode_powers
from diffnet.recipes import find_recipe
from diffnet.recipes.coding import coded

PAIR = {"pair": linear_pair()}
HALF_HOUR, CARD = Budget(minutes=30), Budget("cuda", 24.0)
# task, median shape, further numbers, budget: configurations, default
GOLDEN = [
    ("generation", (1, 128, 128), {}, HALF_HOUR, "2d", "2d"),
    ("generation", (1, 4000, 4000), {}, HALF_HOUR, "2d_lowres 2d_cascade", "2d_lowres"),
    ("generation", (1, 4000, 4000), {}, CARD, "2d_lowres 2d_cascade", "2d_lowres"),
    ("segmentation", (1, 4000, 4000), {}, HALF_HOUR, "2d", "2d"),
    ("generation", (1, 1024, 1024), {"n": 2000}, CARD, "2d first_stage latent", "2d"),
    ("generation", (1, 1024, 1024), {"n": 900}, CARD, "2d", "2d"),
    ("segmentation", (8, 96, 96), {}, HALF_HOUR, "2d 25d", "2d"),
    ("generation", (8, 96, 96), {}, HALF_HOUR, "2d", "2d"),
    ("segmentation", (40, 56, 48), {}, HALF_HOUR, "2d 25d 3d_fullres", "3d_fullres"),
    ("inpainting", (40, 56, 48), {}, HALF_HOUR, "2d 3d_fullres", "3d_fullres"),
    ("generation", (40, 64, 64), {}, HALF_HOUR, "2d 3d_fullres", "3d_fullres"),
    ("generation", (128, 128, 128), {}, CARD, "2d 3d_fullres 3d_wavelet", "3d_fullres"),
    (
        "generation",
        (160, 256, 256),
        {},
        HALF_HOUR,
        "2d 3d_lowres 3d_cascade 3d_wavelet",
        "3d_lowres",
    ),
    ("generation", (160, 256, 256), {}, CARD, "2d 3d_fullres 3d_wavelet", "3d_fullres"),
    (
        "translation",
        (120, 200, 200),
        PAIR,
        HALF_HOUR,
        "2d 25d 3d_fullres 3d_lowres 3d_wavelet",
        "3d_fullres",
    ),
    (
        "super_resolution",
        (96, 160, 160),
        {"task_settings": {"factor": [4, 4, 4]}},
        HALF_HOUR,
        "2d 3d_fullres 3d_lowres 3d_cascade 3d_wavelet",
        "3d_fullres",
    ),
]


@pytest.mark.parametrize(
    ("task", "shape", "more", "budget", "there", "default"),
    GOLDEN,
    ids=lambda v: "x".join(map(str, v)) if isinstance(v, tuple) else None,
)
def test_golden(task, shape, more, budget, there, default):
    plan = make_plan(fingerprint(task, shape, **more), budget=budget)
    assert " ".join(plan.configurations) == there
    assert plan.default == default
    for name in NAMES:
        why = plan.why[name]
        assert (why.value == "planned") == (name in plan.configurations), name
        assert why.rule and why.because and why.change
    assert {row[0] for row in explanation_rows(plan)} >= set(NAMES)
    for c in plan.configurations.values():
        assert c.memory["total"] <= budget.memory
        assert c.training.steps * c.seconds["step"] <= c.share * budget.seconds
        assert c.noise.sigma_max > 10 * c.noise.sigma_min


@pytest.mark.parametrize("gigabytes", [8.0, 16.0, 24.0, 40.0, 80.0, 141.0])
@pytest.mark.parametrize(
    ("task", "shape", "more"),
    [
        ("generation", (160, 256, 256), {}),
        ("translation", (160, 256, 256), PAIR),
        ("generation", (1, 1024, 1024), {"n": 2000}),
    ],
)
def test_cards_that_are_not_there(task, shape, more, gigabytes):
    budget = Budget("cuda", gigabytes)
    plan = make_plan(fingerprint(task, shape, **more), budget=budget)
    assert plan.default in plan.configurations
    assert all(c.memory["total"] <= budget.memory for c in plan.configurations.values())


# Slabs


@pytest.mark.parametrize(
    ("alike", "slices"), [(None, 3), (0.2, 3), (0.6, 3), (0.75, 5), (0.95, 5), (1.0, 5)]
)
def test_a_slab_is_as_deep_as_slices_are_alike(alike, slices):
    assert slab_depth(alike) == slices


def test_slabs_take_what_is_given_alone():
    f = fingerprint("translation", (40, 64, 64), **PAIR)
    made = make_plan(f).configurations
    assert (made["25d"].slab, made["25d"].dims, made["25d"].image_channels) == (5, 2, 5)
    assert made["25d"].target_channels == made["2d"].target_channels == 1
    assert made["25d"].grid == made["2d"].grid
    unlike = tuple(replace(c, neighbours=0.1) for c in f.cases)
    plan = make_plan(replace(f, cases=unlike))
    assert "25d" not in plan.configurations
    assert "0.10" in plan.why["25d"].because and "--set also=25d" in plan.why["25d"].change
    asked = make_plan(replace(f, cases=unlike), overrides={"also": "25d"})
    assert asked.configurations["25d"].slab == 3
    assert asked.why["25d"].overridden
    thick = fingerprint("super_resolution", (40, 64, 64), task_settings={"factor": [4, 1, 1]})
    assert "4 times too thick" in make_plan(thick).why["25d"].because


# Wavelets


def field(power: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise with that radial power."""
    eigenvalues, _ = mode_powers(power, shape)
    f = frequencies(shape)
    spectrum = np.where(f > 0, eigenvalues[bin_of(f)], eigenvalues[0])
    white = np.fft.fftn(rng.normal(size=shape))
    return np.fft.ifftn(white * np.sqrt(spectrum)).real


@pytest.mark.parametrize("shape", [(32, 32), (16, 24, 24)])
def test_variance_of_bands_is_that_of_the_haar_transform(shape, rng):
    power = np.asarray(POWER)
    total = np.zeros(2 ** len(shape))
    for _ in range(40):
        x = torch.from_numpy(field(power, shape, rng))[None, None]
        total += haar(x).square().mean(tuple(range(2, x.ndim)))[0].numpy()
    found = haar_bands(power, shape)
    np.testing.assert_allclose(found.share, total / total.sum(), rtol=0.1)


def test_bands_of_white_noise_are_alike_and_hold_nothing_to_find():
    found = haar_bands(np.ones(24), (16, 16, 16))
    np.testing.assert_allclose(found.share, 1 / 8, rtol=0.02)
    assert found.std == pytest.approx(1.2)


def test_levels_on_wavelets_are_those_of_the_band_of_means():
    f = fingerprint("generation", (128, 128, 128))
    made = make_plan(f, budget=CARD).configurations
    plain, c = made["3d_fullres"], made["3d_wavelet"]
    assert (c.code.kind, c.code.factor, c.code.channels) == ("wavelet", (2, 2, 2), 8)
    assert c.shown == (8, 8) and c.target_channels == 1
    assert c.code_patch == tuple(n // 2 for n in c.patch)
    share = haar_bands(np.asarray(POWER), c.patch).share[0]
    lowered = np.sqrt(8 * share)
    unbounded = 2.4 * np.sqrt(0.02 * prod(c.patch))
    assert c.noise.sigma_max == pytest.approx(unbounded / lowered)
    assert c.noise.sigma_min == pytest.approx(plain.noise.sigma_min / lowered)


def test_whitened_codes_of_images_have_the_planned_largest_level(rng):
    """sqrt(lambda_max) of what the codec makes of images, against the planned sigma_max / 2.4."""
    shape, power = (16, 16, 16), np.asarray(POWER)
    offsets = rng.normal(0, 0.3, 200)
    images = np.stack([field(power, shape, rng) + o for o in offsets])
    images *= 0.5 / images.std()
    x = torch.from_numpy(images).float()[:, None]
    codec = HaarWavelet(3, 1, 0.5)
    codec.measure([Batch(x, Condition())])
    flat = codec.encode(x).flatten(1).double().numpy()
    whole = images.reshape(200, -1)

    def largest(items: np.ndarray) -> float:
        centred = items - items.mean(0)
        return float(np.linalg.eigvalsh(centred @ centred.T / 200)[-1])

    share = codec.scale[0].item() ** 2 * 0.25 / (8 * 0.25)
    assert largest(flat) == pytest.approx(largest(whole) / (8 * share), rel=0.1)


def test_a_planned_code_keeps_its_levels_and_any_other_gets_smaller_ones():
    plan = make_plan(fingerprint("generation", (40, 64, 64)), overrides={"also": "3d_wavelet"})
    c = plan.configurations["3d_wavelet"]
    inner = coded(c, HaarWavelet(3, 1))
    assert inner.noise.sigma_max == c.noise.sigma_max
    assert inner.noise.std == (0.5,) * 8
    assert inner.patch == c.code_patch
    plain = plan.configurations["3d_fullres"]
    assert coded(plain, HaarWavelet(3, 1)).noise.sigma_max < plain.noise.sigma_max


@pytest.mark.parametrize("recipe", ["latent", "wdm"])
def test_planned_parameters_on_codes_are_those_of_the_network(recipe):
    f = fingerprint("generation", (40, 64, 64))
    plan = make_plan(f, overrides={"also": "3d_wavelet", "3d_wavelet.training.batch_size": 1})
    c = plan.configurations["3d_wavelet"]
    knobs = {"recipe": "edm", "codec": "wavelet"} if recipe == "latent" else {}
    method = find_recipe(recipe).from_json(knobs).build(c)
    found = sum(p.numel() for p in method.denoiser.network.parameters())
    assert found == c.memory["parameters"]


# Codes of a first stage


def test_latent_plans_two_runs_and_says_what_the_first_must_be():
    f = fingerprint("generation", (1, 1024, 1024), n=1500)
    plan = make_plan(f, budget=CARD)
    first, c = plan.configurations["first_stage"], plan.configurations["latent"]
    assert (first.recipe, c.recipe, c.previous) == ("ae_kl", "", "first_stage")
    assert first.share + c.share == 1
    factor = tuple(prod(axis) for axis in zip(*first.network.strides, strict=True))
    assert c.code.factor == factor == (4, 4)
    assert c.code.otherwise == "2d"
    told = plan.why["latent.first_stage"]
    assert "4 x 4 voxels to 4 channels" in told.value and "40%" in told.because
    assert "4 times fewer numbers" in told.because
    assert c.noise.std == (0.5,)
    assert c.noise.sigma_max < plan.configurations["2d"].noise.sigma_max


def test_a_wish_for_more_changes_nothing_else():
    f = fingerprint("generation", (40, 64, 64))
    plain, more = make_plan(f), make_plan(f, overrides={"also": "latent,3d_cascade"})
    assert plain.default == more.default == "3d_fullres"
    found = [d.decision for d in differences(plain, more)]
    names = ("3d_lowres", "3d_cascade", "first_stage", "latent")
    assert found == [f"configurations.{name}" for name in names]
    text = "\n".join(" ".join(row) for row in plan_rows(more))
    assert "latent: space ae_kl codes, 4 x 4 x 4 to 4 channels, of a run of first_stage" in text
    assert "3d_cascade: space refines images of a run of 3d_lowres" in text


def test_latent_is_planned_where_it_is_asked_for_and_can_be():
    f = fingerprint("generation", (40, 64, 64))
    wish = {"also": "latent", "latent.code.factor": 2, "latent.code.kind": "vq"}
    plan = make_plan(f, overrides={**wish, "latent.share": 0.7})
    c = plan.configurations["latent"]
    assert (c.code.kind, c.code.factor, c.code.channels) == ("vq", (2, 2, 2), 8)
    assert plan.configurations["first_stage"].share == pytest.approx(0.3)
    assert plan.why["latent"].overridden
    for f in (fingerprint("segmentation", (40, 64, 64)), fingerprint(n=2), fingerprint("anomaly")):
        with pytest.raises(PlanError, match=r"also=.* cannot be"):
            make_plan(f, overrides={"also": "latent"})


# Cascades


@pytest.mark.parametrize(
    ("factor", "step"),
    [
        ((4, 4, 4), (2, 2, 2)),
        ((1, 8, 8), (1, 2, 2)),
        ((9, 1, 1), (3, 1, 1)),
        ((6, 2, 2), (2, 1, 1)),
        ((2, 2, 2), None),
        ((5, 1, 1), None),
    ],
)
def test_the_step_between_divides_the_factor(factor, step):
    assert step_between(factor) == step


def test_what_a_coarse_grid_leaves_open_grows_with_it():
    f = fingerprint("generation", (64, 64, 64))
    found = [left_open(f, (c,) * 3, 3) for c in (1.0, 1.4, 2.0, 2.5, 3.0, 4.0)]
    assert found[0] == 0 and found == sorted(found)
    assert found[2] == pytest.approx(left_by_factor(f, (2, 2, 2), 3))


def test_refining_is_local_and_starts_from_the_coarse_image():
    plan = make_plan(fingerprint("generation", (160, 256, 256)), budget=HALF_HOUR)
    low, c = plan.configurations["3d_lowres"], plan.configurations["3d_cascade"]
    assert (c.previous, c.cascade.grid, c.grid) == ("3d_lowres", low.grid, "full")
    assert c.image_channels == c.target_channels + 1
    assert not any(c.network.attention) and prod(c.patch) < prod(c.shape)
    left = left_open(fingerprint("generation", (160, 256, 256)), low.coarsening, 3)
    assert left < c.noise.std[0] < 1.2 * left
    assert c.noise.sigma_max == pytest.approx(20 * c.noise.std[0])
    assert (low.noise.even, c.noise.even) == (0.15, 0.0), "refining begins at the coarse image"
    assert 0 < c.cascade.noise <= min(left, 0.125)
    assert low.shape == tuple(
        round(n / k) for n, k in zip((160, 256, 256), low.coarsening, strict=True)
    )


def test_super_resolution_goes_by_steps_of_the_same_scan():
    f = fingerprint("super_resolution", (96, 160, 160), task_settings={"factor": [4, 4, 4]})
    plan = make_plan(f, budget=HALF_HOUR)
    low, full, c = (plan.configurations[n] for n in ("3d_lowres", "3d_fullres", "3d_cascade"))
    assert low.coarsening == (2.0, 2.0, 2.0)
    assert low.noise.std[0] < full.noise.std[0]
    assert c.image_channels == 3 and c.noise.blank == full.noise.blank > 0
    two = fingerprint("super_resolution", (96, 160, 160), task_settings={"factor": [2, 2, 2]})
    plan = make_plan(two, budget=HALF_HOUR)
    assert "no step between" in plan.why["3d_lowres"].because
    assert "3d_lowres is not planned" in plan.why["3d_cascade"].because


# Overrides and bad input


def test_what_only_some_configurations_have_can_be_overridden():
    f = fingerprint("translation", (40, 64, 64), **PAIR)
    assert make_plan(f, overrides={"slab": 3}).configurations["25d"].slab == 3
    plan = make_plan(
        fingerprint("generation", (40, 64, 64)),
        overrides={
            "also": "3d_cascade",
            "3d_lowres.coarsening": 2.5,
            "3d_cascade.cascade.noise": 0.05,
            "3d_cascade.share": 0.25,
            "3d_cascade.patch": "16,24,24",
            "3d_lowres.batch_size": 1,
        },
    )
    c = plan.configurations["3d_cascade"]
    assert plan.configurations["3d_lowres"].shape == (16, 26, 26)
    assert (c.cascade.noise, c.share, c.patch) == (0.05, 0.25, (16, 24, 24))
    assert plan.why["3d_cascade.cascade.noise"].overridden
    both = {"also": "3d_wavelet", "3d_wavelet.patch": "16,24,24"}
    c = make_plan(fingerprint("translation", (40, 64, 64), **PAIR), overrides=both)
    assert c.configurations["3d_wavelet"].patch == (16, 24, 24)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"also": "3d_waveled"}, "did you mean '3d_wavelet'"),
        ({"also": "2d_cascade"}, "cannot be"),
        ({"slab": 4}, "odd number"),
        ({"2d.slab": 3}, "no decision"),
        ({"25d.slab": "three"}, "25d.slab"),
        ({"also": "latent", "latent.code.factor": 3}, "2, 4, 8 or 16"),
        ({"also": "latent", "latent.code.kind": "vae"}, "ae_kl, vq"),
        ({"latent.share": 0.5}, "does not apply"),
    ],
)
def test_wrong_wishes_are_refused_by_name(overrides, message):
    with pytest.raises(PlanError, match=message):
        make_plan(fingerprint("translation", (40, 64, 64), **PAIR), overrides=overrides)


def test_the_least_that_is_asked_for_suffices_everywhere():
    f = fingerprint("generation", (40, 64, 64))
    with pytest.raises(PlanError, match=r"--gpu-memory") as caught:
        make_plan(f, budget=Budget("cuda", 0.001))
    least = float(str(caught.value).split("--gpu-memory ")[1])
    assert make_plan(f, budget=Budget("cuda", least)).configurations


def test_ten_thousand_cases_take_little_time_and_memory():
    f = fingerprint("generation", (128, 128, 128), n=10_000)
    began = time.process_time()
    tracemalloc.start()
    plan = make_plan(f, budget=CARD)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "10000 cases" in plan.why["latent"].because
    assert time.process_time() - began < 10
    assert peak < 1e9
