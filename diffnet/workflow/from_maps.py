"""Images made from label maps: each on its map's own grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import Geometry, UserError, Volume, prepare
from ..diffusion import Method
from .copy_guard import CopyGuard
from .drawing import Drawing, drawing_of
from .draws import Drawn, draw
from .generate import TRIES, image_scale, refuse_nothing
from .guided import Asked, guided
from .ledger import Done, Ledger, Predictions, case_key, settings_key
from .made_folder import MadeFolder
from .peak import peak_memory_mb
from .predict import case_seeds, ready
from .prediction_error import PredictionError
from .preprocess import preparation
from .run import Run, pick_device
from .scans import as_array, as_tensor
from .suitable import refuse_spacing
from .wanted import Wanted, condition_of, read_conditions, wanted

Progress = Callable[[int, int, str], None]


def generate_from_maps(
    run: Run,
    maps: Mapping[str, Path],
    out: Path,
    *,
    conditions: Sequence[str] = (),
    guidance: Asked | None = None,
    guard: CopyGuard | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overlap: float = 0.5,
    progress: Progress | None = None,
) -> Predictions:
    """One image for each label map {case: file}; both are written into the folder `out`, which is
    then a dataset.

    conditions: further ones, "column=value". guard: see `generate`. Every case has a seed of its
    own, from its name. PredictionError: the run takes no maps; a map with unknown values, or of
    another kind.
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
    settings |= {"refuse_copies": guard.threshold} if guard else {}
    key, fresh, order = settings_key(run, settings), 0, []
    folder = MadeFolder(ledger.folder, run.plan, labelled=True)
    job = _Job(run, method, drawing, folder, place, guard)
    for number, (case, path) in enumerate(maps.items(), 1):
        wish = wanted(run.plan, case, fields)
        order.append(wish)
        known = case_key(key, {"map": Path(path)})
        if not ledger.has(case, known):
            ledger.add(job.write(wish, Path(path), known))
            fresh += 1
        if progress:
            progress(number, len(maps), case)
    made = tuple(ledger.found[case] for case in maps)
    there = {d.case for d in made if d.files}
    folder.finish([w for w in order if w.name in there])
    settings |= {"calibrated": list(drawing.calibrated)}
    found = Predictions(
        str(out), str(run.folder), settings, made, fresh, str(place), peak_memory_mb(place)
    )
    found.write()
    refuse_nothing(found)
    return found


@dataclass(frozen=True)
class _Job:
    """What all maps of one call share."""

    run: Run
    method: Method
    drawing: Drawing
    folder: MadeFolder
    device: torch.device
    guard: CopyGuard | None

    def write(self, wish: Wanted, path: Path, key: str) -> Done:
        """One map to its image; drawn again, then refused, if it is a copy."""
        began = time.perf_counter()
        try:
            volume, indices, geometry = read_map(self.run, path)
        except UserError as error:
            raise PredictionError(f"{wish.name}: {error}") from error
        scores: dict[str, float] = {}
        for attempt in range(1 + (TRIES if self.guard else 0)):
            again = f"{wish.name}-again{attempt}" if attempt else wish.name
            drawn = self._drawn(wish, indices, again)
            made = self._volume(drawn.x, volume, geometry)
            if self.guard is None:
                break
            scores = self.guard.scores(made)
            if not self.guard.refuses(scores):
                break
        written = []
        if self.guard is None or not self.guard.refuses(scores):
            written = self.folder.write_image(wish.name, made)
            written.append(self.folder.write_label(wish.name, volume))
        files = tuple(str(p.relative_to(self.folder.folder)) for p in written)
        seconds = time.perf_counter() - began
        return Done(wish.name, key, files, seconds, drawn.calls, drawn.windows, scores)

    def _drawn(self, wish: Wanted, indices: Tensor, name: str) -> Drawn:
        c, given = self.run.configuration, indices.to(self.device)
        like = torch.zeros(len(given), c.target_channels, *given.shape[2:], device=self.device)
        # The slices of a volume are one batch for a network in 2-D: all under the same wish.
        known = condition_of(self.run.task, [wish] * len(given), self.device)
        condition = replace(known, image=self.run.task.condition(given).image)
        return draw(self.method, like, condition, self.drawing, c, case_seeds(name, self.drawing))

    def _volume(self, x: Tensor, volume: Volume, geometry: Geometry) -> Volume:
        """In file units, on the map's own grid."""
        array = as_array(self.run.task.as_result(x), self.run.configuration.dims)
        array = image_scale(self.run.plan).undo(array).astype(np.float32)
        return volume.with_array(geometry.undo(array, "image"))


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
