"""A dataset stored in another axis order is measured and prepared as the same dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from diffnet.data import Dataset, Preparation, ScaleRule, Volume, write_json
from diffnet.data.preparation import prepare
from diffnet.planning.fingerprint_case import measure_case


def dataset(folder: Path, order: str, image: sitk.Image) -> Dataset:
    (folder / "imagesTr").mkdir(parents=True)
    sitk.WriteImage(sitk.DICOMOrient(image, order), folder / "imagesTr" / "a_0000.nii.gz")
    write_json(folder / "dataset.json", {"channel_names": {"0": "T1"}, "file_ending": ".nii.gz"})
    return Dataset.open(folder)


def test_axial_and_sagittal_files_become_the_same(tmp_path, rng) -> None:
    image = sitk.GetImageFromArray(rng.normal(100, 20, (9, 30, 24)).astype(np.float32))
    image.SetSpacing((0.9, 0.8, 4.0))
    axial = dataset(tmp_path / "axial", "LPS", image)
    sagittal = dataset(tmp_path / "sagittal", "ASR", image)
    (a,), (b,) = axial.cases("train"), sagittal.cases("train")
    assert sagittal.read(b, "image").shape != axial.read(a, "image").shape
    one, two = measure_case(axial, a).case, measure_case(sagittal, b).case
    assert (one.shape, one.spacing) == (two.shape, two.spacing)
    assert np.argmax(one.spacing) == 0
    rules = {"image": (ScaleRule("fixed", 0.0, 1.0),)}
    p = Preparation((4.0, 1.0, 1.0), (0, 1, 2), rules, {}, ("image",))
    arrays = [prepare({"image": d.read(c, "image")}, p) for d, c in ((axial, a), (sagittal, b))]
    np.testing.assert_allclose(arrays[0].arrays["image"], arrays[1].arrays["image"], atol=1e-4)
    back = arrays[1].geometry.undo(arrays[1].arrays["image"], "image")
    assert back.shape[1:] == sagittal.read(b, "image").shape


def test_flat_files_are_left_as_they_are(tmp_path, rng) -> None:
    Volume.of(rng.normal(size=(1, 1, 20, 30)).astype(np.float32)).write(
        tmp_path / "imagesTr" / "a_0000.nii.gz"
    )
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "T1"}, "file_ending": ".nii.gz"})
    d = Dataset.open(tmp_path)
    assert measure_case(d, d.cases("train")[0]).case.shape == (1, 20, 30)
