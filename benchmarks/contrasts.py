"""Every channel and target of a paired set as cases of their own: a prior over all its contrasts.

python benchmarks/contrasts.py D/Dataset013_MSBrainSlices2D H/Dataset113_MSBrainContrasts

A case of the new set is one slice of one contrast (patient07-z018-T1); groups and the split stay.
Values of 0 to 255 are written as 0 to 1: whoever reads whole numbers of 8 bits takes them
for a fixed scale, which the k-space of a scanner does not have.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np

from diffnet.data import Dataset, Volume

ENDING = ".nii.gz"


def separate(source: Path, target: Path) -> None:
    """Copy into `target`, one case a contrast. SystemExit: target is there already."""
    if target.exists():
        raise SystemExit(f"{target} is there already: name a new folder")
    dataset = Dataset.open(source)
    names = {"image": dataset.channels, "target": dataset.targets}
    rows = []
    for split, folder in (("train", "imagesTr"), ("test", "imagesTs")):
        (target / folder).mkdir(parents=True)
        for case in dataset.cases(split):
            for role, contrasts in names.items():
                for contrast, path in zip(contrasts, case.files.get(role, ()), strict=False):
                    name = f"{case.id}-{contrast}"
                    volume = Volume.read([path])
                    made = Volume.of(volume.array.astype(np.float32) / 255, volume.spacing)
                    made.write(target / folder / f"{name}_0000{ENDING}")
                    rows.append((name, case.group, split, contrast))
    with (target / "cases.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("case", "group", "split", "contrast"), *rows])
    contrasts = [c for found in names.values() for c in found]
    described = {
        "name": f"{dataset.name}Contrasts",
        "task": {"name": "reconstruction", "setting": "mri"},
        "channel_names": {"0": "MR"},
        "modalities": {"0": "MR"},
        "metadata": {"contrast": {"kind": "category", "values": contrasts}},
        "file_ending": ENDING,
        "numTraining": sum(split == "train" for _, _, split, _ in rows),
    }
    (target / "dataset.json").write_text(json.dumps(described, indent=1))
    print(f"{target}: {described['numTraining']} training and {len(rows)} cases in all")


if __name__ == "__main__":
    separate(Path(sys.argv[1]), Path(sys.argv[2]))
