"""The verb that trains a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .preprocess import default_processes
from .progress import progress, say

if TYPE_CHECKING:
    from ..workflow.run import Run


def train(
    dataset: Path,
    *,
    configuration: str | None = None,
    recipe: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    codec: str | None = None,
    knobs: Sequence[str] = (),
    fold: int | None = None,
    name: str | None = None,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    work: Path | None = None,
    processes: int | None = None,
) -> Run:
    """Train a recipe by the plan; the same command again continues where it stopped.

    Needs the plan that `plan` writes; preprocesses what is not preprocessed yet. Then `calibrate`
    chooses how samples are drawn, in 5 % of the training time. Under torchrun every process takes a
    share of the training.

    dataset: folder with dataset.json. configuration: default the plan's own choice. recipe: a name
    that `diffnet recipes` lists, or file.py:Class; default the task's own (edm for most). steps,
    minutes: when to stop; default the plan's steps. codec: what is diffused instead of
    voxels: wavelet, or the run folder of a first stage (ae_kl, vq). knobs: of the recipe, as
    name=value. fold: train on all but that of 5 folds; default
    one hold-out. name: of the run's folder; default configuration-recipe. device: auto, cpu, cuda,
    mps. workers: processes that load batches; default one at most on a CPU, 8 on a GPU. work:
    folder for everything derived; default diffnet_work beside the dataset. processes: for
    preprocessing. seed: of everything random.

    Example:
        diffnet train Dataset004_LowDoseCT --recipe flow --minutes 60
        torchrun --nproc-per-node 2 -m diffnet train Dataset004_LowDoseCT
    """
    from ..data import Dataset
    from ..recipes import find_recipe
    from ..tasks import TASKS
    from ..workflow.calibrate import calibrate
    from ..workflow.fitting import fitting
    from ..workflow.planned import chosen, planned
    from ..workflow.work import Work

    opened, place = Dataset.open(Path(dataset)), Work.of(Path(dataset), work)
    plan = planned(place, opened)
    wanted = chosen(plan, configuration)
    recipe = recipe or TASKS[plan.task].from_json(plan.task_settings).recipe
    find_recipe(recipe)
    how = {"codec": codec, "knobs": read_knobs(recipe, knobs)}
    how |= {"steps": steps, "minutes": minutes, "fold": fold, "name": name, "seed": seed}
    how |= {"device": device, "workers": workers, "processes": processes or default_processes()}
    with progress("preprocess") as move:
        fit = fitting(opened, plan, wanted, recipe, place, progress=move, **how)
    with progress("train", unit="") as move:
        run = fit(move)
    if fit.processes.first:
        with progress("calibrate", "s") as move:
            say(calibrate(run, fit.store, device=str(fit.processes.device), progress=move).table())
    fit.processes.wait()
    say(f"the trained run lies in {run.folder}")
    return run


def read_knobs(recipe: str, said: Sequence[str]) -> dict[str, Any]:
    """{name: value} of "name=value". UserError: another form, or the recipe has no such knob."""
    import json
    from dataclasses import fields

    from ..data import UserError, nearest
    from ..recipes import find_recipe

    known, found = [f.name for f in fields(find_recipe(recipe))], {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--knob {text!r}: write it as name=value, such as steps=250")
        if name not in known:
            has = nearest(name, known) if known else "it has none"
            raise UserError(f"recipe {recipe} has no knob {name!r}: {has}")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found
