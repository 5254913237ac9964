"""Phantoms are whole datasets, the same for the same seed, with something in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffnet.data import TASK_NAMES, Dataset, PhantomError, write_phantom


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("dims", [2, 3])
def test_same_seed_same_files(dims, tmp_path) -> None:
    a, b, c = (
        contents(write_phantom(tmp_path / str(i), "translation", dims, 2, 16, seed))
        for i, seed in enumerate((5, 5, 6))
    )
    assert a == b
    assert a.keys() == c.keys()
    assert (
        a["imagesTr/translation_train_000_0000" + (".png" if dims == 2 else ".nii.gz")]
        != (c["imagesTr/translation_train_000_0000" + (".png" if dims == 2 else ".nii.gz")])
    )


@pytest.mark.parametrize("task", TASK_NAMES)
@pytest.mark.parametrize("dims", [2, 3])
def test_cases_have_the_size_asked_for_and_show_a_body(task, dims, phantom) -> None:
    d = Dataset.open(phantom(task, dims, 8 if dims == 2 else 4, 24 if dims == 2 else 16))
    assert d.task == task
    for case in (*d.cases("train")[:2], d.cases("test")[0]):
        v = d.read(case, "image")
        assert v.dims == dims
        assert v.shape == ((1, 24, 24) if dims == 2 else (12, 16, 16))
        assert len(v.array) == len(d.channels)
        low, high = float(v.array.min()), float(v.array.max())
        assert 0.1 < (v.array > low + 0.15 * (high - low)).mean() < 0.9
    assert len(d.cases("test")) == 2


def test_targets_can_be_told_from_images_and_noise_is_noise(phantom) -> None:
    d = Dataset.open(phantom("denoising", 2, 8, 48))
    for case in d.cases("train"):
        noisy, clean = (d.read(case, r).array.astype(float) for r in ("image", "target"))
        assert (noisy - clean).std() == pytest.approx(40, rel=0.1)
        assert abs((noisy - clean).mean()) < 5
    d = Dataset.open(phantom("translation", 2, 8, 48))
    lesions = 0
    for case in d.cases("train"):
        label, target = d.read(case, "label").array > 0, d.read(case, "target").array
        lesions += label.sum()
        if label.sum() > 5:
            assert target[label].mean() > 1.3 * target[target > 40].mean()
    assert lesions > 20


def test_classes_and_flags(phantom) -> None:
    d = Dataset.open(phantom("generation", 2, 8, 24))
    assert {d.value(c, "class") for c in d.cases("train")} == {"head", "chest", "abdomen"}
    d = Dataset.open(phantom("anomaly", 2, 8, 48))
    assert all(d.value(c, "healthy") for c in d.cases("train"))
    ill = [c for c in d.cases("test") if not d.value(c, "healthy")]
    assert ill
    assert all(d.read(c, "label").array.any() for c in ill)


def test_3d_phantoms_are_tilted_and_their_spacings_differ(phantom) -> None:
    d = Dataset.open(phantom("segmentation", 3, 4, 16))
    volumes = [d.read(c, "image") for c in d.cases("train")]
    assert len({v.spacing for v in volumes}) == 4
    for v in volumes:
        matrix = np.reshape(v.direction, (3, 3))
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-5)
        assert not np.allclose(matrix, np.eye(3))
    labels = {int(x) for c in d.cases("train") for x in np.unique(d.read(c, "label").array)}
    assert labels == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "segmentations"}, "did you mean 'segmentation'"),
        ({"task": "segmentation", "dims": 4}, "2 or 3 dimensions"),
        ({"task": "segmentation", "cases": 0}, "at least 1 case"),
        ({"task": "segmentation", "size": 4}, "8 to 1024"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, words, tmp_path) -> None:
    with pytest.raises(PhantomError, match=words):
        write_phantom(tmp_path / "d", **arguments)
    assert not (tmp_path / "d").exists()


def test_nothing_is_overwritten(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(PhantomError, match="not an empty folder"):
        write_phantom(tmp_path, "segmentation")
