"""Volumes come back from every format as they went in, and broken files are named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from diffnet.data import Volume, VolumeError, cast, file_ending, grid_difference, read_header
from diffnet.data.nifti import count_not_finite
from diffnet.data.pixels import integer_values

PHYSICAL = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
TILTED = (0.0, -0.6, 0.8, 0.0, -0.8, -0.6, 1.0, 0.0, 0.0)


def volume(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> Volume:
    array = (rng.normal(size=shape) * 50 + 100).clip(0, 255).astype(dtype)
    if shape[1] == 1:
        return Volume(array, (1.0, 0.5, 0.75), (3.0, -4.0), (1.0, 0.0, 0.0, 1.0), 2)
    return Volume(array, (3.0, 0.5, 0.75), (1.5, -20.0, 7.25), TILTED, 3)


@pytest.mark.parametrize("ending", PHYSICAL)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 9, 8), (1, 5, 9, 8), (3, 4, 9, 8)])
def test_round_trip_keeps_voxels_dtype_and_grid(ending, dtype, shape, tmp_path, rng) -> None:
    v = volume(shape, dtype, rng)
    v.write(tmp_path / f"a.b{ending}")
    w = Volume.read(tmp_path / f"a.b{ending}")
    assert w.array.dtype == v.array.dtype
    np.testing.assert_array_equal(w.array, v.array)
    assert grid_difference(v, w) is None
    assert w.dims == v.dims
    header = read_header(tmp_path / f"a.b{ending}")
    assert header.shape == w.shape
    assert header.channels == len(w.array)
    assert header.bytes_per_voxel == w.array.dtype.itemsize
    np.testing.assert_allclose(header.spacing, w.spacing)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_keep_bytes_and_have_no_spacing(ending, channels, tmp_path, rng) -> None:
    v = volume((channels, 1, 9, 8), "uint8", rng)
    v.write(tmp_path / f"a{ending}")
    w = Volume.read(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(w.array, v.array)
    assert w.spacing == (1.0, 1.0, 1.0)
    assert w.dims == 2


def test_jpeg_is_near(tmp_path, rng) -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 3, (1, 1, 64, 64))
    Volume.of(ramp).write(tmp_path / "a.jpg")
    assert np.abs(Volume.read(tmp_path / "a.jpg").array - ramp.astype(int)).max() <= 4


def test_pictures_round_and_clip_floats(tmp_path) -> None:
    array = np.array([[-3.0, 0.4, 0.6, 254.4, 255.4]], np.float32).reshape(1, 1, 1, 5)
    Volume.of(array).write(tmp_path / "a.png")
    read = Volume.read(tmp_path / "a.png").array
    assert read.dtype == np.uint8
    assert read.ravel().tolist() == [0, 0, 1, 254, 255]


def test_16_bit_picture_where_a_value_needs_it(tmp_path) -> None:
    Volume.of(np.full((1, 1, 2, 2), 300.2, np.float32)).write(tmp_path / "a.png")
    read = Volume.read(tmp_path / "a.png").array
    assert (read.dtype, read[0, 0, 0, 0]) == (np.dtype("uint16"), 300)


def test_cast_rounds_clips_and_refuses_nan() -> None:
    x = np.array([-1e9, -1.5, 2.5, 1e9])
    assert cast(x, "int16").tolist() == [-32768, -2, 2, 32767]
    assert cast(x.astype(np.float32), "uint32").tolist()[0] == 0
    assert int(cast(x.astype(np.float32) * 100, "int32")[-1]) <= 2**31 - 1
    assert cast(np.array([300, -5], np.int16), "uint8").tolist() == [255, 0]
    assert cast(np.array([True, False]), "int16").tolist() == [1, 0]
    with pytest.raises(ValueError, match="NaN"):
        cast(np.array([np.nan]), "uint8")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_integer_values_are_those_that_occur(dtype, rng) -> None:
    limits = np.iinfo(dtype)
    near = rng.integers(max(limits.min, -120), 120, (3, 40, 50)).astype(dtype)
    far = np.array([limits.min, 3, 5, limits.max] * 3, dtype)
    for array in (near, far, near[:1]):
        np.testing.assert_array_equal(integer_values(array), np.unique(array))
        assert integer_values(array).dtype == array.dtype


def test_several_files_are_channels(tmp_path, rng) -> None:
    v = volume((2, 4, 5, 6), "int16", rng)
    for k in range(2):
        v.with_array(v.array[k : k + 1]).write(tmp_path / f"{k}.mha")
    w = Volume.read([tmp_path / "0.mha", tmp_path / "1.mha"])
    np.testing.assert_array_equal(w.array, v.array)


def test_channels_on_different_grids_are_refused(tmp_path, rng) -> None:
    Volume.of(np.zeros((1, 3, 4, 5), np.uint8)).write(tmp_path / "a.mha")
    Volume.of(np.zeros((1, 3, 4, 6), np.uint8)).write(tmp_path / "b.mha")
    with pytest.raises(VolumeError, match=r"b\.mha and .*a\.mha .*\(3, 4, 5\) and \(3, 4, 6\)"):
        Volume.read([tmp_path / "a.mha", tmp_path / "b.mha"])


def test_flat_volume_is_2d_and_keeps_its_place(tmp_path) -> None:
    image = sitk.GetImageFromArray(np.arange(20, dtype=np.int16).reshape(1, 4, 5))
    image.SetOrigin((1, 2, 3))
    image.SetSpacing((0.5, 0.5, 8.0))
    sitk.WriteImage(image, tmp_path / "a.nii.gz")
    v = Volume.read(tmp_path / "a.nii.gz")
    assert (v.dims, v.shape, v.spacing) == (2, (1, 4, 5), (8.0, 0.5, 0.5))
    v.write(tmp_path / "b.nii.gz")
    back = sitk.ReadImage(tmp_path / "b.nii.gz")
    assert back.GetSize() == (5, 4, 1)
    assert back.GetOrigin() == (1, 2, 3)


def test_fourth_axis_of_one_is_dropped_and_more_is_refused(tmp_path) -> None:
    image = sitk.GetImageFromArray(np.zeros((1, 3, 4, 5), np.uint8), isVector=False)
    sitk.WriteImage(image, tmp_path / "one.nii.gz")
    assert Volume.read(tmp_path / "one.nii.gz").shape == (3, 4, 5)
    image = sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.uint8), isVector=False)
    sitk.WriteImage(image, tmp_path / "two.nii.gz")
    for read in (Volume.read, read_header):
        with pytest.raises(VolumeError, match=r"two\.nii\.gz has 4 axes"):
            read(tmp_path / "two.nii.gz")


def test_alpha_that_says_nothing_is_dropped(tmp_path, rng) -> None:
    rgba = rng.integers(0, 255, (6, 7, 4)).astype(np.uint8)
    rgba[..., 3] = 255
    sitk.WriteImage(sitk.GetImageFromArray(rgba, isVector=True), tmp_path / "a.png")
    np.testing.assert_array_equal(
        Volume.read(tmp_path / "a.png").array[:, 0], rgba[..., :3].transpose(2, 0, 1)
    )
    rgba[0, 0, 3] = 7
    sitk.WriteImage(sitk.GetImageFromArray(rgba, isVector=True), tmp_path / "b.png")
    assert len(Volume.read(tmp_path / "b.png").array) == 4


@pytest.mark.parametrize("share", [0.98, 0.4, 0.0])
@pytest.mark.parametrize(
    "ending", [".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".jpg", ".bmp", ".tif"]
)
def test_truncated_files_are_named(ending, share, tmp_path, rng, capfd) -> None:
    flat = ending in (".png", ".jpg", ".bmp", ".tif")
    shape = (1, 1, 64, 64) if flat else (1, 6, 32, 32)
    Volume.of(rng.integers(0, 255, shape).astype(np.uint8)).write(tmp_path / f"whole{ending}")
    data = (tmp_path / f"whole{ending}").read_bytes()
    (tmp_path / f"cut{ending}").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VolumeError, match=rf"cut{ending}"):
        Volume.read(tmp_path / f"cut{ending}")


def test_gzip_in_several_members_and_with_a_tail_is_whole(tmp_path, rng) -> None:
    v = volume((1, 5, 9, 8), "int16", rng)
    v.write(tmp_path / "a.nii")
    data = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").unlink()
    parts = gzip.compress(data[:500]) + gzip.compress(data[500:] + b"more")
    (tmp_path / "a.nii.gz").write_bytes(parts)
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii.gz").array, v.array)


def test_nifti_twins_are_refused(tmp_path, rng) -> None:
    """ITK would take the header of one and the voxels of the other."""
    volume((1, 5, 9, 8), "int16", rng).write(tmp_path / "a.nii.gz")
    volume((1, 5, 9, 8), "int16", rng).write(tmp_path / "a.nii")
    with pytest.raises(VolumeError, match="side by side"):
        Volume.read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("a.png", b"no picture at all", "cannot be read"), ("a.txt", b"x", "none of the formats")],
)
def test_what_is_no_image_is_refused(name, content, words, tmp_path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VolumeError, match=words):
        Volume.read(tmp_path / name)


def test_missing_file_and_no_files(tmp_path) -> None:
    with pytest.raises(VolumeError, match="does not exist"):
        Volume.read(tmp_path / "a.nii.gz")
    with pytest.raises(VolumeError, match="no files"):
        Volume.read([])


@pytest.mark.parametrize(
    ("shape", "name", "words"),
    [
        ((1, 3, 4, 4), "a.png", "2-D"),
        ((2, 1, 4, 4), "a.png", "1, 3 or 4 channels"),
        ((1, 1, 4, 4), "a.dcm", "written as"),
        ((1, 1, 4, 4), "a", "written as"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(shape, name, words, tmp_path) -> None:
    with pytest.raises(VolumeError, match=words):
        Volume.of(np.zeros(shape, np.uint8)).write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    v = Volume.of(np.ones((1, 2, 3, 4), np.uint8))
    v.write(tmp_path / "a.nii.gz")
    before = (tmp_path / "a.nii.gz").read_bytes()

    def full(image: sitk.Image, name: str, **options: bool) -> None:
        Path(name).write_bytes(b"half")
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(sitk, "WriteImage", full)
    with pytest.raises(VolumeError, match=r"a\.nii\.gz could not be written: No space left"):
        v.write(tmp_path / "a.nii.gz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]
    assert (tmp_path / "a.nii.gz").read_bytes() == before


def write_series(folder: Path, z: list[float], series: str = "1.2.3") -> np.ndarray:
    """Slices of one DICOM series, in reversed order of their names."""
    folder.mkdir(exist_ok=True)
    array = np.arange(len(z) * 20, dtype=np.int16).reshape(len(z), 4, 5)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k, place in enumerate(z):
        image = sitk.GetImageFromArray(array[k : k + 1])
        image.SetSpacing((0.5, 0.5, 3.0))
        image.SetMetaData("0020|000e", series)
        image.SetMetaData("0020|000d", "1.2")
        image.SetMetaData("0008|0018", f"{series}.{k}")
        image.SetMetaData("0020|0032", f"-10\\-20\\{place}")
        image.SetMetaData("0020|0037", "1\\0\\0\\0\\1\\0")
        image.SetMetaData("0018|0050", "3")
        image.SetMetaData("0008|0060", "CT")
        writer.SetFileName(str(folder / f"{series}-{9 - k}.dcm"))
        writer.Execute(image)
    return array


def test_dicom_series_is_one_volume_in_order_of_position(tmp_path) -> None:
    array = write_series(tmp_path / "series", [0.0, 3.0, 6.0])
    v = Volume.read(tmp_path / "series")
    np.testing.assert_array_equal(v.array[0], array)
    assert v.spacing == (3.0, 0.5, 0.5)
    assert v.origin == (-10.0, -20.0, 0.0)
    assert read_header(tmp_path / "series").shape == (3, 4, 5)


def test_dicom_folders_that_are_not_one_even_series(tmp_path) -> None:
    write_series(tmp_path / "gap", [0.0, 3.0, 9.0])
    with pytest.raises(VolumeError, match="3 to 6 mm apart"):
        Volume.read(tmp_path / "gap")
    write_series(tmp_path / "two", [0.0, 3.0])
    write_series(tmp_path / "two", [0.0, 3.0], "1.2.4")
    with pytest.raises(VolumeError, match="holds 2 DICOM series"):
        Volume.read(tmp_path / "two")
    (tmp_path / "none").mkdir()
    with pytest.raises(VolumeError, match="no DICOM series"):
        Volume.read(tmp_path / "none")


def test_file_endings() -> None:
    assert file_ending("/x/a.b.NII.GZ") == ".nii.gz"
    assert file_ending("a.nii") == ".nii"
    assert file_ending("a.txt") == ""


def test_grid_difference_says_what_differs(rng) -> None:
    v = volume((1, 4, 5, 6), "uint8", rng)
    import dataclasses

    def other(**changes: object) -> str | None:
        return grid_difference(v, dataclasses.replace(v, **changes))

    assert other() is None
    assert "spacings" in other(spacing=(3.0, 0.5, 0.76))
    assert "origins" in other(origin=(1.5, -20.0, 8.25))
    assert "directions" in other(direction=(1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    assert other(origin=(1.5, -20.0, 7.2501)) is None


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_nan_and_inf_of_nifti_files_are_counted(ending, dtype, tmp_path) -> None:
    array = np.ones((1, 3, 4, 5), dtype)
    if dtype != "int16":
        array[0, 0, 0, :3] = np.nan
        array[0, 1, 2, 3], array[0, 2, 2, 3] = np.inf, -np.inf
    Volume.of(array).write(tmp_path / f"a{ending}")
    assert count_not_finite(tmp_path / f"a{ending}") == ((0, 0) if dtype == "int16" else (3, 2))
