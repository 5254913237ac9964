"""From a plan and a wish to a training that can be started: cases, store, run folder, budget."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..data import Dataset, UserError
from ..planning import Configuration, Plan
from .batches import known_of
from .distributed import Processes
from .first_stage import with_codec
from .fit import Fit
from .gate import pass_gate
from .learnable import classes_of, learnable
from .preprocess import preprocess
from .run import Run, pick_device
from .splits import split_of
from .train import Budget
from .work import Work

Progress = Callable[[int, int, str], None]


def fitting(
    dataset: Dataset,
    plan: Plan,
    configuration: Configuration,
    recipe: str,
    work: Work,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    fold: int | None = None,
    name: str | None = None,
    knobs: dict[str, Any] | None = None,
    codec: str | None = None,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> Fit:
    """Everything that `Fit` needs; preprocesses what is missing (the first of several processes
    does). codec: see `with_codec`.
    """
    together = Processes(pick_device(device))
    if together.first:
        store = preprocess(dataset, plan, configuration, work.folder, processes, progress)
    together.wait()
    if not together.first:
        store = preprocess(dataset, plan, configuration, work.folder, 1)
    named, knobs, first_stage = with_codec(recipe, knobs or {}, codec, plan, configuration)
    cases = dataset.cases("train")
    fields = {c.id: c.fields for c in cases}
    split = learnable(dataset, plan, split_of(work.splits, cases, fold))
    if first_stage is not None:
        pass_gate(first_stage, store, split.val)
    return Fit(
        run=Run(work.run(configuration.name, short_name(recipe, codec), fold, name)),
        plan=plan,
        configuration=configuration.name,
        recipe=named,
        knobs=knobs,
        store=store,
        train_cases=split.train,
        val_cases=split.val,
        split_rule=split.rule,
        classes=classes_of(plan, cases),
        budget=wanted_budget(configuration, steps, minutes),
        processes=together,
        dataset_hash=plan.fingerprint,
        seed=seed,
        workers=wanted_workers(workers, together, configuration),
        known=known_of(plan, fields),
        first_stage=first_stage,
    )


def wanted_budget(c: Configuration, steps: int | None, minutes: float | None) -> Budget:
    """What the user asked for; the plan's steps where nothing was asked."""
    for name, value in (("steps", steps), ("minutes", minutes)):
        if value is not None and value <= 0:
            raise UserError(f"--{name} {value}: training needs more than 0 {name}")
    if steps is None and minutes is None:
        return Budget(steps=c.training.steps)
    return Budget(steps, None if minutes is None else 60.0 * minutes)


def wanted_workers(workers: int | None, together: Processes, c: Configuration) -> int:
    """Loading processes. On a CPU the loop itself reads, unless augmentation interpolates: more
    would only take a core from the network.
    """
    if workers is not None:
        return workers
    if together.device.type == "cpu":
        return int(bool({"rotate", "scale", "elastic"} & set(c.training.augment)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
    return min(8, cores)


def short_name(recipe: str, codec: str | None = None) -> str:
    """What a run's folder is called after the configuration."""
    short = recipe.rsplit(":", 1)[-1].lower()
    return short if codec is None else f"{short}-on-{Path(codec).name}"
