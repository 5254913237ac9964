"""Recipes for label maps: those that make them alone, and those that make images from them."""

from __future__ import annotations

from ..tasks import Task
from .recipe import Recipe


class OfLabels(Recipe):
    """Fits tasks that make classes, and nothing beside them."""

    @classmethod
    def fits(cls, task: Task) -> bool:
        return super().fits(task) and task.makes == "label" and not task.beside


class OfMaps(Recipe):
    """Fits tasks whose given image is a label map that steers what is made."""

    @classmethod
    def fits(cls, task: Task) -> bool:
        return super().fits(task) and bool(task.steers)
