"""Laws of the measurements, then whole fingerprints of datasets whose every number is known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from handmade import volume as placed
from handmade import write_dataset

from diffnet.data import Dataset, UserError, Volume
from diffnet.planning import Fingerprint, FingerprintError, fingerprint_rows, take_fingerprint
from diffnet.planning.fingerprint_axes import axes_of, tilt_of
from diffnet.planning.fingerprint_case import (
    agreement_of,
    measure_case,
    neighbour_correlation,
    reduced,
)
from diffnet.planning.modality import modality_of
from diffnet.planning.registration import offset_between
from diffnet.planning.spectrum import (
    blurred_std,
    floor_std,
    frequencies,
    high_pass_noise,
    middle_frequencies,
    principal_share,
    radial_power,
    slope,
    useful_levels,
)
from diffnet.tasks import SuperResolution


def volume(array: np.ndarray) -> Volume:
    """Upright, so that the fingerprint's axes are those of the array."""
    return Volume.of(array, (2.0, 1.0, 1.5))


def mean_power(images: list[np.ndarray]) -> np.ndarray:
    """Bins that no mode of the shape falls into stay NaN."""
    return np.mean([radial_power(x) for x in images], 0)


def field(rng: np.random.Generator, shape: tuple[int, ...], beta: float) -> np.ndarray:
    """A random field of power spectrum f^-beta and standard deviation 1."""
    f = frequencies(shape)
    f.flat[0] = 1
    amplitude = f ** (-beta / 2)
    amplitude.flat[0] = 0
    x = np.fft.ifftn(np.fft.fftn(rng.standard_normal(shape)) * amplitude).real
    return x / x.std()


# Spectrum


def test_white_noise_has_its_variance_at_every_frequency(rng):
    power = mean_power([2 * rng.standard_normal((64, 64)) for _ in range(40)])
    assert power[3:] == pytest.approx(4, rel=0.1)
    assert floor_std(power) == pytest.approx(2, rel=0.05)
    assert slope(power) == pytest.approx(0, abs=0.1)


def test_floor_is_that_of_noise_inside_the_body_alone(rng):
    mask = np.zeros((96, 96))
    mask[24:72, 24:72] = 1
    power = np.mean([radial_power(mask * rng.standard_normal((96, 96))) for _ in range(40)], 0)
    window = np.sin(np.pi * (np.arange(96) + 0.5) / 96) ** 2
    weight = np.outer(window, window) ** 2
    filled = float((weight * mask).sum() / weight.sum())
    assert floor_std(power, filled) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    ("shape", "beta"), [((128, 128), 2.0), ((128, 128), 3.0), ((48,) * 3, 3.0)]
)
def test_slope_of_a_power_law_is_found(rng, shape, beta):
    power = mean_power([field(rng, shape, beta) for _ in range(4)])
    assert slope(power) == pytest.approx(beta, abs=0.3)


def test_useful_levels_of_a_power_law_are_the_published_anchor():
    levels = useful_levels(middle_frequencies() ** -2.0, (64, 64))
    assert levels.mean == pytest.approx(-0.08, abs=0.2)
    assert levels.std == pytest.approx(1.3, abs=0.1)


def test_useful_levels_scale_with_the_std():
    power = middle_frequencies() ** -2.0
    small, large = (useful_levels(power, (64, 64), s) for s in (0.05, 0.5))
    assert large.mean - small.mean == pytest.approx(np.log(10), abs=0.02)
    assert large.std == pytest.approx(small.std, abs=0.02)


def test_white_data_have_no_useful_level_of_their_own():
    levels = useful_levels(np.ones(24), (64, 64), 0.2)
    assert levels.mean == pytest.approx(np.log(0.2))


@pytest.mark.parametrize(
    ("shape", "factor"), [((128, 128), (1, 2, 2)), ((120, 120), (1, 4, 4)), ((48,) * 3, (4, 1, 1))]
)
def test_blur_of_super_resolution_is_foreseen_from_the_spectrum(rng, shape, factor):
    x = np.stack([0.5 * field(rng, shape, 2.0) for _ in range(6)])
    given = SuperResolution(factor=factor).simulate(torch.tensor(x)[:, None].float())
    truth = float((x - given[:, 0].numpy()).std())
    power = mean_power(list(x))
    assert blurred_std(power, shape, factor[-len(shape) :]) == pytest.approx(truth, rel=0.12)


def test_principal_share_foretells_the_eigenvalue_of_the_full_grid(rng):
    wave = np.sin(np.linspace(0, np.pi, 64))[:, None] * np.sin(np.linspace(0, np.pi, 64))
    images = rng.normal(0, 0.4, (100, 1, 1)) * wave + rng.normal(0, 0.01, (100, 64, 64))
    centred = (images - images.mean(0)).reshape(100, -1)
    truth = np.linalg.eigvalsh(centred @ centred.T / 100)[-1]
    small = np.stack([reduced(x, (32, 32)) for x in images]).reshape(100, -1)
    assert principal_share(small) * 64**2 == pytest.approx(truth, rel=0.02)
    assert truth == pytest.approx(0.16 * (wave**2).sum(), rel=0.3)
    assert principal_share(small[:1]) == 0


def test_high_pass_finds_noise_under_structure(rng):
    ramp = np.add.outer(np.arange(200.0), 3 * np.arange(200.0))
    ramp[:, 100:] += 500
    noisy = (ramp + rng.normal(0, 0.3, ramp.shape))[None]
    assert high_pass_noise(noisy, np.ones_like(noisy, bool)) == pytest.approx(0.3, rel=0.05)
    assert high_pass_noise(ramp[None], np.ones_like(noisy, bool)) == 0


def test_reduced_grid_holds_block_means(rng):
    x = rng.random((8, 6))
    assert reduced(x, (4, 3)) == pytest.approx(x.reshape(4, 2, 3, 2).mean((1, 3)), rel=1e-6)
    assert reduced(x, (16, 6)).shape == (16, 6)


@pytest.mark.parametrize("shift", [(0, 3, -2), (0, 0, 0), (0, -7, 11)])
def test_offset_is_found_across_contrasts(rng, shift):
    x = field(rng, (1, 64, 64), 3.0)
    moved = np.roll(-2 * x + 5, shift, (0, 1, 2))
    assert offset_between(x, moved) == tuple(map(float, shift))


def test_offset_of_volumes_is_found(rng):
    x = field(rng, (24, 32, 32), 3.0)
    assert offset_between(x, np.roll(x, (2, -3, 1), (0, 1, 2))) == (2.0, -3.0, 1.0)


def test_neighbouring_slices(rng):
    noise = rng.standard_normal((20, 32, 32))
    assert neighbour_correlation(noise, (5, 1, 1)) == pytest.approx(0, abs=0.05)
    assert neighbour_correlation(np.repeat(noise[:1], 9, 0), (5, 1, 1)) == pytest.approx(1)
    assert neighbour_correlation(noise[:1], (5, 1, 1)) is None


@pytest.mark.parametrize(
    ("name", "declared", "ct_like", "found"),
    [
        ("T1ce", "", False, "MR"),
        ("quarter dose CT", "", False, "CT"),
        ("anything", "", True, "CT"),
        ("anything", "pet", True, "PET"),
        ("R", "", False, "RGB"),
        ("breast ultrasound", "", False, "US"),
    ],
)
def test_modality_by_declaration_name_and_values(name, declared, ct_like, found):
    modality, known, why = modality_of(name, declared, ct_like, "float32", 3)
    assert modality == found
    assert known is bool(declared)
    assert why


# Whole fingerprints


def cube(rng: np.random.Generator, shape=(1, 12, 20, 16), mean=10.0, std=2.0) -> np.ndarray:
    """Noise inside a box, 0 around it."""
    x = np.zeros(shape, np.float32)
    x[:, 2:-2, 3:-3, 4:-4] = rng.normal(mean, std, x[:, 2:-2, 3:-3, 4:-4].shape)
    return x


@pytest.fixture
def labelled(tmp_path, rng):
    """Six volumes with two boxes of label 1 and one voxel of label 2."""
    cases = {}
    for i in range(6):
        label = np.zeros((1, 12, 20, 16), np.uint8)
        label[0, 3:5, 4:6, 5:7] = 1
        label[0, 8:9, 10:12, 10:11] = 1
        label[0, 6, 15, 8] = 2
        cases[f"c{i}"] = {"image": volume(cube(rng)), "label": volume(label)}
    labels = {"background": 0, "organ": 1, "dot": 2, "never": 3}
    return write_dataset(tmp_path / "Dataset901_Boxes", cases, task="segmentation", labels=labels)


def test_geometry_intensity_and_labels_of_known_volumes(labelled):
    f = take_fingerprint(Dataset.open(labelled), processes=1)
    first = f.cases[0]
    assert (f.dims, len(f.cases), f.groups) == (3, 6, 6)
    assert first.shape == (12, 20, 16)
    assert first.spacing == pytest.approx((2.0, 1.0, 1.5))
    assert first.box == (2, 10, 3, 17, 4, 12)
    assert first.foreground == pytest.approx(8 * 14 * 8 / (12 * 20 * 16))
    channel = f.roles["image"].channels[0]
    assert channel.foreground_mean == pytest.approx(10, abs=0.1)
    assert channel.foreground_std == pytest.approx(2, abs=0.1)
    assert channel.background == 0
    truth = [
        np.asarray(Dataset.open(labelled).read(c, "image").array)
        for c in Dataset.open(labelled).cases("train")
    ]
    assert channel.mean == pytest.approx(np.mean(truth), rel=1e-5)
    assert channel.std == pytest.approx(np.std(truth), rel=1e-5)
    assert channel.low == pytest.approx(10 - 2 * 2.576, abs=0.4)
    assert first.labels == {"0": 12 * 20 * 16 - 11, "1": 10, "2": 1}
    assert first.components == {"1": 2, "2": 1}
    assert f.label_shares["organ"] == pytest.approx(10 / 3840)
    assert any("never" in n for n in f.notices)
    assert first.raters == 1
    assert first.axes == "LPS"
    assert first.tilt == pytest.approx(0, abs=1e-4)
    histogram = channel.histogram
    assert sum(histogram.shares) == pytest.approx(1, abs=1e-2) and len(histogram.shares) == 64
    middle = np.linspace(histogram.low, histogram.high, 129)[1::2]
    assert np.dot(middle, histogram.shares) == pytest.approx(10, abs=0.1)


def test_fingerprint_survives_json_and_is_readable(labelled, tmp_path):
    f = take_fingerprint(Dataset.open(labelled), processes=1)
    f.save(tmp_path / "f.json")
    assert Fingerprint.load(tmp_path / "f.json") == f
    text = "\n".join(" ".join(row) for row in fingerprint_rows(f))
    for needed in ("6 training cases", "12 x 20 x 16", "label organ", "2 parts each"):
        assert needed in text


def test_two_processes_measure_what_one_does(labelled):
    one, two = (take_fingerprint(Dataset.open(labelled), processes=n) for n in (1, 2))
    assert one == two


def test_measuring_loads_no_torch():
    code = "import sys, diffnet.planning; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_changed_cases_are_read_again(labelled, tmp_path, monkeypatch, rng):
    cache, read = tmp_path / "cache", []
    whole = Dataset.read
    monkeypatch.setattr(
        Dataset, "read", lambda self, c, *a, **k: read.append(c.id) or whole(self, c, *a, **k)
    )
    first = take_fingerprint(Dataset.open(labelled), 1, cache)
    assert set(read) == {f"c{i}" for i in range(6)}
    read.clear()
    assert take_fingerprint(Dataset.open(labelled), 1, cache) == first
    assert read == []
    volume(cube(rng)[:, :, :, :]).write(labelled / "imagesTr" / "c3_0000.nii.gz")
    second = take_fingerprint(Dataset.open(labelled), 1, cache)
    assert set(read) == {"c3"}
    assert second.content != first.content
    assert second == take_fingerprint(Dataset.open(labelled), 1)


def test_a_broken_cache_file_is_measured_anew(labelled, tmp_path):
    first = take_fingerprint(Dataset.open(labelled), 1, tmp_path / "cache")
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert take_fingerprint(Dataset.open(labelled), 1, tmp_path / "cache") == first


def paired(folder, rng, make, cases=6):
    """2-D pairs whose target is `make(given)`."""
    found = {}
    for i in range(cases):
        given = (field(rng, (1, 40, 40), 2.0)[None] * 20 + 100).astype(np.float32)
        found[f"c{i}"] = {"image": volume(given), "target": volume(make(given).astype(np.float32))}
    return write_dataset(folder, found, task="translation", modalities={"0": "XR"})


def test_a_linear_pair_is_found_linear_with_its_residual(tmp_path, rng):
    def make(given):
        return 3 * given - 50 + rng.normal(0, 12, given.shape)

    f = take_fingerprint(Dataset.open(paired(tmp_path / "d", rng, make)), 1)
    own = f.pair.own
    expected = 12 / np.sqrt(60**2 + 12**2)
    assert own["1"].guess.std[0] == pytest.approx(0.5 * expected, rel=0.1)
    assert own["1"].held_out[0] == pytest.approx(1 - expected**2, abs=0.01)
    assert f.pair.correlation[0][0] == pytest.approx(np.sqrt(1 - expected**2), abs=0.01)
    assert own["2"].held_out[0] == pytest.approx(own["1"].held_out[0], abs=0.005)
    assert f.pair.offset == 0


def test_a_quadratic_pair_needs_degree_two(tmp_path, rng):
    def make(given):
        return ((given - 100) / 10) ** 2

    pair = take_fingerprint(Dataset.open(paired(tmp_path / "d", rng, make)), 1).pair
    assert pair.own["2"].held_out[0] > 0.99
    assert pair.own["1"].held_out[0] < 0.3


def test_a_moved_target_is_noticed(tmp_path, rng):
    folder = paired(tmp_path / "d", rng, lambda g: np.roll(g, 5, 3))
    f = take_fingerprint(Dataset.open(folder), 1)
    assert f.pair.offset == 5


def test_duplicates_and_look_alikes_are_named(tmp_path, rng):
    x = [(field(rng, (1, 40, 40), 2.0)[None] * 20 + 100).astype(np.float32) for _ in range(3)]
    cases = {"a": x[0], "b": x[0], "c": x[1], "d": x[2], "e": x[2] * 1.5 + 3}
    folder = write_dataset(tmp_path / "d", {k: {"image": volume(v)} for k, v in cases.items()})
    f = take_fingerprint(Dataset.open(folder), 1)
    assert f.duplicates == (("a", "b"),)
    assert f.near == (("d", "e"),)


def test_several_raters_are_counted(tmp_path, rng):
    folder = write_dataset(
        tmp_path / "d",
        {"c0": {"image": volume(cube(rng))}},
        labels={"background": 0, "organ": 1},
        raters={"0": "first", "1": "second"},
    )
    label = np.zeros((1, 12, 20, 16), np.uint8)
    (folder / "labelsTr").mkdir()
    for k in range(2):
        label[0, 4, 5:8, 5 + k : 8 + k] = 1
        volume(label).write(folder / "labelsTr" / f"c0_{k:04d}.nii.gz")
    f = take_fingerprint(Dataset.open(folder), 1)
    assert f.cases[0].raters == 2
    assert f.cases[0].agreement == pytest.approx(2 * 9 / (9 + 12)), "9 voxels, and 3 more"
    assert any("Dice between two of them 0.857" in text for _, text in fingerprint_rows(f))


def test_raters_agree_label_by_label():
    a, b = np.zeros((2, 1, 4, 4), np.uint8)
    assert agreement_of(np.stack([a, b])) is None, "nothing was drawn"
    a[0, 0, :2], b[0, 0, 1:3] = 1, 1
    a[0, 3], b[0, 3] = 2, 2
    assert agreement_of(np.stack([a, b])) == pytest.approx((0.5 + 1) / 2)


def test_cases_that_lack_a_role_are_named(tmp_path, rng):
    cases = {f"c{i}": {"image": volume(cube(rng))} for i in range(3)}
    cases["c1"]["label"] = volume(np.ones((1, 12, 20, 16), np.uint8))
    folder = write_dataset(tmp_path / "d", cases, labels={"background": 0, "organ": 1})
    f = take_fingerprint(Dataset.open(folder), 1)
    assert [c.missing for c in f.cases] == [("label",), (), ("label",)]
    assert any("2 cases have no label: c0, c2" in n for n in f.notices)


@pytest.mark.parametrize("degrees", [0.0, 12.0, 30.0])
def test_axes_and_tilt_of_a_turned_volume(degrees):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    direction = np.vstack([turn, [0, 0, 1]])
    v = placed(np.zeros((1, 4, 4, 4), np.float32), direction=tuple(direction.ravel()))
    assert axes_of(v) == "LPS" and tilt_of(v) == pytest.approx(degrees, abs=1e-5)
    flipped = placed(np.zeros((1, 4, 4, 4)), direction=tuple((-direction).ravel()))
    assert axes_of(flipped) == "RAI"
    assert axes_of(placed(np.zeros((1, 1, 4, 4)))) == "", "a picture has no patient"


@pytest.mark.parametrize("task", ["generation", "segmentation", "denoising"])
def test_phantoms_are_measured(phantom, task):
    f = take_fingerprint(Dataset.open(phantom(task)), 1)
    assert len(f.cases) == 8
    assert f.task == task
    assert (f.pair is not None) == (task == "denoising")


# Bad input


def test_no_training_case(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "dataset.json").write_text('{"channel_names": {"0": "T1"}, "file_ending": ".png"}')
    with pytest.raises(FingerprintError, match="no training cases"):
        take_fingerprint(Dataset.open(tmp_path), 1)


def test_slices_and_volumes_in_one_dataset_are_refused(tmp_path, rng):
    cases = {
        "flat": {"image": volume(cube(rng)[:, 5:6])},
        "deep": {"image": volume(cube(rng))},
    }
    with pytest.raises(FingerprintError, match=r"mixes 2-D and 3-D.*flat.*deep"):
        take_fingerprint(Dataset.open(write_dataset(tmp_path / "d", cases)), 1)


def test_ct_and_other_values_in_one_channel_are_refused(tmp_path, rng):
    ct = [cube(rng, mean=0, std=300) - 1000 for _ in range(2)]
    ct = [np.where(x < -1000, -1000, x + 900 * (x > -1000)) for x in ct]
    cases = {f"ct{i}": {"image": volume(x)} for i, x in enumerate(ct)}
    cases |= {f"mr{i}": {"image": volume(cube(rng))} for i in range(3)}
    with pytest.raises(FingerprintError, match=r"mixes modalities.*ct0.*declare"):
        take_fingerprint(Dataset.open(write_dataset(tmp_path / "d", cases)), 1)


@pytest.mark.parametrize("bad", [(0.0, 1.0, 1.0), (2.0, -1.0, 1.0), (2.0, float("nan"), 1.0)])
def test_impossible_spacing_is_named(labelled, monkeypatch, bad):
    whole = Dataset.read
    monkeypatch.setattr(
        Dataset, "read", lambda self, *a, **k: replace(whole(self, *a, **k), spacing=bad)
    )
    dataset = Dataset.open(labelled)
    with pytest.raises(FingerprintError, match="c0 has the spacing"):
        measure_case(dataset, dataset.cases("train")[0])


def test_nan_is_refused(tmp_path, rng):
    x = cube(rng)
    x[0, 5, 5, 5] = np.nan
    folder = write_dataset(tmp_path / "d", {"c0": {"image": volume(x)}}, file_ending=".nrrd")
    with pytest.raises(UserError, match=r"c0.*NaN or Inf"):
        take_fingerprint(Dataset.open(folder), 1)


def test_one_constant_case_is_measured(tmp_path):
    folder = write_dataset(tmp_path / "d", {"c0": {"image": Volume.of(np.full((1, 1, 9, 9), 7.0))}})
    channel = take_fingerprint(Dataset.open(folder), 1).roles["image"].channels[0]
    assert (channel.mean, channel.std, channel.noise) == (7.0, 0.0, 0.0)
