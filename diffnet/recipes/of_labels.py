"""Recipes that make label maps alone."""

from __future__ import annotations

from ..tasks import Task
from .recipe import Recipe


class OfLabels(Recipe):
    """Fits tasks that make classes, and nothing beside them."""

    @classmethod
    def fits(cls, task: Task) -> bool:
        return super().fits(task) and task.makes == "label" and not task.beside
