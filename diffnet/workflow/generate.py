"""Generation: images out of nothing, or out of conditions, several at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import STD, Scale, Volume
from ..diffusion import Method
from ..planning import Plan
from .draws import Drawing, draw, drawing_of
from .fit import peak_memory_mb
from .guided import Asked, guided
from .ledger import Done, Ledger, Predictions, settings_key
from .predict import PredictionError, case_seeds, ready
from .refined import on_file_axes
from .results import INTEGER_FORMATS, result_path, write_result
from .run import Run, pick_device
from .scans import as_array
from .wanted import Wanted, condition_of, wanted_cases, write_wanted

Progress = Callable[[int, int, str], None]
AT_ONCE = 16  # images in a batch; part of what decides their noise, so it is not for tuning


def generate(
    run: Run,
    out: Path,
    cases: int | None,
    *,
    labels: Sequence[str] = (),
    conditions: Sequence[str] = (),
    rows: Path | None = None,
    guidance: Asked | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overlap: float = 0.5,
    progress: Progress | None = None,
) -> Predictions:
    """`cases` images, of each of `labels` in turn, written into the folder `out` beside cases.csv.

    labels, conditions, rows: see `wanted_cases`. guidance: None is the recipe's. Image k depends on
    the seed and on k alone, not on how many are asked for. PredictionError: the run makes no images
    out of nothing. WantedError: it knows no such condition.
    """
    drawing = drawing_of(run, "sample", None, steps, sampler, seed, overlap)
    refuse_given(run)
    order = wanted_cases(run.plan, cases, labels, conditions, rows)
    place = pick_device(device)
    method = guided(ready(run, drawing, place), run, guidance)
    ledger = Ledger(Path(out))
    settings = {**drawing.to_json(), "labels": list(labels), "cases": cases}
    settings |= {"conditions": list(conditions)} if conditions else {}
    settings |= {"rows": [w.fields for w in order]} if rows else {}
    settings |= {"guidance": vars(guidance)} if guidance else {}
    key = settings_key(run, {**settings, "cases": None})
    at_once = AT_ONCE if run.configuration.dims == 2 else 1
    fresh = 0
    for first in range(0, len(order), at_once):
        some = [w.name for w in order[first : first + at_once]]
        if not all(ledger.has(name, key) for name in some):
            group = _whole(order, first, at_once)
            batch = _Batch(f"batch{first // at_once}", group)
            for done in batch.write(run, method, drawing, ledger.folder, some, key, place):
                ledger.add(done)
            fresh += len(some)
        if progress:
            progress(first + len(some), len(order), some[-1])
    write_wanted(ledger.folder, order)
    made = tuple(ledger.found[w.name] for w in order)
    found = Predictions(
        str(out), str(run.folder), settings, made, fresh, str(place), peak_memory_mb(place)
    )
    found.write()
    return found


def _whole(order: Sequence[Wanted], first: int, count: int) -> tuple[Wanted, ...]:
    """A batch of `count` from `first` on; behind the last it begins anew.

    A batch is always drawn whole: noise belongs to a place in it, and so an image does not depend
    on how many are asked for.
    """
    return tuple(order[(first + i) % len(order)] for i in range(count))


@dataclass(frozen=True)
class _Batch:
    """Images that are drawn together."""

    name: str
    wanted: tuple[Wanted, ...]

    def write(
        self,
        run: Run,
        method: Method,
        drawing: Drawing,
        out: Path,
        names: Sequence[str],
        key: str,
        device: torch.device,
    ) -> list[Done]:
        """Draw all, keep those that are named: a batch is whole, whatever is asked for."""
        c, began = run.configuration, time.perf_counter()
        size = c.shape if c.dims == 3 else c.shape[1:]
        like = torch.zeros(len(self.wanted), c.target_channels, *size, device=device)
        condition = condition_of(run.task, self.wanted, device)
        if run.task.steers:  # a map that is 0 everywhere is one that is not given
            empty = torch.zeros(len(self.wanted), c.image_channels, *size, device=device)
            condition = replace(condition, image=empty)
        drawn = draw(method, like, condition, drawing, c, case_seeds(self.name, drawing))
        found = []
        for name, x in zip(names, drawn.x, strict=False):
            # series of DICOM files are written by scanners alone
            ending = ".nii.gz" if run.plan.file_ending == "/" else run.plan.file_ending
            path = result_path(out, name, ending)
            written = write_result(made_volume(run, x[None]), path, apart=False)
            found.append((name, tuple(str(p.relative_to(out)) for p in written)))
        seconds = (time.perf_counter() - began) / len(self.wanted)
        return [Done(n, key, f, seconds, drawn.calls, drawn.windows) for n, f in found]


def refuse_given(run: Run) -> None:
    """PredictionError: the run needs scans."""
    if run.task.scanned:
        raise PredictionError(
            f"the run {run.folder} needs scans (task {run.plan.task}): give them with -i; --cases "
            "is for generation"
        )


def made_volume(run: Run, x: Tensor) -> Volume:
    """One made image (1, C, *S) in file units, on the planned grid in the files' axis order."""
    plan, c = run.plan, run.configuration
    array = image_scale(plan).undo(as_array(run.task.as_result(x), c.dims)).astype(np.float32)
    if c.dims == 2 or plan.dims == 2:
        volume = Volume.of(array, c.spacing)
    else:
        order = [c.transpose.index(axis) for axis in range(3)]
        array = np.ascontiguousarray(array.transpose(0, *(k + 1 for k in order)))
        volume = Volume.of(array, on_file_axes(c.spacing, c.transpose))
    return volume.as_type(np.uint8) if plan.file_ending in INTEGER_FORMATS else volume


def image_scale(plan: Plan) -> Scale:
    """From network units to file units; where those differ by case, to z-scores."""
    rules = plan.scales["image"]
    shifts = tuple(r.shift if r.kind == "fixed" else 0.0 for r in rules)
    return Scale(shifts, tuple(r.factor if r.kind == "fixed" else 1 / STD for r in rules))
