"""The verb that lists the recipes."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from .table import Table

if TYPE_CHECKING:
    from ..tasks import Task


def recipes(*, task: str | None = None) -> Table:
    """List the recipes: what each needs from the task, its knobs, and its papers.

    task: only those that this task can serve.

    Example:
        diffnet recipes --task segmentation
    """
    from dataclasses import MISSING, fields

    from ..recipes import RECIPES

    variants = None if task is None else variants_of(task)

    def row(name: str, recipe: type) -> tuple[str, ...]:
        text = " ".join((recipe.__doc__ or "").split("\n\n")[0].split())
        values = {
            f.name: f.default_factory() if f.default is MISSING else f.default
            for f in fields(recipe)
        }
        knobs = ", ".join(f"{name} = {value}" for name, value in values.items())
        needs = ", ".join(sorted(recipe.needs)) or "nothing"
        return name, text.rstrip("."), needs, knobs, "; ".join(recipe.papers)

    head = ("recipe", "what it is", "needs", "knobs", "papers")
    fitting = {
        n: r
        for n, r in RECIPES.items()
        if variants is None or any(r.fits(variant) for variant in variants)
    }
    return Table(head, tuple(row(name, recipe) for name, recipe in fitting.items()))


def variants_of(task: str) -> list[Task]:
    """A task, with settings that decide which recipes fit. UserError: there is no such task."""
    from ..data import UserError
    from ..tasks import TASKS

    if task not in TASKS:
        near = difflib.get_close_matches(task, TASKS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"no task is called {task!r}.{hint} There are: {', '.join(TASKS)}")
    return TASKS[task].variants()
