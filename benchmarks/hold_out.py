"""A copy of a dataset, made of links, with some of its training cases as test cases.

Run: python benchmarks/hold_out.py DATASET OUT [--share 0.2 | --groups L096 ...]. For evidence on
datasets that come without test cases. Groups of cases.csv stay together.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from diffnet.data import Case, Dataset, split_cases

FOLDERS = {"image": "images", "target": "targets", "label": "labels"}


def hold_out(dataset: Dataset, out: Path, share: float, groups: list[str]) -> tuple[int, int]:
    """Write `out`; returns how many cases train and how many test."""
    cases = dataset.cases("train")
    if groups:
        test = [c for c in cases if c.group in groups]
        train = [c for c in cases if c.group not in groups]
    else:
        train, test = split_cases(cases, share, seed=0)
    for suffix, some in (("Tr", train), ("Ts", test)):
        for case in some:
            for role, files in case.files.items():
                folder = out / f"{FOLDERS[role]}{suffix}"
                folder.mkdir(parents=True, exist_ok=True)
                for file in files:
                    (folder / file.name).symlink_to(file.resolve())
    description = json.loads((dataset.folder / "dataset.json").read_text("utf-8"))
    description["numTraining"] = len(train)
    (out / "dataset.json").write_text(json.dumps(description, indent=1), "utf-8")
    write_cases(out / "cases.csv", train, test)
    return len(train), len(test)


def write_cases(path: Path, train: list[Case], test: list[Case]) -> None:
    columns = sorted({name for c in [*train, *test] for name in c.fields})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "group", "split", *columns])
        for split, some in (("train", train), ("test", test)):
            for c in some:
                writer.writerow([c.id, c.group, split, *(c.fields.get(n, "") for n in columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--groups", nargs="*", default=[])
    given = parser.parse_args()
    found = hold_out(Dataset.open(given.dataset), given.out, given.share, given.groups)
    print(f"{found[0]} cases train, {found[1]} test: {given.out}")


if __name__ == "__main__":
    main()
