"""Dataset folders are read as people make them, and what is wrong with them is named."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffnet.data import (
    Dataset,
    DatasetError,
    MetadataField,
    RecordError,
    Volume,
    find_scans,
    nearest,
    write_json,
)

GOOD: dict[str, Any] = {"channel_names": {"0": "T1"}, "file_ending": ".nii.gz"}


def put(
    path: Path, value: float = 1, channels: int = 1, shape: tuple[int, ...] = (2, 3, 4)
) -> None:
    Volume.of(np.full((channels, *shape), value, np.uint8)).write(path)


def folder(path: Path, json_: dict[str, Any], names: list[str], rows: str = "") -> Path:
    """A dataset folder; names like imagesTr/a_0000.nii.gz, each file filled with its number."""
    for k, name in enumerate(names):
        put(path / name, k + 1)
    write_json(path / "dataset.json", json_)
    if rows:
        (path / "cases.csv").write_text(rows, "utf-8")
    return path


def test_a_plain_nnunet_dataset(tmp_path) -> None:
    described = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3},
        "regions_class_order": [1, 2],
        "numTraining": 2,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "tensorImageSize": "3D",
    }
    names = [f"imagesTr/{c}_000{k}.nii.gz" for c in ("b", "a_0001") for k in range(2)]
    names += ["labelsTr/b.nii.gz", "labelsTr/a_0001.nii.gz", "imagesTs/c_0000.nii.gz"]
    d = Dataset.open(folder(tmp_path / "Dataset042_Trial", described, names))
    assert d.task == "segmentation"
    assert d.name == "Dataset042_Trial"
    assert d.channels == ("T1", "T2")
    assert d.labels == {"background": 0, "ignore": 3, "whole": 1, "core": 2}
    assert d.description.regions == {"whole": (1, 2), "core": (2,)}
    assert d.modalities == ("", "")
    cases = d.cases("train")
    assert [c.id for c in cases] == ["a_0001", "b"]
    assert [len(c.files["image"]) for c in cases] == [2, 2]
    assert [len(c.files["label"]) for c in cases] == [1, 1]
    assert [c.group for c in cases] == ["a_0001", "b"]
    read = d.read(cases[1], "image")
    assert read.array[:, 0, 0, 0].tolist() == [1, 2]
    assert d.read(cases[0], "label").array.max() == 6
    assert [c.split for c in d.cases("test")] == ["test"]


def test_files_listed_in_dataset_json(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))
    put(tmp_path / "elsewhere" / "x.nii.gz", 7)
    put(tmp_path / "d" / "maps" / "y.nii.gz", 1)
    listed = {"one": {"images": ["$ELSEWHERE/x.nii.gz"], "label": "maps/y.nii.gz"}}
    write_json(tmp_path / "d" / "dataset.json", GOOD | {"labels": {"b": 0}, "dataset": listed})
    d = Dataset.open(tmp_path / "d")
    (case,) = d.cases("train")
    assert d.task == "segmentation"
    assert d.read(case, "image").array.max() == 7


@pytest.mark.parametrize(
    ("folders", "task"),
    [
        (["imagesTr/a_0000"], "generation"),
        (["imagesTr/a_0000", "labelsTr/a"], "segmentation"),
        (["imagesTr/a_0000", "targetsTr/a_0000"], "translation"),
        (["imagesTr/a_0000", "targetsTr/a_0000", "labelsTr/a"], "translation"),
        (["labelsTr/a"], None),
        (["targetsTr/a_0000"], None),
        ([], None),
    ],
)
def test_the_task_is_inferred_where_one_alone_fits(folders, task, tmp_path) -> None:
    names = [f + ".nii.gz" for f in folders]
    assert Dataset.open(folder(tmp_path, GOOD, names)).task == task
    said = Dataset.open(folder(tmp_path, GOOD | {"task": "inpainting"}, names))
    assert said.task == "inpainting"


def test_task_settings(tmp_path) -> None:
    described = GOOD | {"task": {"name": "super_resolution", "factor": 4}}
    d = Dataset.open(folder(tmp_path, described, []))
    assert (d.task, d.task_settings) == ("super_resolution", {"factor": 4})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_names": None}, "'channel_names' is missing"),
        ({"file_ending": None, "file_endings": ".png"}, "did you mean 'file_ending'"),
        ({"channel_names": None, "channelNames": {"0": "x"}}, "did you mean 'channel_names'"),
        ({"target_name": {"0": "x"}}, "did you mean 'target_names'"),
        ({"num_training": 3}, "did you mean 'numTraining'"),
        ({"task": "segmentaton"}, "did you mean 'segmentation'"),
        ({"task": 3}, "'task' must be"),
        ({"file_ending": "nii.gz"}, r"did you mean '\.nii\.gz'"),
        ({"file_ending": ".xyz"}, "is not read"),
        ({"channel_names": {"0": "a", "2": "b"}}, "numbered 0, 1"),
        ({"channel_names": ["a"]}, "must be like"),
        ({"channel_names": {}}, "is empty"),
        ({"labels": {"0": "background", "1": "x"}}, "value: name"),
        ({"labels": {"background": 0, "x": 1.5}}, "must be an integer"),
        ({"labels": {"a": 1, "b": 1}}, "several names: a, b"),
        ({"labels": [0, 1]}, "'labels' must be like"),
        ({"modalities": {"1": "MR"}}, "there are 1 channels"),
        ({"metadata": {"age": {"kind": "numbr"}}}, "did you mean 'number'"),
        ({"metadata": {"age": "number"}}, "needs a kind"),
        ({"metadata": {"age": {"kind": "number", "units": "y"}}}, "unknown keys units"),
        ({"unpaired": "yes"}, "true or false"),
        ({"numTraining": "3"}, "a number from 0 up"),
        ({"channel_names": None, "modality": {"0": "MR"}}, "nnU-Net version 1"),
    ],
)
def test_mistakes_in_dataset_json_are_named(changes, words, tmp_path) -> None:
    described = {k: v for k, v in (GOOD | changes).items() if v is not None}
    with pytest.raises(DatasetError, match=words):
        Dataset.open(folder(tmp_path, described, []))


def test_all_mistakes_are_named_at_once(tmp_path) -> None:
    described = {"channel_name": {"0": "x"}, "file_ending": ".nii", "task": "x", "labels": 3}
    with pytest.raises(DatasetError) as raised:
        Dataset.open(folder(tmp_path, described, []))
    assert len(str(raised.value).splitlines()) == 3


def test_free_keys_of_others_are_let_alone(tmp_path) -> None:
    free = {"release": "1.0", "converted_by": "me", "citation": "x", "my own remark": 3}
    assert Dataset.open(folder(tmp_path, GOOD | free, [])).channels == ("T1",)


def test_no_dataset_there(tmp_path) -> None:
    with pytest.raises(DatasetError, match="is no folder"):
        Dataset.open(tmp_path / "nothing")
    with pytest.raises(DatasetError, match=r"holds no dataset\.json"):
        Dataset.open(tmp_path)
    (tmp_path / "dataset.json").write_text('{"channel_names": ')
    with pytest.raises(RecordError, match=r"not valid JSON.*line 1"):
        Dataset.open(tmp_path)
    (tmp_path / "dataset.json").write_text("[1]")
    with pytest.raises(DatasetError, match="no JSON object"):
        Dataset.open(tmp_path)


def test_metadata_is_typed(tmp_path) -> None:
    declared = {
        "age": {"kind": "number", "unit": "years"},
        "class": {"kind": "category"},
        "healthy": {"kind": "flag"},
        "note": {"kind": "text"},
    }
    rows = "case,group,split,age,class,healthy,note\n"
    rows += 'a,p1,train,61.5,x,1,"old, and ill"\nb,p1,train,,y,no,\n'
    names = ["imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz"]
    d = Dataset.open(folder(tmp_path, GOOD | {"metadata": declared}, names, rows))
    a, b = d.cases("train")
    assert (a.group, b.group) == ("p1", "p1")
    assert a.fields == {"age": "61.5", "class": "x", "healthy": "1", "note": "old, and ill"}
    values = [d.value(a, c) for c in ("age", "class", "healthy", "note")]
    assert values == [61.5, "x", True, "old, and ill"]
    assert [d.value(b, c) for c in ("age", "healthy", "note", "other")] == [None, False, None, None]
    assert d.metadata["class"] == MetadataField("category", ("x", "y"))


def test_columns_that_are_not_declared_are_inferred(tmp_path) -> None:
    rows = "case,site,age,remark\n" + "".join(
        f"c{i},{'AB'[i % 2]},{i},word {i}\n" for i in range(6)
    )
    d = Dataset.open(folder(tmp_path, GOOD, [], "\ufeff" + rows))
    assert d.metadata["site"] == MetadataField("category", ("A", "B"))
    assert d.metadata["age"].kind == "number"
    assert d.metadata["remark"].kind == "text"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("cases,split\na,train\n", "no column 'case'.*did you mean 'cases'"),
        ("case\na\na\n", "'a' is there twice"),
        ("case,note\na,one, two\n", "more cells than columns"),
    ],
)
def test_mistakes_in_cases_csv_are_named(rows, words, tmp_path) -> None:
    d = Dataset.open(folder(tmp_path, GOOD, ["imagesTr/a_0000.nii.gz"], rows))
    with pytest.raises(DatasetError, match=words):
        d.cases("train")


def test_value_of_another_kind(tmp_path) -> None:
    declared = {"metadata": {"class": {"kind": "category", "values": ["benign", "malignant"]}}}
    rows = "case,class\na,malignent\n"
    d = Dataset.open(folder(tmp_path, GOOD | declared, ["imagesTr/a_0000.nii.gz"], rows))
    with pytest.raises(DatasetError, match=r"case a, column class.*did you mean 'malignant'"):
        d.value(d.cases("train")[0], "class")


def test_several_raters(tmp_path) -> None:
    described = GOOD | {"labels": {"b": 0, "x": 1}, "raters": {"0": "first", "1": "second"}}
    names = ["imagesTr/a_0000.nii.gz", "labelsTr/a_0000.nii.gz", "labelsTr/a_0001.nii.gz"]
    d = Dataset.open(folder(tmp_path, described, names))
    (case,) = d.cases("train")
    assert len(case.files["label"]) == 2
    assert d.read(case, "label").array.max() == 2
    assert d.read(case, "label", rater=1).array.max() == 3
    with pytest.raises(DatasetError, match="2 raters, none numbered 2"):
        d.read(case, "label", rater=2)


def test_missing_channels_are_zero_where_they_may_be(tmp_path) -> None:
    described = GOOD | {"channel_names": {"0": "a", "1": "b", "2": "c"}, "missing_channels": True}
    d = Dataset.open(folder(tmp_path, described, ["imagesTr/x_0001.nii.gz"]))
    (case,) = d.cases("train")
    assert case.missing == {"image": (0, 2)}
    assert d.read(case, "image").array[:, 0, 0, 0].tolist() == [0, 1, 0]


def test_reading_a_role_that_is_not_there(tmp_path) -> None:
    d = Dataset.open(folder(tmp_path, GOOD, ["imagesTr/a_0000.nii.gz"]))
    with pytest.raises(DatasetError, match="case a has no labelsTr: it has image"):
        d.read(d.cases("train")[0], "label")
    with pytest.raises(DatasetError, match="did you mean 'train'"):
        d.cases("trian")


def test_every_folder_is_listed_once(tmp_path, monkeypatch) -> None:
    names = [f"imagesTr/c{i}_0000.nii.gz" for i in range(20)]
    d = Dataset.open(folder(tmp_path, GOOD, names))
    looked: list[str] = []
    scan = os.scandir

    def counted(path: Path) -> Any:
        looked.append(str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    for _ in range(3):
        assert len(d.cases("train")) == 20
        assert d.task == "generation"
    assert len(looked) == len(set(looked)) == 1


def test_content_hash_follows_the_bytes_and_nothing_else(tmp_path) -> None:
    names = ["imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz"]
    d = Dataset.open(folder(tmp_path, GOOD, names))
    a, b = d.cases("train")
    before = d.content_hash(a)
    assert before != d.content_hash(b)
    os.utime(a.files["image"][0], (1, 1))
    assert d.content_hash(a) == before
    put(a.files["image"][0], 9)
    assert d.content_hash(a) != before
    a.files["image"][0].unlink()
    with pytest.raises(DatasetError, match="not exist any more"):
        d.content_hash(a)


def test_a_dataset_travels_to_other_processes(tmp_path) -> None:
    d = Dataset.open(folder(tmp_path, GOOD, ["imagesTr/a_0000.nii.gz"]))
    other = pickle.loads(pickle.dumps(d))
    assert other.cases("train") == d.cases("train")


def test_scans_to_predict(tmp_path) -> None:
    for name in ("a_0000", "a_0001", "b_0001", "b_0000"):
        put(tmp_path / f"{name}.nii.gz")
    (tmp_path / "notes.txt").write_text("x")
    scans = find_scans(tmp_path, ".nii.gz", 2)
    assert {c: [p.name for p in paths] for c, paths in scans.items()} == {
        "a": ["a_0000.nii.gz", "a_0001.nii.gz"],
        "b": ["b_0000.nii.gz", "b_0001.nii.gz"],
    }
    with pytest.raises(DatasetError, match="case a has channels 0000, 0001, and 0000 are needed"):
        find_scans(tmp_path, ".nii.gz", 1)
    with pytest.raises(DatasetError, match="case b has channels 0000, 0001, and 0000, 0001, 0002"):
        find_scans(tmp_path, ".nii.gz", 3)
    with pytest.raises(DatasetError, match=r"names ending in \.png are needed.*5 others"):
        find_scans(tmp_path, ".png", 1)


def test_one_file_with_all_channels(tmp_path) -> None:
    put(tmp_path / "rgb.png", channels=3, shape=(1, 4, 5))
    assert list(find_scans(tmp_path, ".png", 3)) == ["rgb"]
    assert list(find_scans(tmp_path / "rgb.png", ".png", 3)) == ["rgb"]
    with pytest.raises(DatasetError, match="one file with 3 channels, and 2 are needed"):
        find_scans(tmp_path, ".png", 2)
    put(tmp_path / "rgb_0000.png", channels=3, shape=(1, 4, 5))
    with pytest.raises(DatasetError, match=r"both rgb\.png and rgb_0000"):
        find_scans(tmp_path, ".png", 3)


def test_scans_that_are_not_there(tmp_path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        find_scans(tmp_path / "x", ".png", 1)
    with pytest.raises(DatasetError, match="it is empty"):
        find_scans(tmp_path, ".png", 1)
    put(tmp_path / "a.nii.gz")
    with pytest.raises(DatasetError, match=r"is no \.png file"):
        find_scans(tmp_path / "a.nii.gz", ".png", 1)


def test_nearest() -> None:
    assert nearest("transaltion", ["translation", "generation"]) == "did you mean 'translation'?"
    assert nearest("zzz", ["a", "b"]) == "there is a, b"


def test_dicom_folders_as_cases(tmp_path) -> None:
    for name in ("a_0000", "b_0000"):
        (tmp_path / "imagesTr" / name).mkdir(parents=True)
    (tmp_path / "dataset.json").write_text(json.dumps(GOOD | {"file_ending": "/"}))
    d = Dataset.open(tmp_path)
    assert [c.files["image"][0].name for c in d.cases("train")] == ["a_0000", "b_0000"]
