"""The copy audit: are made images nearer to training images than to images never seen?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import Dataset, Record, UserError, Volume, write_json
from ..metrics import copies, embedding, nearest_images
from .gallery import image_rows
from .matching import Paths, image_files
from .panels import Row, draw
from .run import Run

Progress = Callable[[int, int, str], None]
FILE, SHEET = "audit.json", "audit/closest.png"
LEAST, SHOWN = 8, 8
ALPHA = 0.01


class AuditError(UserError):
    """What is needed to tell copies is not there."""


@dataclass(frozen=True)
class Audit(Record):
    """closer, chance, low, high, p, copied, threshold: as in metrics.Copies. pairs: made image,
    nearest training image, likeness; the closest first.
    """

    made: int
    train: int
    held_out: int
    closer: float
    chance: float
    low: float
    high: float
    p: float
    copied: float
    threshold: float
    pairs: tuple[tuple[str, str, float], ...]

    @property
    def caught(self) -> bool:
        """Whether more made images have a training image as nearest relative than chance gives."""
        return self.p < ALPHA

    def table(self) -> str:
        said = "COPIES: " if self.caught else "no sign of copies: "
        return (
            f"{said}{self.closer:.0%} of {self.made} made images (95 % interval {self.low:.0%} to "
            f"{self.high:.0%}, p = {self.p:.2g}) are nearest to a training image; "
            f"chance gives {self.chance:.0%}. {self.copied:.0%} are more alike to a training image "
            f"than 95 % of the held-out images are; chance gives 5 %.\nThis is a screen and no "
            f"proof: look at {SHEET}"
        )


def audit(predictions: Path, run: Run, dataset: Dataset, progress: Progress | None = None) -> Audit:
    """Compare the images in `predictions` with the run's training and held-out images.

    Writes audit.json and a sheet of the closest pairs into that folder. AuditError: fewer than 8
    held-out or made images, or another dataset than the run was trained on.
    """
    if run.plan.dataset != dataset.name:
        raise AuditError(f"the run was trained on {run.plan.dataset}, and this is {dataset.name}")
    known = {c.id: c for s in ("train", "test") for c in dataset.cases(s)}
    train = _files(known, run.card["cases"]["train"])
    held_out = _files(known, run.card["cases"]["val"])
    if len(held_out) < LEAST:  # test images may be of another kind; they serve where few are left
        held_out |= _files(known, [c.id for c in dataset.cases("test")])
    made = image_files(predictions)
    for what, files in (("made", made), ("held-out", held_out), ("training", train)):
        if len(files) < LEAST:
            raise AuditError(f"{len(files)} {what} images are too few for an audit: {LEAST} needed")
    total, done, sets = len(made) + len(train) + len(held_out), 0, []
    for files in (made, train, held_out):
        rows = []
        for name, paths in files.items():
            rows.append(embedding(Volume.read(paths).array))
            done += 1
            if progress:
                progress(done, total, name)
        if len({len(r) for r in rows}) > 1:
            raise AuditError("the images differ in their number of channels or dimensions")
        sets.append(np.stack(rows))
    found = copies(*sets)
    close = nearest_images(sets[0], sets[1])
    order, names, theirs = np.argsort(-close.likeness), list(made), list(train)
    pairs = tuple(
        (names[i], theirs[close.index[i]], float(close.likeness[i])) for i in order[:SHOWN]
    )
    result = Audit(len(made), len(train), len(held_out), *map(float, found), pairs)
    write_json(predictions / FILE, result.to_json())
    _draw(predictions / SHEET, pairs, made, train)
    return result


def _files(known: Mapping, names: list[str]) -> dict[str, Paths]:
    there = [known[n] for n in names if n in known and "image" in known[n].files]
    return {c.id: tuple(c.files["image"]) for c in there}


def _draw(
    path: Path,
    pairs: tuple[tuple[str, str, float], ...],
    made: Mapping[str, Paths],
    train: Mapping[str, Paths],
) -> None:
    rows: list[Row] = []
    for one, other, likeness in pairs:
        rows += image_rows(f"{one} | {other}", f"{likeness:.3f}", [made[one], train[other]])
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(rows, path)
