"""A copy of a dataset with few training cases of each class, to see what is learned by heart.

    python benchmarks/few_cases.py D/Dataset008_MedNIST H/Dataset908_FewMedNIST --cases 5 --test 20

Of each class (column class of cases.csv) `cases` training cases, evenly spread, and the first
`test` test cases; --classes leaves out all others. Files are copied, the original is only read.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

from diffnet.data import Dataset, write_json


def copy(source: Path, out: Path, cases: int, test: int, classes: list[str] | None) -> int:
    """The number of training cases that were copied."""
    dataset = Dataset.open(source)
    kept = []
    for split, most in (("train", cases), ("test", test)):
        by_class: dict[str, list] = {}
        for case in dataset.cases(split):
            by_class.setdefault(case.fields["class"], []).append(case)
        for name in sorted(by_class):
            if classes is None or name in classes:
                stride = max(1, len(by_class[name]) // most) if split == "train" else 1
                kept += by_class[name][::stride][:most]
    for case in kept:
        place = out / ("imagesTr" if case.split == "train" else "imagesTs")
        place.mkdir(parents=True, exist_ok=True)
        for path in case.files["image"]:
            shutil.copy(path, place)
    with (out / "cases.csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["case", "split", "class"])
        writer.writerows([c.id, c.split, c.fields["class"]] for c in kept)
    about = json.loads((source / "dataset.json").read_text("utf-8"))
    many = sum(c.split == "train" for c in kept)
    there = sorted({c.fields["class"] for c in kept})
    about["metadata"]["class"]["values"] = there
    write_json(out / "dataset.json", about | {"name": out.name, "numTraining": many})
    return many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--classes", nargs="+")
    given = parser.parse_args()
    many = copy(given.dataset, given.out, given.cases, given.test, given.classes)
    print(f"{many} training cases in {given.out}")


if __name__ == "__main__":
    main()
