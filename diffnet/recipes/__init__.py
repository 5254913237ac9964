"""The shelf of methods."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
from pathlib import Path

from ..data import UserError
from .ddpm import DDPM
from .edm import EDM
from .flow import Flow
from .recipe import Recipe
from .regression import Regression
from .sampling import planned_sampler

RECIPES: dict[str, type[Recipe]] = {
    "edm": EDM,
    "ddpm": DDPM,
    "flow": Flow,
    "regression": Regression,
}


def find_recipe(name: str) -> type[Recipe]:
    """A recipe by its name on the shelf, or `file.py:Class` for one of the user's own.

    UserError: there is no such recipe; the message names the nearest.
    """
    if ":" in name:
        return _own(*name.rsplit(":", 1))
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UserError(f"no recipe is called {name!r}.{hint} There are: {', '.join(RECIPES)}")


def _own(file: str, name: str) -> type[Recipe]:
    path = Path(file)
    if not path.is_file():
        raise UserError(f"recipe {file}:{name}: there is no file {path.resolve()}")
    spec = importlib.util.spec_from_file_location(f"own_recipe_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {
        n: c
        for n, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, Recipe) and not inspect.isabstract(c)
    }
    if name not in found:
        raise UserError(f"recipe {file}:{name}: that file has the recipes {sorted(found)}")
    return found[name]


__all__ = [
    "DDPM",
    "EDM",
    "RECIPES",
    "Flow",
    "Recipe",
    "Regression",
    "find_recipe",
    "planned_sampler",
]
