"""Every problem of a whole dataset at once, with what to do, and what preprocessing will need."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .check_case import Inspection, inspect_case
from .check_names import name_problems
from .dataset import SPLITS, Dataset
from .dataset_json import parse_description
from .metadata import DatasetError
from .parallel import each
from .problem import ERROR, Forecast, Problem, error, warning
from .record import Record, RecordError, read_json

VERSION = 1
_SMALL = 256 * 1024**2  # bytes of files below which starting processes takes longer than it saves
_MARGIN = 1.2  # a forecast may be this much too low

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Check(Record):
    """What `check` found. problems: errors first; forecast: None where no case could be opened."""

    dataset: str
    task: str | None
    train: int
    test: int
    problems: tuple[Problem, ...]
    forecast: Forecast | None
    version: int = VERSION

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity != ERROR)


def check(
    folder: Path | str, processes: int | None = None, progress: Progress | None = None
) -> Check:
    """Look at every file of a dataset; it is read and never written.

    processes: None starts several where the files are many. progress(done, cases): called after
    each case. DatasetError: `folder` holds no dataset.json; all else is a Problem.
    """
    folder = Path(folder)
    if problems := list(_description_problems(folder)):
        return Check(folder.resolve().name, None, 0, 0, tuple(problems), None)
    dataset = Dataset.open(folder)
    try:
        problems = list(name_problems(dataset))
    except DatasetError as reason:  # cases.csv as a whole
        found = error("cases.csv", "", str(reason), "Correct cases.csv and check again")
        return Check(dataset.name, None, 0, 0, (found,), None)
    cases = [c for split in SPLITS for c in dataset.cases(split)]
    source = sum(_bytes(p) for c in cases for paths in c.files.values() for p in paths)
    if processes is None:
        processes = 1 if source < _SMALL else min(8, os.cpu_count() or 1)
    seen: list[Inspection] = []
    jobs = ((case.id, case) for case in cases)
    for _, inspection in each(inspect_case, dataset, jobs, processes):
        seen.append(inspection)
        if progress is not None:
            progress(len(seen), len(cases))
    seen.sort(key=lambda i: (i.split != "train", i.case))
    problems += [p for i in seen for p in i.problems]
    problems += _across(dataset, seen)
    forecast = _forecast(folder, seen, source) if seen else None
    if forecast is not None:
        problems += _room_problems(forecast)
    problems.sort(key=lambda p: (p.severity != ERROR, p.case != "", p.kind))
    counts = Counter(c.split for c in cases)
    return Check(
        dataset.name, dataset.task, counts["train"], counts["test"], tuple(problems), forecast
    )


def _description_problems(folder: Path) -> Iterator[Problem]:
    """What is wrong with dataset.json itself; the rest can only be looked at when it is right."""
    path = folder / "dataset.json"
    if not path.is_file():
        Dataset.open(folder)  # says what is missing
    do = "Correct dataset.json and check again"
    try:
        data = read_json(path)
    except RecordError as reason:
        yield error("dataset.json", "", str(reason), do)
        return
    if not isinstance(data, dict):
        yield error("dataset.json", "", "it holds no object {...}", do)
        return
    for found in parse_description(data)[1]:
        yield error("dataset.json", "", found, do)


def _across(dataset: Dataset, seen: list[Inspection]) -> Iterator[Problem]:
    """What only shows when cases are compared."""
    yield from _duplicate_problems(seen)
    dims = Counter(i.dims for i in seen if i.dims)
    if len(dims) > 1:
        usual = dims.most_common(1)[0][0]
        for i in seen:
            if i.dims and i.dims != usual:
                found = f"it is {i.dims}-D, and most cases are {usual}-D"
                yield error("dimensions", i.case, found, "Make two datasets of them")
    labels = [i for i in seen if i.values]
    there = {v for i in labels for v in i.values}
    for name, value in dataset.labels.items():
        if labels and value not in there:
            yield warning(
                "labels",
                "",
                f"no label map holds {name} = {value}",
                "Take it out of labels in dataset.json, or look for maps that are missing",
            )


def _duplicate_problems(seen: list[Inspection]) -> Iterator[Problem]:
    same: dict[tuple[str, str], list[Inspection]] = defaultdict(list)
    for i in seen:
        for role, pixels in i.pixels.items():
            same[role, pixels].append(i)
    told = set()
    for (role, _), twins in same.items():
        ids = tuple(i.case for i in twins)
        apart = len({i.split for i in twins}) > 1
        if len(twins) < 2 or ids in told or (not apart and len({i.group for i in twins}) == 1):
            continue
        told.add(ids)
        names = ", ".join(f"{i.case} ({i.split})" for i in twins[:6])
        if apart:
            found = f"the {role}s of {names} are the same, across training and test"
            do = "Keep one: results on such a test set are too good"
            yield error("duplicate", ids[0], found, do)
        else:
            do = "Keep one, or give them one group in cases.csv so that no split parts them"
            yield warning("duplicate", ids[0], f"the {role}s of {names} are the same", do)


def _forecast(folder: Path, seen: list[Inspection], source: int) -> Forecast:
    largest = max(seen, key=lambda i: i.working)
    return Forecast(
        len(seen),
        source,
        largest.case,
        largest.working,
        _memory_there(),
        sum(i.stored for i in seen),
        shutil.disk_usage(folder.resolve().parent).free,
    )


def _room_problems(forecast: Forecast) -> Iterator[Problem]:
    if forecast.disk * _MARGIN > forecast.disk_free:
        yield warning(
            "disk",
            "",
            f"preprocessing may need {_size(forecast.disk)}, and {_size(forecast.disk_free)} are "
            "free beside the dataset",
            "Make room, or give a work folder on another disk",
        )
    if forecast.memory * _MARGIN > forecast.memory_there:
        yield warning(
            "memory",
            forecast.largest_case,
            f"preprocessing it may need {_size(forecast.memory)} of memory, and there are "
            f"{_size(forecast.memory_there)}",
            "Crop or downsample it, or use a machine with more memory",
        )


def _memory_there() -> int:
    """Bytes of memory of this machine; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _bytes(path: Path) -> int:
    try:
        if path.is_dir():
            return sum(entry.stat().st_size for entry in os.scandir(path))
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
