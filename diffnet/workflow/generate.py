"""Generation: images out of nothing, or out of a class, several at a time."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import STD, Scale, Volume
from ..planning import Plan
from .draws import Drawing, draw, drawing_of
from .fit import peak_memory_mb
from .ledger import Done, Ledger, Predictions, settings_key
from .predict import PredictionError, case_seeds, ready
from .refined import on_file_axes
from .results import INTEGER_FORMATS, result_path
from .run import Run, pick_device
from .scans import as_array

Progress = Callable[[int, int, str], None]
AT_ONCE = 16  # images in a batch; part of what decides their noise, so it is not for tuning


def generate(
    run: Run,
    out: Path,
    cases: int,
    *,
    labels: Sequence[str] = (),
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overlap: float = 0.5,
    progress: Progress | None = None,
) -> Predictions:
    """`cases` images, of each of `labels` in turn, written into the folder `out`.

    labels: values of the plan's class field; none asks for all of them in turn. Image k depends on
    the seed and on k alone, not on how many are asked for. PredictionError: the run makes no images
    out of nothing, or knows no such class.
    """
    drawing = drawing_of(run, "sample", None, steps, sampler, seed, overlap)
    order = class_order(run, labels)
    if cases < 1:
        raise PredictionError(f"{cases} cases were asked for; at least 1 is")
    c, place = run.configuration, pick_device(device)
    method = ready(run, drawing, place)
    ledger = Ledger(Path(out))
    settings = {**drawing.to_json(), "labels": list(labels), "cases": cases}
    key = settings_key(run, {**settings, "cases": None})
    names = case_names(cases, order)
    at_once = AT_ONCE if c.dims == 2 else 1
    fresh = 0
    for first in range(0, cases, at_once):
        some = names[first : first + at_once]
        if not all(ledger.has(name, key) for name in some):
            group = [order[(first + i) % len(order)] for i in range(at_once)]
            batch = _Batch(f"batch{first // at_once}", tuple(g[1] for g in group))
            for done in batch.write(run, method, drawing, ledger.folder, some, key, place):
                ledger.add(done)
            fresh += len(some)
        if progress:
            progress(first + len(some), cases, some[-1])
    made = tuple(ledger.found[name] for name in names)
    found = Predictions(
        str(out), str(run.folder), settings, made, fresh, str(place), peak_memory_mb(place)
    )
    found.write()
    return found


@dataclass(frozen=True)
class _Batch:
    """Images that are drawn together. classes: an index for each, None without classes."""

    name: str
    classes: tuple[int | None, ...]

    def write(
        self,
        run: Run,
        method: torch.nn.Module,
        drawing: Drawing,
        out: Path,
        names: Sequence[str],
        key: str,
        device: torch.device,
    ) -> list[Done]:
        """Draw all, keep those that are named: a batch is whole, whatever is asked for."""
        c, began = run.configuration, time.perf_counter()
        size = c.shape if c.dims == 3 else c.shape[1:]
        like = torch.zeros(len(self.classes), c.target_channels, *size, device=device)
        condition = run.task.condition(None, self._label(device))
        drawn = draw(method, like, condition, drawing, c, case_seeds(self.name, drawing))
        found = []
        for name, x in zip(names, drawn.x, strict=False):
            path = result_path(out, name, run.plan.file_ending)
            made_volume(run, x[None]).write(path)
            found.append((name, str(path.relative_to(out))))
        seconds = (time.perf_counter() - began) / len(self.classes)
        return [Done(n, key, (f,), seconds, drawn.calls, drawn.windows) for n, f in found]

    def _label(self, device: torch.device) -> Tensor | None:
        known = [k for k in self.classes if k is not None]
        return torch.tensor(known, device=device) if known else None


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


def class_order(run: Run, labels: Sequence[str]) -> list[tuple[str, int | None]]:
    """(name, index) of the classes to go through. PredictionError: no such class, or no classes."""
    plan = run.plan
    if run.task.given:
        raise PredictionError(
            f"the run {run.folder} needs scans (task {plan.task}): give them with -i; --cases is "
            "for generation"
        )
    if plan.class_field is None or not plan.class_values:
        if labels:
            raise PredictionError(f"the run was trained without classes: leave out {labels}")
        return [("image", None)]
    for label in labels:
        if label not in plan.class_values:
            near = difflib.get_close_matches(label, plan.class_values, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise PredictionError(
                f"{plan.class_field} has no value {label!r}.{hint} There are: "
                f"{', '.join(plan.class_values)}"
            )
    return [(name, plan.class_values.index(name)) for name in labels or plan.class_values]


def case_names(cases: int, order: Sequence[tuple[str, int | None]]) -> list[str]:
    """CLASS-00001, ... : each class counts its own images."""
    return [f"{order[k % len(order)][0]}-{k // len(order) + 1:05d}" for k in range(cases)]
