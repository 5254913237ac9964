"""The verb that lists the tasks."""

from __future__ import annotations

from .table import Table


def tasks() -> Table:
    """List the tasks: what is made, what is given, what they are measured by, their settings.

    A task is named in dataset.json as `"task": "denoising"`, or with its settings as
    `"task": {"name": "denoising", "noise": 0.2}`.

    Example:
        diffnet tasks
    """
    from ..tasks import TASKS

    head = ("task", "made", "given", "offers", "metrics", "settings", "what it does")
    return Table(head, tuple(_row(name, task) for name, task in TASKS.items()))


def _row(name: str, task: type) -> tuple[str, ...]:
    from dataclasses import fields

    usual = task()
    settings = ", ".join(f"{f.name} = {f.default}" for f in fields(task))
    return (
        name,
        usual.makes,
        " + ".join(usual.given) or (usual.starts and "nothing, starts from image") or "nothing",
        ", ".join(sorted(usual.offers)),
        ", ".join(task.metrics),
        settings,
        _first_sentence(task),
    )


def _first_sentence(kind: type) -> str:
    text = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".")
