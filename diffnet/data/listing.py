"""Which files of a folder belong to which case, by their names and one look at the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from .description import SERIES
from .formats import VolumeError, file_ending, read_header
from .metadata import DatasetError

_NUMBERED = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class Listing:
    """files: case -> {channel or rater: path}; strays: names that belong to no case."""

    files: dict[str, dict[int, Path]] = field(default_factory=dict)
    strays: tuple[str, ...] = ()


def list_numbered(folder: Path, ending: str) -> Listing:
    """Files CASE_0000.ext, CASE_0001.ext; a folder that is not there is empty."""
    files: dict[str, dict[int, Path]] = {}
    stems, strays = _stems(folder, ending)
    for stem, path in stems:
        match = _NUMBERED.fullmatch(stem)
        if match is None:
            strays.append(path.name)
        else:
            files.setdefault(match[1], {})[int(match[2])] = path
    return Listing(files, tuple(strays))


def list_labels(folder: Path, ending: str, cases: Collection[str], raters: bool) -> Listing:
    """Files CASE.ext, or CASE_0000.ext, CASE_0001.ext of several raters.

    cases: ids known from the images, which tell CASE_0000 the rater's file from CASE_0000 the case.
    raters: whether dataset.json says that there are several.
    """
    files: dict[str, dict[int, Path]] = {}
    stems, strays = _stems(folder, ending)
    for stem, path in stems:
        match = _NUMBERED.fullmatch(stem)
        if stem not in cases and match is not None and (match[1] in cases or raters):
            files.setdefault(match[1], {})[int(match[2])] = path
        else:
            files.setdefault(stem, {})[0] = path
    return Listing(files, tuple(strays))


def find_scans(folder: Path | str, ending: str, channels: int) -> dict[str, tuple[Path, ...]]:
    """New scans to predict from: case -> its channels' files, in order.

    Files are named CASE_0000.ext, CASE_0001.ext, ...; where one file holds all channels (one
    channel, RGB) CASE.ext does as well. `folder` may also be one such file. DatasetError: none
    found, another format, channels missing or too many, with the names.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DatasetError(f"{folder} does not exist: name a folder with scans, or one scan")
    if folder.is_file():
        return _one_scan(folder, ending, channels)
    listing = list_numbered(folder, ending)
    scans = {case: dict(sorted(files.items())) for case, files in sorted(listing.files.items())}
    for name in listing.strays:
        if name.endswith(ending) or ending == SERIES:
            case = name[: len(name) - len(ending)] if ending != SERIES else name
            if case in scans:
                raise DatasetError(f"{folder}: both {name} and {case}_0000 are there; keep one")
            scans[case] = {0: folder / name}
    if not scans:
        raise DatasetError(f"{folder} holds no scan: {_found_instead(folder, ending)}")
    problems = [_channel_problem(case, files, channels) for case, files in scans.items()]
    found = [p for p in problems if p]
    if found:
        more = f"\n... and {len(found) - 20} more" if len(found) > 20 else ""
        raise DatasetError("\n".join(f"{folder}: {p}" for p in found[:20]) + more)
    return {case: tuple(files.values()) for case, files in scans.items()}


def _one_scan(path: Path, ending: str, channels: int) -> dict[str, tuple[Path, ...]]:
    if not path.name.endswith(ending):
        raise DatasetError(f"{path} is no {ending} file, which is what the model was trained on")
    stem = path.name[: len(path.name) - len(ending)]
    match = _NUMBERED.fullmatch(stem)
    case = match[1] if match else stem
    if problem := _channel_problem(case, {0: path}, channels):
        raise DatasetError(f"{path}: {problem}. Name the folder to have several files read")
    return {case: (path,)}


def _channel_problem(case: str, files: dict[int, Path], channels: int) -> str | None:
    """What is wrong with the number of files of a case, or None."""
    if list(files) == list(range(channels)) and channels > 1:
        return None
    if list(files) == [0]:
        try:
            inside = read_header(files[0]).channels
        except VolumeError as error:
            return str(error)
        # Only a reading tells whether a fourth, transparent channel counts.
        likely = (inside, channels) in ((4, 3), (2, 1), (3, 1)) and _picture(files)
        if inside == channels or likely:
            return None
        return f"case {case} has one file with {inside} channels, and {channels} are needed"
    have = ", ".join(f"{i:04d}" for i in files)
    want = ", ".join(f"{i:04d}" for i in range(channels))
    return f"case {case} has channels {have}, and {want} are needed"


def _picture(files: dict[int, Path]) -> bool:
    return file_ending(files[0]) in (".png", ".bmp", ".tif", ".tiff")


def _found_instead(folder: Path, ending: str) -> str:
    names = sorted(e.name for e in os.scandir(folder) if not e.name.startswith("."))
    wanted = "folders with a DICOM series" if ending == SERIES else f"names ending in {ending}"
    if not names:
        return f"it is empty; {wanted} are needed"
    return f"{wanted} are needed, and it has {len(names)} others, such as {names[0]}"


def _stems(folder: Path, ending: str) -> tuple[list[tuple[str, Path]], list[str]]:
    """((name without ending, path) of every image, names of what is something else), sorted."""
    if not folder.is_dir():
        return [], []
    stems, strays = [], []
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        name = entry.name
        if name.startswith("."):
            continue
        if ending == SERIES:
            fits = entry.is_dir()
        else:
            fits = name.endswith(ending) and len(name) > len(ending)
        if not fits and not (name.endswith((".raw", ".zraw")) and ending == ".mhd"):
            strays.append(name)
        elif fits:
            stem = name if ending == SERIES else name[: len(name) - len(ending)]
            stems.append((stem, folder / name))
    return stems, strays
