"""A copy of Dataset021_MSPatchAnomaly that has lesioned patches to train on, cut from Dataset003.

Run: python benchmarks/weak_patches.py DATASET021 DATASET003 OUT. Recipes that learn from weak
labels need diseased images; those of the training patients are cut here, at the same places and
from the same volumes as the healthy ones, and no more is told of them than that they are not
healthy. Test patches are those of Dataset021.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from diffnet.data import Dataset, Volume

SIDE = 64
PLACES = (5, 4)  # starts along y and x
EVERY = 4  # slices
LESION, BRAIN = 20, 0.6  # pixels; share of the patch


def add_lesioned(patches: Dataset, volumes: Dataset, out: Path) -> int:
    """Write `out`; returns how many lesioned patches it has to train on."""
    for folder in ("imagesTr", "imagesTs", "labelsTs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
        for file in sorted((patches.folder / folder).iterdir()):
            (out / folder / file.name).symlink_to(file.resolve())
    (out / "dataset.json").symlink_to((patches.folder / "dataset.json").resolve())
    healthy = patches.cases("train")
    patients = {c.group for c in healthy}
    made = [
        row for c in volumes.cases("train") if c.group in patients for row in cut(c, volumes, out)
    ]
    columns = ["case", "group", "split", "healthy", "z"]
    with (out / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for split in ("train", "test"):
            for c in patches.cases(split):
                writer.writerow([c.id, c.group, split, c.fields["healthy"], c.fields["z"]])
        writer.writerows(made)
    return len(made)


def cut(case, volumes: Dataset, out: Path) -> list[list[str]]:
    """Rows of cases.csv of the lesioned patches of one patient, whose files are written."""
    given, target = volumes.read(case, "image"), volumes.read(case, "target")
    # pictures have anterior at the top
    array = np.concatenate([given.array, target.array])[:, :, ::-1]
    lesion = volumes.read(case, "label").array[0, :, ::-1] != 0
    _, depth, height, width = array.shape
    starts = [
        np.linspace(0, n - SIDE, k).astype(int)
        for n, k in zip((height, width), PLACES, strict=True)
    ]
    rows = []
    for z in range(0, depth, EVERY):
        for y in starts[0]:
            for x in starts[1]:
                here = (slice(y, y + SIDE), slice(x, x + SIDE))
                patch = array[:, z : z + 1, *here]
                brain = (patch > 0).any(0).mean()
                if lesion[z][here].sum() < LESION or brain < BRAIN:
                    continue
                name = f"{case.id}-lesion-z{z:03d}-y{y:03d}-x{x:03d}"
                for k, channel in enumerate(patch):
                    volume = Volume.of(channel[None].astype(np.uint8), (1.0, 1.0, 1.0))
                    volume.write(out / "imagesTr" / f"{name}_{k:04d}.png")
                rows.append([name, case.group, "train", "0", f"{given.origin[2] + z:.0f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patches", type=Path)
    parser.add_argument("volumes", type=Path)
    parser.add_argument("out", type=Path)
    wish = parser.parse_args()
    made = add_lesioned(Dataset.open(wish.patches), Dataset.open(wish.volumes), wish.out)
    print(f"{made} lesioned patches to train on: {wish.out}")


if __name__ == "__main__":
    main()
