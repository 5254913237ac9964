"""`check` finds each problem it knows, says what to do, and is silent where nothing is wrong."""

# ruff: noqa: E501 - the table of what is broken reads best with one row a line

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diffnet.data import TASK_NAMES, Check, DatasetError, Volume, check, write_json

Break = Callable[[Path], None]


@pytest.fixture
def trial(phantom, tmp_path) -> Path:
    """A copy of a translation dataset that a test may spoil: 4 + 2 cases in 3-D."""
    return Path(shutil.copytree(phantom("translation", 3, 4, 16), tmp_path / "Dataset901_Trial"))


def case(trial: Path, index: int = 0, split: str = "train") -> str:
    return f"translation_{split}_{index:03d}"


def image(trial: Path, index: int = 0, channel: int = 0) -> Path:
    return trial / "imagesTr" / f"{case(trial, index)}_{channel:04d}.nii.gz"


def target(trial: Path, index: int = 0) -> Path:
    return trial / "targetsTr" / f"{case(trial, index)}_0000.nii.gz"


def label(trial: Path, index: int = 0) -> Path:
    return trial / "labelsTr" / f"{case(trial, index)}.nii.gz"


def change(path: Path, edit: Callable[[np.ndarray], np.ndarray], dtype: str = "") -> None:
    v = Volume.read(path)
    array = edit(v.array.astype(dtype) if dtype else v.array.copy())
    Volume(array, v.spacing, v.origin, v.direction, v.dims).write(path)


def regrid(path: Path, **fields: Any) -> None:
    v = Volume.read(path)
    old = {k: getattr(v, k) for k in ("array", "spacing", "origin", "direction", "dims")}
    Volume(**(old | fields)).write(path)


def describe(trial: Path, **changes: Any) -> None:
    path = trial / "dataset.json"
    data = json.loads(path.read_text()) | changes
    write_json(path, {k: v for k, v in data.items() if v is not None})


def rows(trial: Path, edit: Callable[[str], str]) -> None:
    path = trial / "cases.csv"
    path.write_text(edit(path.read_text("utf-8")), "utf-8")


def put_nan(x: np.ndarray) -> np.ndarray:
    x[0, 1, 2, 3], x[0, 2, 2, 2] = np.nan, np.inf
    return x


def put_seven(x: np.ndarray) -> np.ndarray:
    x[0, 0, 0, 0] = 7
    return x


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


TURNED = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
# what is done to the folder; severity, kind and case index of the problem; words in found and do
BROKEN: dict[str, tuple[Break, str, str, int | None, str, str]] = {
    "file missing": (lambda t: target(t, 1).unlink(), "error", "missing file", 1, "not in targetsTr", "Add"),
    "label missing": (lambda t: label(t, 1).unlink(), "warning", "missing file", 1, "not in labelsTr", "Add"),
    "channel missing": (lambda t: image(t, 2, 1).unlink(), "error", "missing channel", 2, "channel 1, 'T2'", "missing_channels"),
    "channel surplus": (lambda t: shutil.copy(image(t), image(t, 0, 2)), "error", "surplus channel", 0, "channel 2", "take the file out"),
    "file surplus": (lambda t: (t / "imagesTr" / "notes.txt").write_text("x"), "warning", "surplus file", None, "imagesTr/notes.txt", "Rename"),
    "name without number": (lambda t: shutil.copy(image(t), t / "imagesTr" / "b.nii.gz"), "warning", "surplus file", None, "b.nii.gz", "CASE_0000.nii.gz"),
    "truncated": (lambda t: cut(image(t, 3)), "error", "unreadable", 3, "truncated", "whole file"),
    "no image at all": (lambda t: image(t, 3).write_bytes(b"text"), "error", "unreadable", 3, "_0000.nii.gz", "whole file"),
    "shape of a channel": (lambda t: change(image(t, 1, 1), lambda x: x[:, 1:]), "error", "grid", 1, "shapes", "Resample"),
    "spacing of a channel": (lambda t: regrid(image(t, 1, 1), spacing=(1, 1, 2)), "error", "grid", 1, "spacings", "Resample"),
    "origin of a channel": (lambda t: regrid(image(t, 1, 1), origin=(0, 0, 999)), "error", "grid", 1, "origins", "Resample"),
    "direction of a channel": (lambda t: regrid(image(t, 1, 1), direction=TURNED), "error", "grid", 1, "directions", "Resample"),
    "shape of the target": (lambda t: change(target(t, 1), lambda x: x[:, 1:]), "error", "grid", 1, "imagesTr/", "Resample"),
    "origin of the label": (lambda t: regrid(label(t, 1), origin=(0, 0, 999)), "warning", "grid", 1, "origins", "overlie"),
    "NaN and Inf": (lambda t: change(image(t, 1), put_nan, "float32"), "error", "not finite", 1, "1 NaN and 1 Inf", "replace"),
    "constant": (lambda t: change(target(t, 1), np.zeros_like), "warning", "constant", 1, "is 0 everywhere", "Take the case out"),
    "label not declared": (lambda t: change(label(t, 1), put_seven), "error", "labels", 1, "holds 7, and dataset.json declares background = 0, lesion = 1", "Declare"),
    "label of fractions": (lambda t: change(label(t, 1), lambda x: x + 0.5, "float32"), "error", "labels", 1, "fractions", "Save integers"),
    "label of two channels": (lambda t: change(label(t, 1), lambda x: np.concatenate([x, x])), "error", "labels", 1, "2 channels", "one integer"),
    "label never there": (lambda t: describe(t, labels={"background": 0, "lesion": 1, "cyst": 2}), "warning", "labels", None, "no label map holds cyst = 2", "Take it out"),
    "duplicate in training": (lambda t: [change(image(t, 2, k), lambda x, k=k: Volume.read(image(t, 0, k)).array) for k in range(2)], "warning", "duplicate", 0, "are the same", "one group"),
    "image copied to target": (lambda t: [describe(t, channel_names={"0": "T1"}, modalities={}), [image(t, i, 1).unlink() for i in range(4)], [p.unlink() for p in (t / "imagesTs").glob("*_0001*")], shutil.copy(image(t, 1), target(t, 1))], "warning", "same content", 1, "image and its target", "copied"),
    "row without files": (lambda t: rows(t, lambda s: s + "ghost,g,train\n"), "error", "missing file", None, "no file is there", "Add its files"),
    "files without row": (lambda t: rows(t, lambda s: "".join(s.splitlines(True)[:-1])), "warning", "metadata", None, "no row", "Add one"),
    "split at odds": (lambda t: rows(t, lambda s: s.replace("000,train-patient-000,train", "000,train-patient-000,test")), "error", "split", 0, "'test'", "Correct the column"),
    "group straddles": (lambda t: rows(t, lambda s: s.replace("test-patient-000", "train-patient-001")), "error", "straddling group", None, "'train-patient-001'", "too good"),
    "metadata of another kind": (lambda t: [describe(t, metadata={"age": {"kind": "number"}}), rows(t, lambda s: s.replace("split\n", "split,age\n").replace(",train\n", ",train,old\n").replace(",test\n", ",test,70\n"))], "error", "metadata", 0, "'old' is not a number", "Correct"),
    "metadata without column": (lambda t: describe(t, metadata={"splt": {"kind": "text"}}), "warning", "metadata", None, "no column 'splt'", "Did you mean 'split'"),
    "numTraining": (lambda t: describe(t, numTraining=9), "warning", "count", None, "numTraining is 9, and 4", "Correct"),
    "no target_names": (lambda t: describe(t, target_names=None), "error", "missing key", None, "no target_names", "Add"),
    "no labels": (lambda t: describe(t, labels=None), "error", "missing key", None, "no labels", "Add"),
    "task not served": (lambda t: [describe(t, task="segmentation"), shutil.rmtree(t / "labelsTr")], "error", "task", None, "needs imagesTr and labelsTr", "another task"),
    "class not there": (lambda t: describe(t, task="classification"), "error", "task", None, "needs a class", "Add a column"),
    "unknown task": (lambda t: describe(t, task="translate"), "error", "dataset.json", None, "did you mean 'translation'", "check again"),
    "no JSON": (lambda t: (t / "dataset.json").write_text("{"), "error", "dataset.json", None, "not valid JSON", "check again"),
    "cases.csv": (lambda t: rows(t, lambda s: s.replace("case,", "id,")), "error", "cases.csv", None, "no column 'case'", "check again"),
    "dimensions": (lambda t: [change(p, lambda x: x[:, :1]) for p in (image(t, 1), image(t, 1, 1), target(t, 1), label(t, 1))], "error", "dimensions", 1, "it is 2-D", "two datasets"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_problem_is_found_and_nothing_else_in_its_case(name, trial) -> None:
    spoil, severity, kind, index, found, do = BROKEN[name]
    spoil(trial)
    c = check(trial)
    fitting = [p for p in c.problems if p.kind == kind and found in p.found]
    assert fitting, [str(p) for p in c.problems]
    p = fitting[0]
    assert p.severity == severity
    assert do in p.do
    if index is not None:
        assert p.case == case(trial, index)
    other = [q for q in c.problems if q.kind != kind and q.severity == "error"]
    assert not other, [str(q) for q in other]
    assert Check.from_json(json.loads(json.dumps(c.to_json()))) == c


def test_duplicates_across_training_and_test(trial) -> None:
    for k in range(2):
        there = trial / "imagesTs" / f"{case(trial, 1, 'test')}_{k:04d}.nii.gz"
        v = Volume.read(image(trial, 2, k))
        v.write(there)  # other bytes (another place), same voxels
        regrid(there, origin=(9.0, 9.0, 9.0))
    found = [p for p in check(trial).errors if p.kind == "duplicate"]
    assert len(found) == 1
    assert "translation_train_002 (train), translation_test_001 (test)" in found[0].found


def test_one_id_on_both_sides(trial) -> None:
    for folder in ("images", "targets", "labels"):
        for path in (trial / f"{folder}Tr").glob(f"{case(trial)}*"):
            shutil.copy(path, trial / f"{folder}Ts" / path.name)
    kinds = {p.kind for p in check(trial).errors}
    assert {"straddling case", "duplicate"} <= kinds


def test_rgb_with_too_few_channels(tmp_path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 1, 8, 8)).astype(np.uint8)
    for k in range(3):
        part = array[: 1 if k == 1 else 3] + k
        Volume.of(part).write(tmp_path / "imagesTr" / f"c{k}_0000.png")
    names = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "file_ending": ".png"}
    write_json(tmp_path / "dataset.json", names)
    (p,) = check(tmp_path).problems
    assert (p.kind, p.case) == ("channels", "c1")
    assert "holds 1 channels, and by channel_names it should 3" in p.found


def test_several_problems_are_reported_at_once(trial) -> None:
    cut(image(trial, 0))
    change(label(trial, 1), put_seven)
    target(trial, 2).unlink()
    describe(trial, numTraining=5)
    c = check(trial)
    assert [(p.severity, p.kind) for p in c.problems] == [
        ("error", "labels"),
        ("error", "missing file"),
        ("error", "unreadable"),
        ("warning", "count"),
    ]
    assert len(c.errors) == 3
    assert len(c.warnings) == 1
    assert "case translation_train_001" in str(c.problems[0])


@pytest.mark.parametrize("task", TASK_NAMES)
@pytest.mark.parametrize("dims", [2, 3])
def test_phantoms_have_no_problem(task, dims, phantom) -> None:
    c = check(phantom(task, dims, 8 if dims == 2 else 4, 24 if dims == 2 else 16))
    assert [str(p) for p in c.problems] == []
    assert c.task == task
    assert (c.train, c.test) == ((8, 2) if dims == 2 else (4, 2))


def test_unpaired_cases_lack_nothing(tmp_path, rng) -> None:
    for k in range(3):
        array = rng.integers(0, 255, (2, 1, 8, 8)).astype(np.uint8)
        Volume.of(array[:1]).write(tmp_path / "imagesTr" / f"a{k}_0000.png")
        Volume.of(array[1:]).write(tmp_path / "targetsTr" / f"b{k}_0000.png")
    described = {"channel_names": {"0": "x"}, "target_names": {"0": "y"}, "file_ending": ".png"}
    write_json(tmp_path / "dataset.json", described | {"numTraining": 3, "unpaired": True})
    assert check(tmp_path).problems == ()
    write_json(tmp_path / "dataset.json", described)
    assert {p.kind for p in check(tmp_path).errors} == {"missing file"}


def test_two_processes_find_what_one_does(trial) -> None:
    cut(image(trial, 3))
    change(label(trial, 1), put_seven)
    calls: list[tuple[int, int]] = []
    one = check(trial, 1, lambda done, total: calls.append((done, total)))
    assert calls == [(k + 1, 6) for k in range(6)]
    two = check(trial, 2)
    assert two.problems == one.problems


def test_nothing_is_written_into_the_dataset(trial) -> None:
    before = {p: p.stat().st_mtime_ns for p in trial.rglob("*")}
    check(trial)
    assert {p: p.stat().st_mtime_ns for p in trial.rglob("*")} == before


def test_forecast(trial, monkeypatch) -> None:
    c = check(trial)
    f = c.forecast
    voxels = 12 * 16 * 16
    assert f.cases == 6
    assert f.disk == 6 * voxels * (3 * 4 + 1)
    assert f.memory > voxels * 4 * (4 + 4)
    assert f.source == sum(p.stat().st_size for p in trial.glob("*T[rs]/*"))
    assert f.memory_there > f.memory
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=f.disk // 2))
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    kinds = {p.kind for p in check(trial).warnings}
    assert kinds == {"disk", "memory"}


def test_no_dataset_there(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        check(tmp_path)
