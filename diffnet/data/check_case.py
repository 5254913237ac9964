"""Problems that show when the images of one case are opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .dataset import ROLES, SPLITS, Case, Dataset
from .formats import file_ending
from .nifti import count_not_finite
from .pixels import integer_values
from .problem import Problem, error, warning
from .volume import Volume, VolumeError, grid_difference

# Peak of preprocessing, bytes a voxel and channel beside the file's own. Measured: 10 where the
# grid is kept, 24 where twice as many voxels come out.
WORKING_BYTES = 24


@dataclass(frozen=True)
class Inspection:
    """What opening a case showed.

    pixels: role -> hash of its voxels, where it shows something. dims: of its images; stored:
    bytes of its arrays when preprocessed; working: bytes to do so.
    """

    case: str
    split: str
    group: str
    problems: tuple[Problem, ...]
    pixels: dict[str, str] = field(default_factory=dict)
    values: tuple[int, ...] = ()
    dims: int = 0
    stored: int = 0
    working: int = 0


def inspect_case(dataset: Dataset, case: Case) -> Inspection:
    """Open every file of a case once."""
    problems: list[Problem] = []
    volumes = {role: _opened(case, role, problems) for role in case.files}
    for role, opened in volumes.items():
        problems += _grid_problems(case, role, opened)
        if role == "label":
            problems += _label_problems(dataset, case, opened)
        else:
            problems += _voxel_problems(case, opened)
            problems += _channel_count_problems(dataset, case, role, opened)
            if role == "image" and "label" not in case.files:
                problems += _kind_problems(dataset, case, opened)
    if not dataset.description.unpaired:
        problems += _role_grid_problems(case, volumes)
    pixels = {r: _hash(v) for r, v in volumes.items() if r != "label" and _shows(v)}
    if len(set(pixels.values())) < len(pixels):
        problems.append(
            warning(
                "same content",
                case.id,
                "its image and its target are the same",
                "Look whether one was copied in place of the other",
            )
        )
    return _summary(case, volumes, pixels, problems)


def _summary(
    case: Case,
    volumes: dict[str, list[tuple[Path, Volume]]],
    pixels: dict[str, str],
    problems: list[Problem],
) -> Inspection:
    stored = working = dims = 0
    values: set[int] = set()
    for role, opened in volumes.items():
        for _, v in opened:
            stored += v.array.size * (1 if role == "label" else 4)
            working += v.array.size * (v.array.dtype.itemsize + WORKING_BYTES)
            dims = max(dims, v.dims)
            if role == "label" and v.array.dtype.kind in "iu":
                values |= set(integer_values(v.array).tolist())
    return Inspection(
        case.id,
        case.split,
        case.group,
        tuple(problems),
        pixels,
        tuple(sorted(values)),
        dims,
        stored,
        working,
    )


def _opened(case: Case, role: str, problems: list[Problem]) -> list[tuple[Path, Volume]]:
    made = []
    for path in case.files[role]:
        try:
            made.append((path, Volume.read(path)))
        except VolumeError as reason:
            do = "Put a whole file of a supported format there, or take the case out"
            problems.append(error("unreadable", case.id, str(reason).rstrip("."), do))
    return made


def _grid_problems(case: Case, role: str, opened: list[tuple[Path, Volume]]) -> Iterator[Problem]:
    """Files of one role lie on one grid."""
    for path, volume in opened[1:]:
        if difference := grid_difference(opened[0][1], volume):
            yield error(
                "grid",
                case.id,
                f"{_name(case, role, opened[0][0])} and {path.name}: {difference}",
                "Resample them to one grid",
            )


def _role_grid_problems(
    case: Case, volumes: dict[str, list[tuple[Path, Volume]]]
) -> Iterator[Problem]:
    """Images, targets and labels of a case lie on one grid; places that differ may be meant."""
    firsts = [(role, *opened[0]) for role, opened in volumes.items() if opened]
    for role, path, volume in firsts[1:]:
        difference = grid_difference(firsts[0][2], volume)
        if difference is None:
            continue
        both = f"{_name(case, firsts[0][0], firsts[0][1])} and {_name(case, role, path)}"
        if "shapes" in difference or "spacings" in difference:
            yield error("grid", case.id, f"{both}: {difference}", "Resample them to one grid")
        else:
            do = "Look whether they overlie; correct the header of one, or resample it"
            yield warning("grid", case.id, f"{both}: {difference}", do)


def _voxel_problems(case: Case, opened: list[tuple[Path, Volume]]) -> Iterator[Problem]:
    for path, volume in opened:
        x = volume.array
        nan, inf = _not_finite(path, x)
        if nan or inf:
            counts = " and ".join(f"{n} {w}" for n, w in ((nan, "NaN"), (inf, "Inf")) if n)
            do = "Find out how they arose and replace them, for instance by the background"
            yield error("not finite", case.id, f"{path.name} holds {counts}", do)
        elif any(c.min() == c.max() for c in x):
            yield warning(
                "constant",
                case.id,
                f"{path.name} is {float(x.flat[0]):g} everywhere",
                "Take the case out, or put the right image there",
            )


def _not_finite(path: Path, x: np.ndarray) -> tuple[int, int]:
    """(NaN, Inf) in the file."""
    if x.dtype.kind != "f":
        return 0, 0
    if file_ending(path) in (".nii", ".nii.gz"):
        return count_not_finite(path)
    return int(np.isnan(x).sum()), int(np.isinf(x).sum())


def _channel_count_problems(
    dataset: Dataset, case: Case, role: str, opened: list[tuple[Path, Volume]]
) -> Iterator[Problem]:
    """One file that holds all channels holds as many as are named; several hold one each."""
    names = dataset.channels if role == "image" else dataset.targets
    wanted = len(names) if role in dataset.packed and len(opened) == 1 else 1
    for path, volume in opened:
        if names and len(volume.array) != wanted:
            key = "channel_names" if role == "image" else "target_names"
            yield error(
                "channels",
                case.id,
                f"{path.name} holds {len(volume.array)} channels, and by {key} it should {wanted}",
                f"Export the image with the channels {', '.join(names)}, or correct {key}",
            )


def _kind_problems(
    dataset: Dataset, case: Case, opened: list[tuple[Path, Volume]]
) -> Iterator[Problem]:
    """An image that holds nothing but declared label values is a label map."""
    declared = set(dataset.labels.values())
    for path, volume in opened:
        if len(declared) < 2 or volume.array.dtype.kind not in "iu":
            continue
        values = set(integer_values(volume.array).tolist())
        if len(values) > 1 and values <= declared:
            yield warning(
                "label map",
                case.id,
                f"image {path.name} holds only values that labels declares",
                'If it is a label map, say "image_kind": "labels" in dataset.json',
            )


def _label_problems(
    dataset: Dataset, case: Case, opened: list[tuple[Path, Volume]]
) -> Iterator[Problem]:
    declared = set(dataset.labels.values())
    for path, volume in opened:
        x = volume.array
        if len(x) != 1:
            do = "Save it with one integer a voxel"
            yield error("labels", case.id, f"label {path.name} has {len(x)} channels", do)
            continue
        if x.dtype.kind == "f" and not (np.isfinite(x).all() and (x == np.rint(x)).all()):
            do = "Save integers; resample label maps with nearest neighbours"
            yield error("labels", case.id, f"label {path.name} holds fractions", do)
            continue
        surplus = sorted(set(integer_values(x.astype(np.int64, copy=False)).tolist()) - declared)
        if declared and surplus:
            named = ", ".join(f"{n} = {v}" for n, v in list(dataset.labels.items())[:8])
            values = ", ".join(map(str, surplus[:8])) + (" ..." if len(surplus) > 8 else "")
            yield error(
                "labels",
                case.id,
                f"label {path.name} holds {values}, and dataset.json declares {named}",
                "Declare the values in labels, or correct the map",
            )


def _shows(opened: list[tuple[Path, Volume]]) -> bool:
    return bool(opened) and any(v.array.min() != v.array.max() for _, v in opened)


def _hash(opened: list[tuple[Path, Volume]]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for _, volume in opened:
        total.update(f"{volume.array.shape} {volume.array.dtype}".encode())
        total.update(np.ascontiguousarray(volume.array).data)
    return total.hexdigest()


def _name(case: Case, role: str, path: Path) -> str:
    return f"{ROLES[role]}{SPLITS[case.split]}/{path.name}"
