"""Generation: images, label maps or both, out of nothing or out of conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import STD, Scale, Volume, file_values
from ..diffusion import Method
from ..planning import Plan
from .copy_guard import CopyGuard
from .drawing import Drawing, drawing_of
from .draws import draw
from .guided import Asked, guided
from .ledger import Done, Ledger, Predictions, settings_key
from .made_folder import MadeFolder
from .peak import peak_memory_mb
from .predict import case_seeds, ready
from .prediction_error import PredictionError
from .refined import on_file_axes
from .run import Run, pick_device
from .scans import as_array
from .wanted import Wanted, condition_of, wanted_cases

Progress = Callable[[int, int, str], None]
AT_ONCE = 16  # images in a batch; part of what decides their noise, so it is not for tuning
TRIES = 3  # further draws for an image that is a copy


def generate(
    run: Run,
    out: Path,
    cases: int | None,
    *,
    labels: Sequence[str] = (),
    conditions: Sequence[str] = (),
    rows: Path | None = None,
    guidance: Asked | None = None,
    guard: CopyGuard | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overlap: float = 0.5,
    progress: Progress | None = None,
) -> Predictions:
    """`cases` images, of each of `labels` in turn, written into the folder `out` beside cases.csv.

    labels, conditions, rows: see `wanted_cases`. guidance: None is the recipe's. guard: judges
    images before they are written; copies are drawn again up to 3 times, then refused. Image k
    depends on the seed and on k alone, not on how many are asked for. PredictionError: the run
    makes no images out of nothing; all were refused. WantedError: it knows no such condition.
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
    settings |= {"refuse_copies": guard.threshold} if guard else {}
    key = settings_key(run, {**settings, "cases": None})
    folder = MadeFolder(ledger.folder, run.plan, labelled=bool(run.task.beside))
    job = Making(run, method, drawing, folder, key, place, guard)
    at_once = AT_ONCE if run.configuration.dims == 2 else 1
    fresh = 0
    for first in range(0, len(order), at_once):
        some = [w.name for w in order[first : first + at_once]]
        if not all(ledger.has(name, key) for name in some):
            for done in job.write(f"batch{first // at_once}", _whole(order, first, at_once), some):
                ledger.add(done)
            fresh += len(some)
        if progress:
            progress(first + len(some), len(order), some[-1])
    made = tuple(ledger.found[w.name] for w in order)
    there = {d.case for d in made if d.files}
    folder.finish([w for w in order if w.name in there])
    settings |= {"calibrated": list(drawing.calibrated)}
    found = Predictions(
        str(out), str(run.folder), settings, made, fresh, str(place), peak_memory_mb(place)
    )
    found.write()
    refuse_nothing(found)
    return found


def refuse_nothing(found: Predictions) -> None:
    """PredictionError: every image was a copy."""
    if found.cases and len(found.refused) == len(found.cases):
        raise PredictionError(
            f"all {len(found.cases)} images are copies of training images and were refused: the "
            "run has learned its training images by heart. Train on more images, or fewer steps"
        )


def _whole(order: Sequence[Wanted], first: int, count: int) -> tuple[Wanted, ...]:
    """A batch of `count` from `first` on; behind the last it begins anew.

    A batch is always drawn whole: noise belongs to a place in it, and so an image does not depend
    on how many are asked for.
    """
    return tuple(order[(first + i) % len(order)] for i in range(count))


@dataclass(frozen=True)
class Making:
    """What all batches of one call share."""

    run: Run
    method: Method
    drawing: Drawing
    folder: MadeFolder
    key: str
    device: torch.device
    guard: CopyGuard | None

    def write(self, batch: str, some: tuple[Wanted, ...], names: Sequence[str]) -> list[Done]:
        """Draw all, keep those that are named: a batch is whole, whatever is asked for."""
        began, found = time.perf_counter(), {}
        for attempt in range(1 + (TRIES if self.guard else 0)):
            again = f"{batch}-again{attempt}" if attempt else batch
            drawn = self._drawn(again, some)
            for name, x in zip(names, drawn.x, strict=False):
                if name not in found or not found[name].files:
                    found[name] = self._kept(name, x[None], drawn.calls, drawn.windows)
            if all(done.files for done in found.values()):
                break
        seconds = (time.perf_counter() - began) / len(some)
        return [replace(done, seconds=seconds) for done in found.values()]

    def _drawn(self, batch: str, some: tuple[Wanted, ...]):
        run, c = self.run, self.run.configuration
        size = c.shape if c.dims == 3 else c.shape[1:]
        like = torch.zeros(len(some), c.target_channels, *size, device=self.device)
        condition = condition_of(run.task, some, self.device)
        if run.task.steered:
            condition = replace(condition, image=self.shown(len(some), size))
        seeds = case_seeds(batch, self.drawing)
        return draw(self.method, like, condition, self.drawing, c, seeds)

    def shown(self, count: int, size: Sequence[int]) -> Tensor:
        """(count, C, *size) of the images that steer: 0 everywhere is one that is not given."""
        c = self.run.configuration
        return torch.zeros(count, c.image_channels, *size, device=self.device)

    def _kept(self, name: str, x: Tensor, calls: int, windows: bool) -> Done:
        """Written, unless it is a copy."""
        volumes = made_volumes(self.run, x)
        scores = {}
        if self.guard is not None:
            scores = self.guard.scores(next(iter(volumes.values())))
            if self.guard.refuses(scores):
                return Done(name, self.key, (), 0.0, calls, windows, scores)
        paths = []
        for role, volume in volumes.items():
            if role == "label":
                paths.append(self.folder.write_label(name, volume))
            else:
                paths += self.folder.write_image(name, volume)
        files = tuple(str(p.relative_to(self.folder.folder)) for p in paths)
        return Done(name, self.key, files, 0.0, calls, windows, scores)


def refuse_given(run: Run) -> None:
    """PredictionError: the run needs scans."""
    if run.task.scanned:
        raise PredictionError(
            f"the run {run.folder} needs scans (task {run.plan.task}): give them with -i; --cases "
            "is for generation"
        )


def made_volumes(run: Run, x: Tensor) -> dict[str, Volume]:
    """What was made, (1, C, *S), by role: images in file units, maps in file values; on the
    planned grid in the files' axis order.
    """
    plan, dims = run.plan, run.configuration.dims
    array = as_array(run.task.as_result(x), dims)
    made: dict[str, np.ndarray] = {}
    labels = 1 if "label" in (run.task.makes, *run.task.beside) else 0
    if len(array) > labels:
        scaled = image_scale(plan).undo(array[: len(array) - labels])
        made["image"] = scaled.astype(np.float32)
    if labels:
        made["label"] = file_values(np.rint(array[-1:]).astype(np.int64), plan.labels)
    return {role: _on_file_grid(run, part) for role, part in made.items()}


def _on_file_grid(run: Run, array: np.ndarray) -> Volume:
    plan, c = run.plan, run.configuration
    if c.dims == 2 or plan.dims == 2:
        return Volume.of(array, c.spacing)
    order = [c.transpose.index(axis) for axis in range(3)]
    array = np.ascontiguousarray(array.transpose(0, *(k + 1 for k in order)))
    return Volume.of(array, on_file_axes(c.spacing, c.transpose))


def image_scale(plan: Plan) -> Scale:
    """From network units to file units; where those differ by case, to z-scores."""
    rules = plan.scales["image"]
    shifts = tuple(r.shift if r.kind == "fixed" else 0.0 for r in rules)
    return Scale(shifts, tuple(r.factor if r.kind == "fixed" else 1 / STD for r in rules))
