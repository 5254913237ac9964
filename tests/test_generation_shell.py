"""Generation from the shell: what steers, codes, and every wish that cannot be met."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from diffnet import cli
from diffnet.data import Volume

SIZE, CASES = 16, 30


def write(folder: Path, notes: tuple[str, ...] = ("left", "right"), spacing: float = 1.0) -> Path:
    """Images with a class, an age, a note and a label map of the values 0 and 5."""
    draws = np.random.default_rng(0)
    for place in ("imagesTr", "labelsTr"):
        (folder / place).mkdir(parents=True)
    rows = []
    for k in range(CASES):
        label = np.zeros((1, 1, SIZE, SIZE), np.uint8)
        label[:, :, 3 : 8 + k % 4, 4:11] = 5
        image = (90 + 15 * label + draws.normal(0, 8, label.shape)).clip(0, 255)
        how = (1.0, spacing, spacing)
        Volume.of(image.astype(np.float32), how).write(folder / f"imagesTr/c{k:02d}_0000.nii.gz")
        Volume.of(label, how).write(folder / f"labelsTr/c{k:02d}.nii.gz")
        rows.append([f"c{k:02d}", ("one", "two")[k % 2], 30 + k, notes[k % len(notes)]])
    with (folder / "cases.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["case", "class", "age", "note"], *rows])
    about = {
        "channel_names": {"0": "OT"},
        "labels": {"background": 0, "thing": 5},
        "metadata": {
            "class": {"kind": "category", "values": ["one", "two"]},
            "age": {"kind": "number"},
            "note": {"kind": "text"},
        },
        "file_ending": ".nii.gz",
        "task": "generation",
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def shell(*call: object) -> int:
    return cli.run([str(part) for part in call])


def trained(dataset: Path, work: Path, *more: object, plan: tuple = ()) -> Path:
    shared = ("--work", work, "--processes", 1)
    assert shell("plan", dataset, "--minutes", 1, *plan, *shared) == 0
    how = ("--steps", 2, "--device", "cpu", "--name", "run", "--configuration", "2d")
    assert shell("train", dataset, *how, *more, *shared) == 0
    return work / dataset.name / "runs" / "run"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("shell") / "Dataset903_Shell")


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory) -> Path:
    return trained(dataset, tmp_path_factory.mktemp("work"))


def fails(capsys, *call: object) -> str:
    """The one sentence that a user sees."""
    capsys.readouterr()
    assert shell(*call) == 2
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    return said


def test_conditions_and_rows(run: Path, tmp_path, capsys) -> None:
    make = ("predict", run, "--device", "cpu", "--steps", 2, "-o")
    said = ("--condition", "class=two", "--condition", "age=40", "--condition", "note=left")
    assert shell(*make, tmp_path / "a", "--cases", 2, *said, "--guidance", 2) == 0
    with (tmp_path / "a/cases.csv").open() as opened:
        told = list(csv.DictReader(opened))
    assert [t["case"] for t in told] == ["two-00001", "two-00002"]
    assert told[0] == {"case": "two-00001", "class": "two", "age": "40", "note": "left"}
    rows = tmp_path / "rows.csv"
    rows.write_text("case,class,age\nmine,one,35\nyours,,\n")
    assert shell(*make, tmp_path / "b", "--rows", rows) == 0
    assert sorted(p.name for p in (tmp_path / "b").glob("*.nii.gz")) == [
        "mine.nii.gz",
        "yours.nii.gz",
    ]
    assert Volume.read(tmp_path / "b/mine.nii.gz").shape == (1, SIZE, SIZE)


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        (("--cases", 1, "--condition", "sex=male"), "not trained with a condition 'sex'"),
        (("--cases", 1, "--condition", "class=three"), "no value 'three'"),
        (("--cases", 1, "--condition", "age=900"), "30 to 59"),
        (("--cases", 1, "--condition", "note=zebra"), "none of these words"),
        (("--rows", "nowhere.csv"), "there is no such file"),
        (("--cases", 1, "--masks", "x"), "leave out --masks"),
        ((), "say how many with --cases"),
    ],
)
def test_wishes_that_cannot_be_met(run: Path, tmp_path, capsys, wish: tuple, word: str) -> None:
    assert word in fails(capsys, "predict", run, "-o", tmp_path / "out", *wish)
    assert not (tmp_path / "out").exists()


def test_words_of_an_empty_vocabulary_are_refused(tmp_path, capsys) -> None:
    """Every note is another one: there is no word that came twice."""
    letters = "abcdefghij"
    notes = tuple(f"word{letters[k // 10]}{letters[k % 10]}" for k in range(CASES))
    made = write(tmp_path / "Dataset904_Words", notes)
    run = trained(made, tmp_path / "work", plan=("--set", "text=note"))
    said = fails(
        capsys, "predict", run, "-o", tmp_path / "out", "--cases", 1, "--condition", "note=left"
    )
    assert "no word at all" in said


def test_wavelets_and_a_first_stage(dataset: Path, tmp_path, capsys) -> None:
    run = trained(dataset, tmp_path / "w", "--codec", "wavelet")
    assert json.loads((run / "card.json").read_text())["recipe"]["knobs"]["codec"] == "wavelet"
    assert shell("predict", run, "-o", tmp_path / "a", "--cases", 1, "--steps", 2) == 0
    stage = trained(dataset, tmp_path / "s", "--recipe", "ae_kl", "--knob", "factor=2")
    shared = ("--work", tmp_path / "s", "--processes", 1, "--steps", 2, "--configuration", "2d")
    said = fails(capsys, "train", dataset, "--codec", stage, *shared)
    assert "does not give images back well enough" in said
    assert "--codec wavelet" in said
    found = json.loads((stage / "reconstruction.json").read_text())
    assert found["lost"] > found["allowed"]
    other = write(tmp_path / "Dataset905_Other")
    other.joinpath("cases.csv").unlink()
    about = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps({**about, "metadata": {}}))
    shared = ("--work", tmp_path / "o", "--processes", 1)
    assert shell("plan", other, "--minutes", 1, *shared) == 0
    said = fails(capsys, "train", other, "--codec", stage, "--configuration", "2d", *shared)
    assert "was trained on Dataset903_Shell" in said
    assert "wavelett" in fails(capsys, "train", other, "--codec", "wavelett", *shared)


def test_label_maps_that_do_not_fit(dataset: Path, tmp_path, capsys) -> None:
    run = trained(dataset, tmp_path / "m", plan=("--settings", "maps=true"))
    maps = tmp_path / "maps"
    maps.mkdir()
    good = np.zeros((1, 1, SIZE, SIZE), np.uint8)
    Volume.of(good).write(maps / "good.nii.gz")
    call = ("predict", run, "-i", maps, "-o", tmp_path / "out", "--steps", 2, "--device", "cpu")
    assert shell(*call) == 0
    assert (tmp_path / "out/imagesTr/good_0000.nii.gz").is_file()
    Volume.of(good + 3).write(maps / "bad.nii.gz")
    assert "values [3]" in fails(capsys, *call)
    (maps / "bad.nii.gz").unlink()
    Volume.of(np.zeros((1, 6, SIZE, SIZE), np.uint8)).write(maps / "deep.nii.gz")
    assert "it is 3-D" in fails(capsys, *call)
    (maps / "deep.nii.gz").unlink()
    assert "every label map becomes one image" in fails(capsys, *call, "--cases", 2)
    assert "choose" in fails(
        capsys, "plan", dataset, "--settings", "maps=true", "--settings", "what=labels",
        "--work", tmp_path / "x", "--processes", 1,
    )  # fmt: skip
