"""Taking a fingerprint: every case once, in parallel, and only what changed since the last time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..data import Case, Dataset, each, written_whole
from .fingerprint import VERSION, CaseMeasure, Fingerprint, FingerprintError
from .fingerprint_case import Measured, measure_case
from .fingerprint_pool import pool

Shared = tuple[Dataset, str | None]


def take_fingerprint(
    dataset: Dataset,
    processes: int | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Fingerprint:
    """Measure all training cases and pool what was measured.

    cache: a folder that keeps one small file a case, named after its content; a case that is there
    is not read again. progress(done, total, case) is called after each case. Memory: a case a
    process, and a few thousand voxels of each case. FingerprintError: no training case, or one that
    cannot be measured.
    """
    cases = sorted(dataset.cases("train"), key=lambda c: c.id)
    if not cases:
        raise FingerprintError(
            f"dataset {dataset.name} has no training cases: imagesTr is empty, or cases.csv marks "
            "all cases as test"
        )
    shared: Shared = (dataset, None if cache is None else str(cache))
    count = os.cpu_count() or 1 if processes is None else processes
    jobs = [(case.id, case) for case in cases]
    found: dict[str, Measured] = {}
    for name, measured in each(_measured, shared, jobs, min(count, max(1, len(cases) // 4))):
        found[name] = measured
        if progress is not None:
            progress(len(found), len(cases), name)
    measures = [found[case.id] for case in cases]
    return pool(dataset, cases, measures)


def _measured(shared: Shared, case: Case) -> Measured:
    dataset, folder = shared
    if folder is None:
        return measure_case(dataset, case)
    path = Path(folder) / f"{_key(dataset, case)}.npz"
    kept = _read(path)
    if kept is not None:
        return kept
    measured = measure_case(dataset, case)
    _write(path, measured)
    return measured


def _key(dataset: Dataset, case: Case) -> str:
    text = json.dumps([VERSION, case.id, case.group, dataset.content_hash(case)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(path: Path) -> Measured | None:
    """None: not there, or cut short (then it is measured again)."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = json.loads(bytes(arrays.pop("record")).decode())
        return Measured(CaseMeasure.from_json(record), arrays)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _write(path: Path, measured: Measured) -> None:
    text = json.dumps(measured.case.to_json()).encode()
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, record=np.frombuffer(text, np.uint8), **measured.arrays)
