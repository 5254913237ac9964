"""Images made from label maps: each on its map's own grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import Geometry, UserError, Volume, prepare
from ..diffusion import Method
from .draws import Drawing, draw, drawing_of
from .fit import peak_memory_mb
from .generate import image_scale
from .guided import Asked, guided
from .ledger import Done, Ledger, Predictions, case_key, settings_key
from .predict import PredictionError, case_seeds, ready, written_ending
from .preprocess import preparation
from .results import INTEGER_FORMATS, result_path
from .run import Run, pick_device
from .scans import as_array, as_tensor
from .suitable import refuse_spacing
from .wanted import Wanted, condition_of, read_conditions, wanted, write_wanted

Progress = Callable[[int, int, str], None]


def generate_from_maps(
    run: Run,
    maps: Mapping[str, Path],
    out: Path,
    *,
    conditions: Sequence[str] = (),
    guidance: Asked | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overlap: float = 0.5,
    progress: Progress | None = None,
) -> Predictions:
    """One image for each label map {case: file}, written into the folder `out`.

    conditions: further ones, "column=value". Every case has a seed of its own, from its name.
    PredictionError: the run takes no maps; a map with unknown values, or of another kind.
    """
    if not run.task.steers:
        raise PredictionError(
            f"the run {run.folder} was not trained with label maps: plan with --task generation "
            "--settings maps=true"
        )
    if not maps:
        raise PredictionError("there are no label maps to make images of")
    drawing = drawing_of(run, "sample", None, steps, sampler, seed, overlap)
    fields = read_conditions(run.plan, conditions)
    place = pick_device(device)
    method = guided(ready(run, drawing, place), run, guidance)
    ledger = Ledger(Path(out))
    settings = {**drawing.to_json(), "conditions": list(conditions)}
    settings |= {"guidance": vars(guidance)} if guidance else {}
    key, fresh, order = settings_key(run, settings), 0, []
    for number, (case, path) in enumerate(maps.items(), 1):
        wish = wanted(run.plan, case, fields)
        order.append(wish)
        known = case_key(key, {"map": Path(path)})
        if not ledger.has(case, known):
            ledger.add(_one(run, method, drawing, wish, Path(path), ledger.folder, known, place))
            fresh += 1
        if progress:
            progress(number, len(maps), case)
    write_wanted(ledger.folder, order)
    made = tuple(ledger.found[case] for case in maps)
    found = Predictions(
        str(out), str(run.folder), settings, made, fresh, str(place), peak_memory_mb(place)
    )
    found.write()
    return found


def _one(
    run: Run,
    method: Method,
    drawing: Drawing,
    wish: Wanted,
    path: Path,
    out: Path,
    key: str,
    device: torch.device,
) -> Done:
    c, began = run.configuration, time.perf_counter()
    try:
        volume, indices, geometry = read_map(run, path)
    except UserError as error:
        raise PredictionError(f"{wish.name}: {error}") from error
    given = indices.to(device)
    like = torch.zeros(len(given), c.target_channels, *given.shape[2:], device=device)
    # The slices of a volume are one batch for a network in 2-D: all under the same wish.
    known = condition_of(run.task, [wish] * len(given), device)
    condition = replace(known, image=run.task.condition(given).image)
    drawn = draw(method, like, condition, drawing, c, case_seeds(wish.name, drawing))
    array = image_scale(run.plan).undo(as_array(run.task.as_result(drawn.x), c.dims))
    made = volume.with_array(geometry.undo(array.astype(np.float32), "image"))
    ending = written_ending((path,))
    file = result_path(out, wish.name, ending)
    (made.as_type(np.uint8) if ending in INTEGER_FORMATS else made).write(file)
    seconds = time.perf_counter() - began
    return Done(wish.name, key, (str(file.relative_to(out)),), seconds, drawn.calls, drawn.windows)


def read_map(run: Run, path: Path) -> tuple[Volume, Tensor, Geometry]:
    """(the file, class indices (B, 1, *S) on the network's grid, the way back).

    PredictionError: another number of dimensions or channels. UserError: values that are unknown,
    voxels of another size.
    """
    plan, c = run.plan, run.configuration
    volume = Volume.read(path)
    if volume.dims != plan.dims or len(volume.array) != 1:
        raise PredictionError(
            f"it is {volume.dims}-D with {len(volume.array)} channels; a label map here is "
            f"{plan.dims}-D with one"
        )
    if plan.dims == 3:
        refuse_spacing(volume, c)
    prepared = prepare({"label": volume}, preparation(plan, c))
    indices = as_tensor(prepared.arrays["label"].astype(np.int64), c.dims)
    return volume, indices, prepared.geometry
